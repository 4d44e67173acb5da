"""Autograd nodes read as laws: one file a family, beside the family's laws. ``READERS`` holds them by node name."""

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
    slopes,
)
from .reading import Reader

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
    slopes,
)

READERS: dict[str, Reader] = {name: read for family in _FAMILIES for name, read in family.READERS.items()}
