"""An activation grows without bound until the numbers overflow: exp, powers.

Cause: activation-overflow. Asked only where the training ends in nan, inf or a loss far above its beginning.
"""

from __future__ import annotations

import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding
from .. import proof
from .. import wording_network as wording
from ..limits import OURS, Limit
from ..outcome import outcome
from ..reading import Reading
from ..rule import Card, Rule

UNBOUNDED = {"Exp": "exp", "Pow": "a power", "Expm1": "exp", "Sinh": "sinh", "Cosh": "cosh", "Exp2": "exp"}
STEEP = Limit(10.0, OURS)  # forward gain of one hop, median: bounded activations and rectifiers stay near 1


def find(reading: Reading) -> tuple[Finding, ...]:
    """Powers or exponentials in the forward pass, a hop whose output is many times its input, and an overflow."""
    hops = reading.network.hops
    # layers that are no one module have no forward pass of their own: what stands between them is known from the hops
    between = (p.kind.capitalize() for hop in hops for p in hop.parts if p.role == "other")
    bends = [UNBOUNDED[op] for op in (*reading.network.ops, *between) if op in UNBOUNDED]
    if not bends or len(hops) < 2 or outcome(reading).went != "diverged":
        return ()
    forward = [_forward(reading, i) for i in range(len(hops))]
    steep = [i for i, gain in enumerate(forward) if gain >= STEEP.value]
    if not steep:
        return ()
    site, gain = hops[steep[-1]].upper, quantities.median([min(forward[i], 1e30) for i in steep])
    ends = len(reading.losses) and not np.isfinite(reading.losses[-1])
    return (
        Finding(
            model=reading.model,
            symptom="non-finite" if ends else "exploding",
            cause="activation-overflow",
            severity="fail",
            sites=tuple(hops[i].upper for i in steep),
            steps=proof.span(reading),
            summary=wording.overflows(site, bends[0], gain),
            evidence=(
                proof.above("forward gain of the steepest hops, median", gain, "1", STEEP),
                Evidence("hops so steep", len(steep), "hops"),
                *proof.loss_level(reading),
            ),
            cures=cures_for("activation-overflow", Context()),
            alternatives=(Alternative("init-too-large", "with a bounded activation these weights would do"),),
        ),
    )


def _forward(reading: Reading, hop: int) -> float:
    """Largest forward gain of a hop in the first frames; inf where finite input gave nan or inf; 0 unknown."""
    upper, lower = reading.network.hops[hop].upper, reading.network.hops[hop].lower
    window = reading.steps <= max(int(reading.steps[0]), 10)
    below, above = reading.at("act_norm", lower)[window], reading.at("act_norm", upper)[window]
    with np.errstate(all="ignore"):
        gains = np.where(np.isfinite(below), above / below, 0.0)
    return float(np.max(np.where(np.isnan(gains), np.inf, gains), initial=0.0))


CARDS = (
    Card(
        cause="activation-overflow",
        what="An activation without a bound (exp, a high power) multiplies the signal until the numbers overflow.",
        seen=(
            "Exponentials or powers run in the forward pass, and some hop's output is ten times its input or more.",
            "The loss becomes nan or inf, or ends far above its beginning.",
        ),
        limits=(("forward gain of one hop", STEEP),),
        alike=(
            ("init-too-large", "there the weights do it, with an activation that keeps its size"),
            ("non-finite-op", "there one operation does it at once, outside the activations"),
            ("lr-too-high", "there the numbers grow from step to step"),
        ),
        spared=("exponentials in softmax, in densities and in outputs, where nothing overflows",),
        earliest="step 0",
    ),
)
RULE = Rule("overflow", find, CARDS)
