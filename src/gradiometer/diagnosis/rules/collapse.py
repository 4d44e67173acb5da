"""Different inputs become equal with depth, while the norms are healthy.

Cause: inputs-collapse. Not meant: inputs that are alike when they enter, dead layers, and an error that fades or grows
on its way: those have rules of their own.
"""

from __future__ import annotations

import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Alternative, Finding
from .. import limits, proof
from .. import wording_network as wording
from ..limits import OURS, Limit
from ..reading import Reading
from ..rule import Card, Rule

ALIKE = Limit(0.99, "cosine of different inputs near the loss, c-map")
APART = Limit(0.95, OURS)  # where the inputs enter they are not yet alike
FORWARD_LOW = Limit(0.5, OURS)  # forward gain per hop: below, the signal itself fades


def find(reading: Reading) -> tuple[Finding, ...]:
    """Alike near the loss from the first frames to the last, apart below, with gains that are healthy."""
    stations = reading.network.stations
    if len(stations) < 3 or not (reading.stuck or reading.crawls):
        return ()
    seen = {s: _similarity(reading, s) for s in stations[1:]}
    known = [s for s in stations[1:] if np.isfinite(seen[s])]
    if len(known) < 2:
        return ()
    top, bottom = known[0], known[-1]
    gain = quantities.median(reading.gains(reading.early))
    forward = quantities.median(reading.forward_gains(reading.early))
    healthy = limits.HOP_GAIN_LOW.value <= gain <= limits.HOP_GAIN_HIGH.value and forward >= FORWARD_LOW.value
    if not (seen[top] >= ALIKE.value and seen[bottom] < APART.value and healthy):
        return ()
    return (
        Finding(
            model=reading.model,
            symptom="stalled",
            cause="inputs-collapse",
            severity="fail",
            sites=tuple(s for s in known if seen[s] >= ALIKE.value),
            steps=proof.span(reading),
            summary=wording.alike(top, seen[top], seen[bottom]),
            evidence=(
                proof.above(f"similarity of different inputs at {top}", seen[top], "1", ALIKE),
                proof.below(f"similarity of different inputs at {bottom}", seen[bottom], "1", APART),
                *proof.loss_level(reading),
            ),
            cures=cures_for("inputs-collapse", Context()),
            alternatives=(Alternative("depth-without-skip", "the trunk is short, or has skips"),),
        ),
    )


def _similarity(reading: Reading, site: str) -> float:
    """The smaller of the medians over the first frame and the last ones: what the steps have done is not meant."""
    values = reading.at("act_similarity", site)
    ends = [v[np.isfinite(v)] for v in (values[reading.initial], values[-limits.WINDOW_FRAMES :])]
    return min((quantities.median(v) for v in ends if v.size), default=float("nan"))


CARDS = (
    Card(
        cause="inputs-collapse",
        what="Different inputs become equal on their way to the loss, while every norm looks healthy.",
        seen=(
            "The mean cosine of different examples is near 1 close to the loss and clearly lower at the first layer.",
            "Gains forward and backward are near their critical values, and the loss stays.",
        ),
        limits=(
            ("cosine of different inputs near the loss", ALIKE),
            ("the same at the first layer", APART),
            ("forward gain per hop", FORWARD_LOW),
        ),
        alike=(
            ("depth-without-skip", "the same over ten plain hops or more: skips cure it, and it is named first"),
            ("input-scale", "there the inputs are alike when they enter"),
            ("activation-dead", "there whole units are off"),
        ),
        spared=("networks that learn: a shared mean raises the cosine and does no harm",),
        earliest="20 steps",
    ),
)
RULE = Rule("collapse", find, CARDS)
