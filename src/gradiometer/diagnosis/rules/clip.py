"""Clipping scales nearly every step down to nothing.

Cause: clip-binds. Not meant: clipping that acts at each step of a network that moves and learns, and clipping before
an optimizer that divides by the gradient's size (Adam, RMSprop), which does not feel it.
"""

from __future__ import annotations

import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Alternative, Finding
from .. import motion, proof
from .. import wording_step as wording
from ..limits import OURS, Limit
from ..reading import Reading
from ..rule import Card, Rule

KEPT = Limit(0.1, OURS)  # of the gradient's norm that clipping leaves, median
CLIPPED_SHARE = Limit(0.9, OURS)  # of the recorded steps; theory 6: a clip should act in under a tenth of them
TRAVEL = Limit(0.3, OURS)  # weights that could move by so much of their size were not held back
ACTS = 0.99  # a ratio below this is clipping, above it rounding
MIN_STEPS = 10


def find(reading: Reading) -> tuple[Finding, ...]:
    """Clipping acts in nearly every step, leaves a tenth or less, and the weights hardly move."""
    ratio = motion.clipped(reading)
    ratio = ratio[np.isfinite(ratio)]
    if ratio.size < 2 or reading.last_step < MIN_STEPS or reading.equalises or reading.level == "learned":
        return ()
    share, kept, travel = float(np.mean(ratio < ACTS)), quantities.median(ratio), motion.travel(reading)
    if share < CLIPPED_SHARE.value or kept > KEPT.value or not travel <= TRAVEL.value:
        return ()
    return (
        Finding(
            model=reading.model,
            symptom="stalled",
            cause="clip-binds",
            severity="fail" if reading.level in ("trivial", "partly") else "warn",
            sites=(),
            steps=proof.span(reading),
            summary=wording.clip(share, kept),
            evidence=(
                proof.above("steps that are clipped", share, "share", CLIPPED_SHARE),
                proof.below("gradient after / before clipping, median", kept, "1", KEPT),
                proof.below("way of a weight over the run, in its own size", travel, "1", TRAVEL),
                *proof.loss_level(reading),
            ),
            cures=cures_for("clip-binds", Context(rate=reading.rate)),
            alternatives=(Alternative("lr-too-low", "without the clip the steps would be long enough"),),
        ),
    )


CARDS = (
    Card(
        cause="clip-binds",
        what="Gradient clipping scales nearly every step down, so far that the weights hardly move.",
        seen=(
            "The gradient's norm before clipping is many times the one that the optimizer gets, in nearly every step.",
            "Over the whole run the weights can have moved only by a fraction of their size.",
        ),
        limits=(
            ("steps that are clipped, share", CLIPPED_SHARE),
            ("gradient after / before clipping, median", KEPT),
            ("way of a weight over the run, in its own size", TRAVEL),
        ),
        alike=(("lr-too-low", "there nothing is clipped"),),
        spared=(
            "clipping at every step where the network moves and learns",
            "clipping before Adam and RMSprop, whose steps do not depend on the gradient's size",
        ),
        earliest="step 10",
    ),
)
RULE = Rule("clip", find, CARDS)
