"""The step overshoots: the loss diverges, swings or falls back while the network itself is sound.

Cause: lr-too-high. Not meant: growth that stands in the first frame already, games of two networks, losses that rise
for another reason while the steps are short.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding, Severity
from .. import ends, limits, motion, proof
from .. import wording_step as wording
from ..growth import growth
from ..limits import OURS, Limit
from ..outcome import Outcome, outcome
from ..ownership import plays
from ..reading import Reading
from ..rule import Card, Rule

LONG = Limit(0.03, "CS231n: 1e-3 is usual; theory 5.3 warns from 3e-2")  # ‖ΔW‖/‖W‖, median of the run
TURNS_BACK = Limit(-0.2, OURS)  # cosine of consecutive gradients: the step jumps over the valley
FAR_TRAVEL = Limit(10.0, OURS)  # weights could have moved by so many times their size, and the loss stays


@dataclass(frozen=True, slots=True)
class Steps:
    """How long the steps are: largest early and median of all ‖ΔW‖/‖W‖, and how gradients turn."""

    first: float
    usual: float
    turn: float
    travel: float

    @property
    def long(self) -> bool:
        """Some sign that the steps are long."""
        return self.first > limits.UPDATE_RATIO_HIGH.value or self.usual > LONG.value or self.turn < TURNS_BACK.value


def find(reading: Reading) -> tuple[Finding, ...]:
    """Long steps, and a loss that diverges, swings, or stays although the weights have travelled far."""
    if not len(reading.steps) or (plays(reading) and not reading.blows_up) or ends.at_once(reading):
        return ()
    seen, steps = outcome(reading), steps_of(reading)
    grown = growth(reading)
    if grown is not None and not grown.normalised and grown.certain:
        return ()
    stays = seen.went in ("stalled", "limps") and reading.level_known and not reading.falling
    bad = seen.went in ("diverged", "unstable") or stays
    wandered = steps.travel >= FAR_TRAVEL.value or steps.first > limits.UPDATE_RATIO_HIGH.value
    if not (bad and steps.long and (wandered or seen.went in ("diverged", "unstable"))):
        return ()
    return (_finding(reading, seen, steps),)


def steps_of(reading: Reading) -> Steps:
    """The lengths and turns of the steps."""
    ratios = motion.update_ratios(reading)
    usual = quantities.median(ratios.ravel())
    return Steps(reading.first_update_ratio, usual, motion.turn(reading), motion.travel(reading))


def _finding(reading: Reading, seen: Outcome, steps: Steps) -> Finding:
    certain = seen.went == "diverged" or steps.first > limits.UPDATE_RATIO_HIGH.value or steps.turn < TURNS_BACK.value
    severity: Severity = "fail" if certain or seen.went in ("unstable", "stalled") else "warn"
    evidence = [
        proof.above("largest first update ratio, median", steps.first, "1", limits.UPDATE_RATIO_HIGH),
        proof.above("update ratio ‖ΔW‖/‖W‖, median", steps.usual, "1", LONG),
    ]
    if math.isfinite(steps.turn):
        evidence.append(proof.below("cosine of consecutive gradients, median", steps.turn, "1", TURNS_BACK))
    if math.isfinite(seen.back):
        evidence.append(Evidence("late steps far above the lowest loss", seen.back, "share"))
    kept = tuple(e for e in evidence if np.isfinite(e.value))
    return Finding(
        model=reading.model,
        symptom="unstable" if seen.went in ("stalled", "limps") else ends.symptom_of(reading),
        cause="lr-too-high",
        severity=severity,
        sites=(),
        steps=proof.span(reading),
        summary=wording.overshoots(seen.went, steps.first, steps.usual),
        evidence=(*kept, *proof.loss_level(reading)),
        cures=cures_for("lr-too-high", Context(rate=reading.rate)),
        alternatives=(
            Alternative("noise-dominates", "the gradients of consecutive steps may differ by chance alone"),
            Alternative("init-too-large", "the error does not grow over the layers"),
        ),
    )


CARDS = (
    Card(
        cause="lr-too-high",
        what="The step overshoots: it replaces the layers in place of training them.",
        seen=(
            "The relative step ‖ΔW‖/‖W‖ is above a tenth in the first steps, or above 0.03 throughout.",
            "Gradients of consecutive steps point to opposite sides.",
            "The loss diverges, swings, falls back, or stays although the weights have moved many times their size.",
        ),
        limits=(
            ("largest first update ratio, median", limits.UPDATE_RATIO_HIGH),
            ("update ratio, median", LONG),
            ("cosine of consecutive gradients, median", TURNS_BACK),
            ("way of a weight over the run, in its own size", FAR_TRAVEL),
        ),
        alike=(
            ("init-too-large", "there the error grows over the layers before any step"),
            ("loss-reduction", "there the loss is a sum"),
            ("gradient-not-cleared", "there the steps grow with their number"),
            ("loss-sign", "there the steps point uphill"),
            ("noise-dominates", "there short steps swing as well"),
        ),
        spared=("long first steps of a network that learns", "two networks that play against each other"),
        earliest="20 steps",
    ),
)
RULE = Rule("rate-high", find, CARDS)
