"""The errors of different examples lose what they have in common with depth, while gain and values are healthy.

Cause: gradients-shatter. Asked only of deep plain trunks whose loss stays although inputs do not look alike.
"""

from __future__ import annotations

import math

import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Alternative, Finding
from .. import limits, proof
from .. import wording_network as wording
from ..limits import OURS, Limit
from ..reading import Reading
from ..rule import Card, Rule

DEEP = Limit(20, "Balduzzi 2017: plain networks of tens of layers")
LIKENESS_LEFT = Limit(0.5, OURS)  # of the errors' likeness near the loss that is left at the input
NOISE = Limit(1.5, "root mean square cosine of independent errors over n units: 1/√n")


def find(reading: Reading) -> tuple[Finding, ...]:
    """Likeness of the errors down to that of independent ones, where gain is critical and inputs are apart."""
    stations, hops = reading.network.stations, reading.network.hops
    plain = len(hops) >= DEEP.value and not any(h.skip or h.spine for h in hops)
    if not plain or not (reading.stuck or reading.crawls):
        return ()
    near, far = _likeness(reading, stations[1]), _likeness(reading, stations[-1])
    gain = quantities.median(reading.gains(reading.early))
    alike = quantities.median(reading.at("act_similarity", stations[1])[reading.early])
    critical = limits.HOP_GAIN_LOW.value <= gain <= limits.HOP_GAIN_HIGH.value
    if not critical or alike >= limits.SIMILARITY_COLLAPSE.value or not near > 0:
        return ()
    independent = NOISE.value / math.sqrt(max(_units(reading, stations[-1]), 1))
    if not (far / near <= LIKENESS_LEFT.value or far <= independent < near):
        return ()
    return (
        Finding(
            model=reading.model,
            symptom="stalled",
            cause="gradients-shatter",
            severity="fail",
            sites=stations[1:],
            steps=proof.span(reading),
            summary=wording.shattered(len(hops), near, far),
            evidence=(
                proof.below("likeness of different errors, input / loss", far / near, "1", LIKENESS_LEFT),
                proof.above("hops without a skip", len(hops), "hops", DEEP),
                *proof.loss_level(reading),
            ),
            cures=cures_for("gradients-shatter", Context(hops=len(hops))),
            alternatives=(Alternative("depth-without-skip", "different inputs are still apart near the loss"),),
        ),
    )


def _likeness(reading: Reading, site: str) -> float:
    values = reading.at("err_similarity", site)[reading.early]
    return quantities.median(values[np.isfinite(values)])


def _units(reading: Reading, site: str) -> int:
    module = reading.network.module(site.split("#")[0])
    return module.fan_out if module is not None else 0


CARDS = (
    Card(
        cause="gradients-shatter",
        what="With depth the errors of neighbouring inputs lose what they have in common: their mean is noise.",
        seen=(
            "The root mean square cosine between the errors of different examples falls over the trunk to that of "
            "independent vectors.",
            "Gain is critical, units are alive and inputs are apart, and the loss stays.",
        ),
        limits=(
            ("hops without a skip", DEEP),
            ("likeness of different errors, input / loss", LIKENESS_LEFT),
            ("likeness · √units of independent errors", NOISE),
        ),
        alike=(
            ("inputs-collapse", "there the inputs look alike near the loss"),
            ("noise-dominates", "there the noise comes from batch or dropout, at any depth"),
        ),
        spared=("networks with skips, and those that learn",),
        earliest="20 steps",
    ),
)
RULE = Rule("shatter", find, CARDS)
