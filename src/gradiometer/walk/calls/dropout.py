"""Calls of dropout, read as laws. On a CPU dropout is a plain product with the scaled mask."""

from __future__ import annotations

import torch
from torch import Tensor

from ..laws import dropout
from .activations import by_signature
from .calling import Called, Caller


def _native_dropout(x: Tensor, p: float, train: bool | None) -> Called:
    """The law draws nothing, so the mask is drawn here, from torch's generator as torch's own operation draws it."""
    if train is False:
        return Called(dropout.DROPOUT, (x, torch.ones_like(x, dtype=torch.bool)), {"p": 0.0})
    return Called(dropout.DROPOUT, (x, torch.empty_like(x, dtype=torch.bool).bernoulli_(1 - p)), {"p": p})


CALLS: dict[str, Caller] = {"aten::native_dropout": by_signature(_native_dropout)}
