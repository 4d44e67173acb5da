"""Zero: gradients arrive and the parameters do not move, since the optimizer holds other tensors or none of these.

Cause: optimizer-stale. Not stale: parameters that are updated without an optimizer, a rate of 0, and a part of the
network that is left out while the rest learns.
"""

from __future__ import annotations

from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding, Severity
from .. import limits, proof, wording
from ..ownership import Owned, table
from ..reading import Reading
from ..rule import Rule

MIN_FRAMES = 2
MAJORITY = 0.5  # of the parameters with a gradient


def find(reading: Reading) -> tuple[Finding, ...]:
    """Strangers in the optimizer while these parameters are owned by none; or owned, and never moved."""
    if len(reading.steps) < MIN_FRAMES:
        return ()
    rows = [r for r in table(reading) if r.gradient and r.param.requires_grad]
    left_out = [r for r in rows if not r.param.owned and not r.moved]
    strangers = sum(o.strangers for o in reading.run.optimizers)
    if left_out and strangers:
        severity: Severity | None = "fail" if len(left_out) >= MAJORITY * len(rows) else None
        severity = severity or ("warn" if reading.level != "learned" else None)
        summary = wording.stale(strangers, len(left_out))
        return (_finding(reading, severity, left_out, (summary, strangers)),) if severity else ()
    if (
        left_out
        and reading.run.optimizers
        and (reading.stuck or reading.limps or reading.crawls)
        and len(left_out) >= MAJORITY * len(rows)
    ):
        return (_finding(reading, "fail", left_out, (wording.not_moved(len(left_out)), 0)),)
    still = [r for r in rows if r.param.owned and r.moved is False]
    if still and len(still) == len([r for r in rows if r.param.owned]) and _rate_is_positive(reading):
        return (_finding(reading, "fail", still, (wording.not_moved(len(still)), strangers)),)
    return ()


def _rate_is_positive(reading: Reading) -> bool:
    return reading.rate > 0 and not _skipped(reading)


def _skipped(reading: Reading) -> bool:
    """A loss scaler skips its first steps: then nothing moves, and nothing is wrong."""
    skipped = sum(e.kind == "step_skipped" for e in reading.run.events)
    return skipped >= limits.SCALER_SHARE.value * max(len(reading.steps), 1)


def _finding(reading: Reading, severity: Severity, rows: list[Owned], said: tuple[str, int]) -> Finding:
    summary, strangers = said
    modules = tuple(dict.fromkeys(r.module or "(root)" for r in reversed(rows)))
    evidence = [
        Evidence("parameters with a gradient that never move", len(rows), "parameters", 0.0, limits.OURS, True),
        Evidence("tensors of the optimizer that no model uses", strangers, "tensors", 0.0, limits.OURS, strangers > 0),
    ]
    return Finding(
        model=reading.model,
        symptom="zero",
        cause="optimizer-stale",
        severity=severity,
        sites=modules,
        steps=proof.span(reading),
        summary=summary,
        evidence=(*evidence, *proof.loss_level(reading)),
        cures=cures_for("optimizer-stale", Context()),
        alternatives=(Alternative("gradient-blocked", "a gradient does arrive"),),
    )


RULE = Rule("stale", find, cards=(), also=("optimizer-stale",))
