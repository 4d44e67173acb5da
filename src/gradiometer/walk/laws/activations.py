"""Laws of activations."""

from __future__ import annotations

from . import activations_exponential, activations_gated, activations_linear, activations_smooth
from .law import Law

LAWS: tuple[Law, ...] = (
    *activations_linear.LAWS,
    *activations_smooth.LAWS,
    *activations_exponential.LAWS,
    *activations_gated.LAWS,
)
