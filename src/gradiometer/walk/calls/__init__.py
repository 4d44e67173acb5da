"""Calls of torch read as laws: one file a family, beside the family's laws. ``CALLS`` holds them by operation."""

from __future__ import annotations

from . import (
    activations,
    arithmetic,
    attention,
    convolution,
    dense,
    dropout,
    embedding,
    indexing,
    losses,
    norms,
    pooling,
    recurrent,
    reductions,
    shapes,
)
from .calling import Caller

_FAMILIES = (
    activations,
    arithmetic,
    attention,
    convolution,
    dense,
    dropout,
    embedding,
    indexing,
    losses,
    norms,
    pooling,
    recurrent,
    reductions,
    shapes,
)

CALLS: dict[str, Caller] = {name: read for family in _FAMILIES for name, read in family.CALLS.items()}
