"""A training of the lab by hand: forward by laws, the error handed back by laws, the update by its rule. No autograd.

The steps are those of ``lab.train``: the same weights to begin with, the same batches in the same order, the same
random numbers. They are made in float64, so that what the laws and autograd make of them can be compared.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from gradiometer.lab import LabNetwork, Recipe, Split, StepSeen, Task, Training, prepare
from gradiometer.lab.batches import Batches
from gradiometer.lab.choice import Form
from gradiometer.lab.optimizers import make_optimizers
from gradiometer.lab.training import loss_of, own_dropout, run_steps
from gradiometer.records import UserError

from .laws.law import Law
from .tape import Tape
from .updates import HandOptimizer


class WideTask(Task):
    """A task whose numbers are float64."""

    def read(self, inputs: Tensor, form: Form) -> Tensor:
        return super().read(inputs, form).double()


@dataclass(slots=True)
class HandTraining:
    """A training that is made by hand.

    training: network, task and step, in float64; its own optimizers are never stepped. optimizers: theirs by hand.
    begin: the network before its first step. gradients: of that step, by name of the parameter. laws: how often each
    was applied in it, loss first.
    """

    training: Training
    optimizers: tuple[HandOptimizer, ...]
    begin: LabNetwork
    gradients: dict[str, Tensor] = field(default_factory=dict)
    laws: Counter[Law] = field(default_factory=Counter)


def prepare_by_hand(recipe: Recipe, task: Task | None = None) -> HandTraining:
    """Task, network and optimizers of a recipe, in float64, with the weights that ``lab.prepare`` draws.

    UserError where a choice is unknown or impossible, where the optimizer has no update written by hand, and for a
    teacher or a pre-training, whose losses are autograd's.
    """
    if recipe.teacher or recipe.pretrain != "none":
        what = "A teacher" if recipe.teacher else "A pre-training"
        raise UserError(f"{what} has no place in a training by hand. Leave it out.")
    training = in_float64(prepare(recipe, task))
    return HandTraining(training, tuple(map(HandOptimizer.of, training.optimizers)), copy.deepcopy(training.network))


def in_float64(training: Training) -> Training:
    """The same training before its first step, in float64: its network is turned, and its optimizers are made anew."""
    network = training.network.double()
    optimizers = make_optimizers(network, training.recipe)
    return replace(training, task=_wide(training.task), optimizers=optimizers)


def train_by_hand(hand: HandTraining, on_step: Callable[[StepSeen], None] | None = None) -> None:
    """Run the recipe's steps; stopping, going on and divergence are as in ``lab.train``.

    ModelError where the network does something that has no law: then the step has changed no parameter.
    """
    run_steps(hand.training, lambda rows: _step(hand, rows), on_step)


def _step(hand: HandTraining, rows: Tensor | slice) -> float:
    """Forward, backward, update; the loss before the update."""
    network = hand.training.network
    named = dict(network.named_parameters())
    tape = Tape(list(named.values()), network)
    with tape.recording():
        loss = loss_of(hand.training, rows)
    gradients = tape.errors(loss)
    if hand.training.step == 0:
        hand.laws = tape.laws()
        hand.gradients = {name: gradients[p].clone() for name, p in named.items() if p in gradients}
    for optimizer in hand.optimizers:
        optimizer.step(gradients)
    return float(loss)


def first_step_gap(hand: HandTraining) -> float:
    """How far the first step's gradients are from those of autograd, which is asked here and nowhere else.

    Law: ‖g − g′‖ / ‖g′‖ over all parameters together, g by hand and g′ autograd's, of the same weights and batch.
    Shapes, units: a share.
    At 0: ‖g − g′‖ where autograd's gradients are all 0.
    At inf/nan: nan.
    Source: definition. Not of each parameter by itself: the true gradient of some, such as a bias before batch
    normalisation, is 0, and what stands there is rounding.

    UserError where no step was made yet.
    """
    if not hand.gradients:
        raise UserError("There is no first step to check yet. Train first.")
    network = copy.deepcopy(hand.begin).train()
    true = dict(network.named_parameters())
    training, recipe = replace(hand.training, network=network, step=0), hand.training.recipe
    rows = Batches(recipe.seed, len(training.task.train), recipe.batch).rows(0)
    with torch.enable_grad(), own_dropout(recipe.seed) as draw:
        draw(0)
        loss_of(training, rows).backward()  # type: ignore[no-untyped-call]
    zero = torch.zeros((), dtype=torch.float64)
    gaps, sizes = [], []
    for name, p in true.items():
        mine, theirs = hand.gradients.get(name, zero), p.grad if p.grad is not None else zero
        gaps.append((mine - theirs).norm())
        sizes.append(theirs.norm())
    size = float(torch.stack(sizes).norm())
    return float(torch.stack(gaps).norm()) / (size or 1.0)


def _wide(task: Task) -> WideTask:
    """A task in float64, whichever of its splits hold numbers."""
    values: dict[str, Any] = {f.name: getattr(task, f.name) for f in fields(task)}
    splits = {name: _wide_split(value) for name, value in values.items() if isinstance(value, Split)}
    return WideTask(**values | splits)


def _wide_split(split: Split) -> Split:
    inputs, targets = (t.double() if t.is_floating_point() else t for t in (split.inputs, split.targets))
    return Split(inputs, targets)
