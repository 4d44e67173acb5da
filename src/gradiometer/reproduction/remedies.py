"""The article's remedies, each alone, on thirty sigmoid layers: those that act on the gain cure, the others do not."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import msgspec
import numpy as np

from gradiometer.lab import Recipe
from gradiometer.views import Axis, Figure, Mark, Series
from gradiometer.views.numbers import UNICODE

from .experiment import Experiment, Order, Outcome, Row, Table
from .fair import Searched, search
from .plain import alone
from .remedies_arms import ARMS, BASE, HALF_DECADES, QUICK_NAMES, Arm
from .remedies_measure import Factors, Ran, ran, teach, validation_error
from .workers import each

CHANCE = 10.0  # percent, of ten classes
STALLED, NOT_ENOUGH = 15.0, 20.0  # percent of test accuracy, mean over the seeds
KEPT, LOST = 0.8, 0.5  # of the error a hop: thirty hops of these leave three decades less, and nine
CHANGED = 1.2  # a factor that moved by less is told as unchanged: its own spread over draws is a few percent


@dataclass(frozen=True, slots=True)
class Plan:
    """places: rates to try, as multiples of the middle of each optimizer's grid. cured: percent of test accuracy."""

    arms: tuple[Arm, ...] = ARMS
    places: tuple[float, ...] = HALF_DECADES
    steps: int = 300
    search_seed: int = 100
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    cured: float = 90.0


FULL = Plan()
QUICK = Plan(tuple(arm for arm in ARMS if arm.name in QUICK_NAMES), (0.316, 3.16), 150, seeds=(0,), cured=80.0)


@dataclass(frozen=True, slots=True)
class Treated:
    """What came out of one arm."""

    arm: Arm
    searched: Searched
    runs: tuple[Ran, ...]  # [seed]

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Percent of the test split [seed]."""
        return tuple(run.accuracy for run in self.runs)

    @property
    def mean(self) -> float:
        """Of the accuracies."""
        return float(np.mean(self.accuracies))

    @property
    def factors(self) -> Factors:
        """Medians over the seeds."""
        columns = zip(*(astuple(run.factors) for run in self.runs), strict=True)
        gain, weights, activation, norm, skip, entries = (float(np.median(column)) for column in columns)
        return Factors(gain, weights, activation, norm, bool(skip), round(entries))


def outcome(order: Order, plan: Plan) -> Outcome:
    """The experiment by a plan."""
    return told(plan, _treat(order, plan), order)


def told(plan: Plan, found: Mapping[str, Treated], order: Order) -> Outcome:
    """What came out of the arms by name, judged."""
    rows = _rows(plan, found)
    return Outcome(
        name="remedies",
        rows=rows,
        figures=_figures(found),
        tables=(_table(plan, found),),
        notes=(*_NOTES, *_edges(plan, found)),
        reasons=() if all(row.holds for row in rows) else (_REASON,),
        quick=order.quick,
    )


def _treat(order: Order, plan: Plan) -> dict[str, Treated]:
    """Search the rate of every arm, then train it on the seeds that are judged."""
    with tempfile.TemporaryDirectory() as folder:
        recipes = _recipes(order, plan, Path(folder))
        tried = {
            arm.name: {r: [_with(recipes[arm.name], r, plan.search_seed)] for r in arm.rates(plan.places)}
            for arm in plan.arms
        }
        rates = search(validation_error, tried, order, "learning rates on the validation split")
        jobs = [_with(recipes[arm.name], rates[arm.name].rate, seed) for arm in plan.arms for seed in plan.seeds]
        runs = each(ran, jobs, order, "remedies, the seeds that are judged")
    n = len(plan.seeds)
    own = [tuple(runs[i : i + n]) for i in range(0, len(runs), n)]
    return {arm.name: Treated(arm, rates[arm.name], its) for arm, its in zip(plan.arms, own, strict=True)}


def _recipes(order: Order, plan: Plan, folder: Path) -> dict[str, Recipe]:
    """By arm; the teacher is trained where one learns from it."""
    teacher = ""
    if any(arm.teacher for arm in plan.arms):
        (teacher,) = each(teach, [str(folder / "teacher.safetensors")], alone(order), "the teacher")
    return {arm.name: arm.recipe(plan.steps, teacher) for arm in plan.arms}


def _with(recipe: Recipe, rate: float, seed: int) -> Recipe:
    return msgspec.structs.replace(recipe, lr=rate, seed=seed)


def _rows(plan: Plan, found: Mapping[str, Treated]) -> tuple[Row, ...]:
    """Accuracies of the arms that the rule names, and the gain of those that cure beside those that do not."""
    bounds = {"stalls": (None, STALLED), "cures": (plan.cured, None), "not enough": (None, NOT_ENOUGH)}
    rows = [
        Row(
            name=f"{one.arm.name}: test accuracy",
            unit="%",
            values=one.accuracies,
            statistic="mean",
            low=bounds[one.arm.expected][0],
            high=bounds[one.arm.expected][1],
        )
        for one in found.values()
        if one.arm.expected
    ]
    cures, stalls = _gains(found, ("cures",)), _gains(found, ("stalls", "not enough"))
    return (
        *rows,
        Row(name="gain a hop at the start, of each that must cure", values=cures, low=KEPT, by="every value"),
        Row(name="gain a hop at the start, of each that must not", values=stalls, high=LOST, by="every value"),
    )


def _gains(found: Mapping[str, Treated], expected: Sequence[str]) -> tuple[float, ...]:
    return tuple(one.factors.gain for one in found.values() if one.arm.expected in expected)


def _table(plan: Plan, found: Mapping[str, Treated]) -> Table:
    rows = [
        (
            name,
            f"{one.searched.rate:g}",
            f"{one.mean:.0f} ({min(one.accuracies):.0f} to {max(one.accuracies):.0f})",
            UNICODE.gain(one.factors.gain),
            _changed(found, one),
            judged(one.mean, plan.cured),
        )
        for name, one in found.items()
    ]
    columns = ("remedy", "rate", "accuracy, %", "gain", "what it changes of the gain", "verdict")
    return Table(
        title="Each remedy alone: test accuracy, gain a hop at the start, and what is behind it",
        columns=columns,
        rows=tuple(rows),
    )


def judged(accuracy: float, cured: float) -> str:
    """In a word, by the mean over the seeds in percent."""
    if accuracy > cured:
        return "cures"
    return "not enough" if accuracy <= NOT_ENOUGH else "undecided"


def _changed(found: Mapping[str, Treated], one: Treated) -> str:
    """Against the network without the remedy."""
    if one.arm.name == one.arm.against or one.arm.against not in found:
        now = one.factors
        return f"(weights {UNICODE.gain(now.weights)}, activation {UNICODE.gain(now.activation)})"
    return changed(found[one.arm.against].factors, one.factors, one.arm.otherwise)


def changed(before: Factors, now: Factors, otherwise: str) -> str:
    """Which factors of the gain a remedy changed, from what to what, as measured."""
    out = []
    if now.skip and not before.skip:
        out.append("skip added")
    if math.isfinite(now.norm) and not math.isfinite(before.norm):
        out.append(f"norm added, {UNICODE.gain(now.norm)}")
    for factor, old, new in (
        ("weights", before.weights, now.weights),
        ("activation", before.activation, now.activation),
    ):
        if abs(math.log(new / old)) > math.log(CHANGED):  # nan, where a skip leads round them, is not told
            out.append(f"{factor} {UNICODE.gain(old)} → {UNICODE.gain(new)}")
    if now.entries > before.entries:
        out.append(f"error enters at {now.entries - before.entries} more places")
    return "; ".join(out) or f"none: {otherwise or 'the same network'}"


def _edges(plan: Plan, found: Mapping[str, Treated]) -> tuple[str, ...]:
    """Where a rate beyond the grid might do better."""
    names = [n for n, one in found.items() if one.mean > NOT_ENOUGH and one.searched.at_edge and len(plan.places) > 2]
    if not names:
        return ()
    return (f"Best at an end of its two decades of rates, so that more may be in it: {', '.join(names)}.",)


def _figures(found: Mapping[str, Treated]) -> tuple[Figure, ...]:
    """What the rule names first, then the others."""
    ruled = [one for one in found.values() if one.arm.expected]
    others = [one for one in found.values() if not one.arm.expected]
    titles = ("Remedies that the rule names, each alone", "The other remedies, each alone")
    return tuple(_figure(title, arms) for title, arms in zip(titles, (ruled, others), strict=True) if arms)


def _figure(title: str, arms: Sequence[Treated]) -> Figure:
    series = Series(
        "measured",
        "error",
        "dots",
        tuple(one.mean for one in arms),
        tuple(min(one.accuracies) for one in arms),
        tuple(max(one.accuracies) for one in arms),
    )
    axes = (
        Axis("remedy", "", "categories", tuple(one.arm.name for one in arms)),
        Axis("test accuracy, mean over the seeds and its range", "%", "linear"),
    )
    return Figure(title, axes, (series,), (Mark("limit", CHANCE, CHANCE, "chance"),))


_NOTES = (
    "Gain a hop and factors are measured before the first step, after a pre-training, on the first batch; a factor is "
    "told where it moved by a fifth or more. Skips lead round weights and activation, which stay as they are.",
)
_REASON = (
    "A remedy that must cure no longer keeps the error, or one that must not now does: look at its gain a hop and at "
    "whether its rate lies at an end of the grid."
)


def run(order: Order) -> Outcome:
    """The short form here, the full one in worker processes."""
    return outcome(alone(order), QUICK) if order.quick else outcome(order, FULL)


EXPERIMENT = Experiment(
    name="remedies",
    title="What acts on the gain cures thirty sigmoid layers; optimizers and another activation alone do not",
    source="the article on the origin of vanishing gradients, the remedies that it names",
    rule="untreated at most 15 % of the test digits; residual 1/√L, ReZero, dense, Deep & Cross v2 and batch norm 90 % "
    "or more each (quick: 80 % after half the steps), Adam, RMSprop, Adagrad and ReLU, Leaky ReLU, PReLU alone at most "
    "20 % each, means over the seeds; every cure keeps at least .8 of the error a hop, every other at most .5.",
    setting=f"Digits, {BASE.depth} layers of width {BASE.width} by torch's own initialisation, batch {BASE.batch}, 300 "
    "steps of momentum .9 where the optimizer is not the remedy. For every arm alike, five rates over two decades are "
    "tried on one seed by validation accuracy; the best one is trained on five other seeds and scored in eval mode on "
    "the test split. The convolutional pair has width 8 and half the steps. Quick: two rates, one seed.",
    run=run,
)
