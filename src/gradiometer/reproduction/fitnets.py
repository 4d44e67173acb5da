"""Romero 2015: a hint from a teacher's middle gives a thin deep student an error with a shorter way."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from gradiometer.views import Axis, Figure, Series

from .experiment import Experiment, Order, Outcome, Row
from .fair import Searched, order_rows, rates_table, search
from .fitnets_students import (
    ARMS,
    HINT_SHARE,
    STUDENT,
    TEACHER,
    Arm,
    Job,
    gradient_decades,
    student_job,
    teacher_job,
    test_error,
    validation_error,
)
from .measure import Array
from .plain import alone
from .workers import each

SOURCE = "Romero et al. 2015, MNIST"
PUBLISHED = {"teacher": "about 0.55", "plain": "about 1.9", "KD": "about 0.65", "FitNet": "about 0.51"}
SHORTER = STUDENT.depth // 2
"""Hops that the error of the hint does not have to go."""
HOP_DECADES = 0.5 * math.log10(6)
"""What a hop of ReLU costs under torch's own weights: Var W · n = 1/3, and half of the units pass the error."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Rates, steps and seeds. taught: which arms get what they are named after; the others are trained plainly.

    teacher_steps: of the teacher; 1 leaves it as good as untrained.
    """

    rates: tuple[float, ...] = (0.0016, 0.0025, 0.004, 0.0063)
    steps: int = 1200
    search_seeds: tuple[int, ...] = (100, 101)
    seeds: tuple[int, ...] = tuple(range(200, 224))
    teacher_rates: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03)
    teacher_steps: int = 800
    taught: tuple[Arm, ...] = ("KD", "FitNet")


FULL = Plan()
QUICK = Plan((0.004,), 600, (100,), (200, 201, 202), (0.003,), 300)


@dataclass(frozen=True, slots=True)
class Ends:
    """Test errors in percent [seed], teacher's and arms', and the rates that were searched."""

    errors: dict[str, tuple[float, ...]]
    rates: dict[str, Searched]


def outcome(order: Order, plan: Plan) -> Outcome:
    """The experiment by a plan."""
    with tempfile.TemporaryDirectory(prefix="gradiometer-fitnets-") as folder:
        ends = _trained(order, plan, Path(folder))
        decades = _first_gradients(order, plan, Path(folder))
    rows = (*_error_rows(ends.errors), *_gradient_rows(decades))
    return Outcome(
        name="fitnets",
        rows=rows,
        figures=(_error_figure(ends.errors), _gradient_figure(decades)),
        tables=(rates_table(ends.rates),),
        notes=_NOTES,
        reasons=() if all(row.holds for row in rows) else (_REASON,),
        quick=order.quick,
    )


def _file(folder: Path, seed: int) -> str:
    return str(folder / f"teacher{seed}.safetensors")


def _trained(order: Order, plan: Plan, folder: Path) -> Ends:
    """Teachers first, each seed its own; then every arm's rate; then the seeds that are judged."""
    teachers = {
        "teacher": {
            lr: [teacher_job(lr, plan.teacher_steps, seed) for seed in plan.search_seeds] for lr in plan.teacher_rates
        }
    }
    rates = search(validation_error, teachers, order, "the teacher's learning rate")
    every = (*plan.seeds, *plan.search_seeds)
    lr = rates["teacher"].rate
    saved = [teacher_job(lr, plan.teacher_steps, seed, _file(folder, seed)) for seed in every]
    errors = {"teacher": tuple(each(test_error, saved, order, "teachers")[: len(plan.seeds)])}
    searched: dict[str, dict[float, list[Job]]] = {
        arm: {lr: [_student(arm, plan, folder, lr, seed) for seed in plan.search_seeds] for lr in plan.rates}
        for arm in ARMS
    }
    rates |= search(validation_error, searched, order, "learning rates of the students")
    jobs = [_student(arm, plan, folder, rates[arm].rate, seed) for arm in ARMS for seed in plan.seeds]
    found = each(test_error, jobs, order, "students, the seeds that are judged")
    n = len(plan.seeds)
    return Ends(errors | {arm: tuple(found[i * n : (i + 1) * n]) for i, arm in enumerate(ARMS)}, rates)


def _student(arm: Arm, plan: Plan, folder: Path, lr: float, seed: int) -> Job:
    return student_job(arm if arm in plan.taught else "plain", _file(folder, seed), lr, plan.steps, seed)


def _error_rows(errors: dict[str, tuple[float, ...]]) -> tuple[Row, ...]:
    words = {"teacher": "teacher", "plain": "student, plain", "KD": "student, KD", "FitNet": "student, hint then KD"}
    shown = tuple(
        Row(
            name=f"{words[name]}: test error",
            unit="%",
            published=PUBLISHED[name],
            source=SOURCE,
            values=errors[name],
            statistic="mean",
        )
        for name in words
    )
    return (
        *shown,
        *_order("plain", "teacher", errors),
        *_order("plain", "KD", errors),
        *_order("plain", "FitNet", errors),
        *_order("KD", "FitNet", errors)[:1],
    )


def _order(larger: str, smaller: str, errors: dict[str, tuple[float, ...]]) -> tuple[Row, Row]:
    """That one errs more than the other; the interval is named after the two, as there are several."""
    difference, end = order_rows(f"{larger} − {smaller}", errors[larger], errors[smaller], "%")
    return difference, msgspec.structs.replace(end, name=f"{difference.name}: lower end of its 95 % interval")


def _first_gradients(order: Order, plan: Plan, folder: Path) -> dict[str, Array]:
    """log10 ‖∇W‖ of the first step under torch's own weights: who learns -> [seed, block], loss first."""
    found = {}
    for arm in ("plain", "FitNet"):
        jobs = [_student(arm, plan, folder, plan.rates[0], seed) for seed in plan.seeds]
        found[arm] = np.array(each(gradient_decades, jobs, alone(order), f"first gradient, {arm}"))
    return found


def _gradient_rows(decades: dict[str, Array]) -> tuple[Row, ...]:
    expected = SHORTER * HOP_DECADES
    gained = tuple((decades["FitNet"][:, -1] - decades["plain"][:, -1]).tolist())
    return (
        Row(
            name="gradient at the first block that the hint adds, torch's own weights",
            unit="decades",
            published=f"{expected:.1f}",
            source=f"{SHORTER} hops less, each costs √6",
            values=gained,
            statistic="mean",
            low=round(expected / 2, 1),
            high=round(expected * 1.5, 1),
        ),
    )


def _error_figure(errors: dict[str, tuple[float, ...]]) -> Figure:
    found = np.array(list(errors.values()))  # [arm, seed]
    mean, low, high = (tuple(v.tolist()) for v in (found.mean(axis=1), found.min(axis=1), found.max(axis=1)))
    axes = (Axis("network", "", "categories", tuple(errors)), Axis("test error", "%", "linear"))
    title = f"Digits: a student of {STUDENT.depth} layers of {STUDENT.width}, and its teacher"
    return Figure(title, axes, (Series("measured", "error", "dots", mean, low, high),))


def _gradient_figure(decades: dict[str, Array]) -> Figure:
    series = []
    for arm, name, role in (("FitNet", "by the hint", "healthy"), ("plain", "by the loss", "error")):
        found = decades[arm]
        middle, low, high = (tuple(v.tolist()) for v in (np.median(found, 0), found.min(0), found.max(0)))
        series.append(Series(name, role, "line", middle, low, high))
    labels = tuple(str(number) for number in range(STUDENT.depth, 0, -1))
    axes = (Axis("layer", "", "sites", labels), Axis("gradient", "decades", "decades"))
    return Figure("Gradient of each layer in the first step, torch's own weights", axes, tuple(series))


_NOTES = (
    "Differs from the source: digits of 8 × 8 pixels (about 1080 to learn from) in place of MNIST, dense ReLU layers "
    "in place of convolutional maxout, Adam, one weight of the teacher throughout (the source lets it fall), fewer "
    "steps.",
    f"Every student makes the same number of updates; of a FitNet's, {HINT_SHARE:.0%} are the hint's. All arms of a "
    "seed begin from the same weights, see the same batches and have the same teacher.",
    "The setting was chosen on another split of the digits. Eight seeds of a second split gave the same order of means "
    "with intervals that held 0 (plain − KD 3.2 % ± 4.3, plain − FitNet 4.9 % ± 5.3); their spread asked for 24 seeds, "
    "which are new ones, on a third split.",
    "Published figures are quoted from memory. Only their order is judged.",
    "The layers above the hint get no gradient in the first stage, so their line is empty.",
)
_REASON = (
    "The order is one of means: some draws of a student of 20 layers stall for a while in every arm, so that a single "
    "difference spreads by more than the mean; fewer seeds or steps leave it open. Where the plain student starts "
    "easily (16 layers and fewer), the updates of the hint are lost to the task, and KD alone does better."
)


def run(order: Order) -> Outcome:
    """Trainings in worker processes, gradients here."""
    return outcome(order, QUICK if order.quick else FULL)


EXPERIMENT = Experiment(
    name="fitnets",
    title="A teacher, and a hint from its middle, train a thin deep student",
    source="Romero, Ballas, Kahou, Chassang, Gatta, Bengio, FitNets: Hints for Thin Deep Nets, 2015; Hinton, Vinyals, "
    "Dean, Distilling the Knowledge in a Neural Network, 2015",
    rule="Mean test errors, paired by seed: the plain student errs more than the teacher, than KD and than the FitNet, "
    "each with a 95 % interval above 0, and KD errs at least as much as the FitNet; under torch's own weights the hint "
    "adds half to one and a half times the decades that the shorter way saves.",
    setting=f"Digits; teacher {TEACHER.depth} ReLU layers of {TEACHER.width}, student {STUDENT.depth} of "
    f"{STUDENT.width}, He's weights, batch 64, Adam; temperature 3, nine tenths of the loss from the teacher; a hint "
    "between the middles. Rates of each arm searched on the validation split and on other seeds.",
    run=run,
)
