"""Zero: gradients arrive and the parameters do not move, since the optimizer holds other tensors or none of these.

Cause: optimizer-stale. Not stale: parameters that are updated without an optimizer, a rate of 0, and a part of the
network that is left out while the rest learns.
"""

from __future__ import annotations

import msgspec

from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding, Network, Severity
from .. import limits, proof, wording
from ..limits import OURS, Limit
from ..ownership import Owned, table
from ..reading import Reading, read
from ..rule import Card, Rule

MIN_FRAMES = 2
MAJORITY = 0.5  # of the parameters with a gradient
FALLEN = Limit(0.8, OURS)  # last / first loss: above it nothing was learned
REBUILT = Limit(5, OURS)  # networks of one class and shape
LEAST_STEPS = Limit(10, OURS)  # of each: after fewer a loss says nothing
FEW_STEPS = Limit(100, OURS)  # a network that is left after so few steps has had no time


def find(reading: Reading) -> tuple[Finding, ...]:
    """Tensors that no model uses while these parameters are owned by none; a model that nobody steps; one that is
    stepped and never moves; a network that is built anew, again and again."""
    if len(reading.steps) < MIN_FRAMES:
        return ()
    rows = [r for r in table(reading) if r.gradient and r.param.requires_grad]
    return _left_out(reading, rows) or _still(reading, rows) or _idle(reading, rows) or _rebuilt(reading)


def _left_out(reading: Reading, rows: list[Owned]) -> tuple[Finding, ...]:
    """Parameters with a gradient that no optimizer holds and nobody moves."""
    left_out = [r for r in rows if not r.param.owned and not r.moved]
    strangers = sum(o.strangers for o in reading.run.optimizers)
    most = len(left_out) >= MAJORITY * len(rows)
    if not left_out or not (strangers or reading.run.optimizers) or _master_copies(rows, strangers):
        return ()
    if strangers:
        learns = reading.level == "learned" and (reading.level_known or not most)  # copies may be moved for it
        severity: Severity | None = None if learns else ("fail" if most else "warn")
        summary = wording.stale(strangers, len(left_out))
        return (_finding(reading, severity, left_out, (summary, strangers)),) if severity else ()
    whole = len(left_out) == len(rows) and reading.level != "learned"
    if most and (reading.stuck or reading.limps or reading.crawls or (whole and _flat(reading))):
        return (_finding(reading, "fail", left_out, (wording.not_moved(len(left_out)), 0)),)
    return ()


def _master_copies(rows: list[Owned], strangers: int) -> bool:
    """Weights in half precision, and as many tensors with the optimizer: copies that are written back each step."""
    low = [r for r in rows if r.param.dtype in ("float16", "bfloat16")]
    return len(low) >= MAJORITY * len(rows) and strangers >= len(low)


def _flat(reading: Reading) -> bool:
    """The loss has not fallen, whatever its level is."""
    return not reading.last_loss < FALLEN.value * reading.first_loss


def _still(reading: Reading, rows: list[Owned]) -> tuple[Finding, ...]:
    """Every owned parameter has a gradient, is stepped with a positive rate, and stays as it is."""
    owned = [r for r in rows if r.param.owned]
    still = [r for r in owned if r.moved is False and r.used]
    if not still or len(still) < len(owned) or not _rate_is_positive(reading) or reading.blows_up:
        return ()
    strangers = sum(o.strangers for o in reading.run.optimizers)
    return (_finding(reading, "fail", still, (wording.not_moved(len(still)), strangers)),)


def _idle(reading: Reading, rows: list[Owned]) -> tuple[Finding, ...]:
    """The optimizer steps on, the losses go back to other tensors, and the loss stays: nobody trains those."""
    steps = {e.step for e in reading.run.events if e.kind == "step_without_gradient" and e.model == reading.model}
    if len(steps) < limits.PATIENCE_STEPS.value or not (reading.waited_in_vain or reading.crawls):
        return ()
    owned = [r for r in rows if r.param.owned]
    found = _finding(reading, "fail", owned, (wording.steps_idle(min(steps)), 0))
    idle = proof.above("steps without any gradient", len(steps), "steps", limits.PATIENCE_STEPS)
    return (
        msgspec.structs.replace(
            found,
            steps=(min(steps), reading.last_step),
            evidence=(idle, *proof.loss_level(reading)),
            alternatives=(Alternative("gradient-blocked", "the loss may be cut off from these parameters"),),
        ),
    )


def _rebuilt(reading: Reading) -> tuple[Finding, ...]:
    """The same network is built time and again, trained for a few steps each time, and never learns."""
    own = _shapes(reading.network)
    twins = [n for n in reading.run.networks if n.cls == reading.network.cls and _shapes(n) == own]
    if len(twins) < REBUILT.value or twins[0].name != reading.model:
        return ()
    readings = [read(reading.run, n.name) for n in twins]
    readings = [r for r in readings if len(r.steps)]
    few = (LEAST_STEPS.value, FEW_STEPS.value)
    short = [r for r in readings if few[0] <= r.last_step < few[1] and r.level in ("trivial", "partly", "unknown")]
    anew = all(_starts_anew(r, reading) for r in readings[1:])
    if len(short) < len(readings) or len(readings) < REBUILT.value or not anew:
        return ()
    rows = [r for r in table(reading) if r.gradient]
    summary = wording.built_anew(len(readings), max(r.last_step + 1 for r in readings))
    return (_finding(reading, "fail", rows, (summary, 0)),)


def _shapes(network: Network) -> list[tuple[int, ...]]:
    return sorted(p.shape for p in network.params)


def _starts_anew(later: Reading, first: Reading) -> bool:
    """A later network begins where the first one began: it has learned nothing from those before."""
    return later.first_loss > FALLEN.value * first.first_loss


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


CARDS = (
    Card(
        cause="optimizer-stale",
        what="The optimizer holds other tensors than the network uses, or not those that should train.",
        seen=(
            "Parameters have a gradient and never move, while the optimizer holds tensors that no model uses.",
            "No optimizer holds most of a network that does not learn.",
            "Every parameter is stepped with a positive rate and stays exactly as it is.",
            "From some step on the optimizer's parameters have no gradient at all, and the loss of those steps stays.",
            "One network is built several times, trained for a few steps each time, and begins anew.",
        ),
        limits=(
            ("last / first loss of a network that has learned nothing", FALLEN),
            ("networks of one class and shape", REBUILT),
            ("steps of each, at least", LEAST_STEPS),
            ("steps of each, at most", FEW_STEPS),
            ("steps without any gradient", limits.PATIENCE_STEPS),
        ),
        alike=(
            ("gradient-blocked", "there no gradient arrives"),
            ("lr-too-low", "there the parameters move, a little"),
            ("precision-underflow", "there the steps round to nothing"),
        ),
        spared=(
            "parameters that are updated without an optimizer",
            "weights in half precision whose float32 copies the optimizer holds",
            "a rate of 0",
            "a part that is left out while the rest learns: frozen on purpose",
            "folds of a cross-validation, each of which learns",
        ),
        earliest="step 1",
    ),
)
RULE = Rule("stale", find, CARDS)
