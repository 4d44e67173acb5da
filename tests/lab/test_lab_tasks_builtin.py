"""The tasks that need no file: what they draw, how they are split, and what is known of them in closed form."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lab_tasks_files import class_shares, csv_lines, examples, leaves_generators, same, splits, write
from torch.nn import functional as F

from gradiometer.lab import KINDS, Recipe, Task, load_task
from gradiometer.lab.tasks import datasets
from gradiometer.lab.tasks.constant import constant_score
from gradiometer.lab.tasks.drawn import ADDING_LONGEST
from gradiometer.lab.tasks.load import _LOADERS
from gradiometer.lab.tasks.splits import split_classes, split_rows
from gradiometer.lab.tasks.task import Split
from gradiometer.records import UserError

TASKS = KINDS["task"]
BUILT_IN = tuple(name for name in TASKS if name not in {"text", "table"})
FRESH = tuple(name for name in BUILT_IN if name != "xor")
CLASSES = ("circles", "blobs", "spirals", "digits", "mnist1d")
SCALED = CLASSES


def recipe_of(name: str, folder: Path, **fields: object) -> Recipe:
    """A recipe of any task; those that read a file get one."""
    if name == "text":
        fields["data"] = write(folder, "the error dies in the sigmoids. " * 60, "text.txt")
    if name == "table":
        fields |= {"data": write(folder, csv_lines()), "target": "kind"}
    return Recipe(task=name, **fields)


@pytest.fixture(scope="module")
def published() -> dict[str, np.ndarray]:
    """MNIST-1D as its package makes it, and under "moved" whether that moved the global generators."""
    from mnist1d.data import make_dataset

    data: dict[str, np.ndarray] = {}
    moved = not leaves_generators(lambda: data.update(make_dataset()))
    return {**data, "moved": np.asarray(moved)}


def loaded(name: str, **fields: object) -> Task:
    return load_task(Recipe(task=name, **fields))


@pytest.mark.parametrize("name", TASKS)
def test_a_task_offers_the_forms_that_the_menu_says(name: str, tmp_path: Path) -> None:
    task = load_task(recipe_of(name, tmp_path))
    assert task.name == name
    assert tuple(task.forms) == TASKS[name].forms
    for split in splits(task):
        assert len(split) == len(split.inputs) > 0
        for form, shape in task.forms.items():
            read = task.read(split.inputs, form)
            assert read.shape == (len(split), *shape)
            assert read.dtype == torch.float32 and bool(read.isfinite().all())
    with pytest.raises(KeyError):
        task.read(task.test.inputs, "picture")


def test_the_menu_and_the_loaders_name_the_same_tasks() -> None:
    assert tuple(_LOADERS) == tuple(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_targets_are_classes_or_numbers(name: str, tmp_path: Path) -> None:
    task = load_task(recipe_of(name, tmp_path))
    for split in splits(task):
        if task.goal == "classification":
            assert split.targets.dtype == torch.int64 and split.targets.shape == (len(split),)
            assert split.targets.min() >= 0 and split.targets.max() < task.n_out
        else:
            assert split.targets.dtype == torch.float32 and split.targets.shape == (len(split), task.n_out)
    assert len(task.train.targets.unique()) > 1
    assert task.words and "\n" not in task.words


@pytest.mark.parametrize("name", TASKS)
def test_the_global_generators_stay_as_they_were(name: str, tmp_path: Path) -> None:
    recipe = recipe_of(name, tmp_path)
    datasets._mnist1d.cache_clear()
    assert leaves_generators(lambda: load_task(recipe))


def test_the_package_of_mnist1d_alone_would_move_them(published: dict[str, np.ndarray]) -> None:
    assert published["moved"]


@pytest.mark.parametrize("name", TASKS)
def test_a_split_is_a_function_of_the_data_seed_alone(name: str, tmp_path: Path) -> None:
    first = load_task(recipe_of(name, tmp_path, data_seed=1, seed=0))
    again = load_task(recipe_of(name, tmp_path, data_seed=1, seed=7))
    assert all(same(a, b) for a, b in zip(splits(first), splits(again), strict=True))
    other = load_task(recipe_of(name, tmp_path, data_seed=2))
    assert same(first.train, other.train) == (name == "xor")


@pytest.mark.parametrize("name", FRESH)
def test_no_example_is_in_two_splits(name: str) -> None:
    train, validation, test = map(examples, splits(loaded(name)))
    assert not train & validation and not train & test and not validation & test


def test_xor_has_four_points_in_every_split_and_says_so() -> None:
    task = loaded("xor")
    assert all(examples(split) == {(0, 0), (0, 1), (1, 0), (1, 1)} for split in splits(task))
    assert [int(a) ^ int(b) for a, b in task.train.inputs] == task.train.targets.tolist()
    assert "all three splits are these four" in task.words
    assert "all three" not in loaded("circles").words


def test_parts_are_a_partition_with_the_shares_asked_for() -> None:
    rng = np.random.default_rng(0)
    for parts in (split_rows(rng, 101), split_classes(rng, rng.integers(0, 3, 101))):
        assert sorted(np.concatenate(parts)) == list(range(101))
        assert [len(p) for p in parts] == pytest.approx([61, 20, 20], abs=3)
        assert all((np.diff(p) < 0).any() for p in parts)  # shuffled
    assert [len(p) for p in split_classes(rng, np.repeat([0, 1], 3))] == [2, 2, 2]


@pytest.mark.parametrize("name", CLASSES)
def test_every_split_has_the_class_shares_of_the_whole(name: str) -> None:
    task = loaded(name)
    parts = splits(task)[: 2 if name == "mnist1d" else 3]  # its test split is the published one
    whole = class_shares(torch.cat([s.targets for s in parts]), task.n_out)
    for split in parts:
        assert np.abs(class_shares(split.targets, task.n_out) - whole).max() <= 1 / len(split)


def test_a_split_that_does_not_look_at_the_classes_has_other_shares() -> None:
    rng, labels = np.random.default_rng(0), torch.arange(300) % 3
    blind = [class_shares(labels[rows], 3) for rows in split_rows(rng, 300)]
    assert max(np.abs(shares - 1 / 3).max() for shares in blind) > 1 / 60
    by_class = [class_shares(labels[rows], 3) for rows in split_classes(rng, labels.numpy())]
    assert max(np.abs(shares - 1 / 3).max() for shares in by_class) <= 1 / 60


@pytest.mark.parametrize("name", SCALED)
def test_inputs_are_scaled_by_the_training_split(name: str) -> None:
    task, raw = loaded(name), loaded(name, standardise=False)
    axis = None if name in {"digits", "mnist1d"} else 0
    train, test = raw.train.inputs.double().numpy(), raw.test.inputs.double().numpy()
    mean, sd = train.mean(axis=axis), train.std(axis=axis)
    assert np.allclose(task.train.inputs, (train - mean) / sd, atol=1e-5)
    assert np.allclose(task.test.inputs, (test - mean) / sd, atol=1e-5)
    own_mean, own_sd = test.mean(axis=axis), test.std(axis=axis)
    assert not np.allclose(task.test.inputs, (test - own_mean) / own_sd, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in BUILT_IN if n not in SCALED])
def test_the_others_stay_as_they_are(name: str) -> None:
    assert all(same(a, b) for a, b in zip(splits(loaded(name)), splits(loaded(name, standardise=False)), strict=True))


def within(values: torch.Tensor, mean: float, sd: float) -> bool:
    """Whether a mean lies within 4 standard errors of what it should be."""
    return abs(float(values.double().mean()) - mean) < 4 * sd / math.sqrt(len(values))


def test_the_article_s_line() -> None:
    task = loaded("article")
    assert len(task.train) == 100
    x = torch.cat([s.inputs for s in splits(task)])
    y = torch.cat([s.targets for s in splits(task)])
    assert x.min() >= 0 and x.max() <= 1 and within(x, 0.5, math.sqrt(1 / 12))
    variance = 10 / 12  # of 3x: 9/12, of the noise: 1/12
    assert within(y, 4.0, math.sqrt(variance))
    fourth = 81 / 80 + 6 * 9 / 12 / 12 + 1 / 80  # of the sum of two centred uniform numbers, of widths 3 and 1
    assert within((y - 4).square(), variance, math.sqrt(fourth - variance**2))
    noise = y - task.truths["3x + 2.5"](x)
    assert noise.abs().max() <= 0.5 + 1e-6
    assert within(noise, 0.0, math.sqrt(1 / 12)) and within(noise.square(), 1 / 12, math.sqrt(1 / 180))
    assert not within(y - task.truths["3x + 2"](x), 0.0, math.sqrt(1 / 12))  # the article's own test forgets the mean
    assert task.truths["3x + 2"](torch.tensor([[0.1], [0.5]])).flatten().tolist() == pytest.approx([2.3, 3.5])


def test_best_constant_of_the_article_is_its_variance() -> None:
    task = loaded("article")
    constant = constant_score(task, task.test)
    assert constant.loss == constant.metric == pytest.approx(10 / 12, abs=0.1)
    assert task.metric_name == "mean squared error"
    assert not task.target_sd - 1 and not task.target_mean


def test_the_adding_problem_adds_the_two_marked_values() -> None:
    task = loaded("adding", length=9)
    for sequence, target in zip(task.test.inputs[:200], task.test.targets[:200], strict=True):
        places = [t for t in range(9) if sequence[t, 1] == 1]
        assert len(places) == 2 and places[0] < 4 <= places[1]
        assert sum(float(v) for v, mark in sequence if mark == 0) != pytest.approx(float(target))
        assert sum(float(sequence[t, 0]) for t in places) == pytest.approx(float(target))
    first = task.train.inputs[:, :, 1].argmax(dim=1)
    assert set(first.tolist()) == {0, 1, 2, 3}


def test_best_constant_of_the_adding_problem_is_a_sixth() -> None:
    task = loaded("adding")
    assert task.forms["sequence"] == (50, 2)
    error = math.sqrt((1 / 15 - 1 / 36) / len(task.test))  # fourth central moment of a sum of two U(0, 1): 1/15
    assert abs(constant_score(task, task.test).loss - 1 / 6) < 3 * error
    predicts_one = task.metric(torch.ones(len(task.test), 1), task.test.targets)
    assert abs(predicts_one - 1 / 6) < 3 * error
    predicts_half = task.metric(torch.full((len(task.test), 1), 0.5), task.test.targets)
    assert abs(predicts_half - 1 / 6) > 3 * error


@pytest.mark.parametrize("length", [2, 3, ADDING_LONGEST])
def test_the_adding_problem_in_any_length(length: int) -> None:
    task = loaded("adding", length=length)
    assert task.forms == {"sequence": (length, 2), "vector": (2 * length,), "grid": (2, length)}
    assert bool((task.train.inputs[:, :, 1].sum(dim=1) == 2).all())


def test_a_grid_of_a_sequence_has_its_features_as_channels() -> None:
    task = loaded("adding", length=5)
    x = task.test.inputs[:3]
    grid, vector = task.read(x, "grid"), task.read(x, "vector")
    assert all(torch.equal(grid[:, c, t], x[:, t, c]) for c in range(2) for t in range(5))
    assert torch.equal(vector, x.reshape(3, 10)) and not torch.equal(vector, grid.reshape(3, 10))


def test_blobs_have_the_best_accuracy_that_their_words_say() -> None:
    task = loaded("blobs", standardise=False)
    x, y = torch.cat([s.inputs for s in splits(task)]), torch.cat([s.targets for s in splits(task)])
    best = (0.5 * (1 + math.erf(2 / math.sqrt(2)))) ** 2  # Φ(2)²: both signs right
    assert f"{best:.1%}".replace("%", " %") in task.words
    centred = x * torch.stack([2 * (y % 2) - 1, 2 * (y // 2) - 1], dim=1)
    assert within(centred.flatten(), 2.0, 1.0) and within((centred - 2).square().flatten(), 1.0, math.sqrt(2))
    right = (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long() == y
    assert within(right.double(), best, math.sqrt(best * (1 - best)))
    assert not within((1 + (x[:, 0] > 0).long() == y).double(), best, math.sqrt(best * (1 - best)))


def linear_accuracy(task: Task) -> float:
    """Test accuracy of least squares on the class's signs."""
    ones = torch.ones(len(task.train), 1)
    signs = F.one_hot(task.train.targets).float()
    weights = torch.linalg.lstsq(torch.cat([task.train.inputs, ones], dim=1), signs).solution
    scores = torch.cat([task.test.inputs, torch.ones(len(task.test), 1)], dim=1) @ weights
    return task.metric(scores, task.test.targets)


def neighbour_accuracy(task: Task) -> float:
    """Test accuracy of the nearest training example."""
    nearest = torch.cdist(task.test.inputs, task.train.inputs).argmin(dim=1)
    return float((task.train.targets[nearest] == task.test.targets).float().mean())


def test_circles_and_spirals_can_be_told_apart_but_not_by_a_line() -> None:
    circles, spirals = loaded("circles"), loaded("spirals")
    assert neighbour_accuracy(circles) > 0.97 and neighbour_accuracy(spirals) > 0.97
    assert linear_accuracy(circles) < 0.65 and linear_accuracy(spirals) < 0.75
    assert linear_accuracy(loaded("blobs")) > 0.9


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    data, task = load_digits(), loaded("digits", standardise=False)
    known = {(*map(float, x), int(y)) for x, y in zip(data.data, data.target, strict=True)}
    ours = {(*row, int(y)) for s in splits(task) for row, y in zip(s.inputs.tolist(), s.targets, strict=True)}
    assert ours == known
    assert sum(map(len, splits(task))) == len(data.target) == 1797


def test_best_constant_of_digits_is_its_most_frequent_class() -> None:
    task = loaded("digits")
    assert constant_score(task, task.test).metric == float((task.test.targets == 3).double().mean())  # 183 of 1797
    assert constant_score(task, task.test).loss == pytest.approx(math.log(10), abs=1e-3)
    assert task.metric_name == "accuracy"


def test_mnist1d_is_as_published(published: dict[str, np.ndarray]) -> None:
    task, data = loaded("mnist1d", standardise=False), published
    assert np.array_equal(task.test.inputs, data["x_test"].astype(np.float32))
    assert np.array_equal(task.test.targets, data["y_test"])
    learnt = examples(task.train) | examples(task.validation)
    assert learnt == {tuple(row) for row in data["x"].astype(np.float32).tolist()}
    assert not same(task.validation, loaded("mnist1d", standardise=False, data_seed=1).validation)
    assert same(task.test, loaded("mnist1d", standardise=False, data_seed=1).test)


def test_what_a_training_does_to_its_arrays_reaches_no_other_task() -> None:
    first = loaded("mnist1d")
    kept = first.train.inputs.clone()
    first.train.inputs.zero_()
    assert torch.equal(loaded("mnist1d").train.inputs, kept)


def classes(targets: list[int]) -> Split:
    return Split(torch.zeros(len(targets), 1), torch.tensor(targets))


def numbers(targets: list[float]) -> Split:
    return Split(torch.zeros(len(targets), 1), torch.tensor(targets).reshape(-1, 1))


def test_best_constant_classes_by_hand_and_by_autograd() -> None:
    train, test = classes([0, 1, 1, 2, 1, 0]), classes([0, 1, 2, 2])
    task = Task("by hand", "classification", {"vector": (1,)}, 3, train, test, test)
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    for _ in range(400):  # descend to the best constant logits on the training split
        (slope,) = torch.autograd.grad(F.cross_entropy(bias.expand(6, 3), train.targets), bias)
        bias = (bias - 2.0 * slope).detach().requires_grad_()
    for split in (train, test):
        expected = float(F.cross_entropy(bias.detach().expand(len(split), 3), split.targets))
        assert constant_score(task, split).loss == pytest.approx(expected, rel=1e-9)
    assert constant_score(task, train).metric == 0.5 and constant_score(task, test).metric == 0.25
    by_test = F.cross_entropy(torch.tensor([1.0, 1.0, 2.0]).log().expand(4, 3), test.targets)
    assert constant_score(task, test).loss > float(by_test)  # the training split decides


def test_best_constant_number_is_the_mean_and_its_metric_has_units() -> None:
    train, test = numbers([1.0, 2.0, 6.0]), numbers([0.0, 4.0])
    task = Task("by hand", "regression", {"vector": (1,)}, 1, train, test, test, target_sd=10.0)
    assert constant_score(task, train).loss == pytest.approx((4 + 1 + 9) / 3)
    assert constant_score(task, test).loss == pytest.approx((9 + 1) / 2)
    assert constant_score(task, test).metric == pytest.approx(500.0)
    assert task.metric(torch.tensor([[3.0], [3.0]]), test.targets) == pytest.approx(500.0)
    for other in (2.9, 3.1):
        assert (train.targets - other).square().mean() > constant_score(task, train).loss


def test_corners_of_the_scores() -> None:
    train = classes([0, 0, 1])
    task = Task("corner", "classification", {"vector": (1,)}, 3, train, train, classes([2]))
    assert constant_score(task, task.test).loss == math.inf  # a class that training has never seen
    assert math.isfinite(constant_score(task, train).loss)
    empty = Split(torch.zeros(0, 1), torch.zeros(0, dtype=torch.int64))
    assert math.isnan(task.metric(torch.zeros(0, 3), empty.targets))
    regression = Task("corner", "regression", {"vector": (1,)}, 1, numbers([0.0]), numbers([0.0]), numbers([0.0]))
    assert math.isnan(regression.metric(torch.tensor([[math.nan]]), torch.zeros(1, 1)))
    assert regression.metric(torch.tensor([[math.inf]]), torch.zeros(1, 1)) == math.inf


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"task": "digit"}, "There is no task 'digit'. Near it: digits"),
        (
            {"task": "digits", "data": "a.csv"},
            "The task digits uses no data: leave it out, or name a task that",
        ),
        ({"task": "text", "data": "a.txt", "target": "y"}, "The task text uses no target: leave it out"),
        (
            {"task": "table", "length": 3},
            "The task table uses no length: leave it out, or name a task that does (ad",
        ),
        ({"task": "xor", "length": 3}, "The task xor uses no length"),
        ({"task": "adding", "length": -3}, "length is -3. It must be 0"),
        ({"task": "adding", "length": 1}, "The adding problem has 2 to 1000 steps, not length=1."),
        ({"task": "adding", "length": 10**9}, "The adding problem has 2 to 1000 steps, not length=1000000000."),
        ({"task": "digits", "data_seed": -1}, "data_seed is -1. It must be 0 or more."),
        ({"task": "text"}, "The task text reads a file of yours. Name it with data=..."),
        ({"task": "table"}, "The task table reads a file of yours. Name it with data=..."),
    ],
)
def test_a_recipe_that_fits_no_task_is_refused(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        load_task(Recipe(**fields))
    assert sentence in str(error.value)


@pytest.mark.parametrize(("name", "module", "package"), [("digits", "sklearn.datasets", "sklearn"), ("mnist1d",) * 3])
def test_a_missing_extra_is_one_line(name: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "mnist1d.data" if name == "mnist1d" else module
    datasets._digits.cache_clear()
    datasets._mnist1d.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=rf'needs {package}.* not installed. Run: pip install "gradiometer\[lab\]"'):
        loaded(name)
    assert loaded("circles")
