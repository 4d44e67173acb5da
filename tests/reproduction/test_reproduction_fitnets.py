"""Hints: what the arms are made of, their first gradients beside plain autograd, and orders that are not there."""

from __future__ import annotations

import dataclasses
import math

import msgspec
import pytest
import torch
from torch.nn import functional as F

from gradiometer.lab import Recipe, prepare, read_weights
from gradiometer.reproduction import fitnets, fitnets_students
from gradiometer.reproduction.experiment import Order, Outcome

ORDER = Order(quick=True, processes=1)


def torch_start(job: fitnets_students.Job) -> Recipe:
    return msgspec.structs.replace(job.recipe, init="torch")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("teacher") / "t.safetensors")
    assert fitnets_students.test_error(fitnets_students.teacher_job(0.003, 300, 1, path)) < 6
    return path


def test_all_arms_make_the_same_steps_from_the_same_weights(teacher: str) -> None:
    jobs = [fitnets_students.student_job(arm, teacher, 0.005, 40, 3) for arm in fitnets_students.ARMS]
    assert [job.recipe.steps for job in jobs] == [40, 40, 40]
    assert [(job.recipe.hints, job.recipe.hint_steps) for job in jobs] == [(0, 0), (0, 0), (1, 10)]
    assert [bool(job.recipe.teacher) for job in jobs] == [False, True, True]
    starts = [torch.cat([p.flatten() for p in prepare(job.recipe).network.parameters()]) for job in jobs]
    assert torch.equal(starts[0], starts[1])
    assert torch.equal(starts[0], starts[2])
    other = fitnets_students.student_job("plain", "", 0.005, 40, 4)
    assert not torch.equal(starts[0], torch.cat([p.flatten() for p in prepare(other.recipe).network.parameters()]))


def test_the_gradient_by_the_loss_is_that_of_plain_autograd() -> None:
    job = fitnets_students.student_job("plain", "", 0.005, 40, 3)
    found = fitnets_students.gradient_decades(job)
    training = prepare(torch_start(job))
    x, y = training.task.train.inputs[:64], training.task.train.targets[:64]
    weights = [block.linear.weight for block in training.network.blocks]  # type: ignore[union-attr]
    for block in training.network.blocks:
        x = torch.relu(F.linear(x, block.linear.weight, block.linear.bias))  # type: ignore[union-attr, arg-type]
    loss = F.cross_entropy(training.network.head(x), y)  # type: ignore[operator]
    expected = [math.log10(float(g.norm())) for g in torch.autograd.grad(loss, weights)][::-1]
    assert found == pytest.approx(expected, abs=1e-3)
    assert found[::-1] != pytest.approx(expected, abs=1e-3)


def test_the_gradient_by_the_hint_is_that_of_plain_autograd(teacher: str) -> None:
    """The lab draws the map; goal and loss are written apart: the teacher's middle, mean variance of a unit 1."""
    job = fitnets_students.student_job("FitNet", teacher, 0.005, 40, 3)
    found = fitnets_students.gradient_decades(job)
    training = prepare(torch_start(job))
    goal, tensors = training.task.train.inputs, read_weights(teacher).tensors
    for block in range(fitnets_students.TEACHER.depth // 2):
        goal = torch.relu(
            F.linear(goal, tensors[f"blocks.{block}.linear.weight"], tensors[f"blocks.{block}.linear.bias"])
        )
    goal = goal / (goal - goal.mean(dim=0)).square().mean().sqrt()
    assert training.distillation is not None
    (hint,) = training.distillation.hints
    half = fitnets_students.STUDENT.depth // 2
    lower = list(training.network.blocks)[:half]
    x = training.task.train.inputs[:64]
    for block in lower:
        x = torch.relu(F.linear(x, block.linear.weight, block.linear.bias))  # type: ignore[union-attr, arg-type]
    loss = (F.linear(x, hint.weight, hint.bias) - goal[:64]).square().mean()
    grads = torch.autograd.grad(loss, [block.linear.weight for block in lower])  # type: ignore[union-attr, misc]
    assert found[half:] == pytest.approx([math.log10(float(g.norm())) for g in reversed(grads)], abs=1e-3)
    assert all(math.isnan(value) for value in found[:half])  # above the hint there is no error


ORDERED = {
    "teacher": (2.0, 2.2, 1.8),
    "plain": (9.0, 9.4, 8.8),
    "KD": (6.0, 6.3, 6.1),
    "FitNet": (5.0, 5.1, 5.4),
}


def failed(errors: dict[str, tuple[float, ...]]) -> set[str]:
    return {row.name for row in fitnets._error_rows(errors) if not row.holds}


def test_the_published_order_passes() -> None:
    assert failed(ORDERED) == set()


@pytest.mark.parametrize(
    ("arm", "errors", "row"),
    [
        ("KD", ORDERED["plain"], "plain − KD"),
        ("FitNet", ORDERED["plain"], "plain − FitNet"),
        ("FitNet", (7.0, 7.1, 7.2), "KD − FitNet"),
        ("teacher", (12.0, 12.1, 12.2), "plain − teacher"),
        ("KD", (1.0, 9.3, 8.0), "plain − KD: lower end of its 95 % interval"),
    ],
)
def test_another_order_does_not(arm: str, errors: tuple[float, ...], row: str) -> None:
    assert row in failed(ORDERED | {arm: errors})


SHORT = dataclasses.replace(fitnets.QUICK, steps=60, seeds=(0, 1), search_seeds=(100,))


@pytest.fixture(scope="module")
def untaught() -> Outcome:
    """Students without a teacher, under the names of those that have one."""
    state = torch.get_rng_state()
    out = fitnets.outcome(ORDER, dataclasses.replace(SHORT, taught=()))
    assert torch.equal(torch.get_rng_state(), state)
    return out


def test_a_student_without_a_teacher_does_not_pass_for_one_with(untaught: Outcome) -> None:
    missed = {row.name for row in untaught.rows if not row.holds}
    assert {"plain − KD", "plain − FitNet"} <= missed
    assert any("gradient at the first block" in name for name in missed)
    assert not untaught.reproduced
    assert untaught.reasons
    errors = {row.name: row.values for row in untaught.rows}
    assert errors["student, plain: test error"] == errors["student, KD: test error"]


def test_a_taught_one_gets_the_gradient_of_the_hint() -> None:
    out = fitnets.outcome(ORDER, SHORT)
    (gradient,) = [row for row in out.rows if "gradient at the first block" in row.name]
    assert gradient.holds
    errors = {row.name: row.values for row in out.rows}
    assert errors["student, plain: test error"] != errors["student, KD: test error"]
    assert errors["student, KD: test error"] != errors["student, hint then KD: test error"]
    assert len(errors["student, hint then KD: test error"]) == len(SHORT.seeds)
