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
from .fair import Searched
from .plain import alone
from .remedies_arms import ARMS, BASE, HALF_DECADES, QUICK_NAMES, Arm
from .remedies_measure import Factors, Ran, ran, teach, validation_error
from .workers import each

CHANCE = 10.0  # percent, of ten classes
STALLED, NOT_ENOUGH = 15.0, 20.0  # percent of test accuracy, mean over the seeds
VALIDATED = 360  # digits of the validation split
KEPT, LOST = 0.8, 0.5  # of the error a hop: thirty hops of these leave three decades less, and nine
CHANGED = 1.2  # a factor that moved by less is told as unchanged: its own spread over draws is a few percent


@dataclass(frozen=True, slots=True)
class Plan:
    """places: rates to try, as multiples of the middle of each optimizer's grid; extensions: how often half a decade
    more, where an end is best. cured: percent of test accuracy."""

    arms: tuple[Arm, ...] = ARMS
    places: tuple[float, ...] = HALF_DECADES
    steps: int = 300
    extensions: int = 2
    search_seed: int = 100
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    cured: float = 90.0


FULL = Plan()
QUICK = Plan(tuple(arm for arm in ARMS if arm.name in QUICK_NAMES), (0.316, 3.16), 150, 0, seeds=(0,), cured=80.0)


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
        rates = _search(order, plan, recipes)
        jobs = [_with(recipes[arm.name], taken(rates[arm.name]), seed) for arm in plan.arms for seed in plan.seeds]
        runs = each(ran, jobs, order, "remedies, the seeds that are judged")
    n = len(plan.seeds)
    own = [tuple(runs[i : i + n]) for i in range(0, len(runs), n)]
    return {arm.name: Treated(arm, rates[arm.name], its) for arm, its in zip(plan.arms, own, strict=True)}


def _search(order: Order, plan: Plan, recipes: Mapping[str, Recipe]) -> dict[str, Searched]:
    """Every arm at every rate of its grid, then half a decade further where the one taken is an end of it."""
    found: dict[str, dict[float, float]] = {arm.name: {} for arm in plan.arms}
    wanted = [(arm.name, rate) for arm in plan.arms for rate in arm.rates(plan.places)]
    for _ in range(plan.extensions + 1):
        jobs = [_with(recipes[name], rate, plan.search_seed) for name, rate in wanted]
        errors = each(validation_error, jobs, order, "learning rates on the validation split")
        for (name, rate), error in zip(wanted, errors, strict=True):
            found[name][rate] = error
        wanted = [(name, rate) for name, own in found.items() for rate in beyond(Searched(own))]
        if not wanted:
            break
    return {name: Searched(own) for name, own in found.items()}


def taken(searched: Searched) -> float:
    """The middle one of the rates that do as well as the best one, within one standard error of its validation error.

    Law: errors ≤ e + √(e (1 − e)/n), e the smallest; the lower of two in the middle. A rate whose next one up
    diverges is left out where another remains: from another seed it may diverge itself.
    Shapes, units: shares of n examples in, a rate out. At 0: an error of 0 leaves those that are 0 too. At inf/nan: inf
    is a diverged one. Source: Breiman 1984, the rule of one standard error; the ends of what works are the least sure.
    """
    tried = sorted(searched.losses)
    above = [searched.losses[rate] for rate in tried[1:]] + [0.0]
    safe = [rate for rate, next_up in zip(tried, above, strict=True) if math.isfinite(next_up)]
    safe = [rate for rate in safe if math.isfinite(searched.losses[rate])] or tried
    best = min(searched.losses[rate] for rate in safe)
    room = math.sqrt(best * (1 - best) / VALIDATED) if best <= 1 else 0.0
    equal = [rate for rate in safe if searched.losses[rate] <= best + room]
    return equal[(len(equal) - 1) // 2]


def beyond(searched: Searched) -> tuple[float, ...]:
    """Half a decade further where the rate taken is the smallest or the largest that was tried, else nothing."""
    rate, tried = taken(searched), sorted(searched.losses)
    step = {tried[0]: -1, tried[-1]: 1}.get(rate, 0)
    return (float(f"{10 ** ((round(2 * math.log10(rate)) + step) / 2):.3g}"),) if step else ()


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
            f"{taken(one.searched):g}",
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
    names = [n for n, one in found.items() if one.mean > NOT_ENOUGH and plan.extensions and beyond(one.searched)]
    if not names:
        return ()
    return (f"Best at an end of the rates that were tried, so that more may be in it: {', '.join(names)}.",)


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
    "No published figures: the article names the remedies and measures none. Each is taken with the lab's own settings "
    "(low rank width/4, hints at 6 places, a head after every second block, 100 pre-training steps a layer by Adam). "
    "What is not enough here was not found to be enough, within 300 steps. Deep & Cross has no activation at all.",
    "Batch norm divides by the small spread of a batch and so gives back what weights and activation took: ×1.015 a "
    "hop in mean field. Layer norm divides by the larger spread over the units, and the error keeps shrinking: ×0.39.",
    "Highway still loses a decade and a half at the start through its gate; a large rate makes up for it. A gain near "
    "1 alone is not enough: heads and hints bring the error to every layer and do not cure, as on the way forward the "
    "sigmoids have made all examples alike; critical sigmoid keeps both and learns little in 300 steps.",
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
    title="Skips and batch norm cure thirty sigmoid layers; optimizers and another activation alone do not",
    source="the article on the origin of vanishing gradients, the remedies that it names",
    rule="untreated at most 15 % of the test digits; residual 1/√L, ReZero, dense, Deep & Cross v2 and batch norm 90 % "
    "or more each (quick: 80 % after half the steps), Adam, RMSprop, Adagrad and ReLU, Leaky ReLU, PReLU alone at most "
    "20 % each, means over the seeds; every cure keeps at least .8 of the error a hop, every other at most .5.",
    setting=f"Digits, {BASE.depth} layers of width {BASE.width} by torch's own initialisation, batch {BASE.batch}, 300 "
    "steps of momentum .9 where the optimizer is not the remedy. For every arm alike, five rates over two decades, and "
    "up to two more where an end is best, are tried on one seed; the middle one of those that are best on the "
    "validation split, within a standard error and not next to one that diverges, is trained on five other seeds and "
    "scored in eval mode on the test split. The convolutional pair has width 8 and a third of the steps. Quick: two "
    "rates, one seed.",
    run=run,
)
