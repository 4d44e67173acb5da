"""Everything that an undo must bring back, written down without code of surgery: identities, order, bits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def raw(value: Tensor) -> list[int]:
    """The bytes of a tensor."""
    return value.detach().contiguous().reshape(-1).view(torch.uint8).tolist()


def bits(value: Any) -> Any:
    """A value that is equal exactly where the bits are; containers by what they hold, objects by identity."""
    if isinstance(value, Tensor):
        grad = None if value.grad_fn is not None or value.grad is None else (id(value.grad), raw(value.grad))
        return id(value), value.dtype, tuple(value.shape), value.requires_grad, raw(value), grad
    if isinstance(value, dict):
        return id(value), [(id(k) if isinstance(k, Tensor) else k, bits(v)) for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return id(value) if isinstance(value, list) else 0, [bits(v) for v in value]
    if isinstance(value, (int, float, str, bool, type(None), set)):
        return value
    return id(value)


def whole(model: nn.Module, optimizer: Optimizer | None = None) -> list[Any]:
    """Classes, attributes, parameters, buffers, submodules and hooks of every module; the optimizer with its state."""
    out: list[Any] = []
    for path, module in model.named_modules(remove_duplicate=False):
        plain = {k: v for k, v in module.__dict__.items() if not isinstance(v, dict)}
        held = {k: v for k, v in module.__dict__.items() if isinstance(v, dict)}
        values = {k: bits(v) for k, v in plain.items()}
        out.append((path, type(module), values, {k: bits(v) for k, v in held.items()}))
    if optimizer is not None:
        attributes = {k: bits(v) for k, v in optimizer.__dict__.items()}
        out.append((type(optimizer), attributes))
    return out
