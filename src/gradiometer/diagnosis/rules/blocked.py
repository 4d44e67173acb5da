"""Zero: a part that should train never receives a gradient.

Cause: gradient-blocked. Not blocked: parameters frozen on purpose (no optimizer holds them, or the network learns
with them), heads and experts that never ran, and a side branch whose output the loss does not use.
"""

from __future__ import annotations

from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding, Severity
from .. import limits, proof, wording
from ..ownership import Owned, table
from ..reading import Reading, read
from ..rule import Card, Rule

MIN_FRAMES = 2  # a zero-initialised branch is blocked in the first frame only


def find(reading: Reading) -> tuple[Finding, ...]:
    """Detached parts, then frozen ones that an optimizer holds, then a frozen head over a training network."""
    rows = table(reading)
    trained = [r for r in rows if r.gradient and r.order >= 0]
    if len(reading.steps) < MIN_FRAMES:
        return ()
    if not trained:
        whole = _cut_off(reading, rows)
        summary = wording.model_cut_off(reading.model, len(whole))
        return (_finding(reading, "fail", whole, summary),) if whole else ()
    for severity, blocked in (_detached(reading, rows, trained), _unseen(reading, rows), _frozen(reading, rows)):
        if severity is not None and blocked:
            summary = wording.no_gradient(blocked[-1].module or "(root)", len(blocked))
            return (_finding(reading, severity, blocked, summary),)
    head = _frozen_head(reading, rows)
    return (_finding(reading, "fail", head, wording.head_frozen(head[0].module)),) if head else ()


def _cut_off(reading: Reading, rows: tuple[Owned, ...]) -> tuple[Owned, ...]:
    """A whole model that runs and gets nothing, while its optimizer trains another model with what it makes."""
    blocked = tuple(r for r in rows if r.missing and r.param.owned and r.param.requires_grad and r.order >= 0)
    optimizer = reading.optimizer
    if optimizer is None or len(blocked) < sum(r.order >= 0 for r in rows):
        return ()
    others = [name for name in optimizer.owned if name != reading.model]
    known = {n.name for n in reading.run.networks}
    fed = [r for name in others if name in known for r in table(read(reading.run, name))]
    return blocked if any(r.gradient for r in fed) else ()


def _detached(
    reading: Reading, rows: tuple[Owned, ...], trained: list[Owned]
) -> tuple[Severity | None, tuple[Owned, ...]]:
    """Owned, wanting a gradient, run, and never given one. Before everything that trains: cut off, for certain."""
    blocked = tuple(r for r in rows if r.missing and r.param.owned and r.param.requires_grad and r.order >= 0)
    first = min(r.order for r in trained)
    upstream = tuple(r for r in blocked if r.order < first)
    if upstream:
        return "fail", upstream
    return ("warn" if reading.stuck else None), blocked


def _unseen(reading: Reading, rows: tuple[Owned, ...]) -> tuple[Severity | None, tuple[Owned, ...]]:
    """Owned, registered before everything that trains, and never called with a graph: run under ``no_grad``, or idle.

    Which of the two is not known, so it is no failure, and nothing where the network learns without it or had no time.
    """
    first = next(i for i, r in enumerate(rows) if r.gradient)
    blocked = tuple(r for r in rows[:first] if r.missing and r.param.owned and r.param.requires_grad and r.order < 0)
    return ("warn" if reading.stuck or reading.limps else None), blocked


def _frozen(reading: Reading, rows: tuple[Owned, ...]) -> tuple[Severity | None, tuple[Owned, ...]]:
    """Held by an optimizer, yet frozen: a fault only where the network does not learn."""
    blocked = tuple(r for r in rows if r.param.owned and not r.param.requires_grad and not r.gradient)
    return ("warn" if reading.stuck or reading.crawls else None), blocked


def _frozen_head(reading: Reading, rows: tuple[Owned, ...]) -> tuple[Owned, ...]:
    """The weights nearest to the loss are frozen while nearly all the others of the trunk train, and it is stuck."""
    by_name = {r.param.name: r for r in rows}
    trunk = [by_name[w] for w in reading.profile.weights if w in by_name]
    if len(trunk) < 2 or not reading.stuck:
        return ()
    head, rest = trunk[0], trunk[1:]
    training = sum(r.gradient for r in rest) / len(rest)
    frozen = not head.param.requires_grad and not head.gradient
    return (head,) if frozen and training >= limits.BLOCKED_TRUNK_SHARE.value else ()


def _finding(reading: Reading, severity: Severity, blocked: tuple[Owned, ...], summary: str) -> Finding:
    modules = tuple(dict.fromkeys(r.module or "(root)" for r in reversed(blocked)))
    numel = sum(r.param.numel for r in blocked)
    total = sum(p.numel for p in reading.network.params if p.tied_to is None)
    return Finding(
        model=reading.model,
        symptom="zero",
        cause="gradient-blocked",
        severity=severity,
        sites=modules,
        steps=proof.span(reading),
        summary=summary,
        evidence=(
            Evidence("parameters without a gradient in any frame", len(blocked), "parameters", 0.0, limits.OURS, True),
            Evidence("their share of the network", numel / total if total else 0.0, "share"),
            *proof.loss_level(reading),
        ),
        cures=cures_for("gradient-blocked", Context()),
        alternatives=(Alternative("optimizer-stale", "the optimizer holds these very parameters"),),
    )


CARDS = (
    Card(
        cause="gradient-blocked",
        what="A part that should train gets no gradient: detached, frozen, under `no_grad`, or behind an argmax.",
        seen=(
            "Parameters that an optimizer holds, that want a gradient and that ran, never get one, or only zeros.",
            "The error is exactly 0 at the weights nearest to the loss, though the output follows the input.",
            "The weights nearest to the loss are frozen while nearly all others train, and the loss stays.",
        ),
        limits=(("share of the trunk that trains under a frozen head", limits.BLOCKED_TRUNK_SHARE),),
        alike=(
            ("optimizer-stale", "there gradients arrive, and nothing moves"),
            ("activation-dead", "there a layer of units is off"),
            ("output-constant", "there the error is 0 from the loss on"),
        ),
        spared=(
            "parameters that were frozen on purpose and given to no optimizer, or that the network learns with",
            "heads and experts that no batch has reached",
            "a side branch whose output the loss does not use",
        ),
        earliest="step 1",
    ),
)
RULE = Rule("blocked", find, CARDS)
