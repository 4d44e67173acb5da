"""A training as it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch.optim import Optimizer

from .choice import Form
from .networks.base import LabNetwork
from .recipe import Recipe
from .tasks.task import Task

if TYPE_CHECKING:
    from .distil import Distillation
    from .weights import Matched


@dataclass(frozen=True, slots=True)
class StepSeen:
    """One completed step. step: 1 for the first. loss: before the update, inf and nan as they are."""

    step: int
    loss: float


@dataclass(slots=True)
class Training:
    """A training that is ready to run: everything drawn, nothing stepped yet.

    form: in which the network reads the task. step: completed steps. diverged_at: the first step whose loss was not
    finite, None where none was. distillation: what a teacher adds to the loss. started: what ``Recipe.start`` gave.
    pretrained: whether the recipe's pre-training is behind it.
    """

    recipe: Recipe
    task: Task
    network: LabNetwork
    optimizers: tuple[Optimizer, ...]
    form: Form
    step: int = 0
    diverged_at: int | None = None
    distillation: Distillation | None = None
    started: Matched | None = None
    pretrained: bool = False
