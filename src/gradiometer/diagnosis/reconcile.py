"""One root cause is reported once: what it explains becomes its alternative, not a second finding."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..records import ALL_CAUSES, Alternative, Finding

WIRING = frozenset({"gradient-blocked", "optimizer-stale"})


def reconcile(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings of one model without those that another one explains."""
    wiring = [f for f in found if f.cause in WIRING]
    rest = sorted((f for f in found if f.cause not in WIRING), key=_order)
    if not rest:
        return tuple(wiring)
    root, explained = _beside(wiring, rest[0]), rest[1:]
    more = tuple(Alternative(f.cause, f"explained by {root.cause}") for f in explained if f.cause != root.cause)
    kept = tuple(a for a in root.alternatives if a.cause not in {m.cause for m in more})
    return (*wiring, msgspec.structs.replace(root, alternatives=more + kept))


def _beside(wiring: Sequence[Finding], root: Finding) -> Finding:
    """Behind a broken wire the loss may stay where it is for that reason alone: what else is seen is a warning."""
    cut = any(f.severity == "fail" for f in wiring)
    return msgspec.structs.replace(root, severity="warn") if cut and root.symptom != "non-finite" else root


def _order(finding: Finding) -> tuple[bool, bool, int]:
    """Failures first; numbers that are no numbers end every other story; then the order of precedence."""
    return (finding.severity != "fail", finding.symptom != "non-finite", ALL_CAUSES.index(finding.cause))
