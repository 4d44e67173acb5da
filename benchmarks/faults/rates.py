"""The score of the diagnosis on labelled runs: rates by case with intervals, by half and by group, and the misses.

Seeds of one case are no independent trials: a case counts by its share over seeds, and intervals are over cases.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from baselines import BASELINES
from judging import PREFIXES, Said
from labels import FAULTS, SOUND, Label
from scipy.stats import beta

from gradiometer.records import CAUSES

RESAMPLES, CONFIDENCE = 2000, 0.95
FIRST_ROWS = 3
HALVES = ("report", "calibration")
FAULTY_POPULATIONS = ("faulty", "mutant")
SOUND_POPULATIONS = ("healthy", "twin", "harmless")
TARGETS = {"symptom": 0.95, "first": 0.85, "three": 0.95, "fails": 0.02, "warns": 0.10}
Right = Callable[[Label, Said], bool]


@dataclass(frozen=True, slots=True)
class Judged:
    """One scored script: its label, and what was said of each of its seeds."""

    label: Label
    half: str
    population: str  # faulty | twin | healthy | mutant | harmless
    said: tuple[Said, ...] = ()

    def share(self, right: Right) -> float:
        """Share of its seeds for which something holds."""
        return float(np.mean([right(self.label, s) for s in self.said])) if self.said else float("nan")


@dataclass(frozen=True, slots=True)
class Rate:
    """A mean of cases' shares.

    low, high: two-sided 95 % interval. lower, upper: one-sided 95 % bounds. boot_low, boot_high: bootstrap over cases.
    """

    value: float
    low: float
    high: float
    lower: float
    upper: float
    boot_low: float
    boot_high: float
    cases: int


NOTHING = Rate(*([math.nan] * 7), 0)
Rates = dict[str, Rate]


@dataclass(slots=True)
class Score:
    """Everything that is printed and written. Keys of rates: population/half, group, cause, baseline/half."""

    labels: dict[str, dict[str, int]] = field(default_factory=dict)
    rates: dict[str, Rates] = field(default_factory=dict)
    groups: dict[str, Rates] = field(default_factory=dict)
    causes: dict[str, Rates] = field(default_factory=dict)
    others: dict[str, Rates] = field(default_factory=dict)
    rules: dict[str, Rates] = field(default_factory=dict)
    steps: dict[str, tuple[float, float, float]] = field(default_factory=dict)  # half -> quartiles over cases
    misses: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    random: list[dict[str, Any]] = field(default_factory=list)
    causeless: list[dict[str, Any]] = field(default_factory=list)
    unscored: list[dict[str, Any]] = field(default_factory=list)


# ---- what counts as right -----------------------------------------------------------------------------------------


def symptom_right(label: Label, said: Said) -> bool:
    """Some finding, of whatever severity, names an accepted symptom."""
    return any(symptom in label.symptoms for _, symptom, _ in said.findings)


def symptom_fails(label: Label, said: Said) -> bool:
    """The same with severity ``fail``."""
    return any(severity == "fail" and symptom in label.symptoms for severity, symptom, _ in said.findings)


def first_right(label: Label, said: Said) -> bool:
    """The first finding's cause is accepted."""
    return bool(said.findings) and said.findings[0][2] in label.causes


def three_right(label: Label, said: Said) -> bool:
    """An accepted cause is among the first three that a reader meets."""
    return bool(set(said.ranked[:FIRST_ROWS]) & set(label.causes))


def fails(label: Label, said: Said) -> bool:
    """Something of severity ``fail`` is said."""
    return any(severity == "fail" for severity, _, _ in said.findings)


def speaks(label: Label, said: Said) -> bool:
    """Something is said, be it a warning."""
    return bool(said.findings)


def first_step(label: Label, said: Said) -> float:
    """Optimizer steps until an accepted cause stands first; inf where it never does."""
    for step in PREFIXES:
        if step in said.prefixes and said.prefixes[step][0][:1] and said.prefixes[step][0][0] in label.causes:
            return float(step)
    return float(said.steps) if first_right(label, said) else float("inf")


# ---- rates --------------------------------------------------------------------------------------------------------


def rate(shares: Iterable[float]) -> Rate:
    """Mean over cases.

    The interval is Clopper and Pearson's over cases, in its form with the beta distribution, which takes a number of
    hits that is not whole (the sum of the shares). Beside it stands the bootstrap over cases, which is empty of
    meaning at 0 and at 1.
    """
    kept = np.array([s for s in shares if s == s])
    if not kept.size:
        return NOTHING
    means = np.random.default_rng(0).choice(kept, (RESAMPLES, kept.size)).mean(axis=1)
    tail = (1 - CONFIDENCE) / 2
    boot_low, boot_high = (float(x) for x in np.quantile(means, [tail, 1 - tail]))
    k, n = float(kept.sum()), int(kept.size)
    low, high = _exact(k, n, tail)
    lower, upper = _exact(k, n, 2 * tail)
    return Rate(float(kept.mean()), low, high, lower, upper, boot_low, boot_high, n)


def _exact(k: float, n: int, tail: float) -> tuple[float, float]:
    low = 0.0 if k <= 0 else float(beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k >= n else float(beta.ppf(1 - tail, k + 1, n - k))
    return low, high


def score_of(rows: Sequence[Judged], labels: Sequence[Label]) -> Score:
    """All figures from judged scripts. labels: those of every script, scored or not."""
    score = Score(labels=_counts(labels))
    for population in (*FAULTY_POPULATIONS, *SOUND_POPULATIONS):
        for half in HALVES:
            mine = _of(rows, population, half)
            if mine:
                score.rates[f"{population}/{half}"] = found(mine) if population in FAULTY_POPULATIONS else alarmed(mine)
    faulty = _of(rows, "faulty")
    score.groups = {name: found(mine) for name, mine in _by_group(faulty).items()}
    score.causes = {name: found(mine) for name, mine in _by_cause(faulty).items()}
    for half in HALVES:
        score.others |= _others(rows, half)
        known = [r for r in _of(rows, "faulty", half) if r.label.causes]
        if known:
            score.steps[half] = _quartiles([_middle([first_step(r.label, s) for s in r.said]) for r in known])
    score.rules = _rules(faulty, _of(rows, "healthy"))
    score.misses = [_told(r) for r in rows if r.population in FAULTY_POPULATIONS and not _all_right(r)]
    score.alarms = [_told(r) for r in rows if r.population in SOUND_POPULATIONS and not _silent(r)]
    score.random = [{"case": x.case, "rate": x.rate, "seeds": list(x.seeds)} for x in labels if x.kind == "random"]
    score.causeless = [_causeless(x) for x in labels if x.kind in ("verified", "random") and not x.causes]
    score.unscored = [_unscored(x) for x in labels if x.kind not in FAULTS | SOUND]
    return score


def found(rows: Sequence[Judged]) -> Rates:
    """What is found of faults; the figures of causes are over the cases with an accepted cause."""
    known = [r for r in rows if r.label.causes]
    return {
        "symptom": rate(r.share(symptom_right) for r in rows),
        "symptom, fail": rate(r.share(symptom_fails) for r in rows),
        "first": rate(r.share(first_right) for r in known),
        "three": rate(r.share(three_right) for r in known),
    }


def alarmed(rows: Sequence[Judged]) -> Rates:
    """What is said of sound trainings."""
    return {"fails": rate(r.share(fails) for r in rows), "warns": rate(r.share(speaks) for r in rows)}


def _of(rows: Sequence[Judged], population: str, half: str | None = None) -> list[Judged]:
    return [r for r in rows if r.population == population and half in (None, r.half)]


def _by_group(rows: Sequence[Judged]) -> Mapping[str, list[Judged]]:
    """By the group of the first accepted cause in the order of precedence."""
    groups = {name: [r for r in rows if r.label.causes and r.label.causes[0] in cs] for name, cs in CAUSES.items()}
    groups["no accepted cause"] = [r for r in rows if not r.label.causes]
    return {name: mine for name, mine in groups.items() if mine}


def _by_cause(rows: Sequence[Judged]) -> Mapping[str, list[Judged]]:
    causes = [c for group in CAUSES.values() for c in group]
    return {c: mine for c in causes if (mine := [r for r in rows if r.label.causes[:1] == (c,)])}


def _middle(steps: Sequence[float]) -> float:
    return sorted(steps)[len(steps) // 2]


def _quartiles(steps: Sequence[float]) -> tuple[float, float, float]:
    ordered = sorted(steps)
    low, middle, high = (ordered[int(q * (len(ordered) - 1))] for q in (0.25, 0.5, 0.75))
    return low, middle, high


def _counts(labels: Sequence[Label]) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for x in labels:
        if x.role != "fixed":
            out[x.role if x.role in ("faulty", "healthy") else "mutants"][x.kind] += 1
    return {role: dict(counts) for role, counts in out.items()}


# ---- baselines ----------------------------------------------------------------------------------------------------


def _others(rows: Sequence[Judged], half: str) -> dict[str, Rates]:
    """Flags of the baselines, and of the diagnosis beside them, once by any finding and once by failures alone."""
    judges: dict[str, tuple[Right, Right, Right]] = {
        "Gradiometer, any finding": (speaks, symptom_right, three_right),
        "Gradiometer, failures": (fails, symptom_fails, three_right),
    }
    judges |= {name: (_flags(name), _symptom_of(name), _cause_of(name)) for name in BASELINES}
    faulty, healthy, twins = (_of(rows, population, half) for population in ("faulty", "healthy", "twin"))
    known = [r for r in faulty if r.label.causes]
    return {
        f"{name}/{half}": {
            "flags": rate(r.share(flags) for r in faulty),
            "symptom": rate(r.share(symptom) for r in faulty),
            "cause": rate(r.share(cause) for r in known),
            "alarms": rate(r.share(flags) for r in healthy),
            "twins": rate(r.share(flags) for r in twins),
        }
        for name, (flags, symptom, cause) in judges.items()
    }


def _flags(name: str) -> Right:
    return lambda label, said: bool(said.others.get(name))


def _symptom_of(name: str) -> Right:
    return lambda label, said: any(s in label.symptoms for a in said.others.get(name, ()) for s in a.symptoms)


def _cause_of(name: str) -> Right:
    return lambda label, said: any(c in label.causes for a in said.others.get(name, ()) for c in a.causes)


def _rules(faulty: Sequence[Judged], healthy: Sequence[Judged]) -> dict[str, Rates]:
    """Each single rule of the baselines: in which share of the faulty and of the healthy trainings it fires."""
    fired = {
        (name, a.rule) for r in (*faulty, *healthy) for s in r.said for name, some in s.others.items() for a in some
    }
    return {
        f"{name}: {rule}": {
            "flags": rate(r.share(_fires(name, rule)) for r in faulty),
            "alarms": rate(r.share(_fires(name, rule)) for r in healthy),
        }
        for name, rule in sorted(fired)
    }


def _fires(name: str, rule: str) -> Right:
    return lambda label, said: any(a.rule == rule for a in said.others.get(name, ()))


# ---- lists --------------------------------------------------------------------------------------------------------


def _all_right(row: Judged) -> bool:
    return row.share(symptom_right) == 1 and (not row.label.causes or row.share(first_right) == 1)


def _silent(row: Judged) -> bool:
    return not any(s.findings or s.error for s in row.said)


def _told(row: Judged) -> dict[str, Any]:
    said: dict[str, int] = defaultdict(int)
    for x in row.said:
        said[x.error or " + ".join(f"{s} {y} {c}" for s, y, c in x.findings) or "nothing"] += 1
    known = bool(row.label.causes)
    return {
        "case": row.label.case,
        "role": row.label.role,
        "half": row.half,
        "said": dict(sorted(said.items(), key=lambda item: -item[1])),
        "alternatives": list(dict.fromkeys(c for x in row.said for c in x.ranked if c not in str(dict(said))))[:5],
        "symptoms": list(row.label.symptoms),
        "accepted": list(row.label.causes),
        "symptom": row.share(symptom_right),
        "first": row.share(first_right) if known else None,
        "three": row.share(three_right) if known else None,
        "problems": list(dict.fromkeys(p for x in row.said for p in x.problems)),
    }


def _causeless(label: Label) -> dict[str, Any]:
    tried = [f"{t.cause} in {t.wins} of {t.seeds} seeds, {t.way:.0%} of the way" for t in label.tried]
    return {"case": label.case, "tried": tried}


def _unscored(label: Label) -> dict[str, Any]:
    figures = {role: round(value, 4) if math.isfinite(value) else str(value) for role, value in label.figures.items()}
    return {"case": label.case, "role": label.role, "kind": label.kind, "why": label.why, "figures": figures}
