"""The effect of each arm as data: mean, interval and single pairs, in the words and numbers of the verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gradiometer.records import Outcome, TrialArm, TrialResult

DECIDED = ("helps", "hurts")


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One arm beside no cure. effect, low, high, gains: in units of the primary outcome, positive where the arm is
    better; nan where nothing was compared."""

    arm: str
    role: str
    decision: str
    effect: float
    low: float
    high: float
    seeds: tuple[int, ...]
    gains: tuple[float, ...]  # [pair]

    @property
    def decided(self) -> bool:
        """Whether chance and the effect floor are both behind it."""
        return self.decision in DECIDED


def forest_rows(result: TrialResult) -> tuple[ForestRow, ...]:
    """The arms with a verdict in its order, those without a valid one left out, then the sham. Empty where the trial is
    not finished or invalid as a whole: then no effect is shown at all."""
    arms = {a.name: a for a in result.spec.arms}
    if result.state != "finished":
        return ()
    rows = [
        ForestRow(v.arm, role_words(arms[v.arm]), v.decision, v.effect, *v.interval, *pairs_of(result, arms[v.arm]))
        for v in result.verdicts
        if v.arm in arms and v.pairs and v.decision != "invalid"
    ]
    return (*rows, *(_sham(result, a) for a in arms.values() if rows and a.role == "sham" and result.of(a.name)))


def role_words(arm: TrialArm) -> str:
    """What an arm is there for."""
    if arm.role == "ablation":
        return f"{arm.of} taken apart" if arm.of else "a cure taken apart"
    return {
        "random": "random cures",
        "sham": "must equal no cure",
        "written": "no cure",
        "rate": "no cure but its rate",
    }.get(arm.role, arm.role)


def pairs_of(result: TrialResult, arm: TrialArm) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Seeds and gains of the pairs of an arm that have ended, as the verdict counted them.

    Law: noneᵢ − armᵢ where lower is better, else armᵢ − noneᵢ, within ±cap. At nan: a run without an outcome has
    diverged or failed, and counts the cap against it; of both, 0. Where the cap is unknown such a pair is nan.
    """
    none, ours = result.of(result.spec.partner_of(arm)), result.of(arm.name)
    seeds = tuple(s for s in result.spec.seeds if s in none and s in ours)
    sign = 1.0 if result.spec.primary.better == "lower" else -1.0
    return seeds, tuple(_gain(_value(none[s]), _value(ours[s]), sign, result.spec.cap) for s in seeds)


def _value(outcome: Outcome) -> float:
    return outcome.value if outcome.state == "finished" else math.nan


def _gain(none: float, ours: float, sign: float, cap: float) -> float:
    if math.isfinite(none) and math.isfinite(ours):
        gain = sign * (none - ours)
        return max(-cap, min(cap, gain)) if math.isfinite(cap) else gain
    if math.isfinite(none) == math.isfinite(ours):
        return 0.0
    return cap if math.isfinite(ours) else -cap


def _sham(result: TrialResult, arm: TrialArm) -> ForestRow:
    seeds, gains = pairs_of(result, arm)
    mean = sum(gains) / len(gains) if gains else math.nan
    return ForestRow(arm.name, role_words(arm), "control", mean, math.nan, math.nan, seeds, gains)
