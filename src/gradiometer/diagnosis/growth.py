"""How the error grows over the trunk at the first step, and what that does to the training."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import quantities
from ..quantities.theory_gain import BATCH_NORMS
from ..records import Evidence
from . import limits, proof
from .memory import remembered
from .reading import Reading

CARRIERS = frozenset({"weights", "recurrent", "attention"})


@dataclass(frozen=True, slots=True)
class Growth:
    """Growth of the error toward the input in the first frame.

    normalised: batch normalisations without skips stand in at least half of the hops. consequence: the loss does
    not leave the trivial level, or blows up, or early layers step 100 times as far; or it comes down by less than
    half in many steps behind a very deep normalised trunk. certain: seen, not only likely.
    """

    decades: float
    gain: float
    hops: tuple[int, ...]
    normalised: bool
    consequence: bool
    certain: bool
    evidence: tuple[Evidence, ...]


@remembered
def growth(reading: Reading) -> Growth | None:
    """The growth of the error where it is past the limits, else None."""
    gains = reading.gains(reading.initial)
    known = np.isfinite(gains) & (gains > 0)
    if known.sum() < limits.MIN_HOPS.value:
        return None
    total = float(np.log10(gains[known]).sum())
    gain = quantities.median(_per_layer(reading, gains, known))
    normalised = _normalised(reading)
    per_hop = 1.0 if normalised else limits.HOP_GAIN_HIGH.value
    if total < limits.GROWTH_WARN_DECADES.value or gain <= per_hop:
        return None
    ratio = reading.early_late_ratio(reading.initial)
    apart = ratio > limits.UPDATE_RATIO_GROWS.value and reading.level != "partly"
    far = total >= limits.GROWTH_FAIL_DECADES.value
    limps = far and normalised and reading.limps  # so many plain normalised hops are past any usual depth
    return Growth(
        decades=total,
        gain=gain,
        hops=tuple(int(i) for i in np.flatnonzero(known & (gains > per_hop))),
        normalised=normalised,
        consequence=apart or limps or reading.level == "trivial" or reading.crawls or reading.blows_up,
        certain=limps or reading.stuck or reading.blows_up or (far and (apart or _in_vain(reading))),
        evidence=_evidence(total, gain, ratio),
    )


def _per_layer(reading: Reading, gains: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Gain from one layer of weights to the next, [layer]: what stands between them in hops of its own is part of it.

    A cell that is written by hand adds its input between two layers, which is a hop of gain 1 of its own. Trunks of
    fewer than MIN_HOPS such layers, as of blocks with skips alone: the gain of every hop.
    """
    layers, gain = [], 1.0
    for hop, value in zip(reading.network.hops, np.where(known, gains, 1.0), strict=True):
        gain *= float(value)
        if any(p.role in CARRIERS for p in hop.parts):
            layers.append(gain)
            gain = 1.0
    return np.array(layers) if len(layers) >= limits.MIN_HOPS.value else gains[known]


def _in_vain(reading: Reading) -> bool:
    return reading.waited_in_vain or reading.crawls


def _evidence(total: float, gain: float, ratio: float) -> tuple[Evidence, ...]:
    out = [
        proof.above("growth of the error, loss → input", total, "decades", limits.GROWTH_WARN_DECADES),
        proof.above("gain per hop, median", gain, "1", limits.HOP_GAIN_HIGH),
    ]
    if math.isfinite(ratio):
        out.append(proof.above("early / late layers, update ratio", ratio, "1", limits.UPDATE_RATIO_GROWS))
    return tuple(out)


def _normalised(reading: Reading) -> bool:
    hops = reading.network.hops
    plain = [h for h in hops if not h.skip and any(p.kind in BATCH_NORMS for p in h.parts)]
    return len(plain) >= max(1, len(hops) / 2)
