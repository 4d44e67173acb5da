"""What an update rule is: from a weight, its gradient and what the optimizer remembers to the next weight.

Letters: w weight, g gradient as the rule feels it, t number of the step (1 is the first), η learning rate, λ weight
decay. Every tensor has the shape of the weight, [...].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Settings = Mapping[str, float | bool]

GRADIENT = r"\frac{\partial L}{\partial w}"


@dataclass(frozen=True, slots=True)
class State:
    """What an optimizer remembers of one parameter.

    steps: how many it has made, 0 where nobody has counted (SGD). kept: its running tensors, by torch's names.
    """

    steps: int
    kept: Mapping[str, Tensor]

    def at(self, index: tuple[int, ...]) -> State:
        """What is remembered of one element: every tensor is []."""
        return State(self.steps, {name: x[index] for name, x in self.kept.items()})


@dataclass(frozen=True, slots=True)
class Move:
    """One step of one parameter, in parts: w' = (1 − decay) w − rate · push / size.

    size: None where nothing is divided by. root: √v̂, to which the rule adds ε; None where it has no ε.
    state: what is remembered after the step.
    """

    rate: float
    push: Tensor
    state: State
    size: Tensor | None = None
    root: Tensor | None = None
    decay: float = 0.0

    def applied(self, weight: Tensor) -> Tensor:
        """The next weight.

        Law: w' = (1 − decay) w − rate · push / size.
        Shapes: all [...]; the result is a new tensor in the weight's units and dtype.
        At 0: a push of 0 over a size above 0 leaves (1 − decay) w; 0 / 0 is nan.
        At inf/nan: as IEEE arithmetic has it, so nan where push or weight is nan.
        Source: definition.
        """
        held = weight.mul(1 - self.decay) if self.decay else weight
        # scaled and added in one rounding, as torch's optimizers do: two roundings would differ in the last bit
        if self.size is None:
            return torch.add(held, self.push, alpha=-self.rate)
        return torch.addcdiv(held, self.push, self.size, value=-self.rate)

    def change(self, weight: Tensor) -> Tensor:
        """Δw by itself, so that a step far below the weight's last digit is still told.

        Law: Δw = −rate · push / size − decay · w.
        Shapes: all [...]; the result is float64 in the weight's units.
        At 0: a push of 0 over a size above 0 leaves −decay · w; 0 / 0 is nan.
        At inf/nan: as IEEE arithmetic has it.
        Source: definition.
        """
        way = self.push.double() if self.size is None else self.push.double() / self.size.double()
        moved = -self.rate * way
        return moved - self.decay * weight.double() if self.decay else moved

    def at(self, index: tuple[int, ...]) -> Move:
        """The same step of one element: every tensor is []."""
        size = self.size[index] if self.size is not None else None
        root = self.root[index] if self.root is not None else None
        return Move(self.rate, self.push[index], self.state.at(index), size, root, self.decay)


@dataclass(frozen=True, slots=True)
class UpdateRule:
    """One optimizer by hand, without torch.optim.

    name: its class. source: where the formula stands. settings: what it takes from a group, flat.
    rule: TeX of the rule as these settings make it: first Δw, then what stands in it, parted by ", ".
    start: what it remembers before its first step. move: (weight, gradient, state, settings) -> one step; it is pure,
    changes nothing in place and reads every number from its arguments.
    """

    name: str
    source: str
    settings: tuple[str, ...]
    rule: Callable[[Settings], str]
    start: Callable[[Tensor, Settings], State]
    move: Callable[[Tensor, Tensor, State, Settings], Move]

    def step(self, weight: Tensor, gradient: Tensor, state: State, settings: Settings) -> tuple[Tensor, State]:
        """The next weight and what is remembered then (see ``move`` and ``Move.applied``)."""
        move = self.move(weight, gradient, state, settings)
        return move.applied(weight), move.state


def felt(weight: Tensor, gradient: Tensor, settings: Settings) -> Tensor:
    """The gradient as a rule feels it: turned round to climb, and with the weight decay that goes through it.

    Law: g = ±∂L/∂w + λ w, minus where ``maximize`` is set.
    Shapes: all [...]; units of the loss over those of the weight.
    At 0: λ = 0 gives ±∂L/∂w itself.
    At inf/nan: handed on.
    Source: definition; the decay is the gradient of λ‖w‖²/2.
    """
    way = -gradient if settings["maximize"] else gradient
    return torch.add(way, weight, alpha=settings["weight_decay"]) if settings["weight_decay"] != 0 else way


def gradient_tex(settings: Settings) -> str:
    """TeX of ``felt``."""
    way = f"-{GRADIENT}" if settings["maximize"] else GRADIENT
    return rf"{way} + \lambda w" if settings["weight_decay"] != 0 else way


def equations(*lines: str) -> str:
    """Equations in one line, the update first."""
    return ", ".join(line for line in lines if line)
