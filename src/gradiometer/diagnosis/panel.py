"""The panel: its rules in order, and the document that they make."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..records import ALL_CAUSES, Diagnosis, Finding, Run, UserError
from . import limits
from .reading import Reading, readings
from .reconcile import reconcile
from .rules import (
    blocked,
    dead,
    depth,
    exploding,
    input_scale,
    non_finite,
    norm_explodes,
    output_constant,
    saturated,
    stale,
    vanishing,
)

Rule = Callable[[Reading], tuple[Finding, ...]]
PANEL: tuple[tuple[Rule, tuple[str, ...]], ...] = (
    (blocked.find, blocked.CAUSES),
    (stale.find, stale.CAUSES),
    (output_constant.find, output_constant.CAUSES),
    (input_scale.find, input_scale.CAUSES),
    (vanishing.find, vanishing.CAUSES),
    (exploding.find, exploding.CAUSES),
    (norm_explodes.find, norm_explodes.CAUSES),
    (dead.find, dead.CAUSES),
    (saturated.find, saturated.CAUSES),
    (depth.find, depth.CAUSES),
    (non_finite.find, non_finite.CAUSES),
)
CHECKED: tuple[str, ...] = tuple(c for c in ALL_CAUSES if any(c in causes for _, causes in PANEL))
SCHEMA = 1


def diagnose(run: Run, ignore: Sequence[str] = ()) -> Diagnosis:
    """The findings of a run, or that nothing was found.

    ignore: findings that are accepted, as ``CAUSE`` or ``CAUSE:SITE``; UserError where the cause does not exist.
    """
    rules = [_ignored(entry) for entry in ignore]
    found = [f for reading in readings(run) for f in reconcile(_all(reading))]
    kept, accepted = _accept(found, rules)
    kept.sort(key=lambda f: (f.severity != "fail", ALL_CAUSES.index(f.cause)))
    return Diagnosis(
        schema=SCHEMA,
        run=run.info.name,
        healthy=_healthy(run, kept),
        coverage=run.coverage,
        checked=CHECKED,
        not_covered=tuple(f"{n.site}: {n.reason}" for n in run.not_covered),
        overhead_share=run.overhead_share,
        findings=tuple(kept),
        accepted=tuple(accepted),
        note=_note(run),
    )


def _all(reading: Reading) -> list[Finding]:
    return [finding for rule, _ in PANEL for finding in rule(reading)]


def _ignored(entry: str) -> tuple[str, str]:
    cause, _, site = entry.partition(":")
    if cause not in ALL_CAUSES:
        raise UserError(f"Cannot ignore {entry!r}: no cause {cause!r}. Causes: {', '.join(ALL_CAUSES)}.")
    return cause, site


def _accept(found: list[Finding], rules: list[tuple[str, str]]) -> tuple[list[Finding], list[str]]:
    kept, accepted = [], []
    for finding in found:
        sites = {site for cause, site in rules if cause == finding.cause}
        match = "" in sites or any(site in sites for site in finding.sites)
        if match:
            accepted.append(f"{finding.cause}:{finding.sites[0] if finding.sites else ''}".rstrip(":"))
        else:
            kept.append(finding)
    return kept, accepted


def _healthy(run: Run, kept: list[Finding]) -> bool | None:
    """False where something failed; None where too little was measured to say "nothing is wrong"."""
    if any(f.severity == "fail" for f in kept):
        return False
    measured = any(len(f.values) for f in run.frames) and math.isfinite(run.coverage)
    return True if measured and run.coverage >= limits.COVERAGE.value else None


def _note(run: Run) -> str:
    if not run.frames:
        return "Nothing was measured: no backward pass of a model was recorded."
    if not math.isfinite(run.coverage) or run.coverage < limits.COVERAGE.value:
        return "Too little was measured to say that nothing is wrong."
    return next((n.trunk_note for n in run.networks if n.trunk_note and not n.stations), "")
