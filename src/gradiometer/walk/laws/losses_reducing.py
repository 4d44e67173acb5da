"""What the laws of losses share: the reduction over examples and its way back, and two functions that stay finite.

The error that arrives at a loss has the loss's own shape: one number, or one an example where nothing is reduced.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

REDUCTIONS = ("none", "mean", "sum")
"""In torch's numbering: the nodes and the dispatcher say 0, 1, 2."""


def reduction_named(number: int | str) -> str:
    """``none``, ``mean`` or ``sum``, from a name or from torch's number. ValueError for any other."""
    name = REDUCTIONS[number] if isinstance(number, int) and 0 <= number < len(REDUCTIONS) else number
    if name not in REDUCTIONS:
        raise ValueError(f"a reduction is one of {', '.join(REDUCTIONS)}, not {number!r}")
    return str(name)


def reduced(each: Tensor, reduction: str) -> Tensor:
    """The loss from its terms: as they are, their mean or their sum. The mean of no terms is nan."""
    if reduction_named(reduction) == "none":
        return each
    return each.mean() if reduction == "mean" else each.sum()


def spread(error: Tensor, shape: torch.Size, reduction: str) -> Tensor:
    """The error at every term of the loss, the way back of ``reduced``: ``error / N`` each under a mean."""
    if reduction_named(reduction) == "none":
        return error
    every = error.expand(shape)
    return every / shape.numel() if reduction == "mean" else every


def sigmoid(z: Tensor) -> Tensor:
    """1 / (1 + e^-z), without overflow: e^-|z| is at most 1."""
    small = torch.exp(-z.abs())
    return torch.where(z >= 0, torch.ones_like(z), small) / (1 + small)


def softplus(z: Tensor) -> Tensor:
    """log(1 + e^z), without overflow: max(z, 0) + log(1 + e^-|z|)."""
    return z.clamp(min=0) + torch.log1p(torch.exp(-z.abs()))


def as_weight(weight: Any, like: Tensor) -> Tensor | float:
    """A weight from the settings: a tensor that broadcasts against ``like``, or 1 where there is none."""
    if weight is None:
        return 1.0
    assert isinstance(weight, Tensor)
    return weight.to(like.dtype)
