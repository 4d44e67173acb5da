"""The error at every time step of nn.RNN, nn.LSTM and nn.GRU.

The fused kernels put out the whole sequence at once, and a hook there sees only what the loss sends to each step
directly. So in full frames the recurrence is run once more, detached, on a few examples: the error that arrived at the
module's outputs is sent back through it, and ‖∂L/∂h_t‖ is read at every step, later steps included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

EXAMPLES = 32  # of a batch that are sent back
MAX_STEPS = 512  # longer sequences are not run again
KINDS: dict[type[nn.Module], str] = {nn.RNN: "rnn", nn.LSTM: "lstm", nn.GRU: "gru"}


@dataclass(slots=True)
class TimeProbe:
    """One call of a recurrent module: its weights, its input and the errors that arrived at its outputs."""

    kind: str
    module: nn.RNNBase
    x: Tensor  # [time, example, feature], detached
    initial: tuple[Tensor, ...]
    errors: dict[int, Tensor] = field(default_factory=dict)  # output number -> error

    def hook(self, number: int) -> Callable[[Tensor], None]:
        """A tensor hook that keeps the error of output ``number``."""

        def keep(error: Tensor) -> None:
            self.errors[number] = error.detach()

        return keep

    def errors_over_time(self) -> tuple[Tensor, Tensor]:
        """(‖∂L/∂h_t‖ [time], ‖h_t‖ [time]) of the top layer, over at most EXAMPLES examples, scaled to the batch.

        0 where no error comes to a step; nan where the recurrence makes nan. Float32 or wider.
        """
        size = self.x.shape[1]
        used = min(EXAMPLES, size)
        with torch.enable_grad(), torch.autocast(self.x.device.type, enabled=False):
            tops, finals = _unroll(self, used)
            outputs, seeds = _seeds(self, tops, finals, used)
            found: tuple[Tensor | None, ...] = torch.autograd.grad(outputs, tops, seeds, allow_unused=True)
        zero = torch.zeros((), device=self.x.device)
        scale = (size / used) ** 0.5
        norms = [zero if g is None else torch.linalg.vector_norm(g.float()) * scale for g in found]
        values = [torch.linalg.vector_norm(h.detach().float()) * scale for h in tops]
        return torch.stack(norms), torch.stack(values)


def probe(module: nn.RNNBase, inputs: tuple[Any, Any]) -> TimeProbe | None:
    """A probe for one call; None where the recurrence cannot be run again as it was (dropout between layers, packed
    or very long sequences, projections)."""
    kind = KINDS.get(type(module))
    if kind is None:  # a subclass may do anything
        return None
    args, kwargs = inputs
    x = args[0] if args else kwargs.get("input")
    state = args[1] if len(args) > 1 else kwargs.get("hx")
    if not isinstance(x, Tensor) or x.dim() != 3 or module.proj_size or (module.dropout and module.num_layers > 1):
        return None
    x = x.detach().transpose(0, 1) if module.batch_first else x.detach()
    if not 1 < x.shape[0] <= MAX_STEPS:
        return None
    states = () if state is None else tuple(s.detach() for s in (state if isinstance(state, tuple) else (state,)))
    return TimeProbe(kind, module, x, states)


def _unroll(p: TimeProbe, used: int) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Forward direction of every layer: (top layer's h_t [time], final states a layer)."""
    sequence = list(p.x[:, :used].float().unbind(0))
    finals: list[list[Tensor]] = []
    for layer in range(p.module.num_layers):
        weights = [_weight(p.module, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        states = [s[layer * (2 if p.module.bidirectional else 1), :used].float() for s in p.initial]
        blank = sequence[0].new_zeros(used, p.module.hidden_size)
        state = tuple(states) or ((blank, blank) if p.kind == "lstm" else (blank,))
        # the first state asks for a gradient, so that every later one has a place in the graph
        state = (state[0].clone().requires_grad_(True), *state[1:])
        out = []
        for x in sequence:
            state = _step(p, x, state, weights)
            out.append(state[0])
        finals.append(list(state))
        sequence = out
        if p.module.bidirectional and layer + 1 < p.module.num_layers:
            raise NotImplementedError("several bidirectional layers feed each other")
    return sequence, finals


def _weight(module: nn.Module, name: str) -> Tensor | None:
    value = getattr(module, name, None)
    return value.detach().float() if isinstance(value, Tensor) else None


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    assert weight is not None
    z = x @ weight.T
    return z if bias is None else z + bias


def _step(p: TimeProbe, x: Tensor, state: tuple[Tensor, ...], w: list[Tensor | None]) -> tuple[Tensor, ...]:
    """One step of the recurrence, as torch.nn documents it."""
    h = state[0]
    given, kept = _affine(x, w[0], w[2]), _affine(h, w[1], w[3])
    if p.kind == "rnn":
        z = given + kept
        return (z.relu() if getattr(p.module, "nonlinearity", "tanh") == "relu" else z.tanh(),)
    if p.kind == "gru":
        r0, z0, n0 = given.chunk(3, -1)
        r1, z1, n1 = kept.chunk(3, -1)
        reset, update = (r0 + r1).sigmoid(), (z0 + z1).sigmoid()
        return ((1 - update) * (n0 + reset * n1).tanh() + update * h,)
    i, f, g, o = (given + kept).chunk(4, -1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _seeds(
    p: TimeProbe, tops: list[Tensor], finals: list[list[Tensor]], used: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs of the recurrence and the errors that arrived there, restricted to the forward direction."""
    outputs: list[Tensor] = []
    seeds: list[Tensor] = []
    width = p.module.hidden_size
    if 0 in p.errors:
        error = p.errors[0].transpose(0, 1) if p.module.batch_first else p.errors[0]
        for h, e in zip(tops, error[:, :used, :width].float().unbind(0), strict=True):
            outputs.append(h)
            seeds.append(e)
    stride = 2 if p.module.bidirectional else 1
    for number in (1, 2):
        if number in p.errors:
            for layer, states in enumerate(finals):
                if number - 1 < len(states):
                    outputs.append(states[number - 1])
                    seeds.append(p.errors[number][layer * stride, :used].float())
    return outputs, seeds
