"""ReZero, beside its equation written out and plain autograd."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gradiometer.reproduction import rezero
from gradiometer.reproduction.experiment import Order, Outcome
from gradiometer.reproduction.measure import classified
from gradiometer.reproduction.plain import batch_of, digits
from gradiometer.reproduction.rezero import WIDTH, Block, Training, errors, network, reached, steps_searched

ALONE = Order(quick=True, processes=1)


def failing(out: Outcome) -> str:
    return " | ".join(row.name for row in out.rows if not row.holds)


@pytest.mark.parametrize("version", rezero.VERSIONS)
def test_a_block_is_its_equation(version: rezero.Version) -> None:
    torch.manual_seed(0)
    block, x = Block(version, 0.5), torch.randn(3, WIDTH)
    branch = torch.clamp(x @ block.linear.weight.T + block.linear.bias, min=0)
    expected = {"vanilla": branch, "residual": x + branch, "ReZero": x + 0.5 * branch}
    for name, value in expected.items():
        assert torch.allclose(block(x), value, atol=1e-5) == (name == version)


def test_weights_have_the_power_of_the_authors_program() -> None:
    for version in rezero.VERSIONS:
        weights = torch.stack(
            [b.linear.weight for b in network(Training(version, 0.1, 0, 1, 8)) if isinstance(b, Block)]
        )
        assert float(weights.detach().var()) * WIDTH == pytest.approx(rezero.POWER[version], rel=0.02)
    before = torch.get_rng_state()
    first, again, other = (
        network(Training("vanilla", 0.1, seed, 1, 1)).get_parameter("head.bias") for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def by_autograd(job: Training) -> list[float]:
    """‖∂L/∂(output of each block)‖, loss first, without a hook of ours."""
    x, targets = batch_of(digits(), rezero.BATCH, job.seed)
    states = []
    for module in network(job):
        x = module(x)
        if isinstance(module, Block):
            states.append(x)
    loss = nn.functional.cross_entropy(x, targets)
    return [float(g.norm()) for g in reversed(torch.autograd.grad(loss, states))]


@pytest.mark.parametrize("version", rezero.VERSIONS)
def test_errors_are_those_of_autograd(version: rezero.Version) -> None:
    job = Training(version, 0.1, 3, 1, 5, alpha=0.3)
    assert errors(job) == pytest.approx(by_autograd(job), rel=1e-4)
    assert errors(job) != pytest.approx(by_autograd(replace(job, seed=4)), rel=1e-2)


def test_the_error_passes_closed_branches_unchanged_and_open_ones_not() -> None:
    closed, opened = (np.array(errors(Training("ReZero", 0.1, 0, 1, 6, alpha))) for alpha in (0.0, 0.3))
    assert np.ptp(closed) == 0
    assert opened[-1] > 1.1 * opened[0]


def test_a_training_ends_where_its_split_is_known() -> None:
    job = Training("ReZero", 0.01, 0, 30, 3)
    found = reached(job)
    assert found.step is not None and found.accuracies[-1] == (found.step, found.accuracies[-1][1])
    assert found.accuracies[-1][1] >= 0.9 > found.accuracies[-2][1]
    assert reached(job) == found
    assert reached(replace(job, steps=2)).step is None
    assert steps_searched(replace(job, steps=2)) > 2
    assert steps_searched(job) == reached(replace(job, split="validation")).step
    diverged = reached(replace(job, version="residual", lr=1e9))
    assert diverged.step is None and steps_searched(replace(job, version="residual", lr=1e9, steps=5)) > 5


def test_a_reached_step_is_what_a_loop_by_hand_finds() -> None:
    job = Training("vanilla", 0.02, 1, 25, 1)
    model, generator, split = network(job), torch.Generator().manual_seed(1001), digits()
    optimizer = torch.optim.Adagrad(model.parameters(), 0.02)
    step, right = 0, 0.0
    while right < 0.9:
        rows = torch.randint(len(split), (100,), generator=generator)
        optimizer.zero_grad()
        classified(model, (split.inputs[rows], split.targets[rows])).backward()
        optimizer.step()
        step += 1
        right = float((model(split.inputs[:256]).argmax(1) == split.targets[:256]).float().mean())
    assert reached(job).step == step


def test_quick_form_reproduces() -> None:
    ticks: list[tuple[int, int, str]] = []
    out = rezero.EXPERIMENT.run(Order(quick=True, processes=1, tick=lambda *t: ticks.append(t)))
    assert out.reproduced, failing(out)
    assert ticks[-1][:2] == (6, 6)
    assert "60 stands for these" in out.notes[0]


def test_few_layers_or_open_branches_do_not_reproduce() -> None:
    shallow = rezero.outcome(ALONE, replace(rezero.QUICK, depth=2))
    assert failing(shallow).startswith("vanilla over ReZero") and shallow.reasons
    opened = rezero.outcome(ALONE, replace(rezero.QUICK, depth=4, steps=3, alpha=1.0))
    assert failing(opened).startswith("untrained ReZero")


def test_a_search_takes_what_the_validation_split_says(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    real = rezero.reached

    def spy(job: Training) -> rezero.Reached:
        taken.append(job)
        return real(job)

    monkeypatch.setattr(rezero, "reached", spy)
    rates = {"vanilla": (0.01,), "residual": (0.01,), "ReZero": (1e-7, 0.01)}
    rezero.outcome(ALONE, rezero.Plan(rates, 10, (100,), (0,), depth=2))
    searching = [job for job in taken if job.split == "validation"]
    assert {(job.version, job.seed) for job in searching} == {("ReZero", 100)} and len(searching) == 2
    judged = [job for job in taken if job.split == "train"]
    assert {(job.seed, job.lr) for job in judged} == {(0, 0.01)}
