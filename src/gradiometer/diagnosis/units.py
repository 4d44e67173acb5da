"""What the units of a trunk do over the training: saturated, dead, alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..quantities import median
from ..records import Part
from . import limits
from .reading import Reading

SIGMOIDS = frozenset({"sigmoid", "centred_sigmoid"})


@dataclass(frozen=True, slots=True)
class Share:
    """A share of units at one site: when first seen, and the median of the last frames in which it was seen."""

    site: str
    kind: str
    first: float
    last: float

    @property
    def grown(self) -> float:
        """How much it grew during the training."""
        return self.last - self.first


def activation_parts(reading: Reading) -> tuple[Part, ...]:
    """The activations on the trunk, loss first."""
    return tuple(p for hop in reading.network.hops for p in hop.parts if p.role == "activation")


def shares(reading: Reading, stat: str, sites: Sequence[tuple[str, str]]) -> tuple[Share, ...]:
    """The share ``stat`` at (site, kind) pairs where it was measured."""
    out = []
    for site, kind in sites:
        values = reading.at(stat, site)
        known = values[np.isfinite(values)]
        if known.size:
            out.append(Share(site, kind, float(known[0]), median(known[-limits.WINDOW_FRAMES :])))
    return tuple(out)


def saturated_limit(kind: str) -> limits.Limit:
    """Share of saturated units from which an activation counts as saturated."""
    return limits.SATURATED_SIGMOID if kind in SIGMOIDS else limits.SATURATED_TANH


def saturated(reading: Reading) -> tuple[Share, ...]:
    """Saturated shares of the trunk's activations, loss first."""
    return shares(reading, "act_saturated_share", [(p.upper, p.kind) for p in activation_parts(reading)])


def born_flat(reading: Reading) -> Share | None:
    """The saturated shares above the first layer, as one: medians of the trunk; None with less than two activations.

    The activation nearest to the input is left out: it sees the inputs' scale, the deeper ones see the weights'.
    """
    seen = saturated(reading)
    if len(seen) < 2:
        return None
    return Share(seen[0].site, seen[0].kind, middle([s.first for s in seen[:-1]]), middle([s.last for s in seen[:-1]]))


def flat_from_birth(reading: Reading) -> bool:
    """True where the weights hold the units above the first layer flat before any step is taken."""
    born = born_flat(reading)
    return born is not None and born.first >= saturated_limit(born.kind).value


def middle(values: Sequence[float]) -> float:
    """Median, nan where nothing is left."""
    return median(list(values)) if len(values) else math.nan
