"""The noise of the gradient exceeds its signal: dropout far too high, dropout on the outputs, a batch of one.

Cause: noise-dominates. Not meant: dropout of usual strength, and small batches of a network that learns.
"""

from __future__ import annotations

import numpy as np

from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding
from .. import ends, limits, motion, proof
from .. import wording_step as wording
from ..limits import OURS, Limit
from ..outcome import outcome
from ..reading import Reading
from ..rule import Card, Rule

DROPOUT = Limit(0.75, "UMLAUT warns from 0.5; Srivastava 2014 uses 0.2 to 0.5")  # share of units dropped in one layer
KEPT = Limit(0.25, OURS)  # product of the kept shares over all dropouts on the way
SIGNAL = Limit(0.1, OURS)  # cosine of consecutive gradients: what two steps have in common
DROPPED_SIGNAL = Limit(0.5, OURS)  # the same where dropout takes most units: one batch at every step hides its noise
MOVED = Limit(0.3, OURS)  # of their size that weights must have been able to move before the data are blamed
BATCH = Limit(2, OURS)  # examples


def find(reading: Reading) -> tuple[Finding, ...]:
    """Gradients of consecutive steps with little in common and a source of noise, in a network that does not learn."""
    went = outcome(reading).went
    if not len(reading.steps) or went in ("learns", "unknown", "diverged"):
        return ()
    turn = motion.turn(reading)
    if not turn <= DROPPED_SIGNAL.value:
        return ()
    source = _drops(reading) or (_source(reading) if turn <= SIGNAL.value else None)
    if source is None:
        return ()
    summary, evidence = source
    named = summary != wording.data_noise()
    limit = SIGNAL if turn <= SIGNAL.value else DROPPED_SIGNAL
    return (
        Finding(
            model=reading.model,
            symptom="unstable" if went == "unstable" else "stalled",
            cause="noise-dominates",
            severity="fail" if named else "warn",
            sites=(),
            steps=proof.span(reading),
            summary=summary,
            evidence=(
                evidence,
                proof.below("cosine of consecutive gradients, median", turn, "1", limit),
                *proof.loss_level(reading),
            ),
            cures=cures_for("noise-dominates", Context(rate=reading.rate)),
            alternatives=(Alternative("lr-too-high", "a lower rate averages the noise, and takes longer"),),
        ),
    )


def _drops(reading: Reading) -> tuple[str, Evidence] | None:
    """Dropout that takes most of the units."""
    shares = dropouts(reading)
    largest = max(shares, default=0.0)
    kept = float(np.prod([1.0 - p for p in shares])) if shares else 1.0
    if largest >= DROPOUT.value:
        return wording.drops(largest), proof.above("units dropped in one layer", largest, "share", DROPOUT)
    if shares and kept <= KEPT.value:
        return wording.drops(1.0 - kept), proof.below("units kept through all dropouts", kept, "share", KEPT)
    return None


def _source(reading: Reading) -> tuple[str, Evidence] | None:
    """Dropout on the outputs, a batch of one or two, or the data."""
    seen = reading.loss_seen
    if seen is not None and "dropout" in ends.feeders(seen):
        return wording.drops_outputs(), Evidence("dropout on the outputs", 1.0, "layers", 0.0, OURS, True)
    if seen is not None and 0 < seen.batch < BATCH.value:
        return wording.batch_of(seen.batch), proof.below("examples in a batch", seen.batch, "examples", BATCH)
    travel = motion.travel(reading)
    if reading.stuck and reading.last_step >= limits.CRAWL_STEPS.value and travel >= MOVED.value:
        return wording.data_noise(), proof.above("way of a weight over the run, in its own size", travel, "1", MOVED)
    return None


def dropouts(reading: Reading) -> list[float]:
    """Shares of the dropout modules that ran in training."""
    ran = {s.path for s in reading.run.sites(reading.model) if s.kind == "output"}
    seen = [m for m in reading.network.modules if m.role == "dropout" and m.path in ran and m.training]
    return [float(p) for m in seen if isinstance(p := m.args.get("p"), (int, float))]


CARDS = (
    Card(
        cause="noise-dominates",
        what="What two steps have in common is less than what chance puts into each: dropout, or a batch of one.",
        seen=(
            "The gradients of consecutive steps have a cosine near 0.",
            "A dropout takes most units, stands on the outputs, or the batch holds one example.",
            "Without such a source the noise is in the data: the weights have moved, and the loss has stayed.",
        ),
        limits=(
            ("units dropped in one layer", DROPOUT),
            ("units kept through all dropouts", KEPT),
            ("cosine of consecutive gradients, median", SIGNAL),
            ("the same where dropout takes most units", DROPPED_SIGNAL),
            ("examples in a batch", BATCH),
            ("way of a weight over the run, in its own size", MOVED),
        ),
        alike=(
            ("lr-too-high", "there consecutive gradients point to opposite sides"),
            ("capacity-too-small", "there nothing is random but the batch"),
        ),
        spared=("dropout of usual strength", "batches of one in a network that learns"),
        earliest="20 steps",
    ),
)
RULE = Rule("noise", find, CARDS)
