"""How well a network does on a split, beside the best prediction that looks at no input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from gradiometer.records import UserError

from .choice import Form
from .menu_networks import NETWORKS
from .networks.base import LabNetwork
from .networks.build import CLASSES
from .objective import main_of, task_loss
from .tasks.constant import constant_score
from .tasks.task import Split, Task

SplitName = Literal["train", "validation", "test"]
_CHUNK = 1024  # examples a forward pass: bounds the memory, changes no number beyond rounding


@dataclass(frozen=True, slots=True)
class Score:
    """loss: as the task defines it, heads and teachers left out. metric: ``Task.metric``, named by metric_name.

    constant_loss, constant_metric: of the best constant prediction by the training split.
    """

    loss: float
    metric: float
    metric_name: str
    constant_loss: float
    constant_metric: float


def score(network: LabNetwork, task: Task, split_name: SplitName = "test", form: Form | None = None) -> Score:
    """Loss and metric of a network on a split of its task, in eval mode; the mode is put back.

    Law: cross-entropy and accuracy, or mean squared errors (scaled, and in the units of the target's source).
    Shapes, units: nats or squared units a loss; share or squared units a metric.
    At 0: an empty split is a UserError.
    At inf/nan: pass through; a nan output of a class counts as the largest.
    Source: definition.

    form: how the network reads the task; None for the one that its class takes.
    """
    split: Split = getattr(task, split_name)
    if len(split) == 0:
        raise UserError(f"The {split_name} split of {task.name} is empty, so nothing can be scored on it.")
    outputs = predict(network, task, split.inputs, form)
    constant = constant_score(task, split)
    loss = float(task_loss(task.goal, outputs, split.targets))
    return Score(loss, task.metric(outputs, split.targets), task.metric_name, constant.loss, constant.metric)


def predict(network: LabNetwork, task: Task, inputs: Tensor, form: Form | None = None) -> Tensor:
    """Outputs [example, output] for inputs as a split holds them, in eval mode and without gradients."""
    form = form or form_of(network, task)
    with evaluated(network), torch.no_grad():
        return torch.cat([main_of(network(task.read(part, form))) for part in torch.split(inputs, _CHUNK)])


def form_of(network: LabNetwork, task: Task) -> Form:
    """The form in which a network reads a task: the first of its class's that the task offers. UserError for none."""
    names = [name for name, cls in CLASSES.items() if type(network) is cls]
    for form in NETWORKS[names[0]].forms if names else ():
        if form in task.forms:
            return form
    offered = ", ".join(task.forms)
    raise UserError(
        f"A {type(network).__name__} is not known to read {task.name} ({offered}). Say in which form, with `form`."
    )


@contextmanager
def evaluated(network: nn.Module) -> Iterator[None]:
    """Eval mode inside; each module's own mode is put back."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def learned_slopes(network: nn.Module) -> tuple[tuple[str, float], ...]:
    """(module path, mean slope below 0) of every PReLU, loss first."""
    found = [(path, float(m.weight.detach().mean())) for path, m in network.named_modules() if isinstance(m, nn.PReLU)]
    return tuple(reversed(found))


def learned_scales(network: nn.Module) -> tuple[tuple[str, float], ...]:
    """(parameter path, value) of every learned scale of a branch (ReZero's and SkipInit's α), loss first."""
    named = [(path, p) for path, p in network.named_parameters() if path.rpartition(".")[2] == "alpha"]
    return tuple((path, float(p.detach())) for path, p in reversed(named) if p.numel() == 1)
