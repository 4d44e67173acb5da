"""One layer of a recurrent net in one direction: forward step after step, and back through time.

Shape letters: T steps, N examples, M = Σ_t N_t rows, I inputs, H units, G pre-activations.
The rows of a layer are all examples of the first step, then all of the second, and so on: where sequences differ in
length, the longest stand first and step t has the first N_t examples. An example that is not among them keeps its
state, so that one rule serves both directions: at the end it has its last state, before its start its first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .law import Settings
from .recurrent_cells import Cell, States, affine, affine_errors

Spans = Sequence[slice]
"""The rows of each step, in the order in which a direction goes through them."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Of one layer in one direction."""

    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None
    b_hh: Tensor | None


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one sweep has left, entry t of a list for the t-th step taken.

    x [M, I]; from_input: W_ih x + b_ih [M, G]; from_hidden: W_hh h + b_hh [N_t, G]; before: states ahead of a step
    [N_t, H]; output [M, H]; final: states at the end [N, H].
    """

    cell: Cell
    weights: Weights
    spans: Spans
    settings: Settings
    x: Tensor
    from_input: Tensor
    from_hidden: Sequence[Tensor]
    before: Sequence[States]
    output: Tensor
    final: States


@dataclass(frozen=True, slots=True)
class SweptBack:
    """Errors of one sweep: at x [M, I], at the first states [N, H], at W_ih, W_hh, b_ih, b_hh.

    at_made: the whole errors at the states that each step has made [N_t, H], from above and from later steps, the
    last step taken first.
    """

    x: Tensor
    states: States
    weights: tuple[Tensor, Tensor, Tensor, Tensor]
    at_made: Sequence[States]


def _joined(new: Tensor, old: Tensor) -> Tensor:
    """The first rows new, the others as they were."""
    return new if len(new) == len(old) else torch.cat((new, old[len(new) :]))


def _in_order(parts: Sequence[Tensor], spans: Spans) -> Tensor:
    """Rows [M, ...] from the rows of the steps, in whichever order these were taken."""
    return torch.cat([part for _, part in sorted(zip(spans, parts, strict=True), key=lambda pair: pair[0].start)])


def sweep(cell: Cell, x: Tensor, states: States, weights: Weights, spans: Spans, settings: Settings) -> Sweep:
    """One layer in one direction, from x [M, I] and the first states [N, H]."""
    from_input = affine(x, weights.w_ih, weights.b_ih)
    from_hidden, before, made = [], [], []
    for span in spans:
        active = tuple(s[: span.stop - span.start] for s in states)
        hidden = affine(active[0], weights.w_hh, weights.b_hh)
        after = cell.step(from_input[span], hidden, active, settings)
        from_hidden.append(hidden)
        before.append(active)
        made.append(after[0])
        states = tuple(_joined(new, old) for new, old in zip(after, states, strict=True))
    output = _in_order(made, spans)
    return Sweep(cell, weights, spans, settings, x, from_input, from_hidden, before, output, states)


def sweep_back(done: Sweep, at_output: Tensor, at_states: States) -> SweptBack:
    """Back-propagation through time: errors at the output [M, H] and at the final states [N, H], handed on."""
    at_input, at_hidden, at_made = [], [], []
    for t in reversed(range(len(done.spans))):
        span, w_hh = done.spans[t], done.weights.w_hh
        n = span.stop - span.start
        here = (at_states[0][:n] + at_output[span], *(e[:n] for e in at_states[1:]))
        back = done.cell.back(here, done.from_input[span], done.from_hidden[t], done.before[t], done.settings)
        through = back.from_hidden @ w_hh
        earlier = (through if back.past[0] is None else through + back.past[0], *back.past[1:])
        at_states = tuple(_joined(e, old) for e, old in zip(earlier, at_states, strict=True) if e is not None)
        at_input.append(back.from_input)
        at_hidden.append(back.from_hidden)
        at_made.append(back.at_states)
    spans = list(reversed(done.spans))
    inward, hidden = _in_order(at_input, spans), _in_order(at_hidden, spans)
    w_ih, b_ih = affine_errors(inward, done.x)
    w_hh, b_hh = affine_errors(hidden, _in_order([s[0] for s in done.before], done.spans))
    return SweptBack(inward @ done.weights.w_ih, at_states, (w_ih, w_hh, b_ih, b_hh), at_made)
