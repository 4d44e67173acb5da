"""Saturated units: activations that training drove into their flat parts, in a network that does not learn.

Causes: activation-saturated; lr-too-high where the first steps did it.
"""

from __future__ import annotations

import numpy as np

from ...catalog import Context, cures_for
from ...records import Alternative, Finding
from .. import limits, proof, units, wording
from ..growth import growth
from ..reading import Reading
from ..rule import Card, Rule
from ..units import Share


def find(reading: Reading) -> tuple[Finding, ...]:
    """A saturated share past its limit at the end that grew during the training."""
    if reading.level not in ("trivial", "partly") or reading.last_step < limits.PATIENCE_STEPS.value:
        return ()
    shares = units.saturated(reading)
    flat = tuple(
        s for s in shares if s.last >= units.saturated_limit(s.kind).value and s.grown >= limits.SATURATED_GROWTH.value
    )
    return (_finding(reading, flat),) if flat and 2 * len(flat) >= len(shares) else ()


def _finding(reading: Reading, flat: tuple[Share, ...]) -> Finding:
    kind = flat[0].kind
    share, grown = units.middle([s.last for s in flat]), units.middle([s.grown for s in flat])
    ratio = reading.first_update_ratio
    # where the error grows by itself, it is the weights that make the steps long
    driven = ratio > limits.UPDATE_RATIO_HIGH.value and growth(reading) is None
    cause = "lr-too-high" if driven else "activation-saturated"
    evidence = [
        proof.above("saturated units at the end, median", share, "share", units.saturated_limit(kind)),
        proof.above("saturated units, grown", grown, "share", limits.SATURATED_GROWTH),
    ]
    if np.isfinite(ratio):
        evidence.append(proof.above("largest first update ratio, median", ratio, "1", limits.UPDATE_RATIO_HIGH))
    rest = wording.LOSS_STAYS if reading.level == "trivial" else ""
    summary = wording.step_kills(share, kind, ratio) if driven else wording.join(wording.driven_flat(kind, share), rest)
    other = "activation-saturated" if driven else "lr-too-high"
    reason = "large steps came before" if driven else "the first steps are not large"
    return Finding(
        model=reading.model,
        symptom="vanishing",
        cause=cause,
        severity="fail" if reading.level == "trivial" else "warn",
        sites=tuple(s.site for s in flat),
        steps=proof.span(reading),
        summary=summary,
        evidence=(*evidence, *proof.loss_level(reading)),
        cures=cures_for(cause, Context(activation=kind, rate=reading.rate)),
        alternatives=(Alternative(other, reason),),
    )


CARDS = (
    Card(
        cause="activation-saturated",
        what="A good activation was driven into its flat parts during the training.",
        seen=(
            "The saturated share of most activations has grown past its limit since the first step.",
            "The network does not learn, and the first steps were not long.",
        ),
        limits=(
            ("saturated units, tanh", limits.SATURATED_TANH),
            ("saturated units, sigmoid", limits.SATURATED_SIGMOID),
            ("growth of the share", limits.SATURATED_GROWTH),
        ),
        alike=(
            ("init-too-large", "there units are flat from the first step on"),
            ("input-scale", "there the first activation is flat because of the inputs"),
            ("lr-too-high", "there the first steps moved layers by a tenth of their size or more"),
        ),
        spared=("saturated units in a network that learns",),
        earliest="20 steps",
    ),
)
RULE = Rule("saturated", find, CARDS, also=("lr-too-high",))
