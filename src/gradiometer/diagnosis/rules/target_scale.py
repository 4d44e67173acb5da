"""Regression targets far from unit scale.

Cause: target-scale. Not meant: targets in natural units that the network learns, and outputs with bounds, which
cannot hold them at all.
"""

from __future__ import annotations

import math

from ...catalog import Context, cures_for
from ...records import Alternative, Finding
from .. import ends, proof
from .. import wording_ends as wording
from ..limits import OURS, Limit
from ..outcome import outcome
from ..reading import Reading
from ..rule import Card, Rule
from .output_range import RANGES

FAR = Limit(10.0, "unit scale, LeCun 1998")  # root mean square of the targets
BEYOND_OUTPUT = Limit(5.0, OURS)  # targets / first outputs


def find(reading: Reading) -> tuple[Finding, ...]:
    """Targets ten times unit size or more, far from the first outputs, in a network that does not learn."""
    seen = reading.loss_seen
    if seen is None or seen.kind not in ends.REAL_LOSSES or not len(reading.steps):
        return ()
    size = math.hypot(seen.target_mean, seen.target_std)
    output = math.hypot(seen.input_mean, seen.input_std)
    bounded = ends.last_activation(seen) in RANGES
    far = size >= FAR.value and not size < BEYOND_OUTPUT.value * output
    if not far or bounded or (outcome(reading).went == "learns" and reading.level_known):
        return ()
    if not ends.early(reading) and reading.trivial_share < 0.5 and reading.level_known:
        return ()
    return (
        Finding(
            model=reading.model,
            symptom=ends.symptom_of(reading),
            cause="target-scale",
            severity=ends.severity_of(reading),
            sites=reading.network.stations[:1],
            steps=proof.span(reading),
            summary=wording.targets_far(size, output),
            evidence=(
                proof.above("size of the targets, root mean square", size, "1", FAR),
                proof.above("targets / first outputs", size / output if output > 0 else math.inf, "1", BEYOND_OUTPUT),
                *proof.loss_level(reading),
            ),
            cures=cures_for("target-scale", Context()),
            alternatives=(
                Alternative("lr-too-high", "the errors of such targets make the steps long"),
                Alternative("lr-too-low", "Adam's steps have a fixed length, and the way is long"),
            ),
        ),
    )


CARDS = (
    Card(
        cause="target-scale",
        what="Regression targets lie far from unit scale, and so does the way that the output has to go.",
        seen=(
            "The targets' root mean square is ten or more, and many times that of the first outputs.",
            "The loss diverges, or stays near or above its trivial level.",
        ),
        limits=(("size of the targets, root mean square", FAR), ("targets / first outputs", BEYOND_OUTPUT)),
        alike=(
            ("output-range", "there the output has bounds that exclude the targets"),
            ("lr-too-high", "there targets have unit size"),
        ),
        spared=("targets in natural units that the network learns all the same",),
        earliest="step 0",
    ),
)
RULE = Rule("target-scale", find, CARDS)
