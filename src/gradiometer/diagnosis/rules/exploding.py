"""Exploding: weights above the critical variance multiply the signal, or saturate it, from the first step on.

Cause: init-too-large. A network that learns is not called broken.
"""

from __future__ import annotations

import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Alternative, Finding
from .. import limits, proof, units, wording
from ..growth import Growth, growth
from ..guilt import context_of, judge
from ..reading import Reading
from ..rule import Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """Growth per hop beyond the limit, or units flat at the first step, with a consequence."""
    if reading.level == "learned" and not reading.blows_up:
        return ()
    grown = growth(reading)
    found = _grows(reading, grown) if grown is not None and not grown.normalised else ()
    if found and found[0].severity == "fail":
        return found
    return _flat(reading) or found


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


RULE = Rule("exploding", find, cards=(), also=("init-too-large",))
