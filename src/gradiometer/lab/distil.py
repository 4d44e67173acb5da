"""Distillation: a trained network, the teacher, adds to the loss of another one, the student.

Soft targets (Hinton 2015): loss = (1 − s)·task + s·T²·KL(softmax(teacher/T) ‖ softmax(student/T)), s the recipe's
``soft_share``, T its ``temperature``; in a regression s·mean squared distance to the teacher's output.

Hints (Romero 2015, FitNets): at proportional depths, a linear map of the student's block must give what the teacher's
block gives; the mean squared error as a share of the teacher's variance there is added, averaged over the positions.
They are given in every step: each is a source of error of its own, that need not come all the way from the output.
With ``hint_steps`` they come first and alone, as published. The maps are drawn from the seed, learn along in the
student's optimizer, and are no part of the student.

The teacher runs once over the training split, in eval mode and without gradients, before the first step: nothing of it
is called while the student trains.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradiometer.records import UserError

from .choice import Form
from .networks.base import LabNetwork, Outputs
from .networks.build import Ports, build_network
from .objective import main_of
from .places import aligned, places
from .recipe import Recipe
from .scores import evaluated, predict
from .seeds import Stream, mixed
from .tasks.task import Goal, Task
from .weights import About, Saved, load_all, mark_of, read_weights, same_mark

HINT_WEIGHT = 1.0
"""Of the hints' mean loss beside the rest: without an input it is 1, as a cross-entropy is ln of the classes."""
_CHUNK = 256  # examples a pass of the teacher


@dataclass(slots=True)
class Hint:
    """One position. block: of the student, from 0. goal: [example, place, unit] of the teacher's block, scaled to
    variance 1 over all. weight [teacher unit, student unit], bias [teacher unit]: the map between them."""

    block: int
    goal: Tensor
    weight: nn.Parameter
    bias: nn.Parameter


@dataclass(slots=True)
class Distillation:
    """What a teacher adds. soft: its outputs [example, output] on the training split."""

    recipe: Recipe
    goal: Goal
    form: Form
    soft: Tensor
    hints: tuple[Hint, ...] = ()
    _heard: dict[int, Tensor] = field(default_factory=dict)

    def parameters(self) -> tuple[nn.Parameter, ...]:
        """What learns along: the maps of the hints."""
        return tuple(p for hint in self.hints for p in (hint.weight, hint.bias))

    @contextmanager
    def listening(self, network: LabNetwork) -> Iterator[None]:
        """Inside, what the student's blocks put out is kept for the hints."""
        hooks = [network.blocks[hint.block].register_forward_hook(self._keep(hint.block)) for hint in self.hints]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            self._heard.clear()

    def _keep(self, block: int) -> Any:
        def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
            self._heard[block] = output

        return keep

    def loss(self, step: int, rows: Tensor | slice, outputs: Tensor | Outputs, task_loss: Tensor) -> Tensor:
        """The loss of the step after ``step`` completed ones."""
        recipe = self.recipe
        if self.hints and step < recipe.hint_steps:
            return self._hint_loss(rows)
        soft = soft_loss(self.goal, main_of(outputs), self.soft[rows], recipe.temperature)
        loss = (1 - recipe.soft_share) * task_loss + recipe.soft_share * soft
        return loss + HINT_WEIGHT * self._hint_loss(rows) if self.hints and not recipe.hint_steps else loss

    def _hint_loss(self, rows: Tensor | slice) -> Tensor:
        losses = []
        for hint in self.hints:
            goal = hint.goal[rows]
            given = aligned(places(self._heard[hint.block], self.form), goal.shape[1])
            losses.append(F.mse_loss(F.linear(given, hint.weight, hint.bias), goal))
        return torch.stack(losses).mean()


def soft_loss(goal: Goal, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """How far a student's outputs are from its teacher's.

    Law: T² · mean over examples of KL(softmax(teacher/T) ‖ softmax(student/T)); regression: mean squared distance.
    Shapes, units: both [example, output]; scalar, in nats or squared units of the output.
    At 0: equal outputs give 0; a temperature of 0 is refused by the recipe.
    At inf/nan: pass through.
    Source: Hinton 2015; T² keeps the size of the gradient the same for every temperature.
    """
    if goal == "regression":
        return F.mse_loss(student, teacher)
    told, heard = F.log_softmax(teacher / temperature, dim=1), F.log_softmax(student / temperature, dim=1)
    return temperature**2 * F.kl_div(heard, told, reduction="batchmean", log_target=True)


def distillation_of(recipe: Recipe, task: Task, network: LabNetwork, form: Form) -> Distillation:
    """What the recipe's teacher adds to this student's loss.

    UserError where the teacher is of another task or split; RunFileError where its file cannot be read.
    """
    teacher, its_form = load_teacher(read_weights(recipe.teacher), task)
    soft = predict(teacher, task, task.train.inputs, its_form)
    distillation = Distillation(recipe, task.goal, form, soft)
    if recipe.hints:
        distillation.hints = _hints(distillation, task, network, (teacher, its_form))
    return distillation


def load_teacher(saved: Saved, task: Task) -> tuple[LabNetwork, Form]:
    """The network of a weights file, rebuilt and frozen in eval mode, and the form in which it reads the task."""
    if saved.about is None:
        raise UserError(
            f"{saved.path.name} does not say which network its weights belong to, so it cannot be a teacher. "
            "Take weights that gradiometer train saved, or begin from these with `start`."
        )
    _check_teacher(saved, saved.about, task)
    told = saved.about
    teacher = build_network(told.recipe, Ports(tuple(told.shape), told.n_out))
    load_all(teacher, saved)
    teacher.requires_grad_(False).eval()
    return teacher, told.form


def _check_teacher(saved: Saved, told: About, task: Task) -> None:
    name = saved.path.name
    if told.task != task.name:
        raise UserError(f"The teacher {name} learned {told.task}, and the student learns {task.name}. Take one of it.")
    if told.n_out != task.n_out or tuple(task.forms.get(told.form, ())) != tuple(told.shape):
        raise UserError(
            f"The teacher {name} reads {told.shape} and gives {told.n_out} outputs, and {task.name} here has "
            f"{dict(task.forms)} and {task.n_out}. Train it on the same data."
        )
    if not same_mark(told.mark, mark_of(task)):
        raise UserError(
            f"The teacher {name} learned {task.name} from other data or another split (data_seed "
            f"{told.recipe.data_seed}), so it may have seen this test split. Train it on the same."
        )


def _hints(
    distillation: Distillation, task: Task, network: LabNetwork, teaching: tuple[LabNetwork, Form]
) -> tuple[Hint, ...]:
    teacher, its_form = teaching
    recipe, n = distillation.recipe, distillation.recipe.hints
    blocks = proportional(n, len(network.blocks)), proportional(n, len(teacher.blocks))
    with evaluated(network):
        own = _states(network, task.read(task.train.inputs[:2], distillation.form))
    goals = _teacher_states(teacher, task, its_form, blocks[1])
    hints = []
    draw = torch.Generator().manual_seed(mixed(recipe.seed, Stream.HINTS))
    for block, at, goal in zip(*blocks, goals, strict=True):
        given = places(own[block], distillation.form)
        units = given.shape[2]
        goal = aligned(goal, given.shape[1])
        deviation = float((goal.double() - goal.double().mean(dim=(0, 1))).square().mean().sqrt())
        if not 0 < deviation < math.inf:
            raise UserError(
                f"The teacher's block {at} gives the same for every example (or no finite number), so it can hint at "
                "nothing. Take a teacher that trained, or no hints."
            )
        bound = 1 / math.sqrt(units)  # as torch.nn.Linear draws its weights
        weight = (torch.rand(goal.shape[2], units, generator=draw) * 2 - 1) * bound
        hints.append(Hint(block, goal / deviation, nn.Parameter(weight), nn.Parameter(torch.zeros(goal.shape[2]))))
    return tuple(hints)


def proportional(n: int, depth: int) -> tuple[int, ...]:
    """n block indices between the ends of a network, at the shares 1/(n+1), 2/(n+1), … of its depth."""
    return tuple(max(0, (2 * k * depth + n + 1) // (2 * (n + 1)) - 1) for k in range(1, n + 1))


def _states(network: LabNetwork, x: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return network.states(x)


def _teacher_states(teacher: LabNetwork, task: Task, form: Form, blocks: tuple[int, ...]) -> list[Tensor]:
    """What these blocks give on the training split, each [example, place, unit]."""
    parts: list[list[Tensor]] = [[] for _ in blocks]
    for inputs in torch.split(task.train.inputs, _CHUNK):
        states = _states(teacher, task.read(inputs, form))
        for kept, block in zip(parts, blocks, strict=True):
            kept.append(places(states[block], form))
    return [torch.cat(kept) for kept in parts]
