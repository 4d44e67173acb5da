"""Bengio 2007, Erhan 2010: trained layer by layer first, a deep sigmoid network starts that does not start alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from gradiometer.lab import LabNetwork, Recipe, Training, prepare, pretrain, score, train
from gradiometer.lab.search import shared_task
from gradiometer.views import Axis, Figure, Mark, Series

from .experiment import Experiment, Order, Outcome, Row
from .fair import Searched, order_rows, rates_table, search
from .measure import classified, first_pass
from .workers import each

SOURCE, DEEP_SOURCE = "Bengio et al. 2007", "Erhan et al. 2010"
DEPTH = 6
BLOCK_STEPS = 100  # optimizer steps of pre-training a block
STEPS, STEPS_QUICK = 300, 200
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
RATES_QUICK = (0.01, 0.03)
SEARCH_SEED = 1000  # the search's seeds are this and the next ones, those that are judged are 0, 1, ...
CHANCE = 1 / 10
STAYED, STARTED = 0.2, 0.9
PROBE = 256  # examples of the batch with which the error is measured


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to begin. pretrain: as in a recipe. extra_steps: given to an arm without pre-training, so that all arms
    make the same number of optimizer steps."""

    name: str
    pretrain: str
    depth: int = DEPTH
    extra_steps: int = 0


ARMS = (
    Arm("random", "none", extra_steps=DEPTH * BLOCK_STEPS),
    Arm("greedy", "greedy"),
    Arm("autoencoder", "autoencoder"),
    Arm("random, 2 layers", "none", depth=2, extra_steps=DEPTH * BLOCK_STEPS),
)


class Finished(msgspec.Struct, frozen=True):
    """test: accuracy on the test split. errors: ‖δ‖ behind each block before the first step of the training itself,
    loss first [block]."""

    test: float
    errors: tuple[float, ...]


def recipe_of(arm: Arm, lr: float, seed: int, steps: int) -> Recipe:
    """The training of an arm: plain sigmoid layers as PyTorch draws them, SGD with momentum."""
    plain = Recipe(network="plain", depth=arm.depth, width=64, activation="sigmoid", optimizer="momentum", lr=lr)
    return msgspec.structs.replace(
        plain, seed=seed, steps=steps + arm.extra_steps, pretrain=arm.pretrain, pretrain_steps=BLOCK_STEPS
    )


def validation_loss(recipe: Recipe) -> float:
    """The loss on the validation split after a training; inf or nan where it diverged."""
    training = prepare(recipe, shared_task(recipe))
    train(training)
    return score(training.network, training.task, "validation", training.form).loss


def finished(recipe: Recipe) -> Finished:
    """Begin as the recipe says, measure the error, train, and score on the test split."""
    training = prepare(recipe, shared_task(recipe))
    if recipe.pretrain != "none":
        pretrain(training)
    errors = _errors(training)
    train(training)
    test = score(training.network, training.task, "test", training.form).metric
    return Finished(test, errors)


def _errors(training: Training) -> tuple[float, ...]:
    network, task = training.network, training.task
    rows = slice(0, PROBE)
    batch = (task.read(task.train.inputs[rows], training.form), task.train.targets[rows])
    sites = [f"blocks.{number}" for number in range(len(network.blocks) - 1, -1, -1)]
    return tuple(first_pass(network, batch, classified).error_norms(_measured(network, sites)).tolist())


def _measured(network: LabNetwork, blocks: Sequence[str]) -> list[str]:
    """The site of each block's output: the last module inside it, whose output is the block's own."""
    inner = [[name for name, _ in network.get_submodule(block).named_children()] for block in blocks]
    return [f"{block}.{names[-1]}" if names else block for block, names in zip(blocks, inner, strict=True)]


def outcome(order: Order, arms: Sequence[Arm] = ARMS) -> Outcome:
    """The experiment; arms whose pre-training is taken away must not reproduce it."""
    seeds, steps = (range(2), STEPS_QUICK) if order.quick else (range(5), STEPS)
    found = _searched(order, arms, steps)
    jobs = [recipe_of(arm, found[arm.name].rate, seed, steps) for arm in arms for seed in seeds]
    ends = each(finished, jobs, order, "six sigmoid layers")
    runs = {arm.name: ends[i * len(seeds) : (i + 1) * len(seeds)] for i, arm in enumerate(arms)}
    rows = _rows(runs)
    return Outcome(
        name="greedy",
        rows=rows,
        figures=(_accuracies(runs), _profile(runs)),
        tables=(rates_table(found),),
        notes=_NOTES,
        reasons=() if all(row.holds for row in rows) else (_REASON,),
        quick=order.quick,
    )


def _searched(order: Order, arms: Sequence[Arm], steps: int) -> dict[str, Searched]:
    rates = RATES_QUICK if order.quick else RATES
    seeds = range(SEARCH_SEED, SEARCH_SEED + (1 if order.quick else 2))
    jobs = {arm.name: {lr: [recipe_of(arm, lr, seed, steps) for seed in seeds] for lr in rates} for arm in arms}
    return search(validation_loss, jobs, order, "searching the learning rates")


def _rows(runs: dict[str, list[Finished]]) -> tuple[Row, ...]:
    test = {name: tuple(run.test for run in arm) for name, arm in runs.items()}
    kept = {name: tuple(math.log10(r.errors[-1] / r.errors[0]) for r in arm) for name, arm in runs.items()}
    gains = tuple(after - before for before, after in zip(kept["random"], kept["autoencoder"], strict=True))
    return (
        Row(
            name="6 layers, random start: test accuracy",
            published="fails beyond about 4 layers",
            source=DEEP_SOURCE,
            values=test["random"],
            statistic="mean",
            high=STAYED,
        ),
        Row(
            name="6 layers, greedy supervised start: test accuracy",
            published="trains",
            source=SOURCE,
            values=test["greedy"],
            statistic="mean",
            low=STARTED,
        ),
        Row(
            name="6 layers, autoencoder start: test accuracy",
            published="trains",
            source=SOURCE,
            values=test["autoencoder"],
            statistic="mean",
            low=STARTED,
        ),
        *order_rows("autoencoder start less random start", test["autoencoder"], test["random"]),
        Row(
            name="2 layers, random start: test accuracy",
            published="trains",
            source=DEEP_SOURCE,
            values=test["random, 2 layers"],
            statistic="mean",
            low=STARTED,
        ),
        Row(name="error left at layer 1, random start", unit="decades", values=kept["random"]),
        Row(name="error left at layer 1, autoencoder start", unit="decades", values=kept["autoencoder"]),
        Row(name="what the autoencoder start brings back at layer 1", unit="decades", values=gains, low=1.0),
    )


def _accuracies(runs: dict[str, list[Finished]]) -> Figure:
    test = np.array([[run.test for run in arm] for arm in runs.values()])  # [arm, seed]
    mean, low, high = (tuple(v.tolist()) for v in (test.mean(axis=1), test.min(axis=1), test.max(axis=1)))
    axes = (Axis("start", "", "categories", tuple(runs)), Axis("test accuracy", "", "linear"))
    mark = Mark("limit", CHANCE, CHANCE, "chance")
    return Figure(
        "Six sigmoid layers, by how they begin", axes, (Series("measured", "error", "dots", mean, low, high),), (mark,)
    )


def _profile(runs: dict[str, list[Finished]]) -> Figure:
    labels = tuple(str(number) for number in range(DEPTH, 0, -1))
    series = []
    for name, role in (("random", "error"), ("autoencoder", "elasticity"), ("greedy", "activation")):
        errors = np.array([run.errors for run in runs[name]])  # [seed, block]
        decades = np.log10(errors / errors[:, :1])
        middle, low, high = (tuple(v.tolist()) for v in (np.median(decades, 0), decades.min(0), decades.max(0)))
        series.append(Series(name, role, "line", middle, low, high))
    axes = (Axis("layer", "", "sites", labels), Axis("error left", "decades", "decades"))
    return Figure("The error at each layer before the first step of the training itself", axes, tuple(series))


_NOTES = (
    "Test errors of the source are those of other networks on MNIST and are not compared; judged is who starts at all.",
    f"The random arms make {DEPTH * BLOCK_STEPS} steps more, as many as the others make in pre-training.",
    "The autoencoder of a layer is one linear decoder; pre-training uses Adam, the training itself SGD with momentum.",
)
_REASON = "Whether a sigmoid network starts depends on its depth, the variance of its weights and the learning rate."

EXPERIMENT = Experiment(
    name="greedy",
    title="Layer-wise pre-training starts a deep sigmoid network that does not start alone",
    source="Bengio, Lamblin, Popovici, Larochelle, Greedy Layer-Wise Training of Deep Networks, 2007; Erhan et al., "
    "Why Does Unsupervised Pre-training Help Deep Learning?, 2010",
    rule="Mean test accuracy: random start at most 20 % (chance 10 %), both pre-trained starts at least 90 %, and two "
    "layers from a random start at least 90 %; before the training, the autoencoder has brought back at least a decade "
    "of the error at layer 1.",
    setting="Six sigmoid layers of width 64 as PyTorch draws them (U(±1/√n)), digits, batch 32; the learning rate of "
    "every arm searched alike on the validation split and on other seeds. Differs: no MNIST, no deep belief network.",
    run=outcome,
)
