"""Rows around one optimizer step: weights and gradients as they are used, the update that followed."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..records import OptimizerSeen
from .cadence import DENSE_STEPS
from .carried import Carried
from .models import Registry, WatchedModel
from .parameters import (
    dense,
    keep,
    param_key,
    parameters,
    record_epsilon,
    record_gradient,
    record_norms,
    record_rows,
    update_of,
)
from .recorder import Recorder


@dataclass(slots=True)
class Watched:
    """An optimizer and what belongs to it during one step. before: model, name, parameter, copy of what it was."""

    name: str
    ref: weakref.ref[Optimizer]
    steps: int = 0
    models: list[WatchedModel] = field(default_factory=list)
    seen: OptimizerSeen | None = None
    before: list[tuple[WatchedModel, str, Tensor, Tensor]] = field(default_factory=list)
    had_gradients: bool = False
    carried: Carried = field(default_factory=Carried)
    idle: int = 0  # steps that found no gradient at all

    def idles(self, optimizer: Optimizer) -> bool:
        """None of its parameters has a gradient, though it is about to step."""
        if any(p.grad is not None for p in parameters(optimizer)):
            return False
        self.idle += 1
        return True


def raw_gradients(recorder: Recorder, touched: list[WatchedModel]) -> None:
    """Gradients at the end of a backward pass, before anybody clips them: norms alone."""
    owners, grads = [], []
    for model in touched:
        root = model.root()
        for p in root.parameters() if root is not None else ():
            name = model.params.get(id(p))
            grad = dense(p.grad.detach()) if p.grad is not None and name is not None else None
            if name is not None and grad is not None and grad.numel():
                owners.append((model, name))
                grads.append(grad)
    record_norms(recorder, "grad_raw", owners, grads)


def rows_before(recorder: Recorder, registry: Registry, watched: Watched, optimizer: Optimizer) -> None:
    """Weights, gradients as the optimizer gets them, and copies to measure the update against."""
    watched.had_gradients = any(p.grad is not None for p in parameters(optimizer))
    for p in parameters(optimizer):
        found = registry.owner(p)
        if found is None or p.is_meta or getattr(p, "_local_tensor", None) is not None:
            continue
        model, name = found
        x = p.detach()
        if x.layout != torch.strided or x.is_complex() or not x.numel():
            continue
        if recorder.full:
            recorder.write(model, param_key(name), "weight", 0, x)
            if model.step <= DENSE_STEPS:
                record_rows(recorder, model, name, x)
        if watched.had_gradients:
            record_gradient(recorder, model, name, p, "grad")
        watched.before.append((model, name, p, keep(p)))
    if not recorder.full:
        weights = [(m, n) for m, n, _, _ in watched.before]
        record_norms(recorder, "weight", weights, [p.detach() for _, _, p, _ in watched.before])


def rows_after(recorder: Recorder, watched: Watched, optimizer: Optimizer) -> None:
    """The real update of every parameter: norms alone in light frames, with a sample in full ones."""
    owners = [(m, n) for m, n, _, _ in watched.before]
    changes = [update_of(p, before) for _, _, p, before in watched.before]
    if not recorder.full:
        record_norms(recorder, "update", owners, changes)
    for (model, name), change in zip(owners, changes, strict=True):
        if recorder.full:
            recorder.write(model, param_key(name), "update", 0, change)
    for model, name, p, _ in watched.before:
        if not watched.had_gradients:
            record_gradient(recorder, model, name, p, "grad")
        if recorder.full:
            record_epsilon(recorder, model, name, p, optimizer)
