"""The range of the last activation cannot hold the targets.

Cause: output-range. Not meant: targets inside the range, and a rounding beyond it (noise, label smoothing).
"""

from __future__ import annotations

import math

from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding, LossSeen
from .. import ends, proof
from .. import wording_ends as wording
from ..limits import OURS, Limit
from ..reading import CLASS_LOSSES, Reading
from ..rule import Card, Rule

RANGES: dict[str, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0),
    "relu": (0.0, math.inf),
    "softplus": (0.0, math.inf),
    "exp": (0.0, math.inf),
    "log_softmax": (-math.inf, 0.0),
    "log_sigmoid": (-math.inf, 0.0),
}
BEYOND = Limit(0.25, OURS)  # targets that lie outside by so many of their standard deviations
CUTS = frozenset({"relu", "tanh", "hardtanh"})  # what cannot give a class loss the logits or probabilities it wants


def find(reading: Reading) -> tuple[Finding, ...]:
    """Targets outside the range of the last activation; a rectifier or tanh where a class loss wants more."""
    seen = reading.loss_seen
    if seen is None or not len(reading.steps):
        return ()
    activation = ends.last_activation(seen)
    if seen.kind in ends.REAL_LOSSES and activation in RANGES:
        return _outside(reading, seen, activation)
    classes = CLASS_LOSSES | {"bce", "bce_logits"}
    if seen.kind in classes and activation in CUTS:
        summary = wording.rectified_logits(activation, seen.kind)
        evidence = Evidence(f"smallest output behind the {activation}", seen.pre_min, "1")
        return (_finding(reading, summary, (evidence,)),)
    return ()


def _outside(reading: Reading, seen: LossSeen, activation: str) -> tuple[Finding, ...]:
    low, high = RANGES[activation]
    excess = max(seen.target_max - high, low - seen.target_min)
    spread = seen.target_std if seen.target_std > 0 else abs(seen.target_max)
    if not (math.isfinite(excess) and spread > 0 and excess / spread >= BEYOND.value):
        return ()
    summary = wording.out_of_range(activation, low, high, (seen.target_min, seen.target_max))
    evidence = (
        proof.above("targets outside the output's range, in standard deviations", excess / spread, "1", BEYOND),
        Evidence("largest target", seen.target_max, "1"),
        Evidence("smallest target", seen.target_min, "1"),
    )
    return (_finding(reading, summary, evidence),)


def _finding(reading: Reading, summary: str, evidence: tuple[Evidence, ...]) -> Finding:
    stations = reading.network.stations
    error = reading.error[:, 0] if reading.error.size else reading.error
    zero = error.size > 0 and bool((error == 0).mean() > 0.5)
    return Finding(
        model=reading.model,
        symptom="zero" if zero else ends.symptom_of(reading),
        cause="output-range",
        severity=ends.severity_of(reading, "fail"),
        sites=stations[:1],
        steps=proof.span(reading),
        summary=summary,
        evidence=(*evidence, *proof.loss_level(reading)),
        cures=cures_for("output-range", Context()),
        alternatives=(
            Alternative("loss-mismatch", "another loss would have to be made for this output"),
            Alternative("target-scale", "scaled into the range, the targets could be reached"),
        ),
    )


CARDS = (
    Card(
        cause="output-range",
        what="The last activation's range cannot hold the targets: a sigmoid for unbounded ones, a ReLU on logits.",
        seen=(
            "The targets lie outside the range of the activation on the output.",
            "A ReLU or tanh stands between the last layer and a class loss.",
        ),
        limits=(("targets outside the range, in standard deviations", BEYOND),),
        alike=(
            ("target-scale", "there the output has no bounds, and the targets are merely far"),
            ("loss-mismatch", "there the output could hold the targets, and the loss reads it wrongly"),
            ("output-constant", "there the output does not depend on the network at all"),
        ),
        spared=("targets inside the range", "a little noise beyond it"),
        earliest="step 0",
    ),
)
RULE = Rule("output-range", find, CARDS)
