"""The laws, one family a file; ``LAWS`` holds them all by name."""

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
from .law import Law, by_name

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

LAWS: dict[str, Law] = by_name(law for family in _FAMILIES for law in family.LAWS)
