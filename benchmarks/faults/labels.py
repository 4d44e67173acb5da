"""Labels that are true: which scripts really have a fault, which causes really explain it, which are really healthy.

Everything is decided by experiment, in paired seeds, from the recorded outcomes alone:

* a case is **verified** where its fixed twin is better (exact one-sided sign-flip test, p <= 1/32, so 5 of 5 seeds) by
  at least a tenth of the way from the trivial level to the fixed twin;
* **random** where the fault shows in two seeds at least, by a quarter of that way, and in none the other way round;
  only the seeds in which it shows are scored;
* a cause is **accepted** where its variant alone is better than the faulty script by the same test, and covers at least
  half of the way from the faulty script to its fixed twin;
* a training is **healthy** where every seed reaches its floor;
* a mutant is **killed** where it is worse than its original by the test of the first line, and **harmless** where it
  is not and every seed still reaches the floor.

A value that is nan or infinite is worse than every number. Ties speak against the label.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

import numpy as np
from cases import Better, Case, Script
from outcomes import Outcomes

from gradiometer.records import ALL_CAUSES

ALPHA = 1 / 32  # one-sided; 5 of 5 paired seeds reach it
LEAST_SEEDS = 5
MARGIN = 0.1  # of the way from trivial to fixed: smaller gains can be real and are no fault
RANDOM_MARGIN = 0.25  # a single seed has no test, so its gain must be beyond the scatter of small held-out sets
RANDOM_SEEDS = 2
HALFWAY = 0.5
MOST_FLIPS = 16  # 2^16 sign patterns are enumerated

Kind = Literal[
    "verified", "random", "unverified", "healthy", "untrue", "killed", "harmless", "unscored", "crashed", "untrained"
]
FAULTS: frozenset[Kind] = frozenset({"verified", "random", "killed"})
SOUND: frozenset[Kind] = frozenset({"healthy", "harmless"})


@dataclass(frozen=True, slots=True)
class Tried:
    """A variant and what it did. wins: seeds better than the faulty script; way: share of the way to the fixed one."""

    cause: str
    wins: int
    seeds: int
    way: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class Label:
    """What is true of a script. seeds: those that are scored. figures: medians by role, for the lists."""

    case: str
    role: str
    kind: Kind
    seeds: tuple[int, ...] = ()
    symptoms: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    rate: float = 1.0  # share of the seeds in which the fault shows
    tried: tuple[Tried, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    why: str = ""


def goodness(value: float, better: Better) -> float:
    """The value turned so that more is better; -inf for what is no finite number."""
    if not math.isfinite(value):
        return -math.inf
    return value if better == "higher" else -value


def paired_p(gains: Sequence[float]) -> float:
    """One-sided p of the exact sign-flip test on paired differences: how often chance gives as large a sum.

    Infinite gains count as larger than all others together; ties (0, or both sides infinite: nan) gain nothing.
    Beyond 16 pairs, the exact sign test.
    """
    finite = [abs(g) for g in gains if math.isfinite(g)]
    huge = 1.0 + sum(finite)
    kept = np.array([0.0 if math.isnan(g) else math.copysign(min(abs(g), huge), g) for g in gains])
    n = len(kept)
    if n == 0:
        return 1.0
    if n > MOST_FLIPS:
        wins = int((kept > 0).sum())
        return sum(math.comb(n, k) for k in range(wins, n + 1)) / 2**n
    signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)  # [pattern, pair]
    sums = signs @ np.abs(kept)
    return float((sums >= kept.sum() - 1e-12 * huge).mean())


def gains_over(better: Mapping[int, float], worse: Mapping[int, float], seeds: Sequence[int]) -> list[float]:
    """Differences of goodness by seed, nan where both sides are -inf."""
    with np.errstate(invalid="ignore"):
        return [float(np.float64(better[s]) - np.float64(worse[s])) for s in seeds]


def is_better(gains: Sequence[float], margin: float) -> bool:
    """By the test, and by the margin in the median."""
    known = [0.0 if math.isnan(g) else g for g in gains]
    return len(gains) >= LEAST_SEEDS and paired_p(gains) <= ALPHA and median(known) >= margin


# ---- cases with a fault ----------------------------------------------------------------------------------------------


def label_faulty(case: Case, outcomes: Outcomes) -> Label:
    """Whether the fault is there, in which seeds, and which causes are accepted."""
    faulty, fixed = (_goodness_of(case, script, outcomes) for script in case.scripts[:2])
    seeds = sorted(set(faulty) & set(fixed))
    if len(seeds) < LEAST_SEEDS:
        return Label(case.name, "faulty", "untrained", why=f"{len(seeds)} of {LEAST_SEEDS} seeds were trained")
    figures = _figures(case, {"faulty": faulty, "fixed": fixed})
    trivial = goodness(case.trivial, case.better)
    top = median(fixed[s] for s in seeds)
    way = top - trivial
    gains = gains_over(fixed, faulty, seeds)
    if not (way > 0 and math.isfinite(way)):
        return Label(case.name, "faulty", "unverified", figures=figures, why="the fixed twin is not above trivial")
    if is_better(gains, MARGIN * way):
        kind: Kind = "verified"
        shown = seeds
    else:
        shown = [s for s, g in zip(seeds, gains, strict=True) if g >= RANDOM_MARGIN * way]
        turned = any(g <= -RANDOM_MARGIN * way for g in gains)
        kind = "unverified" if turned or len(shown) < RANDOM_SEEDS else "random"
    if kind == "unverified":
        wins = sum(g > 0 for g in gains)
        why = (
            f"the fixed twin is better in {wins} of {len(seeds)} seeds, median gain {_share(gains, way):.0%} of its way"
        )
        return Label(case.name, "faulty", kind, figures=figures, why=why)
    tried = tuple(_try(case, v, outcomes, (faulty, fixed), shown) for v in case.scripts[2:])
    accepted = {t.cause for t in tried if t.accepted}
    return Label(
        case.name,
        "faulty",
        kind,
        seeds=tuple(shown),
        symptoms=case.symptoms,
        causes=tuple(c for c in ALL_CAUSES if c in accepted),
        rate=len(shown) / len(seeds),
        tried=tried,
        figures=figures,
    )


def refuted(case: Case, variant: Script, outcomes: Outcomes) -> bool:
    """True where a seed has shown already that the variant does not cure: the others need not be trained."""
    faulty, fixed, tried = (_goodness_of(case, s, outcomes) for s in (*case.scripts[:2], variant))
    known = set(faulty) & set(fixed)
    shows = {s for s in known if fixed[s] > faulty[s]}
    hopeless = len(known) >= LEAST_SEEDS and len(shows) < RANDOM_SEEDS
    return hopeless or any(not tried[s] > faulty[s] for s in shows & set(tried))


def _try(
    case: Case, variant: Script, outcomes: Outcomes, twins: tuple[dict[int, float], dict[int, float]], shown: list[int]
) -> Tried:
    cause = variant.role.removeprefix("without ").partition(" (")[0]
    faulty, fixed = twins
    found = _goodness_of(case, variant, outcomes)
    seeds = [s for s in shown if s in found]
    if not seeds:
        return Tried(cause, 0, 0, math.nan, False)
    wins = sum(found[s] > faulty[s] for s in seeds)
    trivial = goodness(case.trivial, case.better)
    base = max(median(faulty[s] for s in seeds), trivial)  # from divergence to trivial is no part of the way
    way = (median(found[s] for s in seeds) - base) / (median(fixed[s] for s in seeds) - base)
    gains = gains_over(found, faulty, seeds)
    sure = paired_p(gains) <= ALPHA if len(shown) >= LEAST_SEEDS else wins == len(seeds)
    return Tried(cause, wins, len(seeds), way, sure and len(seeds) == len(shown) and way >= HALFWAY)


# ---- healthy trainings and their mutants -----------------------------------------------------------------------------


def label_healthy(case: Case, outcomes: Outcomes) -> Label:
    """Whether every seed reaches the floor."""
    found = _goodness_of(case, case.scripts[0], outcomes)
    figures = _figures(case, {"healthy": found})
    if len(found) < LEAST_SEEDS:
        return Label(case.name, "healthy", "untrained", why=f"{len(found)} of {LEAST_SEEDS} seeds were trained")
    if case.floor is None:
        return Label(case.name, "healthy", "untrue", figures=figures, why="it names no floor")
    under = [s for s, g in found.items() if g < goodness(case.floor, case.better)]
    if under:
        seeds = ", ".join(map(str, under))
        return Label(
            case.name, "healthy", "untrue", figures=figures, why=f"below its floor {case.floor} in seed {seeds}"
        )
    return Label(case.name, "healthy", "healthy", seeds=tuple(found), symptoms=("none",), figures=figures)


def label_mutant(case: Case, mutant: Script, outcomes: Outcomes, meant: tuple[Sequence[str], Sequence[str]]) -> Label:
    """Whether a mutant of a healthy training is a fault. meant: the symptoms and causes of its operator."""
    whole = _goodness_of(case, case.scripts[0], outcomes)
    found = _goodness_of(case, mutant, outcomes)
    seeds = sorted(set(whole) & set(found))
    figures = _figures(case, {"healthy": whole, mutant.role: found})
    if seeds and all(not math.isfinite(found[s]) for s in seeds) and outcomes.error(mutant, case.metric):
        return Label(case.name, mutant.role, "crashed", why=outcomes.error(mutant, case.metric))
    sound = label_healthy(case, outcomes).kind == "healthy"
    if sound and len(seeds) >= LEAST_SEEDS:
        way = median(whole[s] for s in seeds) - goodness(case.trivial, case.better)
        if is_better(gains_over(whole, found, seeds), MARGIN * abs(way)):
            symptoms, causes = meant
            return Label(
                case.name, mutant.role, "killed", tuple(seeds), tuple(symptoms), tuple(causes), figures=figures
            )
        if all(_reaches(case, found[s]) for s in seeds):
            return Label(case.name, mutant.role, "harmless", tuple(seeds), ("none",), figures=figures)
        return Label(case.name, mutant.role, "unscored", figures=figures, why="neither clearly worse nor at the floor")
    undecided = not settled(case, mutant, outcomes)
    why = f"{len(seeds)} of {LEAST_SEEDS} seeds were trained" if undecided else "neither worse nor at the floor"
    return Label(case.name, mutant.role, "untrained" if undecided else "unscored", figures=figures, why=why)


def settled(case: Case, mutant: Script, outcomes: Outcomes) -> bool:
    """True where its seeds have shown already that it is neither killed nor harmless, or that it does not run."""
    whole, found = (_goodness_of(case, s, outcomes) for s in (case.scripts[0], mutant))
    if outcomes.error(mutant, case.metric) and any(not math.isfinite(g) for g in found.values()):
        return True
    both = set(whole) & set(found)
    return any(found[s] >= whole[s] for s in both) and any(not _reaches(case, found[s]) for s in both)


def _reaches(case: Case, good: float) -> bool:
    return case.floor is not None and good >= goodness(case.floor, case.better)


def _goodness_of(case: Case, script: Script, outcomes: Outcomes) -> dict[int, float]:
    return {seed: goodness(value, case.better) for seed, value in outcomes.values(script, case.metric).items()}


def _figures(case: Case, by_role: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    turn = 1.0 if case.better == "higher" else -1.0
    return {role: turn * median(found.values()) for role, found in by_role.items() if found}


def _share(gains: Sequence[float], way: float) -> float:
    return median(0.0 if math.isnan(g) else g for g in gains) / way
