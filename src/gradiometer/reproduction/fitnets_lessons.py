"""A wide teacher, and thin deep students that learn alone, from its outputs, or from a hint in its middle first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gradiometer.lab import Recipe, Task, load_task

from .fitnets_population import (
    BATCH,
    Adam,
    Dense,
    Member,
    batches,
    cross_entropy,
    masks_of,
    soft_cross_entropy,
    wrong,
)
from .measure import classified, first_pass, seeded
from .plain import batch_of, dense_network, drawn, layer_sites, torch_draw

Arm = Literal["plain", "KD", "FitNet"]
ARMS: tuple[Arm, ...] = ("plain", "KD", "FitNet")
TEACHER_DEPTH = 2
STUDENT_WIDTH, STUDENT_DEPTH = 32, 8
GUIDED = STUDENT_DEPTH // 2  # the student's layer that imitates the teacher's last hidden layer
DROPPED, DECAY = 0.3, 1e-3  # of the teacher
TEMPERATURE = 4.0
SOFT_FIRST, SOFT_LAST = 4.0, 1.0  # weight of the soft loss, falling in a line (Romero 2015)
HINT_SHARE = 1 / 3  # of a FitNet's steps

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What a teacher tells of the training split: outputs [example, class], hint [example, unit] of deviation 1."""

    logits: Array
    hint: Array


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """A population to train. teachers: one a member, none for the plain students."""

    arm: Arm
    members: tuple[Member, ...]
    steps: int
    teachers: tuple[Told, ...] = ()

    def __repr__(self) -> str:
        return f"{self.arm} {self.members} {self.steps} steps"


@dataclass(frozen=True, slots=True)
class Errors:
    """Percent wrong of each member [member]."""

    validation: tuple[float, ...]
    test: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """What became of teachers: their errors, and what each tells."""

    errors: Errors
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Teaching:
    """Teachers to train, ``width`` units in each of their hidden layers."""

    members: tuple[Member, ...]
    steps: int
    width: int


def taught(job: Teaching) -> Taught:
    """Train teachers with dropout and weight decay."""
    task = _task()
    x, y = task.train.inputs, task.train.targets
    network = Dense([x.shape[1], *[job.width] * TEACHER_DEPTH, task.n_out], job.members)
    adam = Adam(network.parameters(), job.members, DECAY)
    dropping = [seeded(1000 * (member.seed + 1) + 3) for member in job.members]
    for rows in batches(job.members, 0, job.steps, len(y)):
        masks = masks_of(dropping, job.width, TEACHER_DEPTH, DROPPED)
        adam.step(cross_entropy(network.logits(x[rows], masks), y[rows]))
    return Taught(_errors(network, task), _told(network, x))


def studied(job: Lessons) -> Errors:
    """Train students; all arms of a member begin from the same weights and end after the same number of updates."""
    task = _task()
    network = student(task, job.members)
    hint_steps = round(HINT_SHARE * job.steps) if job.arm == "FitNet" else 0
    if hint_steps:
        _follow_hint(network, job, task.train.inputs, hint_steps)
    _follow_loss(network, job, task, job.steps - hint_steps)
    return _errors(network, task)


def student(task: Task, members: Sequence[Member]) -> Dense:
    """Untrained students."""
    return Dense([task.train.inputs.shape[1], *[STUDENT_WIDTH] * STUDENT_DEPTH, task.n_out], members)


def _follow_hint(network: Dense, job: Lessons, x: Tensor, steps: int) -> None:
    """Half the mean squared distance of a linear reading of layer GUIDED from the hint; the layers above rest."""
    hints = torch.stack([torch.from_numpy(told.hint) for told in job.teachers])  # [M, example, unit]
    members = torch.arange(len(job.members))[:, None]
    reading = Dense([STUDENT_WIDTH, hints.shape[2]], job.members)
    adam = Adam([*network.parameters(GUIDED), *reading.parameters()], job.members)
    for rows in batches(job.members, 1, steps, len(x)):
        read = reading.logits(network.state(x[rows], GUIDED))
        adam.step(0.5 * (read - hints[members, rows]).square().mean(dim=(1, 2)).sum())


def _follow_loss(network: Dense, job: Lessons, task: Task, steps: int) -> None:
    x, y = task.train.inputs, task.train.targets
    told = torch.stack([torch.from_numpy(told.logits) for told in job.teachers]) if job.arm != "plain" else None
    members = torch.arange(len(job.members))[:, None]
    adam = Adam(network.parameters(), job.members)
    for step, rows in enumerate(batches(job.members, 2, steps, len(y))):
        logits = network.logits(x[rows])
        loss = cross_entropy(logits, y[rows])
        if told is not None:
            share = SOFT_FIRST + (SOFT_LAST - SOFT_FIRST) * step / steps
            loss = loss + share * soft_cross_entropy(logits, told[members, rows], TEMPERATURE)
        adam.step(loss)


def _task() -> Task:
    return load_task(Recipe(task="mnist1d"))


def _errors(network: Dense, task: Task) -> Errors:
    validation, test = (wrong(network, split.inputs, split.targets) for split in (task.validation, task.test))
    return Errors(tuple(validation), tuple(test))


def _told(network: Dense, x: Tensor) -> tuple[Told, ...]:
    with torch.no_grad():
        every = x.expand(len(network.weights[0]), -1, -1)
        logits, states = network.logits(every), network.state(every, network.depth)
    out = []
    for outputs, state in zip(logits, states, strict=True):
        centred = state - state.mean(dim=0)
        out.append(Told(outputs.numpy(), (centred / centred.square().mean().sqrt()).numpy()))
    return tuple(out)


def hops_lost(seed: int) -> tuple[float, float]:
    """Decades that the error loses on its way to layer 1, from the output and from the hint, under torch's own weights.

    law: log10 ‖δ‖ at the first pre-activation less log10 ‖δ‖ at the last one that the error reaches, by Gradiometer.
    shapes, units: (from the output, from the hint); decades.
    at 0: −inf.
    at inf/nan: nan.
    source: definition.
    """
    split = _task().train
    x, y = batch_of(split, BATCH, seed)
    network = dense_network([x.shape[1], *[STUDENT_WIDTH] * STUDENT_DEPTH, 10], nn.ReLU)
    model = drawn(network, torch_draw, seed)
    hint = torch.randn(BATCH, STUDENT_WIDTH, generator=seeded(seed + 1))

    def follow(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        state = batch[0]
        for module in list(model.children())[: 2 * GUIDED]:
            state = module(state)
        return (state - batch[1]).square().mean()

    whole = first_pass(model, (x, y), classified).error_norms(layer_sites(STUDENT_DEPTH))
    half = first_pass(model, (x, hint), follow).error_norms(layer_sites(GUIDED))
    with np.errstate(divide="ignore"):
        return float(np.log10(whole[-1] / whole[0])), float(np.log10(half[-1] / half[0]))
