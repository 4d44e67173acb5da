"""The remedies: the factors beside plain autograd, the rule with each arm turned round, and the quick form."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch
from torch.nn import functional as F

from gradiometer.lab import Recipe, check_recipe, prepare, score, train
from gradiometer.reproduction import remedies
from gradiometer.reproduction.experiment import Order, Outcome
from gradiometer.reproduction.fair import Searched
from gradiometer.reproduction.remedies import (
    FULL,
    QUICK,
    VALIDATED,
    Plan,
    Treated,
    beyond,
    changed,
    judged,
    taken,
    told,
)
from gradiometer.reproduction.remedies_arms import ARMS, BASE, CONVOLUTIONAL, PLAIN, Arm
from gradiometer.reproduction.remedies_measure import Factors, Ran, measured, teach, validation_error

QUICKLY = Order(quick=True, processes=1)
SMALL = Recipe(task="digits", depth=5, width=16, activation="sigmoid", optimizer="momentum", lr=0.03, steps=20)
UNTREATED = Factors(gain=0.14, weights=0.58, activation=0.24, norm=math.nan, skip=False, entries=0)
ROOM = 20  # columns that a name has in the picture
NAMED = {arm.name: arm for arm in ARMS}


def failing(out: Outcome) -> list[str]:
    return [row.name for row in out.rows if not row.holds]


def small(**changes: object) -> Recipe:
    return msgspec.structs.replace(SMALL, **changes)


def first_errors(recipe: Recipe) -> list[torch.Tensor]:
    """Error at the output of each block, first block first, by plain autograd on the first 32 examples."""
    training = prepare(recipe)
    split = training.task.train
    states = training.network.states(split.inputs)
    loss = F.cross_entropy(training.network.head(states[-1]), split.targets)
    return list(torch.autograd.grad(loss, states))


# What is measured.


@pytest.mark.parametrize("network", ["plain", "residual-scaled", "highway"])
def test_gain_a_hop_is_that_of_autograd(network: str) -> None:
    recipe = small(network=network, batch=0)
    errors = first_errors(recipe)
    expected = float((errors[0].norm() / errors[-1].norm()) ** (1 / 4))
    assert measured(recipe).gain == pytest.approx(expected, rel=1e-4)
    assert measured(small(network=network, batch=0, init="he")).gain != pytest.approx(expected, rel=1e-3)


def test_weights_and_activation_are_those_of_autograd() -> None:
    recipe = small(batch=0)
    training = prepare(recipe)
    states = [state.detach() for state in training.network.states(training.task.train.inputs)]
    errors = first_errors(recipe)
    weights = activation = 0.0
    for block in range(1, 5):
        above, below = states[block], states[block - 1]
        before_activation = errors[block] * above * (1 - above)  # σ' = σ (1 − σ)
        weights += float((errors[block - 1].norm() / before_activation.norm()).log()) / 4
        activation += float(((errors[block - 1] * below * (1 - below)).norm() / errors[block - 1].norm()).log()) / 4
    found = measured(recipe)
    assert (found.weights, found.activation) == pytest.approx((math.exp(weights), math.exp(activation)), rel=1e-4)
    assert (found.skip, found.entries) == (False, 0)
    assert math.isnan(found.norm)


def test_what_leads_round_a_block_and_where_the_error_enters() -> None:
    assert measured(small(network="rezero")).skip
    assert measured(small(network="rezero")).gain == pytest.approx(1.0, abs=1e-6)
    heads = measured(small(network="auxiliary", depth=7))
    assert heads.entries == 3  # below blocks 3, 5, 7: a head reads every second block
    assert measured(small(depth=7)).entries == 0
    assert heads.weights == pytest.approx(measured(small(depth=7)).weights, rel=0.05)
    normed = measured(small(norm="batch"))
    assert normed.norm > 1
    assert normed.gain == pytest.approx(normed.weights * normed.activation * normed.norm, rel=0.5)


def test_an_activation_that_torch_does_not_have_is_one_too() -> None:
    assert measured(small(activation="centred_sigmoid")).activation == pytest.approx(0.25, rel=0.05)


def test_hints_are_a_way_in(tmp_path: Path) -> None:
    teacher = teach(f"{tmp_path}/teacher.safetensors")
    assert measured(small(depth=7, teacher=teacher, hints=2)).entries == 2
    assert measured(small(depth=7, teacher=teacher)).entries == 0


def test_a_rate_is_judged_on_the_validation_split() -> None:
    recipe = small(network="residual-scaled", steps=60)
    training = prepare(recipe)
    train(training)
    on = {name: 1 - score(training.network, training.task, name).metric for name in ("validation", "test")}
    assert on["validation"] != on["test"]
    assert validation_error(recipe) == on["validation"]
    assert validation_error(small(network="cross-v2", activation="linear", depth=30, lr=1.0)) == math.inf


# What is told.


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (replace(UNTREATED, activation=0.71), "activation ×0.24 → ×0.71"),
        (replace(UNTREATED, weights=1.0), "weights ×0.58 → ×1.00"),
        (replace(UNTREATED, weights=10.18, activation=0.097), "weights ×0.58 → ×10; activation ×0.24 → ×0.10"),
        (replace(UNTREATED, weights=math.nan, activation=math.nan, skip=True), "skip added"),
        (replace(UNTREATED, activation=0.21, norm=8.6), "norm added, ×8.60"),
        (replace(UNTREATED, entries=14), "error enters at 14 more places"),
        (replace(UNTREATED, activation=0.25), "none: the optimizer"),
    ],
)
def test_a_factor_that_moved_is_told(now: Factors, words: str) -> None:
    assert changed(UNTREATED, now, "the optimizer") == words


@pytest.mark.parametrize(
    ("errors", "rate", "more"),
    [
        ((0.90, 0.50, 0.05, 0.30, 0.90), 0.01, ()),
        ((0.90, 0.06, 0.05, 0.30, 0.90), 0.00316, ()),  # a standard error of .05 is .0115
        ((0.90, 0.07, 0.05, 0.30, math.inf), 0.01, ()),
        ((0.90, 0.90, 0.91, 0.90, 0.90), 0.01, ()),  # all at chance
        ((0.05, 0.06, math.inf, math.inf, math.inf), 0.001, (0.000316,)),
        ((0.90, 0.90, 0.90, 0.90, 0.05), 0.1, (0.316,)),
        ((0.04, 0.03, math.inf, math.inf, math.inf), 0.001, (0.000316,)),  # .00316 is next to one that diverges
        ((0.90, 0.07, 0.05, 0.04, math.inf), 0.01, ()),
        ((math.inf,) * 5, 0.01, ()),
    ],
)
def test_the_rate_that_is_taken(errors: tuple[float, ...], rate: float, more: tuple[float, ...]) -> None:
    searched = Searched(dict(zip((0.001, 0.00316, 0.01, 0.0316, 0.1), errors, strict=True)))
    assert taken(searched) == rate
    assert beyond(searched) == more


def test_an_end_is_looked_beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, int]] = []

    def error(recipe: Recipe) -> float:
        assert recipe.lr is not None
        seen.append((recipe.lr, recipe.seed))
        return {0.001: 0.2, 0.000316: 0.05}.get(recipe.lr, 0.9)

    monkeypatch.setattr(remedies, "validation_error", error)
    monkeypatch.setattr(remedies, "ran", lambda recipe: Ran(recipe.lr, UNTREATED))
    plan = Plan((NAMED[PLAIN],), steps=1, seeds=(0, 1))
    out = remedies.outcome(Order(processes=1), plan)
    assert [rate for rate, _ in seen] == [0.001, 0.00316, 0.01, 0.0316, 0.1, 0.000316, 0.0001]
    assert {seed for _, seed in seen} == {plan.search_seed}
    assert out.rows[0].values == (0.000316, 0.000316)


def test_the_validation_split_has_the_size_of_its_standard_error() -> None:
    assert len(prepare(SMALL).task.validation) == VALIDATED


def test_verdicts_in_words() -> None:
    assert [judged(accuracy, 90.0) for accuracy in (10, 20, 21, 90, 91, math.nan)] == [
        "not enough",
        "not enough",
        "undecided",
        "undecided",
        "cures",
        "undecided",
    ]


def as_expected(arm: Arm, accuracy: float = math.nan) -> Treated:
    """An arm that came out as its rule asks, or with this accuracy."""
    wanted, gain = {"cures": (95.0, 1.0), "": (50.0, 0.7)}.get(arm.expected, (10.0, 0.14))
    score = wanted if math.isnan(accuracy) else accuracy
    runs = tuple(Ran(score + spread, replace(UNTREATED, gain=gain)) for spread in (-1.0, 0.0, 1.0))
    return Treated(arm, Searched({0.01: 0.5, 0.1: 0.4}), runs)


ALL = {arm.name: as_expected(arm) for arm in ARMS}


@pytest.mark.parametrize("arm", [arm for arm in ARMS if arm.expected], ids=lambda arm: arm.name)
def test_an_arm_that_comes_out_otherwise_does_not_reproduce(arm: Arm) -> None:
    assert told(FULL, ALL, Order()).reproduced
    turned = as_expected(arm, 60.0)
    out = told(FULL, ALL | {arm.name: turned}, Order())
    assert failing(out) == [f"{arm.name}: test accuracy"]
    assert out.reasons


def test_a_cure_without_its_gain_does_not_reproduce() -> None:
    lucky = replace(ALL["ReZero"], runs=tuple(replace(run, factors=UNTREATED) for run in ALL["ReZero"].runs))
    assert failing(told(FULL, ALL | {"ReZero": lucky}, Order())) == ["gain a hop at the start, of each that must cure"]


def test_every_arm_stands_in_the_table_and_in_a_picture() -> None:
    out = told(FULL, ALL, Order())
    assert [row[0] for row in out.tables[0].rows] == [arm.name for arm in ARMS]
    places = [label for figure in out.figures for label in figure.axes[0].labels]
    assert sorted(places) == sorted(arm.name for arm in ARMS)
    assert all(len(figure.axes[0].labels) <= 24 for figure in out.figures)  # rows that a terminal shows
    assert any("end of the rates" in note for note in out.notes)


# The arms.


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_an_arm_changes_what_it_says_and_nothing_else(arm: Arm) -> None:
    recipe = arm.recipe(300, "teacher.safetensors")
    check_recipe(recipe)
    differs = {f for f in recipe.__struct_fields__ if getattr(recipe, f) != getattr(BASE, f)}
    assert differs - {"steps", "teacher"} == set(arm.changes)
    assert (recipe.teacher != "") == arm.teacher
    assert len(arm.name) <= ROOM
    rates = arm.rates(FULL.places)
    assert rates[-1] / rates[0] == pytest.approx(100.0)


def test_the_rule_names_what_it_must() -> None:
    by = {kind: {arm.name for arm in ARMS if arm.expected == kind} for kind in ("stalls", "cures", "not enough")}
    assert by["stalls"] == {PLAIN, CONVOLUTIONAL}
    assert by["cures"] == {"residual, 1/√L", "ReZero", "dense", "Deep & Cross v2", "batch norm"}
    assert by["not enough"] == {"Adam", "RMSprop", "Adagrad", "ReLU alone", "Leaky ReLU alone", "PReLU alone"}
    assert not set(FULL.seeds) & {FULL.search_seed}
    assert {arm.expected for arm in QUICK.arms} == {"stalls", "cures", "not enough"}


# The whole.


def test_its_quick_form_reproduces() -> None:
    ticks: list[tuple[int, int, str]] = []
    state = torch.get_rng_state()
    out = remedies.EXPERIMENT.run(replace(QUICKLY, tick=lambda *t: ticks.append(t)))
    assert failing(out) == []
    assert out.reproduced
    assert torch.equal(torch.get_rng_state(), state)
    assert ticks[-1][:2] == (len(QUICK.arms), len(QUICK.arms))
    assert msgspec.json.decode(msgspec.json.encode(out))["name"] == "remedies"
    changes = {row[0]: row[4] for row in out.tables[0].rows}
    assert changes["Adam"] == "none: the optimizer"
    assert changes["ReZero"] == "skip added"
    assert changes["ReLU alone"].startswith("activation ×0.24 → ×0.7")


@pytest.mark.parametrize(
    ("name", "swapped"),
    [("residual, 1/√L", {}), ("Adam", {"network": "residual-scaled"})],
    ids=["plain for a cure", "a cure for Adam"],
)
def test_another_network_under_its_name_does_not_reproduce(name: str, swapped: dict[str, str]) -> None:
    true = NAMED[name]
    plan = Plan((NAMED[PLAIN], NAMED["ReZero"], true), (3.16,), 60, 0, seeds=(0,), cured=60.0)
    assert remedies.outcome(QUICKLY, plan).reproduced
    wrong = replace(plan, arms=(*plan.arms[:2], replace(true, changes=swapped)))
    assert f"{name}: test accuracy" in failing(remedies.outcome(QUICKLY, wrong))
