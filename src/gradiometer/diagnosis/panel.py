"""The panel: its rules in order, and the document that they make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from ..records import ALL_CAUSES, Diagnosis, Finding, Run, UserError
from . import limits
from .causal import weigh
from .reading import Reading, readings
from .reconcile import once_a_kind, reconcile
from .rule import Rule
from .rules import (
    blocked,
    capacity,
    clip,
    collapse,
    dead,
    depth,
    epsilon,
    exploding,
    input_scale,
    linear,
    loss_mismatch,
    loss_reduction,
    loss_sign,
    noise,
    non_finite,
    norm_explodes,
    not_cleared,
    output_constant,
    output_range,
    overflow,
    rate_high,
    rate_low,
    recurrence,
    saturated,
    shatter,
    stale,
    symmetric,
    target_encoding,
    target_scale,
    underflow,
    unexplained,
    vanishing,
    wrong_fan,
)

PANEL: tuple[Rule, ...] = tuple(
    module.RULE
    for module in (
        blocked,
        stale,
        not_cleared,
        loss_sign,
        output_constant,
        output_range,
        loss_mismatch,
        loss_reduction,
        input_scale,
        target_scale,
        target_encoding,
        symmetric,
        wrong_fan,
        vanishing,
        exploding,
        dead,
        saturated,
        overflow,
        linear,
        depth,
        norm_explodes,
        recurrence,
        collapse,
        shatter,
        underflow,
        non_finite,
        epsilon,
        clip,
        rate_high,
        rate_low,
        noise,
        capacity,
    )
)
"""Every rule, in order of precedence."""


def checked_by(rules: Sequence[Rule]) -> tuple[str, ...]:
    """The causes that some of the rules can name, in the order of the vocabulary."""
    return tuple(c for c in ALL_CAUSES if any(c in rule.causes for rule in rules))


CHECKED: tuple[str, ...] = checked_by(PANEL)
SCHEMA = 1


def diagnose(run: Run, ignore: Sequence[str] = (), rules: Sequence[Rule] = PANEL) -> Diagnosis:
    """The findings of a run, or that nothing was found.

    ignore: findings that are accepted, as ``CAUSE`` or ``CAUSE:SITE``; UserError where the cause does not exist.
    rules: the panel; another one leaves some out, to see what they are for.
    """
    if not isinstance(cast(object, run), Run):
        how = "gm.open(path), or handle.run() of gm.watch, whose handle.findings() is its diagnosis"
        raise UserError(f"diagnose() got a {type(run).__name__}. Pass a recorded run: {how}.")
    ignored = [_ignored(entry) for entry in ignore]
    found = once_a_kind(run, [f for reading in readings(run) for f in reconcile(_all(reading, rules))])
    found = weigh(run, found)
    kept, accepted = _accept(found, ignored)
    kept.sort(key=lambda f: (f.severity != "fail", ALL_CAUSES.index(f.cause)))
    return Diagnosis(
        schema=SCHEMA,
        run=run.info.name,
        healthy=_healthy(run, kept),
        coverage=run.coverage,
        checked=checked_by(rules),
        not_covered=tuple(f"{n.site}: {n.reason}" for n in run.not_covered),
        overhead_share=run.overhead_share,
        findings=tuple(kept),
        accepted=tuple(accepted),
        note=_note(run),
    )


def _all(reading: Reading, rules: Sequence[Rule]) -> list[Finding]:
    found = [finding for rule in rules for finding in rule.find(reading)]
    return found or list(unexplained.RULE.find(reading))


def _ignored(entry: str) -> tuple[str, str]:
    cause, _, site = entry.partition(":")
    if cause not in ALL_CAUSES:
        raise UserError(f"Cannot ignore {entry!r}: no cause {cause!r}. Causes: {', '.join(ALL_CAUSES)}.")
    return cause, site


def _accept(found: list[Finding], ignored: list[tuple[str, str]]) -> tuple[list[Finding], list[str]]:
    kept, accepted = [], []
    for finding in found:
        sites = {site for cause, site in ignored if cause == finding.cause}
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
