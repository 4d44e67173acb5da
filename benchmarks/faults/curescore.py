"""The score of the trials of cures: how often a cure is proven, beside a cure drawn at random, and what was missed.

A case counts once. Rates have Clopper and Pearson's interval over cases; the difference to the random arm is paired by
case, with a bootstrap interval over cases and McNemar's exact test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import scipy.stats
from cases import Case
from curing import REACHED, Arm, Trial
from labels import Label
from rates import CONFIDENCE, HALVES, Rate, rate

AIM = 0.85
RESAMPLES = 9999
ALONE = "no cause of an edit"
"""Of these faults no accepted cause is one that an edit of the script alone answers."""

WHY = {
    "nothing found": "the diagnosis found nothing",
    "edit": "the diagnosis names a cause that only an edit answers",
    "not applied": "none of the prescribed cures could be applied",
    "not comparable": "the outputs could not be judged",
    "invalid": "the trial is invalid",
    "not run": "the trial could not be held",
    "no evidence": "tried, and no evidence",
}


@dataclass(frozen=True, slots=True)
class Tried:
    """A case that a cure can reach, its label, and its trial; None where it has none yet."""

    case: Case
    label: Label
    trial: Trial | None = None

    @property
    def diagnosed(self) -> bool:
        """Whether the first cause that the trial's diagnosis found is accepted."""
        return self.trial is not None and bool(set(self.trial.causes[:1]) & set(self.label.causes))


@dataclass(frozen=True, slots=True)
class Difference:
    """Share with a cure proven minus share in which the random arm helps, over cases with a random arm.

    low, high: 95 % bootstrap over cases. ahead, behind: cases in which only the cure, only the random arm helps. p:
    McNemar's exact test of these, two-sided.
    """

    value: float
    low: float
    high: float
    ahead: int
    behind: int
    p: float
    cases: int


@dataclass(slots=True)
class CureScore:
    """What is printed and written. Keys of rates and differences: a half, or ``both``;
    of rates also each of them for the faults of which no accepted cause asks for an edit."""

    rates: dict[str, dict[str, Rate]] = field(default_factory=dict)
    differences: dict[str, Difference] = field(default_factory=dict)
    causes: dict[str, dict[str, Rate]] = field(default_factory=dict)
    misses: list[dict[str, Any]] = field(default_factory=list)
    random: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    out_of_reach: list[dict[str, Any]] = field(default_factory=list)


def cure_score(tried: Sequence[Tried], beyond: Sequence[tuple[Case, Label]]) -> CureScore:
    """All figures. beyond: verified faults that no cure of the catalog reaches, and which are no part of any rate."""
    score = CureScore()
    ended = [t for t in tried if t.trial is not None]
    for half in (*HALVES, "both"):
        if mine := [t for t in ended if half in (t.case.half, "both")]:
            score.rates[half] = _rates(mine)
            score.differences[half] = difference(mine)
            if inside := [t for t in mine if set(t.label.causes) <= REACHED]:
                score.rates[f"{half}, {ALONE}"] = _rates(inside)
    for cause in sorted({c for t in ended for c in t.label.causes[:1]}):
        score.causes[cause] = _rates([t for t in ended if t.label.causes[0] == cause])
    score.misses = [_missed(t) for t in ended if not _proven(t)]
    score.random = [_lucky(t) for t in ended if _by_chance(t)]
    score.waiting = [t.case.name for t in tried if t.trial is None]
    score.out_of_reach = [
        {"case": case.name, "half": case.half, "accepted": list(label.causes)} for case, label in beyond
    ]
    return score


def _rates(tried: Sequence[Tried]) -> dict[str, Rate]:
    held = [t for t in tried if _drawn(t)]
    prescribed = [t for t in tried if _cures(t)]
    return {
        "proven": rate(float(_proven(t)) for t in tried),
        "proven, or the rate": rate(float(_proven(t) or _rate_helps(t)) for t in tried),
        "proven of those tried": rate(float(_proven(t)) for t in prescribed),
        "of the cures tried": rate(float(np.mean([a.decision == "helps" for a in _cures(t)])) for t in prescribed),
        "random": rate(float(_by_chance(t)) for t in held),
    }


def difference(tried: Sequence[Tried]) -> Difference:
    """The paired difference over the cases whose trial has drawn a cure at random; nan where there are none."""
    d = np.array([int(_proven(t)) - int(_by_chance(t)) for t in tried if _drawn(t)])
    if not d.size:
        return Difference(*([math.nan] * 3), 0, 0, math.nan, 0)
    means = np.random.default_rng(0).choice(d, (RESAMPLES, d.size)).mean(axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(x) for x in np.quantile(means, [tail, 1 - tail]))
    ahead, behind = int((d > 0).sum()), int((d < 0).sum())
    p = float(scipy.stats.binomtest(ahead, ahead + behind).pvalue) if ahead + behind else 1.0
    return Difference(float(d.mean()), low, high, ahead, behind, p, int(d.size))


def why_missed(trial: Trial) -> str:
    """Why no cure is proven in a trial, as a key of WHY."""
    if not trial.arms:
        return _why_nothing(trial)
    cures = [a.decision for a in trial.arms if a.role == "cure"]
    if "invalid" in {a.decision for a in trial.arms}:
        return "invalid" if cures else "not applied"
    if not cures:
        return "not applied"
    return "not comparable" if set(cures) == {"not comparable"} else "no evidence"


def _why_nothing(trial: Trial) -> str:
    if trial.reason.startswith("Nothing was found"):
        return "nothing found"
    if trial.reason.startswith("No cure that can be applied"):
        return "edit"
    return "not run" if trial.reason else "not applied"


def _cures(tried: Tried) -> list[Arm]:
    return [a for a in tried.trial.arms if a.role == "cure"] if tried.trial is not None else []


def _proven(tried: Tried) -> bool:
    return tried.trial is not None and tried.trial.helps("cure")


def _rate_helps(tried: Tried) -> bool:
    """Whether the searched rate alone is proven, which is asked where no cure is."""
    return tried.trial is not None and tried.trial.helps("rate")


def _by_chance(tried: Tried) -> bool:
    return tried.trial is not None and tried.trial.helps("random")


def _drawn(tried: Tried) -> bool:
    return tried.trial is not None and any(a.role == "random" for a in tried.trial.arms)


def _missed(tried: Tried) -> dict[str, Any]:
    trial = tried.trial
    assert trial is not None
    return {
        "case": tried.case.name,
        "half": tried.case.half,
        "why": why_missed(trial),
        "accepted": list(tried.label.causes),
        "found": list(trial.causes),
        "diagnosed": tried.diagnosed,
        "ruler": trial.ruler,
        "steps": trial.steps,
        "floor": trial.floor,
        "arms": [asdict(a) for a in trial.arms if a.role in ("cure", "rate", "random")],
        "reason": trial.reason,
        "notes": list(trial.notes),
    }


def _lucky(tried: Tried) -> dict[str, Any]:
    return {"case": tried.case.name, "half": tried.case.half, "cure too": _proven(tried)}


def by_why(misses: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Misses by why, in the order of WHY; reasons that nothing has are left out."""
    return {why: mine for why in WHY if (mine := [m for m in misses if m["why"] == why])}
