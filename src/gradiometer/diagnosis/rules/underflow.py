"""Numbers fall below what the format holds, or steps round to nothing.

Cause: precision-underflow. Not meant: half precision with a live loss scale, and zeros that rectifiers make.
"""

from __future__ import annotations

import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Evidence, Finding
from .. import motion, proof
from .. import wording_step as wording
from ..limits import OURS, Limit
from ..reading import Reading
from ..rule import Card, Rule

LOST_SHARE = Limit(0.5, OURS)  # of the error's elements that are 0 or below the smallest float16
STILL_SHARE = Limit(0.5, OURS)  # of a weight's elements that the step leaves as they were
LOW = ("float16", "bfloat16")


def find(reading: Reading) -> tuple[Finding, ...]:
    """float16 without a loss scale whose error is mostly gone; low-precision weights that the step does not move."""
    if not len(reading.steps) or (reading.level == "learned" and reading.level_known):
        return ()
    return _rounded(reading) or _lost(reading)


def _rounded(reading: Reading) -> tuple[Finding, ...]:
    low = {p.name: p.dtype for p in reading.network.params if p.dtype in LOW}
    names = tuple(n for n in motion.trained(reading) if n in low)
    share = quantities.median(motion.columns(reading, "update_zero_share", names).ravel())
    if not share >= STILL_SHARE.value:
        return ()
    dtype = low[names[0]]
    evidence = proof.above(f"elements of {dtype} weights that a step leaves as they are", share, "share", STILL_SHARE)
    return (_finding(reading, wording.rounds_to_nothing(dtype, share), names, evidence),)


def _lost(reading: Reading) -> tuple[Finding, ...]:
    """The half of the trunk nearest to the input: what has underflowed above it is 0 there."""
    scaled = any(f.loss_scale != 1.0 for f in reading.run.frames_of(reading.model))
    if scaled or "float16" not in (*reading.network.computes, reading.network.dtype):
        return ()
    stations = reading.network.stations
    deep = stations[len(stations) // 2 :]
    lost = motion.columns(reading, "err_zero_share", deep) + motion.columns(reading, "err_underflow_share", deep)
    born = motion.columns(reading, "act_zero_share", deep)  # a rectifier's own zeros are no underflow
    with np.errstate(invalid="ignore"):
        beyond = lost - np.where(np.isfinite(born), born, 0.0)
    share = quantities.median(beyond.ravel()) if beyond.size else float("nan")
    if not share >= LOST_SHARE.value:
        return ()
    evidence = proof.above("error below 2⁻²⁴ in the half nearest to the input", share, "share", LOST_SHARE)
    return (_finding(reading, wording.format_too_small("float16", share), deep, evidence),)


def _finding(reading: Reading, summary: str, sites: tuple[str, ...], evidence: Evidence) -> Finding:
    return Finding(
        model=reading.model,
        symptom="zero",
        cause="precision-underflow",
        severity="fail",
        sites=sites,
        steps=proof.span(reading),
        summary=summary,
        evidence=(evidence, *proof.loss_level(reading)),
        cures=cures_for("precision-underflow", Context(rate=reading.rate)),
    )


CARDS = (
    Card(
        cause="precision-underflow",
        what="Errors fall below the smallest number of a low-precision format, or steps round to nothing in it.",
        seen=(
            "float16 is computed with no loss scale, and most of the error in the half nearest to the input is 0 or "
            "below 2⁻²⁴.",
            "Weights are stored in float16 or bfloat16, and most of their elements stay as they are in a step although "
            "they have a gradient.",
        ),
        limits=(("error below 2⁻²⁴, share", LOST_SHARE), ("elements that a step leaves as they are", STILL_SHARE)),
        alike=(
            ("activation-dead", "there rectifiers make the zeros, in any format"),
            ("lr-too-low", "there float32 would move, however slowly"),
        ),
        spared=("half precision with a live loss scale", "bfloat16 computation over float32 weights"),
        earliest="step 0",
    ),
)
RULE = Rule("underflow", find, CARDS)
