"""What the rules of the loss end share: how sure a misfit of loss and output is, and what stands before the loss."""

from __future__ import annotations

import math

import numpy as np

from ..records import LossSeen, Severity, Symptom
from . import limits
from .limits import OURS, Limit
from .outcome import MIN_STEPS, outcome
from .reading import Reading

REAL_LOSSES = frozenset({"mse", "l1", "smooth_l1", "huber"})
ROSE = Limit(2.0, OURS)  # last finite loss / first: below it nothing has grown
NEUTRAL = frozenset({"clamp", "log", "dropout", "normalise"})


def feeders(seen: LossSeen) -> tuple[str, ...]:
    """What stands between the last weights and the loss, nearest the loss first."""
    return tuple(x for x in seen.pre.split("/") if x)


def last_activation(seen: LossSeen) -> str:
    """The bending operation nearest to the loss: a clamp, a logarithm and a division are none. "" where none is."""
    return next((x for x in feeders(seen) if x not in NEUTRAL), "")


def severity_of(reading: Reading, early: Severity = "warn") -> Severity:
    """Failing where the network had time and has not learned; ``early`` before that; a warning where it learns."""
    went = outcome(reading).went
    if went == "unknown" or reading.last_step < limits.PATIENCE_STEPS.value:
        return early
    return "warn" if went == "learns" else "fail"


def symptom_of(reading: Reading) -> Symptom:
    """The symptom that the loss shows by itself: non-finite, unstable, exploding, or stalled."""
    went = outcome(reading).went
    losses = reading.losses
    if len(losses) and not math.isfinite(losses[-1]):
        return "non-finite"
    return {"diverged": "exploding", "unstable": "unstable"}.get(went, "stalled")  # type: ignore[return-value]


def at_once(reading: Reading) -> bool:
    """The loss is nan or inf at its end, and had not risen before: one operation did it, no growth."""
    losses = reading.losses
    finite = losses[np.isfinite(losses)]
    if not len(losses) or math.isfinite(losses[-1]) or not finite.size:
        return False
    start = float(np.median(finite[:3]))
    return bool(finite[-1] <= ROSE.value * abs(start))


def early(reading: Reading) -> bool:
    """Too few steps to know how the training goes."""
    return len(reading.losses) < MIN_STEPS
