"""The loss of a task, auxiliary heads included."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from .networks.base import Outputs
from .tasks.task import Goal

AUXILIARY_SHARE = 0.3
"""Of each auxiliary head's loss, added to that of the output (Szegedy 2015, GoogLeNet)."""


def main_of(outputs: Tensor | Outputs) -> Tensor:
    """The network's own output [example, output], whatever else it gave."""
    return outputs.main if isinstance(outputs, Outputs) else outputs


def task_loss(goal: Goal, outputs: Tensor | Outputs, targets: Tensor) -> Tensor:
    """Cross-entropy in nats or mean squared error, plus ``AUXILIARY_SHARE`` of the same at each auxiliary head."""
    loss = _loss(goal, main_of(outputs), targets)
    if isinstance(outputs, Outputs):
        for auxiliary in outputs.auxiliary:
            loss = loss + AUXILIARY_SHARE * _loss(goal, auxiliary, targets)
    return loss


def _loss(goal: Goal, output: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(output, targets) if goal == "classification" else F.mse_loss(output, targets)
