"""What laws of reductions share: the axes that are reduced, sums over them, and values put back beside the elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .law import Settings
from .shapes_base import axes

Axes = int | Sequence[int] | None


def spread(value: Tensor, shape: torch.Size, settings: Settings) -> Tensor:
    """The value of a reduction beside every element that it was made from: [reduced] -> ``shape``."""
    if not settings.get("keepdim", False):
        for dim in axes(settings.get("dim"), len(shape)):
            value = value.unsqueeze(dim)
    return value.expand(shape)


def count_of(shape: torch.Size, dim: Axes) -> int:
    """How many numbers become one."""
    return math.prod(shape[d] for d in axes(dim, len(shape)))


def along(settings: Settings, shape: torch.Size) -> dict[str, Any]:
    """Keywords dim and keepdim of a reduction of a tensor of ``shape``."""
    return {"dim": axes(settings.get("dim"), len(shape)), "keepdim": settings.get("keepdim", False)}


def sum_of(x: Tensor, settings: Settings) -> Tensor:
    """Law: Σ x_i over the axes of the settings."""
    if x.dim() == 0:
        return x.sum(dtype=settings.get("dtype"))
    return x.sum(**along(settings, x.shape), dtype=settings.get("dtype"))
