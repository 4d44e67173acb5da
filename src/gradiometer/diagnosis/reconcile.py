"""One root cause is reported once: what it explains becomes its alternative, not a second finding."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..records import ALL_CAUSES, Alternative, Finding, Run

WIRING = frozenset({"gradient-blocked", "optimizer-stale"})
"""What may stand beside another fault; gradients that pile up and a wrong sign explain all that follows."""

SPECIAL_FORM_OF = {"init-wrong-fan": "init-too-small", "epsilon-binds": "lr-too-low"}
EXPLAINS = {"depth-without-skip": {"activation-dead"}, "noise-dominates": {"activation-dead", "lr-too-high"}}
"""A failing cause -> those before it in the order that follow from it: units that all inputs, or chance, switch off."""
FIRST_INSIDE = ALL_CAUSES.index("init-too-small")  # from here on causes lie inside the network or in its steps


def reconcile(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings of one model without those that another one explains."""
    wiring = [f for f in found if f.cause in WIRING]
    inside = _specific([f for f in found if f.cause not in WIRING])
    follows = {c for f in inside if f.severity == "fail" for c in EXPLAINS.get(f.cause, ())}
    rest = sorted(inside, key=lambda f: (f.severity != "fail", f.cause in follows, _order(f)))
    if not rest:
        return tuple(wiring)
    cut = [f for f in wiring if f.severity == "fail"]
    if cut and rest[0].symptom != "non-finite":
        return _under(wiring, rest)
    root, explained = rest[0], rest[1:]
    own = {a.cause: a for a in root.alternatives}
    seen = dict.fromkeys(f.cause for f in explained if f.cause != root.cause)
    more = tuple(own.get(c, Alternative(c, f"explained by {root.cause}")) for c in seen)
    kept = tuple(a for a in root.alternatives if a.cause not in seen)
    return (*wiring, msgspec.structs.replace(root, alternatives=more + kept))


def _specific(found: list[Finding]) -> list[Finding]:
    """A special form of another finding takes that one's severity: it says the same, and more."""
    failing = {f.cause for f in found if f.severity == "fail"}
    return [
        msgspec.structs.replace(f, severity="fail") if SPECIAL_FORM_OF.get(f.cause) in failing else f for f in found
    ]


def once_a_kind(run: Run, found: Sequence[Finding]) -> list[Finding]:
    """Networks of one class and shape, built one after another, say the same thing once; the first of them says it."""
    kind = {n.name: (n.cls, tuple(sorted(p.shape for p in n.params))) for n in run.networks}
    anew = {kind[f.model] for f in found if f.cause == "optimizer-stale" and f.severity == "fail"}
    kept: dict[tuple[object, str], Finding] = {}
    for finding in found:
        own = kind[finding.model]
        first = next((f for f in kept.values() if kind[f.model] == own), None)
        if not (own in anew and first is not None and first.cause == "optimizer-stale"):
            kept.setdefault((own, finding.cause), finding)
    return list(kept.values())


def _under(wiring: Sequence[Finding], rest: Sequence[Finding]) -> tuple[Finding, ...]:
    """Behind a broken wire the loss may stay where it is for that reason alone: what else is seen stands under it."""
    first = next(f for f in wiring if f.severity == "fail")
    named = {a.cause for a in first.alternatives}
    seen = [Alternative(f.cause, f"may be a consequence of {first.cause}") for f in rest if f.cause not in named]
    told = msgspec.structs.replace(first, alternatives=(*first.alternatives, *seen))
    return tuple(told if f is first else f for f in wiring)


def _order(finding: Finding) -> tuple[bool, bool, float]:
    """Failures first; then wiring and ends; numbers that are no numbers end every later story; then precedence."""
    at: float = ALL_CAUSES.index(finding.cause)
    if finding.cause in SPECIAL_FORM_OF:
        at = min(at, ALL_CAUSES.index(SPECIAL_FORM_OF[finding.cause]) - 0.5)
    return (finding.severity != "fail", finding.symptom != "non-finite" and at >= FIRST_INSIDE - 0.5, at)
