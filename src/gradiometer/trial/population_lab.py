"""Lab recipes as members of populations, and trials in which there is nothing to find."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from msgspec.structs import replace
from torch import Tensor, nn
from torch.optim import LBFGS

from gradiometer.lab import Recipe, Task, Training, load_task, prepare, score
from gradiometer.lab.batches import Batches
from gradiometer.lab.objective import task_loss
from gradiometer.lab.tasks.task import Goal
from gradiometer.records import UserError
from gradiometer.session import Setup

from .population import Population
from .population_feeds import Drawn
from .population_jobs import Array, train_together
from .population_refusals import PopulationError

CHUNK = 512
"""Examples a pass when a split is scored: bounds the memory, changes no number beyond rounding."""
REDRAWN = 1_000_003
"""Added to a seed to draw other weights by the same law; larger than any number of seeds, so that none meet."""


class RecipeSetups:
    """Setups of lab recipes that learn one task: the data is loaded and read once."""

    def __init__(self, recipe: Recipe) -> None:
        self.task: Task = load_task(recipe)
        self._read: dict[str, tuple[Tensor, Tensor]] = {}

    def training(self, recipe: Recipe) -> Training:
        """The lab's own training of a recipe, ready and not begun.

        PopulationError for what belongs to one training alone: a teacher, pre-training, two optimizers, LBFGS.
        """
        for name, there in (("teacher", recipe.teacher), ("pre-training", recipe.pretrain != "none")):
            if there:
                raise PopulationError("", f"a recipe with a {name} has a loop of its own")
        training = prepare(recipe, self.task)
        if len(training.optimizers) > 1 or isinstance(training.optimizers[0], LBFGS):
            raise PopulationError("optimizer", f"{recipe.optimizer} does not work element by element")
        return training

    def setup(self, recipe: Recipe, redrawn: int = 0) -> Setup:
        """A recipe's training as a setup. redrawn: added to the seed of the weights; batches keep theirs."""
        training = self.training(replace(recipe, seed=recipe.seed + redrawn))
        training.network.train()
        data = self.data(training)
        batches = Drawn(data, Batches(recipe.seed, len(data[1]), recipe.batch).rows)
        loss = functools.partial(recipe_loss, self.task.goal)
        return Setup(training.network, batches, loss, training.optimizers[0])

    def data(self, training: Training) -> tuple[Tensor, Tensor]:
        """Inputs as the network reads them and targets, [example, ...] each, of the training split."""
        split = self.task.train
        if training.form not in self._read:
            self._read[training.form] = (self.task.read(split.inputs, training.form), split.targets)
        return self._read[training.form]


def recipe_loss(goal: Goal, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The loss of the lab's loop; the task's alone in eval mode, in which auxiliary heads are silent."""
    return task_loss(goal, model(batch[0]), batch[1])


@dataclass(frozen=True, slots=True, eq=False)
class NullTrials:
    """Outcomes of trials of two arms that differ in nothing but the draw of the weights: smaller is better.

    untreated, treated: [trial, seed] loss over the training split in eval mode, nan or inf where a run diverged;
    a pair shares its batches and its data. first_untreated, first_treated: [trial, seed] loss of the first step.
    trivial: loss of the best constant prediction, the end of the scale on which an effect is small or large.
    """

    recipe: Recipe
    untreated: Array
    treated: Array
    first_untreated: Array
    first_treated: Array
    trivial: float


def null_trials(recipe: Recipe, n_trials: int = 40, n_seeds: int = 8) -> NullTrials:
    """Trials without a fault and without a cure: every ``helps`` that they are judged to show is false.

    recipe: of every run; its seed is the first trial's first one. Seeds of trials do not overlap. Both arms of all
    trials are trained as populations.
    UserError for fewer than 1 trial, seed or step; PopulationError where the recipe cannot be trained so.
    """
    if min(n_trials, n_seeds, recipe.steps) < 1:
        asked = f"{n_trials} trials of {n_seeds} seeds and {recipe.steps} steps"
        raise UserError(f"{asked} were asked for. Ask for at least 1 of each.")
    made = RecipeSetups(recipe)
    seeds = [recipe.seed + number for number in range(n_trials * n_seeds)]
    setups = [made.setup(replace(recipe, seed=seed), extra) for extra in (0, REDRAWN) for seed in seeds]
    told = run_setups(setups, recipe.steps, made.task)
    first, last = (values.reshape(2, n_trials, n_seeds) for values in told)
    trivial = score(made.training(recipe).network, made.task, "train").constant_loss
    return NullTrials(recipe, last[0], last[1], first[0], first[1], trivial)


def run_setups(setups: Sequence[Setup], steps: int, task: Task) -> tuple[Array, Array]:
    """Train setups of one task as populations: loss of the first step [setup], outcome after the last [setup].

    steps: at least 1. PopulationError where one of them cannot stand in a population.
    """
    last = np.empty(len(setups))

    def ended(population: Population, jobs: tuple[int, ...]) -> None:
        last[list(jobs)] = split_loss(population, task.goal, _data(setups[jobs[0]])).double().numpy()

    together = train_together(setups, steps, ended=ended)
    if together.alone:
        raise next(iter(together.alone.values()))
    return together.losses[:, 0], last


def _data(setup: Setup) -> tuple[Tensor, Tensor]:
    batches = setup.batches
    assert isinstance(batches, Drawn)  # ``RecipeSetups.setup`` made it
    return batches.data[0], batches.data[1]


def split_loss(population: Population, goal: Goal, data: tuple[Tensor, Tensor]) -> Tensor:
    """Loss of each member over all examples, in eval mode [member]."""
    ask = functools.partial(recipe_loss, goal)
    parts = list(zip(*(torch.split(tensor, CHUNK) for tensor in data), strict=True))
    sums = torch.stack([population.ask(ask, part) * len(part[1]) for part in parts])
    return sums.sum(dim=0) / len(data[1])
