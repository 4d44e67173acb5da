"""Exploding: weights above the critical variance multiply the signal, or saturate it, from the first step on.

Cause: init-too-large. A network that learns is not called broken.
"""

from __future__ import annotations

import math

import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding, LossSeen, Severity
from .. import ends, limits, proof, units, wording
from ..growth import Growth, growth
from ..guilt import context_of, judge
from ..limits import OURS, Limit
from ..motion import weight_variance
from ..reading import Reading
from ..rule import Card, Rule

LOUD = Limit(4.0, OURS)  # first loss of a classifier / trivial loss: chance gives 1
HEAD_VARIANCE = Limit(4.0, "He 2015 has 2, Xavier 1")  # fan_in · Var W of the layer that gives the logits
LEFT = Limit(0.25, OURS)  # of the trivial loss: what has come so far has got over it
UNIT_INPUT = Limit(3.0, OURS)  # root mean square of inputs that do not explain large logits


def find(reading: Reading) -> tuple[Finding, ...]:
    """Growth per hop beyond the limit, or units flat at the first step, with a consequence."""
    if reading.level == "learned" and not reading.blows_up:
        return _loud(reading)
    grown = growth(reading)
    found = _grows(reading, grown) if grown is not None and not grown.normalised else ()
    if found and found[0].severity == "fail":
        return found
    return _flat(reading) or found or _loud(reading)


def _loud(reading: Reading) -> tuple[Finding, ...]:
    """A classifier whose first loss is many times that of chance: its logits start far too large."""
    seen = reading.loss_seen
    if seen is None or not reading.losses.size:
        return ()
    logits = {"cross_entropy": "", "bce_logits": "", "bce": "sigmoid"}  # kind of loss -> what stands between
    if logits.get(seen.kind) != ends.last_activation(seen):
        return ()
    ratio = float(reading.losses[0]) / reading.trivial if reading.trivial > 0 else math.nan
    large = any(i.rms >= UNIT_INPUT.value for i in reading.network.inputs if i.rms == i.rms)
    done = reading.level == "learned" and reading.trivial_share < LEFT.value
    stations = reading.network.stations
    variance = _head_variance(reading, seen)
    if not (ratio >= LOUD.value and variance >= HEAD_VARIANCE.value) or large or done or not reading.level_known:
        return ()
    severity: Severity = "fail" if ends.severity_of(reading) == "fail" else "warn"
    return (
        Finding(
            model=reading.model,
            symptom=ends.symptom_of(reading),
            cause="init-too-large",
            severity=severity,
            sites=stations[:1],
            steps=proof.span(reading),
            summary=wording.loud(ratio),
            evidence=(
                proof.above("first loss / trivial loss", ratio, "1", LOUD),
                proof.above("fan · variance of the head's weights", variance, "1", HEAD_VARIANCE),
                Evidence("spread of the first logits", seen.input_std, "1"),
            ),
            cures=cures_for("init-too-large", Context()),
            alternatives=(Alternative("lr-too-low", "steps of usual length take long to bring the logits down"),),
        ),
    )


def _head_variance(reading: Reading, seen: LossSeen) -> float:
    """fan_in · Var W of the weights that give the logits; behind a normalisation, whose outputs have unit size, the
    variance of the logits: an embedding that is used once more is no module there. nan where neither is known."""
    stations = reading.network.stations
    head = reading.network.module(stations[0]) if stations else None
    if head is None:
        return math.nan
    if head.role == "norm" and seen.kind == "cross_entropy":
        return float(seen.input_std) ** 2
    return weight_variance(reading, head)


def _grows(reading: Reading, grown: Growth) -> tuple[Finding, ...]:
    verdict = judge(reading, grown.hops, reading.initial)
    if verdict is None or not grown.consequence:
        return ()
    summary = wording.weights_too_large(grown.decades, len(reading.network.hops), grown.gain)
    return (
        Finding(
            model=reading.model,
            symptom="exploding",
            cause="init-too-large",
            severity="fail" if grown.certain else "warn",
            sites=verdict.sites,
            steps=proof.span(reading),
            summary=wording.join(summary, "The loss blows up." if reading.blows_up else ""),
            evidence=grown.evidence + proof.loss_level(reading),
            cures=cures_for("init-too-large", context_of(reading, verdict, reading.initial)),
            alternatives=(Alternative("lr-too-high", "the error grows before the first step is taken"),),
        ),
    )


def _flat(reading: Reading) -> tuple[Finding, ...]:
    """Most activations saturated at step 0, the deeper ones as well, so that inputs alone do not explain it.

    Where the loss moves, and not far enough, the error must grow at each hop as well: two signs of the same weights.
    """
    born = units.born_flat(reading)
    gains = reading.gains(reading.initial)
    gain, many = quantities.median(gains), np.isfinite(gains).sum() >= limits.MIN_HOPS.value
    slow = (reading.limps or reading.crawls) and many and gain > limits.HOP_GAIN_HIGH.value
    if born is None or not ((reading.stuck or slow) and units.flat_from_birth(reading)):
        return ()
    shares, kind, start = units.saturated(reading), born.kind, born.first
    limit = units.saturated_limit(kind)
    context = Context(activation=kind, gain_before=gain, hops=len(shares))
    return (
        Finding(
            model=reading.model,
            symptom="exploding" if gain > 1 else "vanishing",
            cause="init-too-large",
            severity="fail",
            sites=tuple(s.site for s in shares if s.first >= limit.value),
            steps=proof.span(reading),
            summary=wording.join(wording.born_flat(kind, start), wording.stays(reading.level)),
            evidence=(
                proof.above("saturated units at the first step, median", start, "share", limit),
                proof.above("gain per hop, median", gain, "1", limits.HOP_GAIN_HIGH),
                *proof.loss_level(reading),
            ),
            cures=cures_for("init-too-large", context),
            alternatives=(Alternative("activation-saturated", "they are flat before any step is taken"),),
        ),
    )


CARDS = (
    Card(
        cause="init-too-large",
        what="The weight variance lies above its critical value: the signal grows or saturates from the first step on.",
        seen=(
            "The error grows over the trunk by two decades or more in the first frame, with a gain above 1.25 a hop.",
            "Or most activations above the first layer are flat before any step is taken.",
            "Or the first loss of a classifier lies many times above chance although the inputs have unit size.",
            "The loss stays, comes down too little, or blows up.",
        ),
        limits=(
            ("growth of the error, warning", limits.GROWTH_WARN_DECADES),
            ("growth of the error, failure", limits.GROWTH_FAIL_DECADES),
            ("gain per hop", limits.HOP_GAIN_HIGH),
            ("saturated units, tanh", limits.SATURATED_TANH),
            ("saturated units, sigmoid", limits.SATURATED_SIGMOID),
            ("first loss / trivial loss of a classifier", LOUD),
            ("fan · variance of its head's weights, with the former", HEAD_VARIANCE),
        ),
        alike=(
            ("input-scale", "there only the first activation is flat, because of the inputs"),
            ("norm-explodes-error", "there normalisations take the weights' scale out"),
            ("lr-too-high", "there nothing grows before the first step"),
        ),
        spared=("growth in a network that learns, such as unscaled residual blocks",),
    ),
)
RULE = Rule("exploding", find, CARDS)
