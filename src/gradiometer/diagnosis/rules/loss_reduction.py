"""The loss is summed over the batch, or averaged twice, and the step with it.

Cause: loss-reduction. Not meant: sums before an optimizer that divides by the gradient's size (Adam, RMSprop), and
sums with a rate that suits them: the network learns.
"""

from __future__ import annotations

from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding
from .. import ends, limits, motion, proof
from .. import wording_ends as wording
from ..limits import OURS, Limit
from ..outcome import outcome
from ..reading import Reading
from ..rule import Card, Rule

BATCH_MIN = Limit(4, OURS)  # of fewer examples a sum is nearly a mean
TWICE = Limit(2.0, OURS)  # factor · batch lies so near to 1: averaged once more
TRAVEL = Limit(0.3, OURS)  # of their size that weights have moved: more is no matter of a small factor


def find(reading: Reading) -> tuple[Finding, ...]:
    """A sum whose steps are too long, or a second mean whose steps are too short."""
    seen = reading.loss_seen
    if seen is None or seen.batch < BATCH_MIN.value or not len(reading.steps) or reading.equalises:
        return ()
    went, ratio = outcome(reading).went, reading.first_update_ratio
    if seen.reduction == "sum" and went in ("diverged", "unstable", "stalled"):
        if ratio > limits.UPDATE_RATIO_HIGH.value or went == "diverged":
            evidence = (
                Evidence("examples that are summed", seen.batch, "examples", 1.0, OURS, True),
                proof.above("largest first update ratio, median", ratio, "1", limits.UPDATE_RATIO_HIGH),
            )
            return (_finding(reading, wording.summed(seen.batch, ratio), evidence),)
        return ()
    again = seen.factor * seen.batch
    if 1 / TWICE.value <= again <= TWICE.value and went in ("stalled", "limps"):
        travel = motion.travel(reading)
        if travel <= TRAVEL.value:
            evidence = (
                Evidence("factor on the loss", seen.factor, "1", 1.0, OURS, True),
                proof.below("way of a weight over the run, in its own size", travel, "1", TRAVEL),
            )
            return (_finding(reading, wording.averaged_twice(seen.factor, seen.batch), evidence),)
    return ()


def _finding(reading: Reading, summary: str, evidence: tuple[Evidence, ...]) -> Finding:
    return Finding(
        model=reading.model,
        symptom=ends.symptom_of(reading),
        cause="loss-reduction",
        severity=ends.severity_of(reading),
        sites=(),
        steps=proof.span(reading),
        summary=summary,
        evidence=(*evidence, *proof.loss_level(reading)),
        cures=cures_for("loss-reduction", Context(rate=reading.rate)),
        alternatives=(Alternative("lr-too-high", "the rate would suit a mean"),),
    )


CARDS = (
    Card(
        cause="loss-reduction",
        what="The loss is summed over the batch (or averaged twice), and the step is so many times too long (short).",
        seen=(
            "The loss is a sum over the examples, the first steps replace the layers, and the loss does not come down.",
            "A factor of one over the batch stands on a mean, and the weights hardly move.",
        ),
        limits=(
            ("examples in a batch", BATCH_MIN),
            ("largest first update ratio, median", limits.UPDATE_RATIO_HIGH),
            ("factor · batch", TWICE),
            ("way of a weight over the run, in its own size", TRAVEL),
        ),
        alike=(("lr-too-high", "there the reduction is a mean"), ("lr-too-low", "there the loss has no factor")),
        spared=(
            "sums before Adam and RMSprop, whose steps do not depend on the gradient's size",
            "sums with a rate that suits them: the network learns",
        ),
        earliest="20 steps",
    ),
)
RULE = Rule("loss-reduction", find, CARDS)
