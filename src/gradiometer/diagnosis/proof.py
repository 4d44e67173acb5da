"""Small helpers that put measured values beside their limits."""

from __future__ import annotations

import math

from ..records import Evidence
from .limits import TRIVIAL_SHARE, Limit
from .reading import Reading


def above(quantity: str, value: float, unit: str, limit: Limit) -> Evidence:
    """Evidence that is guilty at or above its limit."""
    return Evidence(quantity, value, unit, limit.value, limit.source, value >= limit.value)


def below(quantity: str, value: float, unit: str, limit: Limit) -> Evidence:
    """Evidence that is guilty at or below its limit."""
    return Evidence(quantity, value, unit, limit.value, limit.source, value <= limit.value)


def loss_level(reading: Reading) -> tuple[Evidence, ...]:
    """Where the loss stands at the end; () where no level is known."""
    share = reading.trivial_share
    return (above("last loss / trivial loss", share, "1", TRIVIAL_SHARE),) if math.isfinite(share) else ()


def span(reading: Reading) -> tuple[int, int]:
    """First and last recorded step."""
    return int(reading.steps[0]), int(reading.steps[-1])
