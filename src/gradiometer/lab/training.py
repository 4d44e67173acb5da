"""The plain training loop. It knows nothing of watching: whoever wants to see a step gives ``on_step``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor
from torch.optim import LBFGS

from gradiometer.records import UserError

from .batches import Batches
from .distil import distillation_of
from .interrupts import whole_steps
from .networks.build import Ports, build_network
from .objective import task_loss
from .optimizers import make_optimizers
from .possible import check_recipe, form_for
from .pretraining import check_pretraining, pretrain
from .recipe import Recipe
from .seeds import Stream, mixed
from .state import StepSeen, Training
from .tasks.load import load_task
from .tasks.task import Task
from .weights import load_matching, read_weights

__all__ = ["StepSeen", "Training", "prepare", "train"]

INIT_EXAMPLES = 256  # of the training split, for the initialisations that read data
_ODD = 0x9E3779B1  # steps times an odd number are all different modulo 2³²


def prepare(recipe: Recipe, task: Task | None = None) -> Training:
    """Task, network and optimizers of a recipe; weights to start from and a teacher are read where it names them.

    task: where it is loaded already. The global generators are left as they were.
    UserError where a choice is unknown or impossible; RunFileError where a weights file cannot be read.
    """
    check_recipe(recipe)
    task = load_task(recipe) if task is None else task
    if len(task.train) == 0:
        raise UserError(f"The task {task.name} has no training example. Give it more data.")
    form = form_for(recipe, task.forms, len(task.train))
    check_pretraining(recipe)
    examples = task.read(task.train.inputs[:INIT_EXAMPLES], form)
    network = build_network(recipe, Ports(task.forms[form], task.n_out), examples)
    started = load_matching(network, read_weights(recipe.start).tensors) if recipe.start else None
    distillation = distillation_of(recipe, task, network, form) if recipe.teacher else None
    extra = distillation.parameters() if distillation is not None else ()
    optimizers = make_optimizers(network, recipe, extra)
    return Training(recipe, task, network, optimizers, form, distillation=distillation, started=started)


def train(training: Training, on_step: Callable[[StepSeen], None] | None = None) -> None:
    """Run the recipe's steps, after its pre-training where that is still to come; the network is left in train mode.

    ``on_step`` may raise to stop. Then, and at Ctrl-C, the network stands as the last completed step left it, and
    ``training.step`` counts the completed ones; calling ``train`` again goes on. A loss that is not finite ends
    nothing: ``training.diverged_at`` says when it first was so. The same seed and step see the same batch and the
    same dropout, however often the training was stopped between.
    """
    if not training.pretrained:
        pretrain(training)
    heard = nullcontext()
    listening = training.distillation.listening(training.network) if training.distillation is not None else heard
    with listening:
        run_steps(training, lambda rows: _step(training, rows), on_step)


def run_steps(
    training: Training, step: Callable[[Tensor | slice], float], on_step: Callable[[StepSeen], None] | None
) -> None:
    """The loop of ``train`` around any step: from rows of the training split to the loss before the update."""
    recipe = training.recipe
    training.network.train()
    batches = Batches(recipe.seed, len(training.task.train), recipe.batch)
    with own_dropout(recipe.seed) as draw, whole_steps() as pause:
        while training.step < recipe.steps:
            draw(training.step)
            loss = step(batches.rows(training.step))
            training.step += 1
            if training.diverged_at is None and not math.isfinite(loss):
                training.diverged_at = training.step
            if on_step is not None:
                on_step(StepSeen(training.step, loss))
            pause()


def _step(training: Training, rows: Tensor | slice) -> float:
    """Zero, forward, backward, update; the loss before the update."""

    def backward() -> Tensor:
        for optimizer in training.optimizers:
            optimizer.zero_grad()
        loss = loss_of(training, rows)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    if isinstance(training.optimizers[0], LBFGS):  # it asks for the loss itself, several times a step
        return float(training.optimizers[0].step(backward))  # type: ignore[no-untyped-call]
    loss = backward()
    for optimizer in training.optimizers:
        optimizer.step()
    return float(loss)


def loss_of(training: Training, rows: Tensor | slice) -> Tensor:
    """The loss of rows of the training split: the task's, auxiliary heads and a teacher included."""
    split = training.task.train
    outputs = training.network(training.task.read(split.inputs[rows], training.form))
    loss = task_loss(training.task.goal, outputs, split.targets[rows])
    return loss if training.distillation is None else training.distillation.loss(training.step, rows, outputs, loss)


@contextmanager
def own_dropout(seed: int) -> Iterator[Callable[[int], object]]:
    """The global CPU generator, which dropout draws from, follows (seed, step) inside, and is put back after."""
    base = mixed(seed, Stream.DROPOUT)
    with torch.random.fork_rng(devices=[]):
        yield lambda step: torch.default_generator.manual_seed((base + step * _ODD) % 2**32)
