"""Exploding: batch normalisation without skips multiplies the error by √(D2/Var φ) at each hop.

Cause: norm-explodes-error. Plain networks with batch normalisation of usual depth are healthy: the total must pass
its limit and the training must suffer.
"""

from __future__ import annotations

from ...catalog import Context, cures_for
from ...records import Alternative, Finding
from .. import limits, proof, units, wording
from ..growth import growth
from ..reading import Reading
from ..rule import Card, Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """The growth of a trunk of plain normalised hops, with its consequence."""
    if reading.level == "learned" and not reading.blows_up:
        return ()
    grown = growth(reading)
    if grown is None or not grown.normalised or not grown.consequence:
        return ()
    hops = reading.network.hops
    sites = tuple(p.upper for i in grown.hops for p in hops[i].parts if p.role == "norm")
    acts = units.activation_parts(reading)
    kind = acts[0].kind if acts else ""
    context = Context(activation=kind, gain_before=grown.gain, hops=len(grown.hops))
    return (
        Finding(
            model=reading.model,
            symptom="exploding",
            cause="norm-explodes-error",
            severity="fail" if grown.certain else "warn",
            sites=sites,
            steps=proof.span(reading),
            summary=wording.norm_explodes(grown.decades, wording.unit_of(kind), grown.gain),
            evidence=grown.evidence + proof.loss_level(reading),
            cures=cures_for("norm-explodes-error", context),
            alternatives=(Alternative("init-too-large", "the normalisation takes the weights' scale out"),),
        ),
    )


CARDS = (
    Card(
        cause="norm-explodes-error",
        what="Batch normalisation without skips multiplies the error by √(D2/Var φ) at each hop, 1.21 for ReLU.",
        seen=(
            "Plain normalised hops are half of the trunk, and the error grows by two decades or more to the input.",
            "The loss stays, comes down too little, or blows up.",
        ),
        limits=(
            ("growth of the error, warning", limits.GROWTH_WARN_DECADES),
            ("growth of the error, failure", limits.GROWTH_FAIL_DECADES),
        ),
        alike=(("init-too-large", "there the weights multiply, and no normalisation takes their scale out"),),
        spared=("plain normalised networks of usual depth, and residual ones",),
    ),
)
RULE = Rule("norm-explodes", find, CARDS)
