"""Trying a training on a copy: nothing of the user's may change, and a loss must be a scalar that the copy has made."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..records import ModelError, UserError

WRONG_MODEL = (
    "loss(model, batch) used the original network instead of the `model` that it was given, which is a copy. "
    "Use its first argument for the forward pass, and for penalties on the weights."
)


def check_network(door: str, model: object) -> None:
    """UserError where ``model`` is no module; ModelError where nothing in it can be trained. door: who was called."""
    if not isinstance(model, nn.Module):
        raise UserError(f"{door}() got a {type(model).__name__} as model. Pass a torch.nn.Module.")
    if next(model.parameters(), None) is None:
        raise ModelError(f"{type(model).__name__} has no parameters, so nothing in it can be trained or measured.")
    if any(p.is_meta for p in model.parameters()):
        raise ModelError(
            f"{type(model).__name__} has parameters on the meta device, without numbers. "
            "Move it with to_empty(device=...) and initialise it first."
        )
    if not any(p.requires_grad for p in model.parameters()):
        raise ModelError(
            f"No parameter of {type(model).__name__} requires grad, so nothing can be trained. "
            "Call model.requires_grad_(True) on the part that should train."
        )


def check_parts(door: str, loss: object, optimizer: object) -> None:
    """UserError where ``loss`` cannot be called, or ``optimizer`` is neither one of torch's nor None."""
    if not callable(loss):
        raise UserError(f"{door}() needs loss(model, batch) -> scalar; what was passed is not callable.")
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise UserError(
            f"{door}() got a {type(optimizer).__name__} as optimizer. Pass a torch.optim.Optimizer, or none."
        )


def no_copy(door: str, model: nn.Module, error: Exception) -> ModelError:
    """What is said where a network cannot be copied."""
    return ModelError(
        f"{type(model).__name__} cannot be copied ({type(error).__name__}: {error}). {door}() works on a "
        "copy; call it before the first forward pass, or give the class a __deepcopy__."
    )


def check_scalar(value: Any) -> None:
    """ModelError unless ``value`` is a scalar tensor that depends on a parameter."""
    if not isinstance(value, Tensor):
        raise ModelError(f"loss(model, batch) returned a {type(value).__name__}. Return a scalar tensor.")
    if value.numel() != 1:
        raise ModelError(
            f"loss(model, batch) returned a tensor of shape {tuple(value.shape)}, not a scalar. "
            "Reduce it with .mean() or .sum()."
        )
    if not value.requires_grad:
        raise ModelError(
            "The loss does not depend on any parameter that requires grad, so no error can go back. Look for "
            ".detach(), .item(), torch.no_grad(), argmax or numpy between the model's output and the loss."
        )


@contextmanager
def original_untouched(model: nn.Module, optimizer: Optimizer | None) -> Iterator[None]:
    """The gradients of the original are put aside, and a loss that runs the original is stopped before it does."""
    own = list(model.parameters())
    groups = optimizer.param_groups if optimizer is not None else []
    kept = [(p, p.grad) for p in [*own, *(p for group in groups for p in group["params"])]]

    def refuse(module: nn.Module, inputs: object) -> None:
        raise ModelError(WRONG_MODEL)

    for p, _ in kept:
        p.grad = None
    hooks = [module.register_forward_pre_hook(refuse) for module in model.modules()]
    try:
        yield
        if any(p.grad is not None for p in own):
            raise ModelError(WRONG_MODEL)
    finally:
        for hook in hooks:
            hook.remove()
        for p, grad in kept:
            p.grad = grad


@contextmanager
def state_kept() -> Iterator[None]:
    """Random number generators as they were, whatever happens inside: torch (CPU, CUDA), numpy, random."""
    numbers, arrays = random.getstate(), np.random.get_state()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(numbers)
        np.random.set_state(arrays)
