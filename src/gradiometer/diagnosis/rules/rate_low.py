"""The signal is healthy, and the steps are tiny: the layers cannot have moved.

Cause: lr-too-low. Not meant: a network that learns with short steps, a fade or a block that keeps single layers still,
and a rate of 0 on purpose.
"""

from __future__ import annotations

import math

import numpy as np

from ...catalog import Context, cures_for
from ...records import Alternative, Finding
from .. import limits, motion, proof
from .. import wording_step as wording
from ..limits import OURS, Limit
from ..outcome import LEFT, outcome, way_left
from ..reading import Reading
from ..rule import Card, Rule

TRAVEL = Limit(0.1, "learning time: a tenth of the layers' own size over the whole run")
TINY = Limit(0.01, OURS)  # ... where the run is short
SAME_WAY = Limit(0.5, OURS)  # cosine of consecutive gradients: the steps could be longer,
FAR = Limit(0.3, OURS)  # ... and then so long a way counts as short
ONE_WAY = Limit(0.95, OURS)  # ... one direction all the way, and nothing has come of it:
OWN_SIZE = Limit(1.0, "learning time: a layer's own size")  # ... longer steps would go on where these went
STEADY = Limit(0.2, OURS)  # cosine of consecutive gradients above which short steps sum up


def find(reading: Reading) -> tuple[Finding, ...]:
    """Weights that can have moved by a tenth of their size at most, while the loss has not come down."""
    if not len(reading.steps) or reading.last_step < limits.PATIENCE_STEPS.value or not motion.trained(reading):
        return ()
    went, travel = outcome(reading).went, motion.travel(reading)
    slow = went == "learns" and way_left(reading)
    stays = went in ("stalled", "limps") or (went == "unknown" and reading.falling) or slow
    if reading.early_late_ratio(reading.early) < limits.UPDATE_RATIO_APART.value:
        return ()  # only the layers near the input stand still: the error does not reach them
    turn = motion.turn(reading)
    limit = TRAVEL if reading.last_step >= limits.CRAWL_STEPS.value else TINY
    if turn >= SAME_WAY.value:
        limit = OWN_SIZE if turn >= ONE_WAY.value and went == "stalled" else FAR
    if not (stays and 0 < travel <= limit.value):
        return ()
    certain = went == "stalled" or not math.isfinite(turn) or turn >= STEADY.value
    steady = proof.above("cosine of consecutive gradients, median", turn, "1", STEADY)
    return (
        Finding(
            model=reading.model,
            symptom="stalled",
            cause="lr-too-low",
            severity="fail" if certain and went not in ("unknown", "learns") else "warn",
            sites=(),
            steps=proof.span(reading),
            summary=wording.too_short(travel, reading.last_step + 1),
            evidence=(
                proof.below("way of a weight over the run, in its own size", travel, "1", limit),
                *((steady,) if np.isfinite(turn) else ()),
                *proof.loss_level(reading),
            ),
            cures=cures_for("lr-too-low", Context(rate=reading.rate)),
            alternatives=(
                Alternative("noise-dominates", "short steps whose gradients differ by chance do not sum up"),
                Alternative("capacity-too-small", "the weights have not moved far enough to tell"),
            ),
        ),
    )


CARDS = (
    Card(
        cause="lr-too-low",
        what="The error arrives everywhere, and the steps are too short to move the layers within the run.",
        seen=(
            "Summed over the run the steps are a tenth of the weights' own size or less.",
            "The loss stays, or falls steadily and is far from done.",
        ),
        limits=(
            ("way of a weight over the run, in its own size", TRAVEL),
            ("the same in fewer than 100 steps", TINY),
            ("the same where consecutive gradients agree", FAR),
            ("cosine from which they agree", SAME_WAY),
            ("cosine of consecutive gradients, median", STEADY),
            ("trivial loss that is left while it still falls", LEFT),
        ),
        alike=(
            ("activation-shrinks-error", "there only the layers near the input stand still"),
            ("epsilon-binds", "there ε takes the step"),
            ("clip-binds", "there clipping takes the step"),
            ("loss-reduction", "there a factor on the loss takes the step"),
        ),
        spared=("networks that learn with short steps", "a rate of 0 on purpose"),
        earliest="20 steps",
    ),
)
RULE = Rule("rate-low", find, CARDS)
