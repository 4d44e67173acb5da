"""The rate that wins on the validation split wins, whatever the test split says."""

from __future__ import annotations

import itertools
import math
import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from gradiometer.lab import RateRun, Recipe, Split, Task, load_task, prepare, rate_run, score, search, search_lr, train
from gradiometer.lab.search import HALF_DECADE
from gradiometer.records import UserError

BLOBS = Recipe(task="blobs", depth=1, width=8, steps=40, batch=0)


def use(task: Task, monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """The search finds this task; what it loads is counted."""
    loaded: list[Recipe] = []

    def load(recipe: Recipe) -> Task:
        loaded.append(recipe)
        return task

    monkeypatch.setattr(search, "load_task", load)
    monkeypatch.setattr(search, "_last", {})
    return loaded


def turned(split: Split) -> Split:
    """Every class called by the name of the next one: what learns the task does worst on it."""
    return Split(split.inputs, (split.targets + 1) % 4)


@pytest.mark.parametrize("true_split", ["validation", "test"])
def test_the_winner_of_the_validation_split_is_taken(true_split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = load_task(BLOBS)
    wrong = "test" if true_split == "validation" else "validation"
    task = replace(task, **{wrong: turned(getattr(task, wrong))})
    use(task, monkeypatch)
    monkeypatch.setattr(search, "MOST_EXTENSIONS", 0)
    grid = (1e-5, 0.3)
    found = search_lr(BLOBS, grid, seeds=(0, 1))
    ranked = {}
    for lr in grid:
        trainings = [prepare(msgspec.structs.replace(BLOBS, lr=lr, seed=s), task) for s in (0, 1)]
        for training in trainings:
            train(training)
        for name in ("validation", "test"):
            ranked[name, lr] = np.mean([score(t.network, task, name).metric for t in trainings])  # type: ignore[arg-type]
    best = {name: max(grid, key=lambda lr: ranked[name, lr]) for name in ("validation", "test")}
    assert best["validation"] != best["test"]  # else nothing is shown
    assert found.lr == best["validation"]
    shown = {(run.lr, run.seed): run.metric for run in found.runs}
    assert np.mean([shown[found.lr, s] for s in (0, 1)]) == ranked["validation", found.lr]


def test_the_grid_is_two_decades_around_the_own_rate() -> None:
    found = search_lr(BLOBS, seeds=(3,))
    rates = sorted({run.lr for run in found.runs})
    assert rates[:5] == pytest.approx([0.1 * HALF_DECADE**k for k in (-2, -1, 0, 1, 2)]) or len(rates) > 5
    assert all(b / a == pytest.approx(HALF_DECADE) for a, b in itertools.pairwise(rates))
    assert found.lr in rates and {run.seed for run in found.runs} == {3}


def fake(metric: Callable[[float], float], diverged_above: float = math.inf) -> tuple[object, list[float]]:
    """A runner whose trainings are a formula; the rates in the order in which they were asked for."""
    asked: list[float] = []

    def runner(function: object, recipes: Sequence[Recipe]) -> Iterable[RateRun]:
        for recipe in recipes:
            lr = recipe.lr or 0.0
            asked.append(lr)
            lost = lr > diverged_above
            value = 0.0 if lost else metric(lr)
            loss = math.inf if lost else 1 - value
            yield RateRun(lr=lr, seed=recipe.seed, metric=value, loss=loss, diverged=lost, higher_is_better=True)

    return runner, asked


def peak(at: float) -> Callable[[float], float]:
    return lambda lr: math.exp(-(math.log10(lr / at) ** 2))


def test_a_winner_at_an_edge_extends_the_grid_by_half_decades() -> None:
    for at, upward in ((10.0, True), (1e-3, False)):
        runner, asked = fake(peak(at))
        found = search_lr(BLOBS, (0.01, 0.1, 1.0), seeds=(0,), runner=runner)  # type: ignore[arg-type]
        assert found.lr == pytest.approx(at, rel=1e-9) and not found.at_edge
        edge = 1.0 if upward else 0.01
        factor = HALF_DECADE if upward else 1 / HALF_DECADE
        assert asked[3:] == pytest.approx([edge * factor**k for k in range(1, len(asked) - 2)])
    runner, asked = fake(peak(0.1))
    assert search_lr(BLOBS, (0.01, 0.1, 1.0), seeds=(0,), runner=runner).lr == 0.1  # type: ignore[arg-type]
    assert asked == [0.01, 0.1, 1.0]


def test_an_extension_ends_and_says_that_it_ends_at_the_edge() -> None:
    runner, asked = fake(lambda lr: 1 - 1 / (1 + lr))
    found = search_lr(BLOBS, (0.1, 1.0), seeds=(0,), runner=runner)  # type: ignore[arg-type]
    assert found.at_edge and found.lr == pytest.approx(100.0) and len(asked) == 6


def test_a_diverged_seed_counts_as_the_worst() -> None:
    def one_lost(function: object, recipes: Sequence[Recipe]) -> Iterable[RateRun]:
        for recipe in recipes:
            high = (recipe.lr or 0) > 0.5
            lost = high and recipe.seed == 1
            metric = 0.0 if lost else 0.99 if high else 0.8 if recipe.lr == 0.1 else 0.1
            yield RateRun(
                lr=recipe.lr or 0.0,
                seed=recipe.seed,
                metric=metric,
                loss=math.inf if lost else 1.0,
                diverged=lost,
                higher_is_better=True,
            )

    grid = (0.01, 0.1, 1.0)
    assert search_lr(BLOBS, grid, seeds=(0, 1), runner=one_lost).lr == 0.1
    assert search_lr(BLOBS, grid, seeds=(0, 2), runner=one_lost).lr > 0.5


def test_equal_metrics_are_decided_by_the_loss() -> None:
    def level(function: object, recipes: Sequence[Recipe]) -> Iterable[RateRun]:
        for recipe in recipes:
            lr = recipe.lr or 0.0
            loss = abs(math.log10(lr))
            yield RateRun(lr=lr, seed=0, metric=0.1, loss=loss, diverged=False, higher_is_better=True)

    assert search_lr(BLOBS, (0.01, 1.0, 30.0), seeds=(0,), runner=level).lr == 1.0


def test_a_run_stops_at_its_first_loss_without_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(task="article", depth=1, width=4, lr=30.0, batch=0, steps=10_000_000, activation="linear")
    lost = rate_run(recipe)  # ten million steps would not end
    assert lost.diverged and lost.metric == math.inf and lost.loss == math.inf and not lost.higher_is_better
    fine = rate_run(msgspec.structs.replace(recipe, lr=0.01, steps=50))
    assert not fine.diverged and math.isfinite(fine.metric)
    classes = rate_run(msgspec.structs.replace(BLOBS, lr=1e30))
    assert classes.diverged and classes.metric == 0.0 and classes.higher_is_better


def test_least_error_wins_a_regression() -> None:
    recipe = Recipe(task="article", depth=1, width=4, batch=0, steps=60, activation="tanh")
    found = search_lr(recipe, (1e-4, 0.1, 30.0), seeds=(0,))
    by_rate = {run.lr: run.metric for run in found.runs}
    assert found.lr == min(by_rate, key=lambda lr: by_rate[lr]) and by_rate[30.0] > by_rate[0.1] < by_rate[1e-4]


def test_where_everything_diverges_the_smallest_rate_is_said() -> None:
    runner, _ = fake(peak(1.0), diverged_above=0.0)
    found = search_lr(BLOBS, (1.0, 2.0), seeds=(0,), runner=runner)  # type: ignore[arg-type]
    assert found.lr == found.runs[0].lr and found.at_edge and all(run.diverged for run in found.runs)


def test_the_data_are_loaded_once_and_runs_are_told_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = use(load_task(BLOBS), monkeypatch)
    told: list[tuple[float, int]] = []
    found = search_lr(BLOBS, (0.03, 0.3, 3000.0), seeds=(4, 2), on_run=lambda run: told.append((run.lr, run.seed)))
    assert len(loaded) == 1
    assert told[:6] == [(lr, s) for lr in (0.03, 0.3, 3000.0) for s in (4, 2)]
    assert [(run.lr, run.seed) for run in found.runs] == sorted(told)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    recipe = Recipe(task="table", data=str(table), target="y", depth=1, width=4, steps=1)
    sizes = []
    for n in (60, 90):
        table.write_text("x,y\n" + "".join(f"{k},{k % 7}.5\n" for k in range(n)))
        sizes.append(len(search.shared_task(recipe).train))
        assert search.shared_task(recipe) is search.shared_task(msgspec.structs.replace(recipe, lr=3.0, seed=9))
    assert sizes[0] < sizes[1]


def test_its_jobs_travel_to_other_processes() -> None:
    job = msgspec.structs.replace(BLOBS, lr=0.1)
    function, recipe = pickle.loads(pickle.dumps((rate_run, job)))
    found = pickle.loads(pickle.dumps(function(recipe)))
    assert found == rate_run(job)


@pytest.mark.parametrize(
    ("grid", "seeds", "words"),
    [
        ((0.0, 1.0), (0,), "learning rate is 0"),
        ((math.nan,), (0,), "learning rate is nan"),
        ((0.1,), (), "needs seeds"),
    ],
)
def test_what_cannot_be_searched_is_refused(grid: tuple[float, ...], seeds: tuple[int, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        search_lr(BLOBS, grid, seeds=seeds)


def test_it_changes_no_generator() -> None:
    before = torch.random.get_rng_state()
    search_lr(BLOBS, (0.01, 0.1, 1000.0), seeds=(0,))
    assert torch.equal(torch.random.get_rng_state(), before)
