"""A population learns what its members learn one by one, with torch's own optimizers in a plain loop.

Tolerances: one step of single precision leaves some 1e-7 of a number. SGD carries that along: 2e-6 after 6 steps.
Optimizers that divide by the size of a gradient make a full step of a gradient that is nothing but rounding, so they
are compared in double precision, where 1e-9 is left.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from population_nets import BATCH, INPUTS, NETWORKS, TARGETS, N, by_itself, cross_entropy, dense, furthest, setup
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from gradiometer.records import UserError
from gradiometer.session import Setup
from gradiometer.trial.population import Population
from gradiometer.trial.population_feeds import OwnNumbers
from gradiometer.trial.population_refusals import PopulationError
from gradiometer.trial.population_rows import clip_rows, laid_like, numbered_losses

STEPS, MEMBERS = 6, 4
SGD_SHARE, DOUBLE_SHARE = 2e-6, 1e-9


def momentum(params: Any, seed: int) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, lr=0.05 * (seed + 1), momentum=0.9)


LAWS: dict[str, Callable[[Any, int], torch.optim.Optimizer]] = {
    "sgd": lambda p, s: torch.optim.SGD(p, lr=0.1),
    "sgd decayed": lambda p, s: torch.optim.SGD(p, lr=0.1 * (s + 1), weight_decay=0.01 * s),
    "momentum": lambda p, s: torch.optim.SGD(p, lr=0.05 * (s + 1), momentum=0.5 + 0.1 * s, dampening=0.1 * s),
    "nesterov": lambda p, s: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "upward": lambda p, s: torch.optim.SGD(p, lr=0.01 * (s + 1), maximize=True),
    "adam": lambda p, s: torch.optim.Adam(p, lr=0.01 * (s + 1), betas=(0.8 + 0.03 * s, 0.99), eps=1e-8 * 10**s),
    "adam at one rate": lambda p, s: torch.optim.Adam(p, lr=0.02, weight_decay=0.1),
    "amsgrad": lambda p, s: torch.optim.Adam(p, lr=0.01, betas=(0.9, 0.6 + 0.1 * s), amsgrad=True),
    "adamw": lambda p, s: torch.optim.AdamW(p, lr=0.01 * (s + 1), weight_decay=0.1 * s),
    "adam, decay apart": lambda p, s: torch.optim.Adam(p, lr=0.02, weight_decay=0.3, decoupled_weight_decay=True),
    "rmsprop": lambda p, s: torch.optim.RMSprop(p, lr=0.01 * (s + 1), alpha=0.9 + 0.02 * s, weight_decay=0.01 * s),
    "rmsprop, centred": lambda p, s: torch.optim.RMSprop(p, lr=0.01 * (s + 1), momentum=0.3 * (s + 1), centered=True),
    "adagrad": lambda p, s: torch.optim.Adagrad(
        p, lr=0.05 * (s + 1), lr_decay=0.1 * s, initial_accumulator_value=0.1 * s, weight_decay=0.01
    ),
}


def trained(make: Callable[[int], Setup], steps: int = STEPS, clips: Any = None) -> tuple[Population, list[Setup]]:
    """A population after some steps, written back; and its setups."""
    setups = [make(seed) for seed in range(MEMBERS)]
    population = Population(setups, clips)
    population.run(steps)
    population.write_back()
    return population, setups


@pytest.mark.parametrize("law", LAWS)
def test_every_optimizer_is_torchs(law: str) -> None:
    def make(seed: int) -> Setup:
        return setup(seed, dense, LAWS[law], torch.float64)

    population, setups = trained(make)
    for seed, of_population in enumerate(setups):
        alone = make(seed)
        losses = by_itself(alone, STEPS)
        assert furthest(of_population.model, alone.model) < DOUBLE_SHARE
        assert torch.allclose(population.losses[seed], torch.tensor(losses, dtype=torch.float64), rtol=DOUBLE_SHARE)
        assert furthest(of_population.model, make(seed).model) > 1e-3  # it has moved


@pytest.mark.parametrize("law", ["sgd", "sgd decayed", "nesterov"])
def test_sgd_in_single_precision(law: str) -> None:
    _, setups = trained(lambda seed: setup(seed, dense, LAWS[law]))
    for seed, of_population in enumerate(setups):
        alone = setup(seed, dense, LAWS[law])
        by_itself(alone, STEPS)
        assert furthest(of_population.model, alone.model) < SGD_SHARE


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network(network: str, dtype: torch.dtype) -> None:
    """Parameters, running statistics and counters; Adam's in double precision, momentum in single."""
    law = momentum if dtype is torch.float32 else LAWS["adamw"]
    share = 5e-6 if dtype is torch.float32 else 1e-8  # a bias before a batch norm has a gradient of rounding alone
    population, setups = trained(lambda seed: setup(seed, NETWORKS[network], law, dtype))
    for seed, of_population in enumerate(setups):
        alone = setup(seed, NETWORKS[network], law, dtype)
        losses = torch.tensor(by_itself(alone, STEPS), dtype=dtype)
        assert torch.allclose(population.losses[seed], losses, rtol=1e-5)
        if not (network in ("batch norm", "convolutions") and dtype is torch.float64):
            assert furthest(of_population.model, alone.model) < share
        assert [vars(m).get("calls") for m in of_population.model.modules()] == [
            vars(m).get("calls") for m in alone.model.modules()
        ]


def test_the_optimizers_state_comes_back_and_a_member_goes_on_alone() -> None:
    for law in ("momentum", "adam", "rmsprop, centred", "adagrad", "amsgrad"):
        _, setups = trained(lambda seed, law=law: setup(seed, dense, LAWS[law], torch.float64))
        alone = setup(2, dense, LAWS[law], torch.float64)
        by_itself(alone, STEPS)
        ours, theirs = setups[2].optimizer.state_dict()["state"], alone.optimizer.state_dict()["state"]
        for number, state in theirs.items():
            assert set(ours[number]) == {key for key, value in state.items() if value is not None}, law
            for key, value in ours[number].items():
                assert torch.allclose(value.double(), state[key].double(), rtol=1e-9, atol=1e-15), (law, key)
        by_itself(setups[2], 3), by_itself(alone, 3)
        assert furthest(setups[2].model, alone.model) < DOUBLE_SHARE


@pytest.mark.parametrize("more", [{}, {"amsgrad": True}, {"maximize": True}, {"decoupled_weight_decay": True}])
def test_an_adam_of_many_members_at_few_rates_steps_each_rate_at_once(more: dict[str, bool]) -> None:
    """Torch's fused step over stacked rows; after members are dropped too."""

    def law(params: Any, seed: int) -> torch.optim.Optimizer:
        return torch.optim.Adam(params, lr=0.01 * (seed % 3 + 1), weight_decay=0.1, **more)

    def make(seed: int) -> Setup:
        return setup(seed, dense, law, torch.float64)

    setups = [make(seed) for seed in range(24)]
    population = Population(setups)
    rates = [{numbers["lr"] for numbers in stepper.settings.values()} for _, _, stepper in population._steppers]
    assert rates == [{0.01}, {0.02}, {0.03}]
    population.run(3)
    population.keep([2, 7, 9, 23])
    population.run(STEPS - 3)
    population.write_back()
    for seed, steps in {0: 3, 7: STEPS, 9: STEPS, 22: 3, 23: STEPS}.items():
        alone = make(seed)
        by_itself(alone, steps)
        assert furthest(setups[seed].model, alone.model) < DOUBLE_SHARE
        state = next(iter(setups[seed].optimizer.state_dict()["state"].values()))
        assert set(state) == {"step", "exp_avg", "exp_avg_sq"} | ({"max_exp_avg_sq"} if "amsgrad" in more else set())
    for few in (2, 4):  # too few a rate for a step each: all in one, with a rate a row
        assert len(Population([make(seed) for seed in range(3 * few)])._steppers) == 1


def test_members_of_two_optimizers_and_two_losses() -> None:
    def hinge(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return F.multi_margin_loss(model(batch[0]), batch[1])

    def make(seed: int) -> Setup:
        law = "adam" if seed in (0, 3) else "momentum"
        one = setup(seed, lambda: dense(lambda: nn.BatchNorm1d(8)), LAWS[law], torch.float64)
        return Setup(one.model, one.batches, hinge if seed in (1, 3) else cross_entropy, one.optimizer)

    population, setups = trained(make)
    for seed, of_population in enumerate(setups):
        alone = make(seed)
        assert population.losses[seed].tolist() == pytest.approx(by_itself(alone, STEPS), rel=1e-9)
        assert furthest(of_population.model[-1], alone.model[-1]) < 1e-8


def test_losses_that_hold_their_own_model_or_a_criterion_are_one_loss_and_those_of_other_numbers_are_not() -> None:
    def make(seed: int, smoothing: float = 0.1) -> Setup:
        one = setup(seed, dense, momentum, torch.float64)
        model, criterion = one.model, nn.CrossEntropyLoss(label_smoothing=smoothing)
        return Setup(model, one.batches, lambda _, batch: criterion(model(batch[0]), batch[1]), one.optimizer)

    assert numbered_losses([make(seed) for seed in range(3)]) == [0, 0, 0]
    shares = [0.1, 0.3, 0.1, 0.3]
    setups = [make(seed, share) for seed, share in enumerate(shares)]
    assert numbered_losses(setups) == [0, 1, 0, 1]
    population = Population(setups)
    population.run(STEPS)
    for seed, share in enumerate(shares):
        assert population.losses[seed].tolist() == pytest.approx(by_itself(make(seed, share), STEPS), rel=1e-9)


def test_parameter_groups_keep_their_settings_and_what_no_optimizer_owns_stays() -> None:
    def make(seed: int) -> Setup:
        one = setup(seed, dense, dtype=torch.float64)
        first, _, _, second, *_ = one.model
        groups = [{"params": [first.weight], "lr": 0.1 * (seed + 1)}, {"params": [second.weight], "weight_decay": 0.5}]
        return Setup(one.model, one.batches, one.loss, torch.optim.SGD(groups, lr=0.03))

    _, setups = trained(make)
    for seed, of_population in enumerate(setups):
        alone = make(seed)
        by_itself(alone, STEPS)
        assert furthest(of_population.model, alone.model) < DOUBLE_SHARE
        assert torch.equal(of_population.model[-1].weight, make(seed).model[-1].weight)


def test_each_members_gradient_is_clipped_by_its_own_norm() -> None:
    clips = [None, 0.3, math.inf, 1e-3]

    def make(seed: int) -> Setup:
        return setup(seed, dense, momentum, torch.float64)

    _, setups = trained(make, clips=clips)
    for seed, of_population in enumerate(setups):
        alone, free = make(seed), make(seed)
        by_itself(alone, STEPS, clips[seed])
        by_itself(free, STEPS)
        assert furthest(of_population.model, alone.model) < DOUBLE_SHARE
        assert (furthest(of_population.model, free.model) > 1e-3) == (seed in (1, 3))


@pytest.mark.parametrize("clips", [0.0, [1.0] * (MEMBERS - 1), float("nan"), [1.0, 1.0, -1.0, 1.0]])
def test_an_impossible_clip_is_refused(clips: Any) -> None:
    with pytest.raises(UserError, match="clip"):
        Population([setup(seed) for seed in range(MEMBERS)], clips)


def test_a_member_that_diverges_harms_no_other() -> None:
    def law(params: Any, seed: int) -> torch.optim.Optimizer:
        return torch.optim.SGD(params, lr=1e30 if seed == 1 else 0.05, momentum=0.9)

    population, setups = trained(lambda seed: setup(seed, dense, law), clips=None)
    assert not torch.isfinite(population.losses[1, -1])
    for seed in (0, 2, 3):
        alone = setup(seed, dense, law)
        losses = by_itself(alone, STEPS)
        assert furthest(setups[seed].model, alone.model) < SGD_SHARE
        assert population.losses[seed].tolist() == pytest.approx(losses, rel=1e-5)


def test_a_clipped_member_that_diverges_harms_no_other() -> None:
    def law(params: Any, seed: int) -> torch.optim.Optimizer:
        return torch.optim.SGD(params, lr=1e38 if seed == 1 else 0.05)

    population, setups = trained(lambda seed: setup(seed, dense, law), clips=[None, 1e10, 0.5, None])
    assert not torch.isfinite(population.losses[1, -1])
    for seed, clip in ((0, None), (2, 0.5), (3, None)):
        alone = setup(seed, dense, law)
        by_itself(alone, STEPS, clip)
        assert furthest(setups[seed].model, alone.model) < SGD_SHARE


def test_clipping_of_rows_that_are_not_finite() -> None:
    """A row without a clip keeps an inf; one with a clip does what torch does; nobody else is touched."""
    rows = torch.tensor([[3.0, 4.0], [torch.inf, 1.0], [torch.inf, 1.0], [0.0, 0.0], [torch.nan, 1.0]])
    grads, clips = {"w": rows.clone()}, torch.tensor([1.0, torch.inf, 1.0, 1.0, torch.inf])
    clip_rows(grads, clips)
    for row in (0, 2, 3):
        alone = nn.Parameter(torch.zeros(2))
        alone.grad = rows[row].clone()
        nn.utils.clip_grad_norm_([alone], 1.0)
        assert torch.allclose(grads["w"][row], alone.grad, equal_nan=True)
    assert torch.equal(grads["w"][1], rows[1])
    assert torch.isnan(grads["w"][4, 0]) and grads["w"][4, 1] == 1


def test_a_parameter_lies_in_memory_as_its_gradient_does_and_keeps_its_values() -> None:
    param = torch.randn(3, 4, 5, 6)
    for axes in ((0, 1, 2, 3), (0, 3, 1, 2), (0, 2, 3, 1)):
        back = [axes.index(axis) for axis in range(4)]
        grad = torch.randn(3, 4, 5, 6).permute(axes).contiguous().permute(back)
        laid = laid_like(param, grad)
        assert laid.stride() == grad.stride() and torch.equal(laid, param)
    assert laid_like(param, torch.randn(3, 4, 5, 1).expand_as(param)) is param  # no order of memory to follow
    assert laid_like(param, param.clone()) is param


def test_dropped_members_stand_as_they_were_and_the_others_go_on_unchanged() -> None:
    def make(seed: int) -> Setup:
        law = LAWS["adam" if seed % 2 else "momentum"]
        return setup(seed, lambda: dense(lambda: nn.LayerNorm(8)), law, torch.float64)

    setups = [make(seed) for seed in range(6)]
    clips = [None, 0.3, 0.2, None, 0.5, 0.1]
    population = Population(setups, clips)
    population.run(3)
    population.keep([5, 4, 1, 2])
    population.run(2)
    population.keep([2, 1])
    population.run(4)
    population.write_back()
    lengths = {0: 3, 3: 3, 4: 5, 5: 5, 1: 9, 2: 9}
    assert population.losses.shape == (6, 9)
    for seed, length in lengths.items():
        alone = make(seed)
        losses = by_itself(alone, length, clips[seed])
        assert furthest(setups[seed].model, alone.model) < DOUBLE_SHARE, seed
        assert population.losses[seed, :length].tolist() == pytest.approx(losses, rel=1e-9)
        assert population.losses[seed, length:].isnan().all()
    for wrong in ([0], [], [7]):
        with pytest.raises(UserError, match=r"[Mm]ember"):
            population.keep(wrong)


def test_streams_of_any_batches_begin_again_when_they_end() -> None:
    def make(seed: int) -> Setup:
        one = setup(seed, dense, momentum, torch.float64)
        parts = zip(INPUTS.double().split(BATCH), TARGETS.split(BATCH), strict=True)
        batches = [{"x": x + seed, "y": [y], "name": "b"} for x, y in parts][: 2 + seed % 2]
        return Setup(one.model, batches, by_key, one.optimizer)

    def by_key(model: nn.Module, batch: dict[str, Any]) -> Tensor:
        return F.cross_entropy(model(batch["x"]), batch["y"][0])

    population, setups = trained(make)
    for seed, of_population in enumerate(setups):
        alone = make(seed)
        assert population.losses[seed].tolist() == pytest.approx(by_itself(alone, STEPS), rel=1e-9)
        assert furthest(of_population.model, alone.model) < DOUBLE_SHARE


class Shuffled:
    """Examples in a new order each epoch, by the global generators of torch, numpy and random."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in torch.randperm(N).split(BATCH)[:2]:
            yield INPUTS[rows].double() + np.random.rand() + random.random(), TARGETS[rows]


@pytest.mark.parametrize("kind", ["loader", "shuffled"])
def test_batches_drawn_from_global_generators_are_those_of_a_member_that_trains_alone(kind: str) -> None:
    def make(seed: int) -> Setup:
        one = setup(seed, dense, momentum, torch.float64)
        torch.manual_seed(seed), np.random.seed(seed), random.seed(seed)
        data = TensorDataset(INPUTS.double(), TARGETS)
        batches = Shuffled() if kind == "shuffled" else DataLoader(data, BATCH, shuffle=True)
        return Setup(one.model, batches, cross_entropy, one.optimizer)

    def wrapped(seed: int) -> Setup:
        one = make(seed)
        return Setup(one.model, OwnNumbers(one.batches), one.loss, one.optimizer)

    setups = [wrapped(seed) for seed in range(MEMBERS)]
    torch.manual_seed(9)
    population = Population(setups)
    population.run(2 * N // BATCH + 1)
    population.write_back()
    for seed, of_population in enumerate(setups):
        alone = make(seed)
        losses = by_itself(alone, 2 * N // BATCH + 1)
        assert population.losses[seed].tolist() == pytest.approx(losses, rel=1e-8)
        assert furthest(of_population.model, alone.model) < DOUBLE_SHARE
    torch.manual_seed(9)
    with pytest.raises(PopulationError, match="OwnNumbers") as caught:
        Population([make(seed) for seed in range(MEMBERS)])
    assert caught.value.module == "batches"


def test_a_generator_that_ends_is_told() -> None:
    one = [setup(seed) for seed in range(MEMBERS)]
    setups = [Setup(s.model, (b for b in [(INPUTS, TARGETS)] * 2), s.loss, s.optimizer) for s in one]
    population = Population(setups)
    population.run(2)
    with pytest.raises(UserError, match="ended before step 3"):
        population.step()


@pytest.mark.parametrize("network", ["linear", "batch norm", "convolutions"])
def test_batches_that_all_members_share_are_not_copied(network: str) -> None:
    whole, build = (INPUTS, TARGETS), NETWORKS[network]
    one = [setup(seed, build, momentum) for seed in range(MEMBERS)]
    population = Population([Setup(s.model, [whole], s.loss, s.optimizer) for s in one])
    assert population._feed.first().batch[0] is INPUTS
    population.run(STEPS)
    population.write_back()
    for seed in range(MEMBERS):
        alone = setup(seed, build, momentum)
        by_itself(Setup(alone.model, [whole], alone.loss, alone.optimizer), STEPS)
        assert furthest(one[seed].model, alone.model) < 5e-6


def test_asking_is_in_eval_mode_by_running_statistics_and_changes_nothing() -> None:
    def norm() -> nn.Module:
        return nn.BatchNorm1d(8)

    population, setups = trained(lambda seed: setup(seed, lambda: dense(norm), momentum), steps=4)
    told = population.ask(cross_entropy, (INPUTS, TARGETS))
    population.write_back()
    for seed, of_population in enumerate(setups):
        alone = setup(seed, lambda: dense(norm), momentum)
        by_itself(alone, 4)
        assert alone.model.training and of_population.model.training
        alone.model.eval()
        with torch.no_grad():
            assert told[seed].item() == pytest.approx(float(cross_entropy(alone.model, (INPUTS, TARGETS))), rel=1e-5)
        assert furthest(of_population.model, alone.model) < 5e-6


def test_asking_with_a_function_that_runs_another_model_is_refused() -> None:
    """Its answers would be those of that model, as it was before it trained."""
    population, setups = trained(lambda seed: setup(seed, dense, momentum), steps=1)
    for other in (setups[0].model, dense()):
        with pytest.raises(UserError, match="did not run the model") if other is not setups[0].model else nullcontext():
            population.ask(lambda _, batch, other=other: cross_entropy(other, batch), (INPUTS, TARGETS))


def test_nothing_is_drawn_and_no_model_changes_before_it_is_written_back() -> None:
    setups = [setup(seed) for seed in range(MEMBERS)]
    torch.manual_seed(3)
    before = torch.get_rng_state()
    population = Population(setups)
    population.run(3)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(furthest(s.model, setup(seed).model) == 0 for seed, s in enumerate(setups))
    population.write_back([1])
    assert [furthest(s.model, setup(seed).model) > 0 for seed, s in enumerate(setups)] == [False, True, False, False]
    assert all(p.grad is None for s in setups for p in s.model.parameters())


def test_one_member_is_a_population() -> None:
    one = setup(0, dense, momentum)
    population = Population([one])
    population.run(STEPS)
    population.write_back()
    alone = setup(0, dense, momentum)
    by_itself(alone, STEPS)
    assert furthest(one.model, alone.model) < SGD_SHARE
    assert population.losses.shape == (1, STEPS) and N > BATCH
    with pytest.raises(UserError, match="no member"):
        Population([])
