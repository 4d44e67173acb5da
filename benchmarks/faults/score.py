"""The score of the diagnosis on labelled runs: rates by case with intervals, by half and by group, and the misses.

Seeds of one case are no independent trials: a case counts by its share over seeds, and the bootstrap draws cases.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from baselines import BASELINES
from cases import Case, half_of, moved
from judging import PREFIXES, Question, Said, judge_all
from labels import FAULTS, SOUND, Label, label_faulty, label_healthy, label_mutant
from mutants import mutants_of
from outcomes import Outcomes, sources_digest
from plan import Order

from gradiometer.records import CAUSES

RESAMPLES, CONFIDENCE, MIDDLE = 2000, 0.95, "calibration"
FIRST_ROWS = 3
TARGETS = {"symptom": 0.95, "first": 0.85, "three": 0.95, "fails": 0.02, "warns": 0.10}
COMMAND = "python benchmarks/faults/run.py"


@dataclass(frozen=True, slots=True)
class Judged:
    """One scored script: its label, and what was said of each of its seeds."""

    label: Label
    half: str
    population: str  # faulty | twin | healthy | mutant | harmless
    said: tuple[Said, ...] = ()

    def share(self, right: Callable[[Label, Said], bool]) -> float:
        """Share of its seeds for which something holds."""
        return float(np.mean([right(self.label, s) for s in self.said])) if self.said else float("nan")


@dataclass(frozen=True, slots=True)
class Rate:
    """A mean of cases' shares, its 95 % interval by bootstrap over cases, and the one-sided upper bound."""

    value: float
    low: float
    high: float
    cases: int
    upper: float


@dataclass(slots=True)
class Score:
    """Everything that is printed and written."""

    rates: dict[str, dict[str, Rate]] = field(default_factory=dict)  # population/half -> figure -> rate
    groups: dict[str, dict[str, Rate]] = field(default_factory=dict)
    others: dict[str, dict[str, Rate]] = field(default_factory=dict)
    steps: dict[str, tuple[float, float, float]] = field(default_factory=dict)  # half -> quartiles
    misses: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    unscored: list[dict[str, str]] = field(default_factory=list)


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


# ---- judging ------------------------------------------------------------------------------------------------------


def judged_of(order: Order, outcomes: Outcomes, workers: int) -> tuple[list[Judged], list[Label]]:
    """Every labelled script with what was said of it, and the labels that are not scored."""
    rows: list[tuple[Judged, list[Path]]] = []
    unscored: list[Label] = []
    opened = moved()
    for case in order.cases:
        half = half_of(case.name, opened)
        for label, script, population in _labels(case, outcomes, order):
            if not label.seeds:
                unscored.append(label)
                continue
            seeds = [s for s in label.seeds if s < order.seeds and outcomes.run_file(script, s).exists()]
            paths = [outcomes.run_file(script, s) for s in seeds]
            own = MIDDLE if population in ("mutant", "harmless") else half  # mutants share scripts with both halves
            rows.append((Judged(label, own, population), paths))
    questions = [Question(p, row.population == "faulty") for row, paths in rows for p in paths]
    answers = iter(judge_all(questions, workers))
    done = [Judged(r.label, r.half, r.population, tuple(next(answers) for _ in paths)) for r, paths in rows]
    return [row for row in done if row.said], unscored


def _labels(case: Case, outcomes: Outcomes, order: Order) -> list[tuple[Label, Any, str]]:
    if case.healthy:
        out = [(label_healthy(case, outcomes), case.scripts[0], "healthy")]
        for mutant in mutants_of(case) if order.with_mutants else ():
            meant = (mutant.operator.symptoms, mutant.operator.causes)
            label = label_mutant(case, mutant.script, outcomes, meant)
            if label.kind != "harmless" or not mutant.operator.wrong:  # a mistake that a training copes with is both
                out.append((label, mutant.script, "mutant" if label.kind in FAULTS else "harmless"))
        return [(x, s, p) for x, s, p in out if x.kind in FAULTS | SOUND or not x.seeds]
    faulty = label_faulty(case, outcomes)
    twin = Label(case.name, "fixed", "healthy", faulty.seeds, ("none",), figures=faulty.figures)
    return [(faulty, case.scripts[0], "faulty"), *([(twin, case.scripts[1], "twin")] if faulty.seeds else [])]


# ---- rates --------------------------------------------------------------------------------------------------------


def rate(shares: Sequence[float]) -> Rate:
    """Mean over cases, bootstrap interval over cases, and the one-sided Clopper-Pearson bound for alarms."""
    from scipy.stats import beta

    kept = np.array([s for s in shares if s == s])
    if not kept.size:
        return Rate(float("nan"), float("nan"), float("nan"), 0, float("nan"))
    rng = np.random.default_rng(0)
    means = rng.choice(kept, (RESAMPLES, kept.size)).mean(axis=1)
    tail = (1 - CONFIDENCE) / 2
    k, n = float(kept.sum()), kept.size
    upper = 1.0 if k >= n else float(beta.ppf(CONFIDENCE, k + 1, n - k))
    low, high = (float(x) for x in np.quantile(means, [tail, 1 - tail]))
    return Rate(float(kept.mean()), low, high, int(n), upper)


def score_of(rows: Sequence[Judged], unscored: Sequence[Label]) -> Score:
    """All figures from judged scripts."""
    score = Score()
    for population in ("faulty", "mutant", "healthy", "twin", "harmless"):
        for half in ("calibration", "report"):
            mine = [r for r in rows if r.population == population and r.half == half]
            if mine:
                score.rates[f"{population}/{half}"] = _rates(mine, population in ("faulty", "mutant"))
    for half in ("calibration", "report"):
        mine = [r for r in rows if r.population == "faulty" and r.half == half]
        for group, causes in CAUSES.items():
            inside = [r for r in mine if r.label.causes and r.label.causes[0] in causes]
            if inside:
                score.groups[f"{group}/{half}"] = _rates(inside, True)
        _others(score, rows, half)
        found = [first_step(r.label, s) for r in mine if r.label.causes for s in r.said]
        if found:
            score.steps[half] = tuple(float(x) for x in _quartiles(found))  # type: ignore[assignment]
    score.misses = [_told(r) for r in rows if r.population in ("faulty", "mutant") and not _all_right(r)]
    score.alarms = [_told(r) for r in rows if r.population not in ("faulty", "mutant") and r.share(speaks) > 0]
    score.unscored = [{"case": x.case, "role": x.role, "kind": x.kind, "why": x.why} for x in unscored]
    return score


def _rates(rows: Sequence[Judged], faulty: bool) -> dict[str, Rate]:
    if not faulty:
        return {"fails": rate([r.share(fails) for r in rows]), "warns": rate([r.share(speaks) for r in rows])}
    known = [r for r in rows if r.label.causes]
    return {
        "symptom": rate([r.share(symptom_right) for r in rows]),
        "symptom, fail": rate([r.share(symptom_fails) for r in rows]),
        "first": rate([r.share(first_right) for r in known]),
        "three": rate([r.share(three_right) for r in known]),
    }


def _others(score: Score, rows: Sequence[Judged], half: str) -> None:
    """Flags of the baselines, and of the diagnosis beside them: any finding counts, on faulty and on healthy runs."""
    faulty, healthy = _of(rows, "faulty", half), _of(rows, "healthy", half)
    for name in BASELINES:

        def flags(_: Label, said: Said, name: str = name) -> bool:
            return bool(said.others[name])

        def right(label: Label, said: Said, name: str = name) -> bool:
            return bool(set(said.others[name]) & set(label.symptoms))

        score.others[f"{name}/{half}"] = {
            "flags": rate([r.share(flags) for r in faulty]),
            "symptom": rate([r.share(right) for r in faulty]),
            "alarms": rate([r.share(flags) for r in healthy]),
        }
    score.others[f"Gradiometer/{half}"] = {
        "flags": rate([r.share(speaks) for r in faulty]),
        "symptom": rate([r.share(symptom_right) for r in faulty]),
        "alarms": rate([r.share(speaks) for r in healthy]),
    }


def _of(rows: Sequence[Judged], population: str, half: str) -> list[Judged]:
    return [r for r in rows if r.population == population and r.half == half]


def _quartiles(found: Sequence[float]) -> tuple[float, float, float]:
    ordered = sorted(found)
    return tuple(ordered[int(q * (len(ordered) - 1))] for q in (0.25, 0.5, 0.75))  # type: ignore[return-value]


def _all_right(row: Judged) -> bool:
    return row.share(symptom_right) == 1 and (not row.label.causes or row.share(first_right) == 1)


def _told(row: Judged) -> dict[str, Any]:
    said = [" + ".join(f"{s} {y} {c}" for s, y, c in x.findings) or "nothing" for x in row.said]
    common = max(set(said), key=said.count)
    return {
        "case": row.label.case,
        "role": row.label.role,
        "half": row.half,
        "said": common,
        "in": f"{said.count(common)} of {len(said)}",
        "accepted": list(row.label.causes),
        "symptom": row.share(symptom_right),
        "first": row.share(first_right) if row.label.causes else None,
        "three": row.share(three_right) if row.label.causes else None,
    }


# ---- telling ------------------------------------------------------------------------------------------------------


def tell(order: Order, outcomes: Outcomes, path: str | None, workers: int = 2) -> int:
    """Judge, print, write. 0, also where a target is missed: the table says so."""
    from telling import printed

    rows, unscored = judged_of(order, outcomes, workers)
    score = score_of(rows, unscored)
    printed(score, order)
    if path is not None:
        Path(path).write_text(json.dumps(document(score, rows), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def document(score: Score, rows: Sequence[Judged]) -> dict[str, Any]:
    """The score as one JSON document, with the digests of what it was made from."""

    def plain(table: dict[str, dict[str, Rate]]) -> dict[str, Any]:
        return {k: {n: _numbers(r) for n, r in figures.items()} for k, figures in table.items()}

    return {
        "command": COMMAND,
        "diagnosis": sources_digest(("diagnosis", "quantities", "records", "theory")),
        "scripts": len(rows),
        "targets": TARGETS,
        "rates": plain(score.rates),
        "groups": plain(score.groups),
        "others": plain(score.others),
        "steps_to_first_right": {k: [x if np.isfinite(x) else None for x in v] for k, v in score.steps.items()},
        "misses": score.misses,
        "alarms": score.alarms,
        "unscored": score.unscored,
    }


def _numbers(r: Rate) -> dict[str, Any]:
    return {
        "value": round(r.value, 4) if r.value == r.value else None,
        "low": round(r.low, 4) if r.low == r.low else None,
        "high": round(r.high, 4) if r.high == r.high else None,
        "upper": round(r.upper, 4) if r.upper == r.upper else None,
        "cases": r.cases,
    }
