"""Derived numbers of a run: named, with unit, formula and source, and the error profile made of them."""

from .learning import elasticity_scale, elasticity_variant, excess_loss, loss_seen
from .profile import PartGain, Profile, median, medians, profile, station_weights
from .registry import REGISTRY, Quantity, of, quantity

__all__ = [
    "REGISTRY",
    "PartGain",
    "Profile",
    "Quantity",
    "elasticity_scale",
    "elasticity_variant",
    "excess_loss",
    "loss_seen",
    "median",
    "medians",
    "of",
    "profile",
    "quantity",
    "station_weights",
]
