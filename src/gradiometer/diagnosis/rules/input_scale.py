"""Inputs far from unit scale, where they show at the first layers and the network does not learn.

Cause: input-scale. Not called so: large inputs of a network that learns, and a fault that begins above the first
activation.
"""

from __future__ import annotations

import math

import numpy as np

from ...catalog import Context, cures_for
from ...records import Evidence, Finding, Symptom
from .. import limits, proof, units, wording
from ..inputs import inputs_too_large
from ..reading import Reading
from ..rule import Rule

ZERO_SHARE = 0.5  # of the frames: in most of them exactly no error reaches the first layer


def find(reading: Reading) -> tuple[Finding, ...]:
    """Large inputs that saturate the first activation from the first step on, while the loss stays trivial."""
    rms = inputs_too_large(reading) if len(reading.steps) else None
    first = units.saturated(reading)[-1:]
    if rms is None or not first or not (reading.stuck or reading.crawls):
        return ()
    limit = units.saturated_limit(first[0].kind)
    if first[0].first < limit.value:
        return ()
    zeros = _zero_share(reading)
    return (
        Finding(
            model=reading.model,
            symptom=_symptom(reading, zeros),
            cause="input-scale",
            severity="fail",
            sites=(first[0].site,),
            steps=proof.span(reading),
            summary=wording.inputs_flat(rms, first[0].first, first[0].kind),
            evidence=(
                proof.above("size of the inputs, root mean square", rms, "1", limits.INPUT_RMS_HIGH),
                proof.above(f"saturated units in {first[0].site} at the first step", first[0].first, "share", limit),
                *((Evidence("frames with exactly no error at the first layer", zeros, "share"),) if zeros else ()),
                *proof.loss_level(reading),
            ),
            cures=cures_for("input-scale", Context(activation=first[0].kind)),
        ),
    )


def _symptom(reading: Reading, zeros: float) -> Symptom:
    """What the flat first activation does to the error, as measured: all of it gone, most of it, or too little to say.

    Where the error passes, the loss stays for what the units say and not for what they pass: stalled.
    """
    if zeros > ZERO_SHARE:
        return "zero"
    left = float(reading.decades(reading.early)[-1]) if reading.error.size else math.nan
    return "vanishing" if left <= limits.DROP_WARN_DECADES.value else "stalled"


def _zero_share(reading: Reading) -> float:
    """Share of the frames in which exactly no error reaches the first layer."""
    error = reading.error[:, -1]
    known = error[np.isfinite(error)]
    return float((known == 0).mean()) if known.size else math.nan


RULE = Rule("input-scale", find, cards=(), also=("input-scale",))
