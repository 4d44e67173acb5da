"""Gradients of earlier steps are still there when the next ones are added: ``zero_grad`` is missing.

Cause: gradient-not-cleared. Not meant: micro-batches that are added up on purpose (no step lies between them), and
networks that play against each other, whose gradients are cleared late but before their own step.
"""

from __future__ import annotations

import numpy as np

from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding, Symptom
from .. import ends, proof
from .. import wording_wiring as wording
from ..limits import OURS, Limit
from ..reading import Reading
from ..rule import Card, Rule

CARRIED_SHARE = Limit(0.5, OURS)  # of the recorded steps that could carry gradients
CARRIED_STEPS = Limit(2.0, OURS)  # fewer are an accident
EVENT_STEPS = 64  # measuring tells of so many steps at the beginning


def find(reading: Reading) -> tuple[Finding, ...]:
    """Most steps use gradients that the step before has used already."""
    able = int(np.sum((reading.steps >= 1) & (reading.steps < EVENT_STEPS)))
    carried = sorted({e.step for e in reading.run.events if e.kind == "gradient_carried" and e.model == reading.model})
    share = len(carried) / able if able else 0.0
    if len(carried) < CARRIED_STEPS.value or share < CARRIED_SHARE.value:
        return ()
    learned = reading.level == "learned" and not reading.blows_up
    grown = _growth(reading)
    return (
        Finding(
            model=reading.model,
            symptom=_symptom(reading),
            cause="gradient-not-cleared",
            severity="warn" if learned else "fail",
            sites=(),
            steps=(carried[0], int(reading.steps[-1])),
            summary=wording.not_cleared(min(share, 1.0)),
            evidence=(
                proof.above("steps that use old gradients again", min(share, 1.0), "share", CARRIED_SHARE),
                *((Evidence("gradient norm, last / first", grown, "1"),) if np.isfinite(grown) else ()),
                *proof.loss_level(reading),
            ),
            cures=cures_for("gradient-not-cleared", Context()),
            alternatives=(Alternative("lr-too-high", "the steps grow because gradients are added up"),),
        ),
    )


def _symptom(reading: Reading) -> Symptom:
    """What the loss shows; steps that are too long swing before they show."""
    shown = ends.symptom_of(reading)
    return "unstable" if shown == "stalled" else shown


def _growth(reading: Reading) -> float:
    """Norm of all gradients in the last recorded step / the first; nan unknown."""
    with np.errstate(all="ignore"):
        norms = np.sqrt(np.nansum(np.square(reading.of("grad_norm_raw")), axis=1))
    known = norms[np.isfinite(norms) & (norms > 0)]
    return float(known[-1] / known[0]) if known.size > 1 else float("nan")


CARDS = (
    Card(
        cause="gradient-not-cleared",
        what="Gradients pile up over steps: `zero_grad` is missing, or clears another model's gradients.",
        seen=(
            "When a backward pass begins after a step, the gradients lie there exactly as that step left them, and the "
            "next step uses the sum.",
            "The gradient's norm grows with the number of steps.",
        ),
        limits=(("steps that use old gradients again, share", CARRIED_SHARE), ("such steps", CARRIED_STEPS)),
        alike=(
            ("lr-too-high", "there the gradients are cleared; a lower rate alone cures"),
            ("optimizer-stale", "there the parameters do not move"),
        ),
        spared=(
            "micro-batches that are added up on purpose: no step lies between them",
            "two networks against each other: gradients that are cleared late, yet before the own step",
        ),
        earliest="step 2",
    ),
)
RULE = Rule("not-cleared", find, CARDS)
