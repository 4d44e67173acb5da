"""Laws of recurrent nets through time: several layers, both directions, by back-propagation through time.

Shape letters: T steps, N examples, I inputs, H units, L layers, D directions, M = Σ_t N_t rows of packed sequences.
inputs: x [T, N, I], or [N, T, I] with batch_first, or [T, I] without a batch, or [M, I] packed; h [L D, N, H], [L D, H]
without a batch (LSTM: and c likewise), None for zeros; then the weights in torch's order: for each layer and in it for
each direction w_ih, w_hh and, with biases, b_ih, b_hh.
outputs: output [.., D H], h_n [L D, N, H] (LSTM: and c_n).
settings: num_layers, bidirectional, batch_first, has_biases; nonlinearity (rnn); dropout, training; masks: what the
output of each layer but the last is multiplied by, [T, N, D H] whatever batch_first says ([M, D H] packed), zeros and
1 / (1 - dropout); batch_sizes: N_t of every step where the sequences are packed, else None; order: examples, longest
sequence first, where the states stand in another order than the rows, else None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given
from .recurrent_cells import (
    GRU_CELL,
    GRU_STEP,
    LSTM_CELL,
    LSTM_STEP,
    RNN_CELL,
    RNN_STEP,
    Cell,
    States,
    through_time,
)
from .recurrent_sweep import Spans, Sweep, SweptBack, Weights, sweep, sweep_back


@dataclass(frozen=True, slots=True)
class _Layout:
    """How x stands: sizes N_t of the steps, and whether it is packed, without a batch, or has the batch first."""

    sizes: tuple[int, ...]
    kind: str
    order: Tensor | None

    @classmethod
    def of(cls, x: Tensor, settings: Settings) -> _Layout:
        """From the first input and the settings."""
        if settings["batch_sizes"] is not None:
            return cls(tuple(settings["batch_sizes"]), "packed", settings["order"])
        if x.dim() == 2:
            return cls((1,) * x.shape[0], "single", None)
        steps, examples = (x.shape[1], x.shape[0]) if settings["batch_first"] else (x.shape[0], x.shape[1])
        return cls((examples,) * steps, "batch first" if settings["batch_first"] else "time first", None)

    @property
    def spans(self) -> Spans:
        """The rows of every step, in the order of time."""
        ends = list(accumulate(self.sizes))
        return [slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True)]

    def rows(self, x: Tensor) -> Tensor:
        """[M, ...] of what stands like x."""
        if self.kind in ("packed", "single"):
            return x
        return (x.transpose(0, 1) if self.kind == "batch first" else x).reshape(-1, x.shape[-1])

    def unrows(self, rows: Tensor) -> Tensor:
        """The way back of ``rows``."""
        if self.kind in ("packed", "single"):
            return rows
        laid = rows.reshape(len(self.sizes), self.sizes[0], rows.shape[-1])
        return laid.transpose(0, 1) if self.kind == "batch first" else laid

    def states(self, states: Tensor) -> Tensor:
        """[L D, N, H] in the order of the rows, from states as they are given."""
        if self.kind == "single":
            return states.unsqueeze(1)
        return states if self.order is None else states.index_select(1, self.order)

    def unstates(self, states: Tensor) -> Tensor:
        """The way back of ``states``."""
        if self.kind == "single":
            return states.squeeze(1)
        return states if self.order is None else states.index_select(1, torch.argsort(self.order))


def _weights(cell: Cell, inputs: Tensors, settings: Settings) -> list[Weights]:
    """Of every layer and direction. ValueError where their number is another: with proj_size there are more."""
    flat = inputs[1 + cell.states :]
    each = 4 if settings["has_biases"] else 2
    wanted = settings["num_layers"] * (2 if settings["bidirectional"] else 1) * each
    if len(flat) != wanted or any(w is None for w in flat):
        raise ValueError(
            f"{wanted} weights belong to {settings['num_layers']} recurrent layers, not {len(flat)}: "
            "projected states (proj_size) have no law"
        )
    found = []
    for i in range(0, wanted, each):
        w_ih, w_hh = given(flat, i), given(flat, i + 1)
        found.append(Weights(w_ih, w_hh, *(flat[i + 2 : i + 4] if each == 4 else (None, None))))
    return found


def _masks(settings: Settings, layout: _Layout) -> list[Tensor | None]:
    """Of every layer, None for the last. ValueError where the net drops units at random and no masks are given."""
    between, masks = settings["num_layers"] - 1, settings["masks"]
    if masks is None:
        if settings["dropout"] and settings["training"] and between:
            raise ValueError(
                f"dropout of {settings['dropout']} between recurrent layers draws at random and a law does not: "
                f"give its {between} masks in settings['masks'], or set dropout to 0"
            )
        return [None] * (between + 1)
    if len(masks) != between:
        raise ValueError(f"{between} masks belong between {between + 1} recurrent layers, not {len(masks)}")
    return [*(m.reshape(sum(layout.sizes), m.shape[-1]) for m in masks), None]


@dataclass(frozen=True, slots=True)
class _Run:
    """A forward pass: the sweeps [layer][direction], and what is needed to go back through them."""

    layout: _Layout
    sweeps: list[list[Sweep]]
    masks: list[Tensor | None]
    output: Tensor


def _run(cell: Cell, inputs: Tensors, settings: Settings) -> _Run:
    x, layout = given(inputs, 0), _Layout.of(given(inputs, 0), settings)
    weights, masks = _weights(cell, inputs, settings), _masks(settings, layout)
    directions = 2 if settings["bidirectional"] else 1
    zeros = x.new_zeros(len(weights), max(layout.sizes), weights[0].w_hh.shape[1])
    first = [zeros if s is None else layout.states(s) for s in inputs[1 : 1 + cell.states]]
    rows, sweeps = layout.rows(x), []
    for layer in range(settings["num_layers"]):
        both = []
        for direction in range(directions):
            i = layer * directions + direction
            spans = layout.spans if direction == 0 else layout.spans[::-1]
            both.append(sweep(cell, rows, tuple(s[i] for s in first), weights[i], spans, settings))
        sweeps.append(both)
        rows = torch.cat([one.output for one in both], -1) if directions == 2 else both[0].output
        mask = masks[layer]
        rows = rows if mask is None else rows * mask
    return _Run(layout, sweeps, masks, rows)


def _forward(cell: Cell) -> Callable[[Tensors, Settings], Tensors]:
    def forward(inputs: Tensors, settings: Settings) -> Tensors:
        run = _run(cell, inputs, settings)
        last = [one.final for both in run.sweeps for one in both]
        ends = (run.layout.unstates(torch.stack([f[k] for f in last])) for k in range(cell.states))
        return run.layout.unrows(run.output), *ends

    return forward


def _swept_back(cell: Cell, errors: Tensors, run: _Run) -> list[list[SweptBack]]:
    """Back through all layers, from the last to the first: [layer][direction]."""
    at_output, at_ends = errors[0], errors[1:]
    at_rows = torch.zeros_like(run.output) if at_output is None else run.layout.rows(at_output)
    ends = [None if e is None else run.layout.states(e) for e in at_ends]
    found: list[list[SweptBack]] = []
    for layer in reversed(range(len(run.sweeps))):
        both, mask = run.sweeps[layer], run.masks[layer]
        at_rows = at_rows if mask is None else at_rows * mask
        backs = []
        for direction, (one, at_out) in enumerate(zip(both, at_rows.chunk(len(both), -1), strict=True)):
            i = layer * len(both) + direction
            at_final: States = tuple(
                torch.zeros_like(f) if e is None else e[i] for e, f in zip(ends, one.final, strict=True)
            )
            backs.append(sweep_back(one, at_out, at_final))
        at_rows = backs[0].x if len(backs) == 1 else backs[0].x + backs[1].x
        found.insert(0, backs)
    return found


def _backward(cell: Cell) -> Callable[[Tensors, Kept], Tensors]:
    def backward(errors: Tensors, kept: Kept) -> Tensors:
        run = _run(cell, kept.inputs, kept.settings)
        backs = _swept_back(cell, errors, run)
        every = [one for both in backs for one in both]
        at_x = sum((one.x for one in backs[0][1:]), backs[0][0].x)
        at_first = [run.layout.unstates(torch.stack([one.states[k] for one in every])) for k in range(cell.states)]
        count = 4 if kept.settings["has_biases"] else 2
        at_weights = [e for one in every for e in one.weights[:count]]
        found = (run.layout.unrows(at_x), *at_first, *at_weights)
        return tuple(e if w else None for e, w in zip(found, kept.wanted, strict=True))

    return backward


def _net(cell: Law, step: Cell, title: str, source: str) -> Law:
    """The law of a cell, taken through time."""
    return Law(
        name=title.lower(),
        role="recurrent",
        title=title,
        value=cell.value,
        error=through_time(cell.error),
        step=r"\sum_s \left( \frac{\partial h_s}{\partial x_t} \right)^{\top} @d",
        source=f"{source}; through time: Werbos 1990",
        forward=_forward(step),
        backward=_backward(step),
    )


RNN = _net(RNN_CELL, RNN_STEP, "RNN", "Elman 1990")
LSTM = _net(LSTM_CELL, LSTM_STEP, "LSTM", "Hochreiter and Schmidhuber 1997, Gers et al. 2000")
GRU = _net(GRU_CELL, GRU_STEP, "GRU", "Cho et al. 2014")

_CELLS = {RNN.name: RNN_STEP, LSTM.name: LSTM_STEP, GRU.name: GRU_STEP}


@dataclass(frozen=True, slots=True)
class TimeProfile:
    """How large the error is on its way back through time: [L, D, T], in the order of the sequence, dtype of x.

    hidden: ‖∂L/∂h_t‖ over examples and units, from above and from later steps together. cell: ‖∂L/∂c_t‖ likewise, what
    comes by way of h_t included (LSTM), else None. The direction 1 goes through the sequence from its end, so that its
    error fades towards larger t.
    """

    hidden: Tensor
    cell: Tensor | None


def time_profile(law: Law, errors: Tensors, kept: Kept) -> TimeProfile:
    """Sizes of the error at every step and layer during ``law.backward(errors, kept)``.

    ValueError for a law that does not go through time.
    """
    cell = _CELLS.get(law.name)
    if cell is None:
        raise ValueError(f"{law.name!r} does not go through time: only {', '.join(_CELLS)} do")
    run = _run(cell, kept.inputs, kept.settings)
    backs = _swept_back(cell, errors, run)

    def sizes(k: int) -> Tensor:
        return torch.stack([torch.stack([_sizes(one, k, d) for d, one in enumerate(both)]) for both in backs])

    return TimeProfile(sizes(0), sizes(1) if cell.states == 2 else None)


def _sizes(back: SweptBack, k: int, direction: int) -> Tensor:
    """[T]: the size of the error at state k, in the order of the sequence."""
    made: Sequence[States] = back.at_made if direction == 1 else list(reversed(back.at_made))
    return torch.stack([_size(states[k]) for states in made])


def _size(error: Tensor) -> Tensor:
    """L2 norm, with the largest element taken out first: the square of a faded error would be 0 in float32."""
    if not error.numel():
        return error.new_zeros(())
    largest = error.abs().amax()
    scaled: Tensor = torch.linalg.vector_norm(error / torch.where(largest > 0, largest, 1))
    return largest * scaled


LAWS: tuple[Law, ...] = (RNN, LSTM, GRU)
