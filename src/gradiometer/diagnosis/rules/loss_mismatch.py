"""The loss and what feeds it do not belong together.

Cause: loss-mismatch. Not meant: log_softmax before cross-entropy, which changes nothing; probabilities before a loss
on probabilities; two squashed outputs with one-hot targets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding, LossSeen, Severity
from .. import ends, proof
from .. import wording_ends as wording
from ..limits import OURS, Limit
from ..reading import CLASS_LOSSES, Reading
from ..rule import Card, Rule

ROW_SUM = Limit(1.5, OURS)  # labels of one example add up to more: several classes at once
SQUASH = frozenset({"softmax", "sigmoid"})
LOGS = frozenset({"log", "log_softmax", "log_sigmoid"})
SOFT = frozenset({"softmax", "log_softmax"})


@dataclass(frozen=True, slots=True)
class Misfit:
    """What does not fit. sure: wrong whatever the training does; else it is judged by how the training goes."""

    summary: str
    evidence: Evidence
    sure: bool
    weak: bool = False  # odd, and no fault of itself: a warning where the network does not learn


def find(reading: Reading) -> tuple[Finding, ...]:
    """The first misfit of the loss that was seen with its input and its targets."""
    seen = reading.loss_seen
    if seen is None or not len(reading.steps) or seen.pre_size == 1:
        return ()
    misfit = (
        _shapes(seen) or _wrong_dimension(seen) or _classes(reading, seen) or _binary(seen) or _squared(reading, seen)
    )
    return (_finding(reading, seen, misfit),) if misfit else ()


def _shapes(seen: LossSeen) -> Misfit | None:
    """[N, 1] against [N] makes [N, N]."""
    wide, own = math.prod(seen.loss_shape), math.prod(seen.prediction_shape)
    if seen.kind not in ends.REAL_LOSSES or not seen.loss_shape or seen.batch < 2 or wide <= own:
        return None
    evidence = Evidence("comparisons an output", wide / max(own, 1), "1", 1.0, OURS, True)
    return Misfit(wording.spread_out(seen.prediction_shape, seen.target_shape), evidence, sure=True)


def _wrong_dimension(seen: LossSeen) -> Misfit | None:
    """A softmax over the examples of the batch."""
    pre = next((x for x in ends.feeders(seen) if x in SOFT), "softmax")
    classes = seen.kind in CLASS_LOSSES  # elsewhere, as in CTC, the classes may stand in any dimension
    other = classes and seen.pre_size > 1 and seen.outputs > 1 and seen.pre_size != seen.outputs
    own = seen.kind == "cross_entropy" and not ends.last_activation(seen)  # its log_softmax is no feeder
    if other and seen.pre_dim > 0 and (pre in ends.feeders(seen) or own):
        evidence = Evidence(f"elements that the {pre} runs over", seen.pre_size, "elements", seen.outputs, OURS, True)
        return Misfit(wording.over_another(pre, seen.pre_size, seen.outputs), evidence, sure=True)
    if seen.pre_dim != 0 or seen.pre_dims < 2 or seen.batch < 2 or seen.pre_size != seen.batch:
        return None
    evidence = Evidence("examples that the softmax runs over", seen.pre_size, "examples", 1.0, OURS, True)
    return Misfit(wording.over_the_batch(pre, seen.pre_size), evidence, sure=True)


def _classes(reading: Reading, seen: LossSeen) -> Misfit | None:
    """Losses of one class an example."""
    if seen.kind not in CLASS_LOSSES:
        return None
    before, activation = ends.feeders(seen), ends.last_activation(seen)
    if seen.target_kind == "real" and seen.target_row_sum_max >= ROW_SUM.value:
        evidence = proof.above("labels of one example, largest sum", seen.target_row_sum_max, "1", ROW_SUM)
        return Misfit(wording.not_one_class(seen.kind, seen.target_row_sum_max), evidence, sure=True)
    behind = Evidence("largest output behind it", seen.pre_max, "1")
    if seen.kind == "cross_entropy" and activation in SQUASH:
        return Misfit(wording.squashed_twice(activation, seen.kind), behind, sure=False)
    if seen.kind == "nll" and not set(before) & LOGS:
        return Misfit(wording.raw_output(seen.kind), behind, sure=True)
    if seen.kind == "nll" and activation == "sigmoid" and "normalise" in before:
        odd = Misfit(wording.shared_out(activation), behind, sure=False, weak=True)
        return odd if ends.severity_of(reading) == "fail" else None
    if seen.kind == "nll" and activation in ("sigmoid", "log_sigmoid"):
        return Misfit(wording.squashed_twice(activation, "cross_entropy"), behind, sure=False)
    return None


def _binary(seen: LossSeen) -> Misfit | None:
    """Binary cross-entropy, with logits and without."""
    activation = ends.last_activation(seen)
    behind = Evidence("largest output behind it", seen.pre_max, "1")
    if seen.kind == "bce_logits" and activation in SQUASH:
        return Misfit(wording.squashed_twice(activation, seen.kind), behind, sure=False)
    if seen.kind == "bce" and activation == "":
        return Misfit(wording.raw_output(seen.kind), behind, sure=True)
    if seen.kind == "bce" and activation == "softmax" and seen.target_row_sum_max >= ROW_SUM.value:
        evidence = proof.above("labels of one example, largest sum", seen.target_row_sum_max, "1", ROW_SUM)
        return Misfit(wording.not_one_class("softmax", seen.target_row_sum_max), evidence, sure=False)
    return None


def _squared(reading: Reading, seen: LossSeen) -> Misfit | None:
    """Squared or absolute error on classes: it may train, so it is named only where it does not."""
    one_hot = seen.outputs > 1 and seen.target_whole and seen.target_values == 2 and seen.target_min == 0.0
    if seen.kind not in ("mse", "l1") or not one_hot or ends.severity_of(reading) != "fail":
        return None
    activation = ends.last_activation(seen)
    evidence = Evidence("outputs", seen.outputs, "outputs")
    if activation == "softmax":
        return Misfit(wording.probabilities_squared(activation), evidence, sure=False)
    if seen.kind == "l1" and seen.target_row_sum_max == 1.0:
        return Misfit(wording.median_of_classes(), evidence, sure=False)
    return None


def _finding(reading: Reading, seen: LossSeen, misfit: Misfit) -> Finding:
    early: Severity = "fail" if misfit.sure else "warn"
    return Finding(
        model=reading.model,
        symptom=ends.symptom_of(reading),
        cause="loss-mismatch",
        severity="warn" if misfit.weak else ends.severity_of(reading, early),
        sites=reading.network.stations[:1],
        steps=proof.span(reading),
        summary=misfit.summary,
        evidence=(misfit.evidence, *proof.loss_level(reading)),
        cures=cures_for("loss-mismatch", Context()),
        alternatives=(Alternative("output-range", "another output would fit this loss"),),
    )


CARDS = (
    Card(
        cause="loss-mismatch",
        what="The loss reads the output or the targets as something that they are not.",
        seen=(
            "A softmax or sigmoid stands before a loss that takes logits, or none before one that takes probabilities.",
            "A softmax runs over the examples of the batch.",
            "Predictions and targets of different shapes broadcast into each other.",
            "Targets with several classes an example meet a loss for one class.",
            "Squared error on a softmax, or absolute error on one-hot targets, in a network that does not learn.",
        ),
        limits=(("labels of one example, largest sum", ROW_SUM),),
        alike=(
            ("output-range", "there the output cannot hold the targets whatever the loss"),
            ("output-constant", "a softmax over one unit"),
            ("target-encoding", "there the labels are wrong, not the loss"),
        ),
        spared=(
            "log_softmax before cross-entropy",
            "squared error on probabilities in a network that learns",
            "sigmoids that are divided by their sum: a warning where the network does not learn",
        ),
        earliest="step 0",
    ),
)
RULE = Rule("loss-mismatch", find, CARDS)
