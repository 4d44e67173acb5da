"""Lab recipes as populations: what the lab's own loop gives, and trials in which there is nothing to find."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from population_nets import furthest
from scipy import stats

from gradiometer.lab import Recipe, load_task, prepare, score, train
from gradiometer.records import UserError
from gradiometer.trial.population import Population
from gradiometer.trial.population_lab import REDRAWN, RecipeSetups, null_trials, run_setups
from gradiometer.trial.population_refusals import PopulationError

SMALL = Recipe(task="blobs", depth=3, width=8, batch=16, steps=12, optimizer="momentum", lr=0.02)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adamw", "network": "residual-scaled", "norm": "layer"},
        {"network": "auxiliary", "depth": 4, "activation": "prelu"},
        {"task": "digits", "network": "gru", "depth": 2, "steps": 5},
        {"task": "digits", "network": "cnn", "norm": "batch", "depth": 2, "width": 4, "steps": 5},
        {"task": "digits", "network": "transformer-pre", "depth": 1, "steps": 4},
        {"network": "cross-v2", "activation": "linear", "batch": 0},
    ],
    ids=lambda changes: "-".join(str(v) for v in changes.values()) or "plain",
)
def test_a_population_learns_what_the_labs_loop_learns(changes: dict[str, object]) -> None:
    """Losses to 1e-4: Adam's own steps turn rounding of 1e-7 into 1e-5 of a weight in a dozen steps."""
    recipe = replace(SMALL, **changes)
    made = RecipeSetups(recipe)
    setups = [made.setup(replace(recipe, seed=seed)) for seed in range(4)]
    population = Population(setups)
    population.run(recipe.steps)
    population.write_back()
    for seed in (0, 3):
        alone = prepare(replace(recipe, seed=seed), made.task)
        losses: list[float] = []
        train(alone, lambda seen, losses=losses: losses.append(seen.loss))
        assert population.losses[seed].tolist() == pytest.approx(losses, rel=1e-4)
        assert losses[-1] != losses[0]
        share = score(setups[seed].model, made.task, "train").loss
        assert share == pytest.approx(score(alone.network, made.task, "train").loss, rel=1e-4)
        if recipe.optimizer == "momentum" and recipe.norm == "none":
            assert furthest(setups[seed].model, alone.network) < 2e-5


def test_the_outcome_is_the_labs_own_score_of_each_member() -> None:
    recipe = replace(SMALL, network="auxiliary", norm="batch")
    made = RecipeSetups(recipe)
    setups = [made.setup(replace(recipe, seed=seed)) for seed in range(5)]
    first, last = run_setups(setups, recipe.steps, made.task)
    for seed in range(5):
        told = score(setups[seed].model, made.task, "train")
        assert last[seed] == pytest.approx(told.loss, rel=1e-5)
    assert first.shape == (5,) and np.all(first > 0) and not np.allclose(first, last)


def test_two_members_that_are_equal_stay_equal() -> None:
    """A sham arm stands beside the untreated one, and must not part from it."""
    made = RecipeSetups(SMALL)
    setups = [made.setup(replace(SMALL, seed=seed)) for seed in (0, 1, 2, 0, 1, 2)]
    population = Population(setups)
    population.run(SMALL.steps)
    assert torch.equal(population.losses[:3], population.losses[3:])
    assert not torch.equal(population.losses[0], population.losses[1])


def test_null_trials_pair_batches_and_redraw_weights_alone() -> None:
    told = null_trials(SMALL, n_trials=3, n_seeds=4)
    assert told.untreated.shape == told.treated.shape == told.first_treated.shape == (3, 4)
    made = RecipeSetups(SMALL)
    for trial, place in ((0, 0), (2, 3)):
        seed = trial * 4 + place
        for outcomes, extra in ((told.untreated, 0), (told.treated, REDRAWN)):
            network = prepare(replace(SMALL, seed=seed + extra), made.task)
            batches = prepare(replace(SMALL, seed=seed), made.task)
            batches.network.load_state_dict(network.network.state_dict())
            train(batches)
            assert outcomes[trial, place] == pytest.approx(score(batches.network, made.task, "train").loss, rel=1e-4)
    assert len({*told.untreated.ravel(), *told.treated.ravel()}) == 24
    assert told.trivial == pytest.approx(score(network.network, load_task(SMALL), "train").constant_loss)


def test_arms_of_null_trials_do_not_differ() -> None:
    """24 sign tests over 8 pairs each at .05: the chance of more than 5 is 1e-3 where there is no difference."""
    told = null_trials(replace(SMALL, width=4, depth=2, steps=6), n_trials=24, n_seeds=8)
    won = (told.untreated > told.treated).sum(axis=1)
    found = sum(stats.binomtest(int(k), 8).pvalue < 0.05 for k in won)
    assert found <= 5
    assert sum(stats.binomtest(int(k), 8).pvalue < 0.05 for k in (told.first_untreated > 0).sum(axis=1)) == 24


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer": "muon"}, "element by element"),
        ({"optimizer": "lbfgs"}, "element by element"),
        ({"optimizer": "radam"}, "RAdam"),
        ({"pretrain": "greedy"}, "pre-training"),
        ({"teacher": "teacher.safetensors"}, "teacher"),
        ({"width": 400}, "too many to gain"),
    ],
)
def test_recipes_that_belong_to_one_training_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(PopulationError, match=words):
        null_trials(replace(SMALL, **changes), n_trials=2, n_seeds=2)


def test_no_trial_and_no_seed_are_refused() -> None:
    for n_trials, n_seeds, steps in ((0, 8, 5), (4, 0, 5), (4, 8, 0)):
        with pytest.raises(UserError, match="at least 1"):
            null_trials(replace(SMALL, steps=steps), n_trials, n_seeds)
