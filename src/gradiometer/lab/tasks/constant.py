"""The best prediction that looks at no input: what every score must be held against."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .task import Split, Task


@dataclass(frozen=True, slots=True)
class Constant:
    """loss: as the training loop reads it. metric: what ``Task.metric`` gives, in the units of the target's source."""

    loss: float
    metric: float


def constant_score(task: Task, split: Split) -> Constant:
    """Loss and metric of the best constant prediction by the training split, on any split of the task.

    Law: regression: c = mean of the training targets; mean (target - c)^2. Classification: p = class shares in the
    training split; loss = mean -ln p[target]; metric = share of the class that is the most frequent one there.
    Shapes, units: loss in the task's scaled units squared, or nats; metric as ``Task.metric``.
    At 0: a class that the training split lacks has p = 0, and its loss is inf; of equally frequent classes the first
    counts. No examples give nan.
    At inf/nan: pass through; tasks hold none.
    Source: the mean minimises the squared error, the shares the cross-entropy (Gibbs' inequality).
    """
    if task.goal == "regression":
        constant = task.train.targets.double().mean(dim=0)
        loss = float((split.targets.double() - constant).square().mean())
        return Constant(loss, loss * task.target_sd**2)
    counts = torch.bincount(task.train.targets, minlength=task.n_out).double()
    surprise_nats = -(counts / counts.sum()).log()  # [class]
    hits = split.targets == counts.argmax()
    return Constant(float(surprise_nats[split.targets].mean()), float(hits.double().mean()))
