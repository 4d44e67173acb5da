"""The loss is maximised: the update raises it to first order, or a negated loss falls without bound.

Cause: loss-sign. Not meant: a reward that is maximised on purpose (no loss that is known), a game of two networks,
and log-likelihoods of densities, which may well be negative.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Evidence, Finding, Severity, Symptom
from .. import proof
from .. import wording_wiring as wording
from ..limits import OURS, Limit
from ..ownership import plays
from ..reading import Reading
from ..rule import Card, Rule

CLIMBS = Limit(-0.3, OURS)  # median cosine of the update with the descent direction
BOTTOMLESS = Limit(100.0, OURS)  # a loss without a known floor ends so many times its first size below 0
RISES = Limit(1.5, OURS)  # what is negated has grown so many times beyond its first value
FLOORED = frozenset({"mse", "l1", "cross_entropy", "nll", "bce", "bce_logits", "smooth_l1", "huber"})


def find(reading: Reading) -> tuple[Finding, ...]:
    """A known loss whose steps climb; a known loss with a minus before it; a loss that falls without bound."""
    seen = reading.loss_seen
    if not len(reading.steps) or seen is None:
        return ()
    known, along = seen.kind in FLOORED, along_of(reading)
    factor = seen.factor if math.isfinite(seen.factor) else 1.0
    climbs = known and along * math.copysign(1.0, factor) <= CLIMBS.value
    worse = _rises(reading, factor)
    if climbs and (worse or not plays(reading)):
        severity: Severity = "fail" if worse or len(reading.losses) < 10 else "warn"
        evidence: tuple[Evidence, ...] = (
            proof.below("cosine of the steps with the descent direction, median", along, "1", CLIMBS),
            Evidence("factor on the loss", factor, "1"),
        )
        summary = wording.negated(seen.kind) if factor < 0 else wording.climbs(along)
        return (_finding(reading, severity, summary, evidence),)
    last, first = reading.last_loss, abs(reading.first_loss)
    if not known and last < -BOTTOMLESS.value * max(first, 1e-12) and _accelerates(reading) and not plays(reading):
        evidence = (proof.above("fall below 0 / first loss", -last / first, "1", BOTTOMLESS),)
        return (_finding(reading, "fail", wording.bottomless(last), evidence),)
    return ()


def along_of(reading: Reading) -> float:
    """Median cosine of the updates with the descent direction, over parameters and the first frames; nan unknown."""
    return quantities.median(reading.of("update_along")[reading.steps <= 10].ravel())


def _rises(reading: Reading, factor: float) -> bool:
    """What stands behind the sign grows: the loss itself, or its negative where it is negated."""
    losses = reading.losses * math.copysign(1.0, factor)
    kept = losses[np.isfinite(losses)]
    if kept.size < 3:
        return False
    tail = kept[-max(3, len(kept) // 10) :]
    start = abs(float(np.median(kept[: max(1, min(3, len(kept) // 10))])))
    return float(np.median(tail)) > RISES.value * start or not np.isfinite(losses[-1])


def _accelerates(reading: Reading) -> bool:
    """The last fifth falls by more than the fifth before it: no floor in sight."""
    kept = reading.losses[np.isfinite(reading.losses)]
    fifth = len(kept) // 5
    if fifth < 3:
        return False
    ends = [len(kept) - k * fifth for k in (3, 2, 1, 0)]
    a, b, c = (float(np.median(kept[i:j])) for i, j in pairwise(ends))
    return c < b < a and b - c > 0.8 * (a - b)


def _finding(reading: Reading, severity: Severity, summary: str, evidence: tuple[Evidence, ...]) -> Finding:
    symptom: Symptom = "non-finite" if len(reading.losses) and not np.isfinite(reading.losses[-1]) else "unstable"
    return Finding(
        model=reading.model,
        symptom="exploding" if symptom == "unstable" and reading.blows_up else symptom,
        cause="loss-sign",
        severity=severity,
        sites=(),
        steps=proof.span(reading),
        summary=summary,
        evidence=(*evidence, *proof.loss_level(reading)),
        cures=cures_for("loss-sign", Context()),
    )


CARDS = (
    Card(
        cause="loss-sign",
        what="The loss is maximised: a minus too many, `maximize=True`, or `p += lr * p.grad`.",
        seen=(
            "The loss is of a known kind and stands under a negative factor.",
            "The steps point along the gradient, not against it, so that they raise the loss to first order.",
            "A loss without a known floor falls below 0 faster and faster.",
        ),
        limits=(
            ("cosine of the steps with the descent direction, median", CLIMBS),
            ("growth of what is maximised", RISES),
            ("fall below 0 / first loss", BOTTOMLESS),
        ),
        alike=(("lr-too-high", "there the steps point downhill and are too long"),),
        spared=(
            "a reward or another objective without a known kind that is maximised on purpose",
            "two networks with optimizers of their own, as long as neither loss runs away",
            "negative log-likelihoods of densities, which may be negative and level off",
        ),
        earliest="step 0",
    ),
)
RULE = Rule("loss-sign", find, CARDS)
