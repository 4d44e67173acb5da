"""Romero 2015: a thin deep student learns best with a hint from its teacher first, then from its outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from gradiometer.views import Axis, Figure, Series

from .experiment import Experiment, Order, Outcome, Row
from .fair import Searched, order_rows, rates_table
from .fitnets_lessons import (
    ARMS,
    GUIDED,
    STUDENT_DEPTH,
    STUDENT_WIDTH,
    TEACHER_DEPTH,
    TEMPERATURE,
    Arm,
    Lessons,
    Taught,
    Teaching,
    Told,
    hops_lost,
    studied,
    taught,
)
from .fitnets_population import Member
from .plain import alone
from .workers import each

SOURCE = "Romero et al. 2015, MNIST"
PUBLISHED = {"teacher": "about 0.55", "plain": "about 1.9", "KD": "about 0.65", "FitNet": "about 0.51"}
WORDS = {"teacher": "teacher", "plain": "student, plain", "KD": "student, KD", "FitNet": "student, hint then KD"}
HOP_DECADES = 0.5 * math.log10(6)
"""What a hop of ReLU costs under torch's own weights: Var W · n = 1/3, and half of the units pass the error."""
TOLERANCE = 0.2  # of the decades saved: width 32, 20 draws
DRAWS = 20
GROUP = 6  # members of a population, so that two workers share the work


@dataclass(frozen=True, slots=True)
class Plan:
    """Rates, steps and seeds. taught: which arms get what they are named after; the others are trained plainly.

    teacher_steps, teacher_width: of the teachers; one step leaves them as good as untrained.
    """

    rates: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03)
    steps: int = 3000
    search_seeds: tuple[int, ...] = (100, 101, 102)
    seeds: tuple[int, ...] = (20, 21, 22, 23, 24, 25, 26, 27)
    teacher_rates: tuple[float, ...] = (0.001, 0.003, 0.01)
    teacher_steps: int = 3000
    teacher_width: int = 256
    taught: tuple[Arm, ...] = ("KD", "FitNet")


FULL = Plan()
QUICK = Plan((0.01,), 900, (), (20, 21, 22, 23, 24, 25), (0.005,), 1000, 128)


def outcome(order: Order, plan: Plan) -> Outcome:
    """The experiment by a plan."""
    lost = np.array(each(hops_lost, range(DRAWS), alone(order), "the error on its way to layer 1"))  # [draw, way]
    rates = {"teacher": _teacher_rate(order, plan)}
    teachers = _teachers(order, plan, rates["teacher"].rate)
    rates |= _student_rates(order, plan, teachers)
    errors = {"teacher": tuple(teachers[seed].error for seed in plan.seeds)}
    errors |= _judged(order, plan, teachers, rates)
    rows = (*_error_rows(errors), _saved_row(lost))
    return Outcome(
        name="fitnets",
        rows=rows,
        figures=(_error_figure(errors),),
        tables=(rates_table(rates),),
        notes=_NOTES,
        reasons=() if all(row.holds for row in rows) else (_REASON,),
        quick=order.quick,
    )


_NOTES = (
    "Differs from the source: MNIST-1D in place of MNIST, on which dense networks err far more; dense ReLU layers with "
    "He's weights in place of convolutional maxout; Adam in place of RMSProp; a learning rate searched for every "
    "network alike. There the FitNet errs less than its teacher, here it does not: that order is not judged.",
    f"As in the source: the student is deeper and thinner than its teacher, a linear reading of its layer {GUIDED} "
    "imitates the teacher's, then it learns from labels and softened outputs together, the weight of the latter "
    "falling from 4 to 1. Every student makes the same number of updates; of a FitNet's, a third are the hint's.",
    "Not every setting shows it: on the 8 × 8 digits, with 20 layers of 12 and 1200 steps, an earlier form found no "
    "order over 24 seeds, and the hint's first stage cost 3.9 points (95 % interval 1.2 to 6.6).",
    "All arms of a seed begin from the same weights and have the same teacher. Depth, width and temperature were found "
    "on other seeds than those that are searched or judged. Published figures are from memory; only their order is "
    "judged.",
)
_REASON = (
    "A student gains from a teacher that errs clearly less than itself, and from a hint where depth makes it slow to "
    "learn by its outputs alone; with few steps, a weak teacher or a shallow student both are small."
)


@dataclass(frozen=True, slots=True, eq=False)
class _Teacher:
    """error: percent of the test split. told: what it tells."""

    error: float
    told: Told


def _teacher_rate(order: Order, plan: Plan) -> Searched:
    if len(plan.teacher_rates) == 1:
        return Searched({plan.teacher_rates[0]: 0.0})
    jobs = [_teaching(plan, plan.search_seeds, rate) for rate in plan.teacher_rates]
    found = each(taught, jobs, order, "the teacher's learning rate")
    return Searched({rate: _mean(t.errors.validation) for rate, t in zip(plan.teacher_rates, found, strict=True)})


def _teaching(plan: Plan, seeds: Sequence[int], rate: float) -> Teaching:
    return Teaching(tuple(Member(seed, rate) for seed in seeds), plan.teacher_steps, plan.teacher_width)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _teachers(order: Order, plan: Plan, rate: float) -> dict[int, _Teacher]:
    """Seed -> its teacher, for the seeds of the search and for those that are judged."""
    groups = _groups((*plan.search_seeds, *plan.seeds))
    found: list[Taught] = each(taught, [_teaching(plan, seeds, rate) for seeds in groups], order, "teachers")
    return {
        seed: _Teacher(error, told)
        for seeds, t in zip(groups, found, strict=True)
        for seed, error, told in zip(seeds, t.errors.test, t.told, strict=True)
    }


def _groups(seeds: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [seeds[at : at + GROUP] for at in range(0, len(seeds), GROUP)]


def _lessons(arm: Arm, plan: Plan, members: Sequence[Member], teachers: dict[int, _Teacher]) -> Lessons:
    if arm not in plan.taught:
        return Lessons("plain", tuple(members), plan.steps)
    return Lessons(arm, tuple(members), plan.steps, tuple(teachers[member.seed].told for member in members))


def _student_rates(order: Order, plan: Plan, teachers: dict[int, _Teacher]) -> dict[str, Searched]:
    """Every arm at every rate, each rate with the same seeds, judged on the validation split."""
    if len(plan.rates) == 1:
        return {arm: Searched({plan.rates[0]: 0.0}) for arm in ARMS}
    members = [Member(seed, rate) for rate in plan.rates for seed in plan.search_seeds]
    jobs = [_lessons(arm, plan, members, teachers) for arm in ARMS]
    found = each(studied, jobs, order, "learning rates of the students")
    n = len(plan.search_seeds)
    return {
        arm: Searched({rate: _mean(e.validation[i * n : (i + 1) * n]) for i, rate in enumerate(plan.rates)})
        for arm, e in zip(ARMS, found, strict=True)
    }


def _judged(
    order: Order, plan: Plan, teachers: dict[int, _Teacher], rates: dict[str, Searched]
) -> dict[str, tuple[float, ...]]:
    groups = [(arm, seeds) for arm in ARMS for seeds in _groups(plan.seeds)]
    jobs = [_lessons(arm, plan, [Member(s, rates[arm].rate) for s in seeds], teachers) for arm, seeds in groups]
    found = each(studied, jobs, order, "students, the seeds that are judged")
    return {arm: tuple(v for (a, _), e in zip(groups, found, strict=True) if a == arm for v in e.test) for arm in ARMS}


def _error_rows(errors: dict[str, tuple[float, ...]]) -> tuple[Row, ...]:
    shown = tuple(
        Row(
            name=f"{words}: test error",
            unit="%",
            published=PUBLISHED[name],
            source=SOURCE,
            values=errors[name],
            statistic="mean",
        )
        for name, words in WORDS.items()
    )
    orders = (("plain", "KD"), ("KD", "FitNet"), ("plain", "FitNet"), ("plain", "teacher"))
    return (*shown, *(row for larger, smaller in orders for row in _order(larger, smaller, errors)))


def _order(larger: str, smaller: str, errors: dict[str, tuple[float, ...]]) -> tuple[Row, Row]:
    """That one errs more than the other; the interval is named after the two, as there are several."""
    difference, end = order_rows(f"{larger} − {smaller}", errors[larger], errors[smaller], "%")
    return difference, msgspec.structs.replace(end, name=f"{difference.name}: lower end of its 95 % interval")


def _saved_row(lost: np.ndarray) -> Row:
    hops = STUDENT_DEPTH - GUIDED
    return Row(
        name="what the hint's shorter way saves, untrained student with torch's own weights",
        unit="decades",
        published=f"{hops * HOP_DECADES:.2f}",
        source=f"{hops} hops less, each costs √6",
        values=tuple((lost[:, 1] - lost[:, 0]).tolist()),
        statistic="mean",
        low=round(hops * HOP_DECADES * (1 - TOLERANCE), 2),
        high=round(hops * HOP_DECADES * (1 + TOLERANCE), 2),
    )


def _error_figure(errors: dict[str, tuple[float, ...]]) -> Figure:
    found = np.array(list(errors.values()))  # [arm, seed]
    mean, low, high = (tuple(v.tolist()) for v in (found.mean(axis=1), found.min(axis=1), found.max(axis=1)))
    axes = (Axis("network", "", "categories", tuple(errors)), Axis("test error", "%", "linear"))
    title = f"MNIST-1D: a student of {STUDENT_DEPTH} layers of {STUDENT_WIDTH}, and its teacher"
    return Figure(title, axes, (Series("measured", "error", "dots", mean, low, high),))


def run(order: Order) -> Outcome:
    """Populations in worker processes."""
    return outcome(order, QUICK if order.quick else FULL)


EXPERIMENT = Experiment(
    name="fitnets",
    title="A hint from its teacher's middle, then its outputs, train a thin deep student",
    source="Romero, Ballas, Kahou, Chassang, Gatta, Bengio, FitNets: Hints for Thin Deep Nets, 2015; Hinton, Vinyals, "
    "Dean, Distilling the Knowledge in a Neural Network, 2015",
    rule="mean test errors, paired by seed: plain student > KD > hint then KD, and plain student > teacher, each "
    "difference with a 95 % interval above 0; under torch's own weights the hint's way to layer 1 costs the error "
    f"√6 a hop less, within {100 * TOLERANCE:.0f} %.",
    setting=f"MNIST-1D; teacher {TEACHER_DEPTH} ReLU layers of {FULL.teacher_width}, dropout and weight decay; student "
    f"{STUDENT_DEPTH} of {STUDENT_WIDTH}, batch 64, {FULL.steps} steps of Adam, temperature {TEMPERATURE:g}; each "
    "network's rate searched on the validation split and three seeds, eight others are judged. Quick: teachers of 128, "
    f"{QUICK.steps} steps, rates as the full form found them, six seeds.",
    run=run,
)
