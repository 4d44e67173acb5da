"""Depth alone: gain is critical and units are alive, and still the inputs look alike far from the input.

Cause: depth-without-skip. Asked only where the loss had time to leave the trivial level and did not.
"""

from __future__ import annotations

import math

import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding
from .. import limits, proof, units, wording
from ..limits import OURS, Limit
from ..reading import Reading
from ..rule import Card, Rule
from . import shatter

VERY_DEEP = Limit(20, OURS)  # hops
ALIKE_AT_BIRTH = Limit(0.95, "cosine of different inputs near the loss, c-map")


def find(reading: Reading) -> tuple[Finding, ...]:
    """Critical gain, no skips, many hops, and different inputs alike near the loss."""
    hops = reading.network.hops
    deep = len(hops) >= limits.COLLAPSE_HOPS.value and not any(h.skip or h.spine for h in hops)
    slow = reading.crawls or (reading.limps and len(hops) >= VERY_DEEP.value)
    if not deep or not (reading.level == "trivial" or slow) or reading.last_step < limits.COLLAPSE_STEPS.value:
        return ()
    gain = quantities.median(reading.gains(reading.early))
    critical = limits.HOP_GAIN_LOW.value <= gain <= limits.HOP_GAIN_HIGH.value
    evidence = _collapse(reading) + (_from_birth(reading) if len(hops) >= VERY_DEEP.value else ())
    shattered = shatter.find(reading) if len(hops) >= VERY_DEEP.value else ()
    evidence += tuple(e for f in shattered for e in f.evidence[:1])  # the errors instead of the inputs: depth as well
    if not critical or not (any(e.beyond for e in evidence) or shattered):
        return ()
    acts = units.activation_parts(reading)
    context = Context(activation=acts[0].kind if acts else "", gain_before=gain, hops=len(hops))
    return (
        Finding(
            model=reading.model,
            symptom="vanishing",
            cause="depth-without-skip",
            severity="fail",
            sites=reading.network.stations[1:],
            steps=proof.span(reading),
            summary=wording.join(wording.depth_alone(len(hops)), wording.LOSS_STAYS),
            evidence=(Evidence("gain per hop, median", gain, "1"), *evidence, *proof.loss_level(reading)),
            cures=cures_for("depth-without-skip", context),
            alternatives=(Alternative("init-too-small", "the gain per hop is critical"),),
        ),
    )


def _from_birth(reading: Reading) -> tuple[Evidence, ...]:
    """Alike near the loss before the first step: in a very deep network steps part them again, slowly."""
    stations = reading.network.stations
    seen = [quantities.median(reading.at("act_similarity", s)[reading.initial]) for s in (stations[1], stations[-1])]
    top, below = seen
    if not below < ALIKE_AT_BIRTH.value:
        return ()
    return (proof.above(f"similarity of different inputs at {stations[1]}, first step", top, "1", ALIKE_AT_BIRTH),)


def _collapse(reading: Reading) -> tuple[Evidence, ...]:
    """Largest similarity over the third of the trunk nearest to the loss, where the inputs were still apart; rank.

    What one layer has made alike no later one takes apart, and a single layer is a draw of its weights.
    """
    stations = reading.network.stations
    top, near = stations[1], stations[1 : 1 + len(stations) // 3]
    out = []
    similarity = max((x for x in (_seen(reading, "act_similarity", s) for s in near) if x == x), default=math.nan)
    below = _seen(reading, "act_similarity", stations[-1])
    limit = limits.SIMILARITY_COLLAPSE
    if math.isfinite(similarity) and not below >= limit.value:
        out.append(proof.above("similarity of different inputs near the loss, largest", similarity, "1", limit))
    rank = _seen(reading, "act_rank_share", top)
    if math.isfinite(rank):  # shown and not judged: a shared mean lowers the rank of networks that train well
        out.append(Evidence(f"effective rank at {top}", rank, "share"))
    return tuple(out)


def _seen(reading: Reading, stat: str, site: str) -> float:
    values = reading.at(stat, site)
    kept = values[np.isfinite(values)]
    return quantities.median(kept[-limits.WINDOW_FRAMES :])


CARDS = (
    Card(
        cause="depth-without-skip",
        what="Each hop is right, and so many of them in a row lose what tells the inputs apart; skips cure it.",
        seen=(
            "Ten plain hops or more with a gain between 0.8 and 1.25, and no skip.",
            "Near the loss different inputs look alike, while at the first layer they are apart; or their errors have "
            "nothing in common at the input.",
            "The loss stays at its trivial level; in very deep networks it may creep.",
        ),
        limits=(
            ("hops", limits.COLLAPSE_HOPS),
            ("hops from which inputs alike at the first step suffice", VERY_DEEP),
            ("similarity of different inputs near the loss", limits.SIMILARITY_COLLAPSE),
            ("the same at the first step", ALIKE_AT_BIRTH),
            ("steps", limits.COLLAPSE_STEPS),
        ),
        alike=(
            ("inputs-collapse", "there the trunk is short, or has skips"),
            ("gradients-shatter", "there inputs are apart, and errors have nothing in common"),
            ("init-too-small", "there the gain per hop is below critical"),
        ),
        spared=("deep networks that learn, and those with skips",),
        earliest="50 steps",
    ),
)
RULE = Rule("depth", find, CARDS)
