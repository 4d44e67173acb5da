"""Everything is healthy, and the network cannot represent the task.

Cause: capacity-too-small. Not meant: networks that are still on their way, and narrow ones that learn.
"""

from __future__ import annotations

from ...catalog import Context, cures_for
from ...records import Alternative, Finding, ModuleSeen
from .. import limits, motion, proof
from .. import wording_step as wording
from ..limits import OURS, Limit
from ..outcome import outcome
from ..reading import Reading
from ..rule import Card, Rule

NARROW = Limit(4, OURS)  # units of the narrowest hidden layer
MOVED = Limit(0.5, OURS)  # of their size that weights must have been able to move
STEPS_MIN = 150


def find(reading: Reading) -> tuple[Finding, ...]:
    """A very narrow hidden layer, weights that move, and a loss that has settled above its floor."""
    went = outcome(reading).went
    if went not in ("stalled", "limps") or reading.last_step < STEPS_MIN or not reading.level_known:
        return ()
    narrow, travel = _narrowest(reading), motion.travel(reading)
    if narrow is None or not travel >= MOVED.value:
        return ()
    return (
        Finding(
            model=reading.model,
            symptom="stalled",
            cause="capacity-too-small",
            severity="fail" if reading.stuck and narrow.fan_out <= 1 else "warn",
            sites=(narrow.path,),
            steps=proof.span(reading),
            summary=wording.too_narrow(narrow.path, narrow.fan_out),
            evidence=(
                proof.below("units of the narrowest hidden layer", narrow.fan_out, "units", NARROW),
                proof.above("way of a weight over the run, in its own size", travel, "1", MOVED),
                *proof.loss_level(reading),
            ),
            cures=cures_for("capacity-too-small", Context()),
            alternatives=(
                Alternative("lr-too-low", "the weights have moved by their own size"),
                Alternative("activation-dead", "a narrow layer has few units to lose"),
            ),
        ),
    )


def _narrowest(reading: Reading) -> ModuleSeen | None:
    """The hidden weight layer with the fewest units, where they are few and fewer than come in."""
    ran = {s.path for s in reading.run.sites(reading.model) if s.kind == "output"}
    layers = [m for m in reading.network.modules if m.role == "weights" and m.fan_out > 0 and m.path in ran]
    heads = {s.split("#")[0] for s in reading.network.stations[:1]} or ({layers[-1].path} if layers else set())
    outputs = reading.loss_seen.outputs if reading.loss_seen else 0  # an encoder ends in a hidden layer
    hidden = [m for m in layers if not (m.path in heads and m.fan_out == outputs) and m.kind != "embedding"]
    few = [m for m in hidden if m.fan_out <= NARROW.value]
    return min(few, key=lambda m: m.fan_out) if few else None


CARDS = (
    Card(
        cause="capacity-too-small",
        what="Error, units and steps are healthy, and the network cannot represent the task.",
        seen=(
            "A hidden layer has a handful of units, the weights have moved by their own size, and the loss has settled "
            "far above its floor.",
        ),
        limits=(
            ("units of the narrowest hidden layer", NARROW),
            ("way of a weight over the run, in its own size", MOVED),
            ("share of the trivial loss from which a network counts as learning", limits.LEARNED_SHARE),
        ),
        alike=(
            ("activation-missing", "there layers are wide and linear"),
            ("activation-dead", "there units exist and are off"),
            ("lr-too-low", "there the weights have not moved"),
        ),
        spared=("narrow networks that learn",),
        earliest="150 steps",
    ),
)
RULE = Rule("capacity", find, CARDS)
