"""The loss stays, and no rule of the panel says why: the best guess, and what else it may be.

Asked only where nothing else was found. The guess follows from how far and how the weights moved.
"""

from __future__ import annotations

from ...catalog import Context, cures_for
from ...records import Alternative, Finding
from .. import limits, motion, proof
from .. import wording_step as wording
from ..outcome import outcome
from ..reading import Reading
from ..rule import Rule
from . import rate_high, rate_low

GUESSES = ("lr-too-high", "lr-too-low", "inputs-collapse", "capacity-too-small")


def find(reading: Reading) -> tuple[Finding, ...]:
    """A loss that had time to leave its trivial level, or nearly all of it, and did not."""
    long = reading.last_step >= limits.CRAWL_STEPS.value
    stays = reading.stuck or (reading.crawls and not reading.falling)
    if not long or not stays or outcome(reading).went == "unknown":
        return ()
    travel, turn = motion.travel(reading), motion.turn(reading)
    cause = _guess(travel, turn)
    return (
        Finding(
            model=reading.model,
            symptom="stalled",
            cause=cause,
            severity="warn",
            sites=(),
            steps=proof.span(reading),
            summary=wording.unexplained(),
            evidence=(
                *proof.loss_level(reading),
                proof.above("way of a weight over the run, in its own size", travel, "1", rate_high.FAR_TRAVEL),
                proof.below("cosine of consecutive gradients, median", turn, "1", rate_high.TURNS_BACK),
            ),
            cures=cures_for(cause, Context(rate=reading.rate)),
            alternatives=tuple(Alternative(c, "not ruled out by what was measured") for c in GUESSES if c != cause),
        ),
    )


def _guess(travel: float, turn: float) -> str:
    if turn < 0 or travel >= rate_high.FAR_TRAVEL.value:
        return "lr-too-high"
    if travel <= rate_low.FAR.value or turn >= rate_low.SAME_WAY.value:
        return "lr-too-low"
    return "inputs-collapse"


RULE = Rule("unexplained", find, cards=(), also=GUESSES)
