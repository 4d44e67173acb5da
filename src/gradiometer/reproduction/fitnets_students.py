"""The teacher and the student of the hints, trained by the lab, and where the first error of a student comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import msgspec
import torch
from torch import Tensor, nn

from gradiometer.lab import Recipe, Training, prepare, save_weights, score, train
from gradiometer.lab.search import shared_task
from gradiometer.lab.training import loss_of

from .measure import first_pass

Arm = Literal["plain", "KD", "FitNet"]
ARMS: tuple[Arm, ...] = ("plain", "KD", "FitNet")

TEACHER = Recipe(task="digits", network="plain", depth=4, width=32, init="he", optimizer="adam", batch=64, data_seed=2)
STUDENT = msgspec.structs.replace(TEACHER, depth=20, width=12)
"""Both on a split on which nothing of this setting was tried out."""
TEMPERATURE = 3.0
SOFT_SHARE = 0.9
HINT_SHARE = 0.25
"""Of the student's steps: the first stage, in which the hint is the only error."""


@dataclass(frozen=True, slots=True)
class Job:
    """One training. save: the file that its weights go to, "" for none."""

    recipe: Recipe
    save: str = ""


def teacher_job(lr: float, steps: int, seed: int, save: str = "") -> Job:
    """A teacher, and the file that its weights go to."""
    return Job(msgspec.structs.replace(TEACHER, lr=lr, steps=steps, seed=seed), save)


def student_job(arm: Arm, teacher: str, lr: float, steps: int, seed: int) -> Job:
    """A student of an arm. All arms of a seed begin from the same weights and see the same batches."""
    recipe = msgspec.structs.replace(STUDENT, lr=lr, steps=steps, seed=seed)
    if arm == "plain":
        return Job(recipe)
    recipe = msgspec.structs.replace(recipe, teacher=teacher, temperature=TEMPERATURE, soft_share=SOFT_SHARE)
    if arm == "KD":
        return Job(recipe)
    return Job(msgspec.structs.replace(recipe, hints=1, hint_steps=round(HINT_SHARE * steps)))


def validation_error(job: Job) -> float:
    """Share of the validation split that is classified wrongly after the training."""
    trained = _trained(job)
    return 1 - score(trained.network, trained.task, "validation", trained.form).metric


def test_error(job: Job) -> float:
    """Share of the test split that is classified wrongly after the training, in percent."""
    trained = _trained(job)
    return 100 * (1 - score(trained.network, trained.task, "test", trained.form).metric)


def _trained(job: Job) -> Training:
    training = prepare(job.recipe, shared_task(job.recipe))
    train(training)
    if job.save:
        save_weights(job.save, training)
    return training


def gradient_decades(job: Job) -> list[float]:
    """log10 ‖∇W‖ of every block of a fresh student under torch's own weights [block], loss first.

    Law: total L2 norm of ∂L/∂W on the first batch, L what the arm's first step follows: cross-entropy, or the hint
    alone. Shapes, units: one number a block; decades. At 0: nan, no error
    comes. At inf/nan: nan. Source: definition.
    """
    training = prepare(msgspec.structs.replace(job.recipe, init="torch"), shared_task(job.recipe))
    rows = torch.arange(training.recipe.batch)

    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        if training.distillation is None:
            return loss_of(training, batch)
        with training.distillation.listening(training.network):
            return loss_of(training, batch)

    names = [f"blocks.{block}.linear.weight" for block in reversed(range(training.recipe.depth))]
    norms = first_pass(training.network, rows, loss).gradient_norms(names).tolist()
    return [math.log10(norm) if norm > 0 else math.nan for norm in norms]
