"""The epsilon of Adam, RMSprop or Adagrad exceeds the gradient: the step is scaled by ε and no longer by the gradient.

Cause: epsilon-binds. Not meant: gradients that are small because the network has learned, and early layers of a
network whose error fades, where the cause is the fade.
"""

from __future__ import annotations

import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Alternative, Finding
from .. import limits, motion, proof
from .. import wording_step as wording
from ..limits import Limit
from ..outcome import LEFT, way_left
from ..reading import Reading
from ..rule import Card, Rule

EPSILON_RATIO = Limit(1.0, "Adam, Kingma and Ba 2015: the step is g/(√v + ε), half of it at √v = ε")
BINDS_HARD = Limit(0.1, "the step is a tenth of the rate or less")
MIN_STEPS = 10
DEFAULT_EPS = 1e-8


def find(reading: Reading) -> tuple[Finding, ...]:
    """√v̂ below ε in most weights, from the first frames to the last, while the network does not learn, or slowly."""
    ratio = _ratio(reading)
    if not 0 < ratio < EPSILON_RATIO.value or reading.last_step < MIN_STEPS:
        return ()
    if reading.level == "learned" and not (ratio < BINDS_HARD.value and way_left(reading)):
        return ()
    eps = reading.optimizer.settings.get("eps") if reading.optimizer else None
    size = float(eps) if isinstance(eps, (int, float)) else DEFAULT_EPS
    rate_low = Alternative("lr-too-low", "a larger rate makes up for ε, and hides it")
    return (
        Finding(
            model=reading.model,
            symptom="stalled",
            cause="epsilon-binds",
            severity="fail" if reading.waited_in_vain or reading.crawls or reading.level == "trivial" else "warn",
            sites=(),
            steps=proof.span(reading),
            summary=wording.epsilon(size, ratio),
            evidence=(
                proof.below("√v̂ / ε, median over the weights", ratio, "1", EPSILON_RATIO),
                *proof.loss_level(reading),
            ),
            cures=cures_for("epsilon-binds", Context(rate=reading.rate)),
            alternatives=(rate_low,),
        ),
    )


def _ratio(reading: Reading) -> float:
    """The larger of the medians over the weights in the first and in the last frames; nan where ε plays no part."""
    values = motion.columns(reading, "epsilon_ratio", motion.trained(reading))
    known = values[np.isfinite(values).any(axis=1)]
    if not len(known):
        return float("nan")
    ends = (known[: limits.WINDOW_FRAMES], known[-limits.WINDOW_FRAMES :])
    return max(quantities.median(part[part > 0]) for part in ends)  # no gradient at all is another matter


CARDS = (
    Card(
        cause="epsilon-binds",
        what="The optimizer's ε is larger than the gradient, so the step shrinks with the gradient after all.",
        seen=(
            "√v̂ lies below ε in most weights, at the beginning and at the end of the run.",
            "The loss does not come down; or ε is ten times √v̂, and much of the loss is left while it still falls.",
        ),
        limits=(
            ("√v̂ / ε, median over the weights", EPSILON_RATIO),
            ("the same, where the loss still falls", BINDS_HARD),
            ("share of the trivial loss that is left there", LEFT),
        ),
        alike=(
            ("lr-too-low", "there ε is far below the gradient; both are cured by longer steps"),
            ("activation-shrinks-error", "there only the layers near the input fall below ε"),
        ),
        spared=("networks that have learned: their gradients are small because the loss is",),
        earliest="step 10",
    ),
)
RULE = Rule("epsilon", find, CARDS)
