"""The plain training loop. It knows nothing of watching: whoever wants to see a step gives ``on_step``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from .choice import Form
from .choices import chosen
from .networks.base import LabNetwork, Outputs
from .networks.build import Ports, build_network
from .optimizers import make_optimizers
from .recipe import Recipe
from .tasks.load import load_task
from .tasks.task import Task


@dataclass(frozen=True, slots=True)
class StepSeen:
    """One completed step. step: 1 for the first. loss: before the update."""

    step: int
    loss: float


@dataclass(slots=True)
class Training:
    """A training that is ready to run: everything drawn, nothing stepped yet. step: completed steps."""

    recipe: Recipe
    task: Task
    network: LabNetwork
    optimizers: tuple[Optimizer, ...]
    form: Form
    step: int = 0


def prepare(recipe: Recipe) -> Training:
    """Task, network and optimizers of a recipe. UserError where a choice is unknown or impossible."""
    form = chosen("network", recipe.network).forms[0]
    task = load_task(recipe)
    network = build_network(recipe, Ports(task.forms[form], task.n_out))
    return Training(recipe, task, network, make_optimizers(network, recipe), form)


def train(training: Training, on_step: Callable[[StepSeen], None] | None = None) -> None:
    """Run the recipe's steps. An exception (Ctrl-C too) leaves the network as the last completed step left it."""
    batches = torch.Generator().manual_seed(training.recipe.seed)
    split, size = training.task.train, training.recipe.batch
    while training.step < training.recipe.steps:
        rows = torch.randint(len(split), (size,), generator=batches) if size else slice(None)
        for optimizer in training.optimizers:
            optimizer.zero_grad()
        loss = loss_of(training.network, training, split.inputs[rows], split.targets[rows])
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in training.optimizers:
            optimizer.step()
        training.step += 1
        if on_step is not None:
            on_step(StepSeen(training.step, float(loss.detach())))


def loss_of(network: LabNetwork, training: Training, inputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of a batch, auxiliary heads included."""
    out = network(training.task.read(inputs, training.form))
    main = out.main if isinstance(out, Outputs) else out
    if training.task.goal == "classification":
        return F.cross_entropy(main, targets)
    return F.mse_loss(main, targets)
