"""Dead units: rectifiers that are off for the whole batch, at every look, in a network that does not learn.

Causes: activation-dead; lr-too-high where the first steps killed units that were alive and the rate still stands.
Where it has come down since, the steps are over and the dead units are what remains. Units that are sparse but
alive look the same on one batch, so a network that learns is not called dead; it is warned where long first steps
made them so.
"""

from __future__ import annotations

import numpy as np

from ... import quantities
from ...catalog import Context, cures_for
from ...records import Alternative, Finding, Severity, Symptom
from .. import limits, proof, units, wording
from ..limits import OURS, Limit
from ..reading import Reading
from ..rule import Card, Rule
from ..units import Share

LEFT = Limit(0.1, OURS)  # of the trivial loss: a network that has come further is none the worse for its dead units


def find(reading: Reading) -> tuple[Finding, ...]:
    """Layers with too many dead units."""
    if not len(reading.steps):
        return ()
    killed = tuple(s for s in _shares(reading) if _killed(reading, s))
    if killed and reading.level in ("learned", "partly") and reading.trivial_share >= LEFT.value:
        return (_finding(reading, killed, "warn"),)
    if reading.level == "learned":
        return ()
    dead = tuple(s for s in _shares(reading) if s.last >= limits.DEAD_WARN.value and _passes_less(reading, s))
    failing = tuple(s for s in dead if s.last >= limits.DEAD_FAIL.value)
    growing = tuple(s for s in dead if s.grown >= limits.DEAD_GROWTH.value)
    if failing and reading.level in ("trivial", "unknown"):
        severity: Severity = "fail" if _certain(reading, failing) else "warn"
        return (_finding(reading, _roots(failing), severity),)
    return (_finding(reading, growing, "warn"),) if growing else ()


def _killed(reading: Reading, share: Share) -> bool:
    """Steps that replaced the layers, and many more dead units since: no matter how sparse it may be, these did it."""
    large = reading.first_update_ratio > limits.UPDATE_RATIO_HIGH.value
    return large and share.last >= limits.DEAD_FAIL.value and share.grown >= limits.KILLED_GROWTH.value


def _passes_less(reading: Reading, share: Share) -> bool:
    """More zeros than the half that a rectifier has by nature.

    Where all inputs look alike (deep and healthy at initialisation), each unit is on or off for the whole batch:
    half of them count as dead, and the layer still passes half of the error.
    """
    zeros = reading.at("act_zero_share", share.site)
    kept = zeros[np.isfinite(zeros)]
    return not kept.size or quantities.median(kept[-limits.WINDOW_FRAMES :]) >= limits.DEAD_ZEROS.value


def _roots(dead: tuple[Share, ...]) -> tuple[Share, ...]:
    """Above a layer without a living unit nothing can fire: of such layers only the one nearest to the input."""
    whole = [i for i, s in enumerate(dead) if s.last >= limits.DEAD_ALL.value]
    return dead[whole[-1] :] if whole else dead


def _certain(reading: Reading, dead: tuple[Share, ...]) -> bool:
    """A layer without a living unit needs no time to judge; a thinned one does."""
    return reading.stuck or any(s.last >= limits.DEAD_ALL.value for s in dead)


def _shares(reading: Reading) -> tuple[Share, ...]:
    """Every site with a dead share, on the trunk or off it, loss first."""
    sites = reading.run.sites(reading.model)
    outputs = [(s.name, s.op) for s in sites if s.kind in ("output", "function")]
    return tuple(reversed(units.shares(reading, "act_dead_share", outputs)))


def _finding(reading: Reading, dead: tuple[Share, ...], severity: Severity) -> Finding:
    worst = max(dead, key=lambda s: s.last)
    ratio = reading.first_update_ratio
    large = ratio > limits.UPDATE_RATIO_HIGH.value
    killed = worst.grown >= limits.DEAD_GROWTH.value and large and not reading.rate_came_down
    cause = "lr-too-high" if killed else "activation-dead"
    evidence = [
        proof.above(f"dead units in {worst.site}", worst.last, "share", limits.DEAD_FAIL),
        proof.above(f"dead units in {worst.site}, grown", worst.grown, "share", limits.DEAD_GROWTH),
    ]
    if np.isfinite(ratio):
        evidence.append(proof.above("largest first update ratio, median", ratio, "1", limits.UPDATE_RATIO_HIGH))
    fires = wording.never_fire(worst.last, worst.site, len(dead) - 1)
    summary = wording.step_kills(worst.last, worst.kind, ratio) if killed else fires
    over = "the first steps are large, and the rate has come down since" if large else "the first steps are not large"
    other = Alternative("activation-dead", "the steps came before the death")
    return Finding(
        model=reading.model,
        symptom=_symptom(reading, worst),
        cause=cause,
        severity=severity,
        sites=tuple(s.site for s in dead),
        steps=proof.span(reading),
        summary=summary,
        evidence=(*evidence, *proof.loss_level(reading)),
        cures=cures_for(cause, Context(activation=worst.kind, rate=reading.rate)),
        alternatives=(other if killed else Alternative("lr-too-high", over),),
    )


def _symptom(reading: Reading, worst: Share) -> Symptom:
    """Exactly no error below a layer without a living unit; less error below the others."""
    error = reading.error[reading.late]
    return "zero" if worst.last >= limits.DEAD_ALL.value and (error == 0).any() else "vanishing"


CARDS = (
    Card(
        cause="activation-dead",
        what="Rectifying units are off for every input, so no error passes them.",
        seen=(
            "A layer's units are at most 0 for the whole batch, at every look, in a share beyond the limit.",
            "The network does not learn; a layer without a living unit passes exactly no error.",
        ),
        limits=(
            ("dead units of a layer, failure", limits.DEAD_FAIL),
            ("dead units of a layer, warning", limits.DEAD_WARN),
            ("zeros of the layer", limits.DEAD_ZEROS),
        ),
        alike=(
            ("lr-too-high", "there long first steps killed units that were alive"),
            ("init-symmetric", "there units are equal, not off"),
            ("precision-underflow", "there the format makes the zeros"),
        ),
        spared=(
            "units that are sparse and alive: the network learns",
            "half of the units off for a batch of inputs that look alike",
        ),
        earliest="step 0 for a whole layer",
    ),
)
RULE = Rule("dead", find, CARDS, also=("lr-too-high",))
