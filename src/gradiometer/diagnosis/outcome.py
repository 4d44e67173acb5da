"""How a training went, from its loss alone: diverged, unstable, stalled, limping, learning, or not known.

The loss is seen at every step, so that these need no frame. A level is known where the loss of the best constant
prediction is (``Reading.trivial``); elsewhere the first loss stands in for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from . import limits
from .limits import OURS, Limit
from .memory import remembered
from .reading import Reading

Went = Literal["diverged", "unstable", "stalled", "limps", "learns", "unknown"]

FALLS_BACK = Limit(0.30, OURS)  # a smoothed loss above its lowest so far by this share of the reference level
BACK_STEPS = Limit(0.20, OURS)  # ... in at least this share of the second half of the steps
RISES = Limit(1.5, OURS)  # the last loss stands so many times above the first one
LEFT = Limit(0.25, OURS)  # of the trivial loss that is left where it still falls
SMOOTH_SHARE = 0.05  # of the steps in one window of the smoothed loss
MIN_STEPS = 20  # before so many steps the loss says nothing but nan


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went. share: last loss / reference level (1 trivial, 0 floor); nan unknown. back: share of late steps in
    which the smoothed loss lies far above its lowest."""

    went: Went
    share: float
    back: float


@remembered
def outcome(reading: Reading) -> Outcome:
    """How the training went. At a loss of nan or inf: diverged. Without a loss or before MIN_STEPS: unknown."""
    losses = reading.losses
    finite = losses[np.isfinite(losses)]
    share = reading.trivial_share
    if len(losses) and not np.isfinite(losses[-1]):
        return Outcome("diverged", share, math.nan)
    if finite.size < MIN_STEPS:
        return Outcome("unknown", share, math.nan)
    if reading.blows_up or reading.last_loss - reading.floor > RISES.value * _reference(reading) > 0:
        return Outcome("diverged", share, math.nan)
    back = _back(finite, reading)
    if back >= BACK_STEPS.value and share >= limits.LEARNED_SHARE.value:
        return Outcome("unstable", share, back)
    return Outcome(_by_level(reading, share), share, back)


def way_left(reading: Reading) -> bool:
    """Much of the loss is left, and it still falls: with longer steps it would be gone."""
    return reading.level_known and reading.falling and reading.trivial_share >= LEFT.value


def _by_level(reading: Reading, share: float) -> Went:
    if not math.isfinite(share):
        return "unknown"
    if reading.level == "trivial":
        return "stalled"
    return "learns" if share < limits.LEARNED_SHARE.value else "limps"


def _reference(reading: Reading) -> float:
    level = reading.trivial - reading.floor if reading.level_known else 0.0
    return max(reading.first_loss - reading.floor, level)


def smoothed(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Running median over a window of SMOOTH_SHARE of the steps [window]; windows do not overlap."""
    width = max(3, int(len(losses) * SMOOTH_SHARE))
    whole = losses[: len(losses) // width * width].reshape(-1, width)
    return np.asarray(np.median(whole, axis=1))


def _back(losses: NDArray[np.float64], reading: Reading) -> float:
    """Share of the windows in the second half whose loss lies FALLS_BACK of the reference above the lowest so far."""
    curve, reference = smoothed(losses), _reference(reading)
    if not reference > 0:
        return math.nan
    above = (curve - np.minimum.accumulate(curve)) / reference
    late = above[len(above) // 2 :]
    return float(np.mean(late > FALLS_BACK.value)) if late.size else math.nan
