"""What a task is: three splits, the forms in which a network may read it, and what it is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ..choice import Form

Goal = Literal["regression", "classification"]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """inputs: [example, ...] in the task's first form. targets: [example] class numbers, or [example, output]."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Data to learn from, already split, standardised and in float32.

    forms: form -> shape of one example in it, without the batch axis; ``read`` turns a batch into a form.
    n_out: classes, or numbers to predict. words: one line for the page (what it is, how it was split).
    """

    name: str
    goal: Goal
    forms: Mapping[Form, tuple[int, ...]]
    n_out: int
    train: Split
    validation: Split
    test: Split
    words: str = ""

    def read(self, inputs: Tensor, form: Form) -> Tensor:
        """Inputs [example, ...] in a form [example, *shape]. Raises KeyError where the task has no such form."""
        return inputs.reshape(len(inputs), *self.forms[form])
