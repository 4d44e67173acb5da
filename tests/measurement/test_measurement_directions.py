"""Directions, carried gradients and equal units: each against plain torch written apart, each with its twin."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradiometer import session
from gradiometer.records import Run
from gradiometer.session.live import Session

pytestmark = pytest.mark.torch

X = torch.randn(32, 6, generator=torch.Generator().manual_seed(1))
Y = torch.randint(0, 3, (32,), generator=torch.Generator().manual_seed(2))


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def watch(loop: Callable[[], None], budget: float = 100.0) -> Run:
    started = Session(session.Options(keep_file=False, budget=budget), say=lambda text: None)
    started.attach(discover=True)
    try:
        loop()
    finally:
        run = started.stop("finished")
    assert run is not None
    assert run.problems == ()
    return run


def train(
    model: nn.Module, steps: int = 4, lr: float = 0.1, clear: str = "zero_grad", sign: float = 1.0
) -> list[Tensor]:
    """Plain SGD; the gradients of the first weight at each step."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    seen = []
    for _ in range(steps):
        if clear == "zero_grad":
            optimizer.zero_grad()
        elif clear == "zeros":
            optimizer.zero_grad(set_to_none=False)
        loss = nn.functional.cross_entropy(model(X), Y)
        loss.backward()
        seen.append(next(model.parameters()).grad.clone())
        optimizer.step()
    return seen


def at(run: Run, stat: str, name: str = "0.weight") -> np.ndarray:
    return run.of(stat)[:, run.columns([name])[0]]


def test_the_turn_is_the_cosine_of_two_gradients_in_a_row() -> None:
    twin = train(copy.deepcopy(net()))
    want = [
        float(nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0)) for a, b in itertools.pairwise(twin)
    ]
    model = net()
    turn = at(watch(lambda: train(model)), "grad_turn")
    assert np.isnan(turn[0])
    assert turn[1:] == pytest.approx(want, abs=1e-5)


def test_a_step_that_climbs_points_along_the_gradient() -> None:
    def climb() -> None:
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, maximize=True)
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()

    run = watch(climb)
    assert at(run, "update_along")[:3] == pytest.approx([-1.0] * 3, abs=1e-3)
    assert at(watch(lambda: train(net())), "update_along")[:3] == pytest.approx([1.0] * 3, abs=1e-3)


def test_a_step_that_rounds_to_nothing_is_seen() -> None:
    def loop(lr: float) -> Callable[[], None]:
        def run() -> None:
            model = net().to(torch.bfloat16)
            optimizer = torch.optim.SGD(model.parameters(), lr=lr)
            for _ in range(3):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(X.bfloat16()).float(), Y).backward()
                optimizer.step()

        return run

    assert at(watch(loop(1e-7)), "update_zero_share")[0] > 0.9
    assert at(watch(loop(0.5)), "update_zero_share")[0] < 0.2


@pytest.mark.parametrize(("clear", "carried"), [("zero_grad", 0), ("zeros", 0), ("never", 4)])
def test_gradients_that_are_not_cleared_are_told(clear: str, carried: int) -> None:
    run = watch(lambda: train(net(), steps=5, clear=clear))
    assert sum(e.kind == "gradient_carried" for e in run.events) == carried


def test_micro_batches_and_two_networks_against_each_other_carry_nothing() -> None:
    def accumulate() -> None:
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for i in range(12):
            nn.functional.cross_entropy(model(X), Y).backward()
            if i % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()

    def against() -> None:
        maker, judge = nn.Linear(6, 6), nn.Linear(6, 1)
        of_maker = torch.optim.Adam(maker.parameters())
        of_judge = torch.optim.Adam(judge.parameters())
        for _ in range(5):
            of_judge.zero_grad()
            (judge(maker(X).detach()).mean() - judge(X).mean()).backward()
            of_judge.step()
            of_maker.zero_grad()
            (-judge(maker(X)).mean()).backward()  # reaches the judge as well, which clears it before its own pass
            of_maker.step()

    for loop in (accumulate, against):
        assert [e for e in watch(loop).events if e.kind == "gradient_carried"] == []


def test_steps_that_find_no_gradient_are_told() -> None:
    def loop(idle: range) -> Callable[[], None]:
        def run() -> None:
            model = net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            other = net(1)
            for i in range(8):
                optimizer.zero_grad()
                nn.functional.cross_entropy((other if i in idle else model)(X), Y).backward()
                optimizer.step()

        return run

    told = [(e.kind, e.step) for e in watch(loop(range(5, 8))).events]
    assert told == [("step_without_gradient", i) for i in range(5, 8)]
    assert watch(loop(range(0))).events == ()


def test_zeros_that_are_not_cleared_carry_nothing() -> None:
    def loop() -> None:
        model = net()
        nn.init.zeros_(model[2].weight)  # no error gets past it
        optimizer = torch.optim.SGD(model[0].parameters(), lr=0.1)
        for _ in range(5):
            nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()

    assert [e for e in watch(loop).events if e.kind == "gradient_carried"] == []


def test_equal_units_have_no_spread() -> None:
    model = net()
    nn.init.constant_(model[0].weight, 0.1)
    run = watch(lambda: train(model))
    assert at(run, "weight_row_spread")[0] == pytest.approx(0.0, abs=1e-6)
    w = net()[0].weight.detach()
    want = float((w - w.mean(0)).norm() / w.norm())
    assert at(watch(lambda: train(net())), "weight_row_spread")[0] == pytest.approx(want, rel=1e-5)


def test_the_errors_of_different_examples_are_compared() -> None:
    model = net()
    errors = []
    copied = copy.deepcopy(model)
    copied[0].register_forward_hook(lambda m, a, out: out.register_hook(errors.append) and None)
    nn.functional.cross_entropy(copied(X), Y).backward()
    d = errors[0][:16]
    d = d / d.norm(dim=1, keepdim=True)
    want = float((((d @ d.T) ** 2).sum() - 16) / (16 * 15)) ** 0.5
    run = watch(lambda: train(model))
    assert at(run, "err_similarity", "0")[0] == pytest.approx(want, abs=1e-4)


def test_a_second_part_of_the_training_is_recorded_though_its_optimizer_was_made_at_first() -> None:
    def loop() -> None:
        teacher, student = net(0), nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))
        optimizers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (teacher, student)]
        for model, optimizer in zip((teacher, student), optimizers, strict=True):
            for _ in range(60):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(X), Y).backward()
                optimizer.step()

    run = watch(loop, budget=1e-9)
    assert len(run.networks) == 2
    assert all(len(run.frames_of(n.name)) >= 8 for n in run.networks)
