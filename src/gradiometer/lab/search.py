"""The learning rate that does best on the validation split. The test split is never looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np

from gradiometer.records import UserError

from .possible import check_recipe, learning_rate
from .recipe import Recipe
from .scores import score
from .state import StepSeen
from .tasks.load import load_task
from .tasks.task import Task
from .training import prepare, train

HALF_DECADE = math.sqrt(10)
GRID = 5  # rates: two decades in steps of half a decade, the optimizer's own in the middle
MOST_EXTENSIONS = 4  # half-decades beyond an edge of the grid: two decades more on either side


class RateRun(msgspec.Struct, frozen=True, kw_only=True):
    """One training of a search. metric, loss: on the validation split; where it diverged, the worst that there is.

    higher_is_better: of the metric.
    """

    lr: float
    seed: int
    metric: float
    loss: float
    diverged: bool
    higher_is_better: bool


class Searched(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found. lr: the rate that won. runs: all, in the order of (lr, seed).

    at_edge: the winner is the smallest or largest rate that was tried, so a better one may lie beyond.
    """

    lr: float
    runs: tuple[RateRun, ...]
    at_edge: bool = False


Runner = Callable[[Callable[[Recipe], RateRun], Sequence[Recipe]], Iterable[RateRun]]
"""As ``map``: applies a function of this module to recipes, here or in worker processes."""


def search_lr(
    recipe: Recipe,
    grid: Sequence[float] = (),
    seeds: Sequence[int] = (0, 1, 2),
    on_run: Callable[[RateRun], None] | None = None,
    runner: Runner = map,
) -> Searched:
    """The learning rate of the best mean over seeds on the validation split, by metric and, where equal, by loss.

    Law: best = most accurate, or least squared error; a run whose loss was once not finite counts as the worst.
    Shapes, units: grid: learning rates; empty is two decades in half-decade steps around the recipe's own rate.
    At 0: a rate of 0 or below, or no seed, is a UserError.
    At inf/nan: a rate that is not finite is a UserError; where every run diverged, the smallest rate is returned.
    Source: random search's one-dimensional case (Bergstra and Bengio 2012); a winner at an edge extends the grid by
    half a decade, up to ``MOST_EXTENSIONS`` times.

    on_run: called after each training; it may raise to stop. runner: how ``rate_run`` meets its recipes; the order of
    what it gives is that of the recipes. Seeds of a search and seeds of what it is made for should differ.
    """
    wanted: tuple[float, ...] = _checked(recipe, grid, seeds)
    runs: list[RateRun] = []
    best = math.nan
    for _ in range(MOST_EXTENSIONS + 1):
        jobs = [msgspec.structs.replace(recipe, lr=lr, seed=seed) for lr in wanted for seed in seeds]
        for run in runner(rate_run, jobs):
            runs.append(run)
            if on_run is not None:
                on_run(run)
        best = _best(runs)
        wanted = _beyond(best, {run.lr for run in runs})
        if not wanted:
            break
    runs.sort(key=lambda run: (run.lr, run.seed))
    return Searched(lr=best, runs=tuple(runs), at_edge=bool(wanted))


def rate_run(recipe: Recipe) -> RateRun:
    """Train one recipe and score it on the validation split; it stops at the first loss that is not finite."""
    task = shared_task(recipe)
    training = prepare(recipe, task)
    with suppress(_DivergedError):
        train(training, _stop_where_diverged)
    found = score(training.network, task, "validation", training.form)
    higher = task.goal == "classification"
    # the update after the last finite loss may have been the one too many
    lost = training.diverged_at is not None or not (math.isfinite(found.loss) and math.isfinite(found.metric))
    return RateRun(
        lr=learning_rate(recipe),
        seed=recipe.seed,
        metric=(0.0 if higher else math.inf) if lost else found.metric,
        loss=math.inf if lost else found.loss,
        diverged=lost,
        higher_is_better=higher,
    )


class _DivergedError(Exception):
    """Ends a training of which nothing more can be expected."""


def _stop_where_diverged(step: StepSeen) -> None:
    if not math.isfinite(step.loss):
        raise _DivergedError


def shared_task(recipe: Recipe) -> Task:
    """The task of a recipe, loaded once for all trainings in a row that read the same; a changed file is read again."""
    stamp = Path(recipe.data).stat() if recipe.data and Path(recipe.data).is_file() else None
    changed = (stamp.st_mtime_ns, stamp.st_size) if stamp is not None else ()
    key = (*(getattr(recipe, name) for name in _DATA_FIELDS), changed)
    if key not in _last:
        task = load_task(recipe)
        _last.clear()
        _last[key] = task
    return _last[key]


_DATA_FIELDS = ("task", "data_seed", "data", "target", "length", "standardise")
_last: dict[tuple[object, ...], Task] = {}


def _checked(recipe: Recipe, grid: Sequence[float], seeds: Sequence[int]) -> tuple[float, ...]:
    """The rates to begin with, ascending."""
    own = learning_rate(recipe)
    rates = sorted(set(grid)) or [own * HALF_DECADE**k for k in range(-(GRID // 2), GRID // 2 + 1)]
    if not seeds:
        raise UserError("A search needs seeds to train with, and there is none. Give some, such as (0, 1, 2).")
    for lr in rates:
        check_recipe(msgspec.structs.replace(recipe, lr=lr))
    return tuple(rates)


def _best(runs: Sequence[RateRun]) -> float:
    """The rate of the best mean metric, then of the smallest mean loss, then the smallest."""

    def rank(lr: float) -> tuple[float, float]:
        own = [run for run in runs if run.lr == lr]
        metric = float(np.mean([run.metric for run in own]))
        return metric if own[0].higher_is_better else -metric, -float(np.mean([run.loss for run in own]))

    return max(sorted({run.lr for run in runs}), key=rank)


def _beyond(best: float, tried: set[float]) -> tuple[float, ...]:
    """The next rate where the best one is the smallest or largest that was tried."""
    down = (best / HALF_DECADE,) if best == min(tried) else ()
    up = (best * HALF_DECADE,) if best == max(tried) else ()
    return (*down, *up)
