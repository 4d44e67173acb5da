"""What a task is: three splits, the forms in which a network may read it, and what it is judged by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from ..choice import Form

Goal = Literal["regression", "classification"]
Truth = Callable[[Tensor], Tensor]
"""Inputs [example, ...] as a split holds them -> targets [example, output] without their noise."""

METRICS: dict[Goal, str] = {"classification": "accuracy", "regression": "mean squared error"}


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """inputs: [example, ...] in the task's first form, or the symbols of it. targets: [example] class numbers, or
    [example, output]."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Data to learn from, already split, standardised and in float32.

    forms: form -> shape of one example in it, without the batch axis; ``read`` turns a batch into a form.
    n_out: classes, or numbers to predict. words: one line for the page (what it is, how it was split).
    axes: form -> order in which it takes the axes of an example, where that is not the order of the first form.
    symbols: 0, or the number of symbols where the inputs hold their numbers, which ``read`` makes one-hot.
    truths: name -> targets without noise, where the task knows them.
    target_mean, target_sd: a target in the units of its source is ``target * target_sd + target_mean``.
    """

    name: str
    goal: Goal
    forms: Mapping[Form, tuple[int, ...]]
    n_out: int
    train: Split
    validation: Split
    test: Split
    words: str = ""
    axes: Mapping[Form, tuple[int, ...]] = field(default_factory=dict)
    symbols: int = 0
    truths: Mapping[str, Truth] = field(default_factory=dict)
    target_mean: float = 0.0
    target_sd: float = 1.0

    @property
    def metric_name(self) -> str:
        """What the task is judged by, in words."""
        return METRICS[self.goal]

    def read(self, inputs: Tensor, form: Form) -> Tensor:
        """Inputs [example, ...] in a form [example, *shape]. Raises KeyError where the task has no such form."""
        shape = self.forms[form]
        if self.symbols:
            ones = torch.zeros(*inputs.shape, self.symbols)
            inputs = ones.scatter_(-1, inputs.unsqueeze(-1), 1.0)
        if form in self.axes:
            inputs = inputs.permute(0, *(axis + 1 for axis in self.axes[form]))
        return inputs.reshape(len(inputs), *shape)

    def metric(self, outputs: Tensor, targets: Tensor) -> float:
        """Accuracy, or mean squared error in the units of the target's source.

        Law: share of examples whose largest output is their class; or target_sd^2 * mean (output - target)^2.
        Shapes, units: outputs [example, class] or [example, output], targets as in a split; share, or squared units.
        At 0: no examples give nan.
        At inf/nan: an inf or nan in a regression passes through; a nan output of a class counts as the largest.
        Source: definition.
        """
        if self.goal == "classification":
            return float((outputs.argmax(dim=1) == targets).double().mean())
        return float((outputs.double() - targets.double()).square().mean()) * self.target_sd**2
