"""Layer-wise pre-training: the quick form reproduces, and without pre-training it does not."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from gradiometer.lab import prepare, pretrain
from gradiometer.lab.search import shared_task
from gradiometer.reproduction import greedy
from gradiometer.reproduction.experiment import Order, Outcome

pytestmark = pytest.mark.slow
QUICK = Order(quick=True, processes=1)


@pytest.fixture(scope="module")
def reproduced() -> Outcome:
    return greedy.outcome(QUICK)


def test_the_quick_form_reproduces(reproduced: Outcome) -> None:
    assert reproduced.reproduced, [(row.name, row.measured) for row in reproduced.rows if not row.holds]


def test_a_start_that_is_not_pre_trained_does_not_pass_for_one(reproduced: Outcome) -> None:
    arms = [dataclasses.replace(arm, pretrain="none") for arm in greedy.ARMS]
    failed = {row.name for row in greedy.outcome(QUICK, arms).rows if not row.holds}
    assert "6 layers, greedy supervised start: test accuracy" in failed
    assert "autoencoder start less random start" in failed
    assert "what the autoencoder start brings back at layer 1" in failed


@pytest.mark.parametrize("pretraining", ["none", "greedy"])
def test_the_error_is_that_of_plain_autograd(pretraining: str) -> None:
    arm = greedy.Arm("one", pretraining, depth=3)
    recipe = greedy.recipe_of(arm, lr=0.01, seed=0, steps=1)
    training = prepare(recipe, shared_task(recipe))
    if pretraining != "none":
        pretrain(training)
    expected = _errors_by_hand(training.network, training.task)
    assert greedy._errors(training) == pytest.approx(expected, rel=1e-4)
    assert greedy._errors(training)[::-1] != pytest.approx(expected, rel=1e-4)


def _errors_by_hand(network: torch.nn.Module, task: object) -> list[float]:
    """‖∂L/∂output‖ of each block, loss first, with torch.autograd.grad alone."""
    inputs, targets = task.train.inputs[: greedy.PROBE], task.train.targets[: greedy.PROBE]  # type: ignore[attr-defined]
    outputs = [inputs]
    for block in network.blocks:  # type: ignore[union-attr]
        outputs.append(block(outputs[-1]))
    loss = torch.nn.functional.cross_entropy(network.head(outputs[-1]), targets)  # type: ignore[operator]
    return [float(g.norm()) for g in torch.autograd.grad(loss, outputs[:0:-1])]
