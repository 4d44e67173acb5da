"""Labels that the loss does not mean: one class for all, labels outside 0 to 1, one label for several outputs.

Cause: target-encoding. Not meant: one batch that happens to hold one class.
"""

from __future__ import annotations

import msgspec
import numpy as np

from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding, LossSeen
from .. import ends, proof
from .. import wording_ends as wording
from ..limits import OURS, Limit
from ..reading import CLASS_LOSSES, Reading
from ..rule import Card, Rule

LOW, HIGH = Limit(-0.01, "binary cross-entropy: labels are probabilities"), Limit(1.01, "the same")
BELOW = Limit(-0.1, "binary cross-entropy of probabilities is 0 or more")  # lowest loss / first loss
LOOKS = Limit(2, OURS)  # batches that must agree before all labels count as equal
LABELS = Limit(6, OURS)  # ... and so many labels in them: of ten equal classes by chance once in 100 000 times


def find(reading: Reading) -> tuple[Finding, ...]:
    """Binary labels outside 0 to 1; class labels that are all the same."""
    seen = reading.loss_seen
    if seen is None or not len(reading.steps):
        return ()
    if seen.kind in ("bce", "bce_logits") and (seen.target_min < LOW.value or seen.target_max > HIGH.value):
        summary = wording.labels_outside(seen.kind, seen.target_min, seen.target_max)
        evidence = (
            proof.below("smallest label", seen.target_min, "1", LOW),
            proof.above("largest label", seen.target_max, "1", HIGH),
        )
        return (_finding(reading, seen, summary, evidence),)
    lowest = float(np.nanmin(reading.losses)) if np.isfinite(reading.losses).any() else 0.0
    depth = lowest / abs(reading.first_loss) if reading.first_loss else 0.0
    if seen.kind in ("bce", "bce_logits") and not seen.factor < 0 and depth < BELOW.value:
        fall = proof.below("lowest loss / first loss", depth, "1", BELOW)
        found = _finding(reading, seen, wording.below_zero(seen.kind, lowest), (fall,))
        outputs = Alternative("output-range", "one output for several classes: as many outputs as classes")
        return (msgspec.structs.replace(found, symptom="stalled", alternatives=(*found.alternatives, outputs)),)
    alone = seen.terms <= 1  # of several losses one may be about a batch that is of one kind by design
    constant = alone and seen.kind in CLASS_LOSSES and seen.classes_seen == 1 and seen.outputs > 1
    if constant and seen.looks >= LOOKS.value and seen.batch * seen.looks >= LABELS.value:
        evidence = (
            Evidence("different classes among the labels", 1, "classes", 1.0, OURS, True),
            Evidence("outputs", seen.outputs, "classes"),
        )
        return (_finding(reading, seen, wording.one_label(seen.batch, seen.looks), evidence),)
    if seen.target_columns_equal and seen.batch * seen.looks >= LABELS.value:
        spread = Evidence("outputs that are compared with one label", seen.outputs, "outputs", 1.0, OURS, True)
        found = _finding(reading, seen, wording.one_column(seen.outputs), (spread,))
        return (msgspec.structs.replace(found, severity=ends.severity_of(reading)),)  # an ensemble means it so
    return ()


def _finding(reading: Reading, seen: LossSeen, summary: str, evidence: tuple[Evidence, ...]) -> Finding:
    return Finding(
        model=reading.model,
        symptom=ends.symptom_of(reading),
        cause="target-encoding",
        severity="fail",
        sites=reading.network.stations[:1],
        steps=proof.span(reading),
        summary=summary,
        evidence=(*evidence, *proof.loss_level(reading)),
        cures=cures_for("target-encoding", Context()),
        alternatives=(Alternative("loss-mismatch", f"another loss than {wording.loss_name(seen.kind)} may mean them"),),
    )


CARDS = (
    Card(
        cause="target-encoding",
        what="The targets are written in a way that the loss does not mean.",
        seen=(
            "Binary cross-entropy gets labels outside 0 to 1: −1 and 1, or the numbers of several classes.",
            "Binary cross-entropy falls below 0, which it cannot with such labels.",
            "All class labels are one and the same: class numbers that were scaled and cut to whole numbers.",
            "One label is spread over several outputs, so that all of them learn the same.",
        ),
        limits=(
            ("smallest label", LOW),
            ("largest label", HIGH),
            ("lowest loss / first loss", BELOW),
            ("batches looked at", LOOKS),
            ("labels", LABELS),
        ),
        alike=(
            ("loss-mismatch", "there labels are as meant, and the loss is another one's"),
            ("output-range", "there the output has bounds that exclude the targets"),
        ),
        spared=(
            "a batch that happens to hold one class",
            "one of several losses, over a batch of one kind",
            "an ensemble whose outputs learn the same: a warning at most, where it learns",
        ),
        earliest="step 0",
    ),
)
RULE = Rule("target-encoding", find, CARDS)
