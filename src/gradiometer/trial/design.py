"""How long a trial's trainings may be, and where its effects begin to matter: fixed before any arm is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..records import LossSeen, Primary, UserError

FLOOR_SHARE = 0.05
"""Of the distance from the trivial level to the floor of the primary outcome: the least mean effect that matters. A
ReLU exchange that leaves a deep sigmoid network at its trivial level wins 8 of 8 seeds by 0.1 % of that distance."""

DIAGNOSIS_SEEDS, SCREENING_SEEDS = (0,), (1, 2)
FIRST_TRIAL_SEED = 11
LR_FACTORS = (10**-0.5, 1.0, 10**0.5)
"""Half a decade apart; an arm whose best rate is at an edge gets one more beyond it, up to BEYOND of them."""
BEYOND = 3  # then an arm has seen a rate 100 times larger, or smaller, than its own

MOST_CURES = 4  # that are screened
KEPT_CURES = 2  # that go into the paired trial
SHAM_SEEDS = 2
PARTS = 2  # arms of a winner's ablation, as planned
SCREENING_SHARE = 0.25  # of the steps of a trial's run
LEAST_STEPS = 20  # below, a training has not begun
EFFICIENCY = 0.8  # of the time that workers × budget promises
ARM_COST = 1.3  # a treated step beside an untreated one, as planned
SERVER_S = 6.0  # imports of the server
EXTRA_RATES = 2 / 3  # of the screening, as planned: rates beyond an edge


@dataclass(frozen=True, slots=True)
class Seen:
    """What the diagnosis run has shown. steps, seconds (wall time, as the budget is): it took; first_step_s: until its
    first step; cut: it was stopped before its end. value: the metric that it printed, nan where the outcome is the
    loss."""

    steps: int
    seconds: float
    first_step_s: float
    cut: bool
    value: float = math.nan


@dataclass(frozen=True, slots=True)
class Terms:
    """What was asked for. steps: None where the budget decides. lr_factors: (1,) where no rate is searched. cures: how
    many prescribed ones are tried at most, None for MOST_CURES."""

    budget_s: float = 240.0
    workers: int = 2
    seeds: int = 8
    steps: int | None = None
    lr_factors: tuple[float, ...] = LR_FACTORS
    cures: int | None = None


@dataclass(frozen=True, slots=True)
class Lengths:
    """Optimizer steps of a run of the trial and of the screening; None: the whole script. cost_s: as planned."""

    steps: int | None
    screening_steps: int | None
    cost_s: float


def lengths(seen: Seen, terms: Terms, cures: int, primary: Primary) -> Lengths:
    """How long the runs may be.

    Law: (s + ARM_COST·b·N)·runs + (s + ARM_COST·b·N/4)·screening runs = EFFICIENCY·workers·budget − what the diagnosis
    took, solved for N; s seconds to the first step, b seconds a step. N is at most the script's own length.
    Raises UserError where not even LEAST_STEPS fit, or where a metric would not be printed within N, with the budget
    that would do.
    """
    per_step = ARM_COST * max(seen.seconds - seen.first_step_s, 1e-4) / max(seen.steps - 1, 1)
    screening, trial = runs(terms, cures)
    whole = primary.kind != "loss" and terms.steps is None
    share = 1.0 if whole else SCREENING_SHARE
    starts_s, per_length = seen.first_step_s * (screening + trial), per_step * (share * screening + trial)
    ready = EFFICIENCY * terms.workers * terms.budget_s - seen.seconds - SERVER_S - starts_s
    fits = int(ready / per_length) if ready > 0 else 0
    least = seen.steps if whole else min(LEAST_STEPS, seen.steps)
    if fits < least and terms.steps is None:
        needed_s = (per_length * least + starts_s + seen.seconds + SERVER_S) / EFFICIENCY / terms.workers
        raise UserError(_too_long(needed_s, least, terms, seen))
    steps = terms.steps or min(fits, seen.steps)
    cost_s = (per_length * steps + starts_s) / terms.workers
    if whole:
        length = seen.steps if seen.cut else None
        return Lengths(length, length, cost_s)
    return Lengths(steps, max(1, round(steps * SCREENING_SHARE)), cost_s)


def runs(terms: Terms, cures: int) -> tuple[float, int]:
    """Runs of the screening; of the paired trial (no cure, cures, random), its sham and its ablation."""
    rates = len(terms.lr_factors)
    kept = min(cures, KEPT_CURES)
    screened = len(SCREENING_SEEDS) * (cures + 2) * rates * (1 + (EXTRA_RATES if rates > 1 else 0))
    return (screened if rates > 1 or cures > kept else 0.0), terms.seeds * (kept + 2 + PARTS) + SHAM_SEEDS


def _too_long(needed_s: float, steps: int, terms: Terms, seen: Seen) -> str:
    a_run = seen.first_step_s + steps * (seen.seconds - seen.first_step_s) / max(seen.steps, 1)
    return (
        f"The budget of {terms.budget_s:.0f} s is too small: {steps} steps of this script take about {a_run:.1f} s, "
        f"and a trial needs many such runs. Give it --budget {math.ceil(needed_s / 10) * 10}, or a smaller training."
    )


def scale(primary: Primary, seen: LossSeen | None, first_loss: float, value: float) -> tuple[float, str]:
    """What a difference is measured by, and how it was found: FLOOR_SHARE of it is the least effect that matters, all
    of it is what a diverged run counts.

    A loss: its trivial level (the best constant prediction) minus its floor; where that is unknown, the size of the
    first loss. A metric: the distance from what the diagnosis run reached to 1 for a share that should be high, else
    its size. At 0 and where nothing is finite: 1, and the text says so.
    """
    if primary.kind == "loss":
        level = _level(seen)
        if level > 0:
            return level, "trivial loss minus its floor"
        found, how = abs(first_loss), "size of the first loss; its trivial level is not known"
    elif primary.better == "higher" and 0 <= value <= 1:
        found, how = max(1 - value, 0.1), f"distance of the untreated {primary.name} to 1"
    else:
        found, how = abs(value), f"size of the untreated {primary.name}"
    return (found, how) if math.isfinite(found) and found > 0 else (1.0, "1, because nothing better is known")


def floor_of(level: float) -> float:
    """The least mean effect that matters, for a scale."""
    return FLOOR_SHARE * level


def _level(seen: LossSeen | None) -> float:
    if seen is None or seen.trivial is None or seen.passes < 1:
        return 0.0
    level = (seen.trivial - (seen.floor or 0.0)) / seen.passes
    return level if math.isfinite(level) else 0.0
