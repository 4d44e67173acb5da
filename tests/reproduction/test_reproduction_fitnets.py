"""Populations beside networks trained one by one, and what a student learns from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradiometer.lab import Recipe, Task, load_task
from gradiometer.reproduction import fitnets
from gradiometer.reproduction import fitnets_lessons as lessons
from gradiometer.reproduction.experiment import Order, Outcome
from gradiometer.reproduction.fitnets_lessons import Lessons, Teaching, Told, studied, taught
from gradiometer.reproduction.fitnets_population import (
    Adam,
    Dense,
    Member,
    batches,
    cross_entropy,
    masks_of,
    soft_cross_entropy,
    wrong,
)
from gradiometer.reproduction.plain import batch_of, dense_network, drawn, torch_draw

ALONE = Order(quick=True, processes=1)
PAIR = (Member(3, 0.01), Member(4, 0.002))


def failing(out: Outcome) -> str:
    return " | ".join(row.name for row in out.rows if not row.holds)


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task(Recipe(task="mnist1d"))


def alone(network: Dense, member: int) -> nn.Sequential:
    """One member as a network of torch's own modules."""
    widths = [network.weights[0].shape[1], *(weight.shape[2] for weight in network.weights)]
    model = dense_network(widths, nn.ReLU)
    linear = [module for module in model if isinstance(module, nn.Linear)]
    with torch.no_grad():
        for layer, weight, bias in zip(linear, network.weights, network.biases, strict=True):
            layer.weight.copy_(weight[member].T)
            layer.bias.copy_(bias[member, 0])
    return model


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_population_trains_as_each_member_alone(task: Task, decay: float) -> None:
    x, y = task.train.inputs, task.train.targets
    network = Dense([40, 8, 8, 10], PAIR)
    models = [alone(network, i) for i in range(2)]
    theirs = [torch.optim.Adam(m.parameters(), p.lr, weight_decay=decay) for m, p in zip(models, PAIR, strict=True)]
    ours = Adam(network.parameters(), PAIR, decay)
    for rows in batches(PAIR, 0, 5, len(y)):
        ours.step(cross_entropy(network.logits(x[rows]), y[rows]))
        for i, (model, adam) in enumerate(zip(models, theirs, strict=True)):
            adam.zero_grad()
            F.cross_entropy(model(x[rows[i]]), y[rows[i]]).backward()
            adam.step()
    with torch.no_grad():
        for i, model in enumerate(models):
            logits = network.logits(x.expand(2, -1, -1))[i]
            assert torch.allclose(logits, model(x), atol=1e-4)
            assert not torch.allclose(logits, models[1 - i](x), atol=1e-2)
            assert wrong(network, x, y)[i] == pytest.approx(
                100 * float((model(x).argmax(1) != y).float().mean()), abs=0.1
            )


def test_a_member_does_not_depend_on_its_company() -> None:
    both, one = studied(Lessons("plain", PAIR, 8)), studied(Lessons("plain", PAIR[1:], 8))
    assert both.test[1] == pytest.approx(one.test[0], abs=0.2)
    assert both.test[0] != pytest.approx(both.test[1], abs=0.2)
    first, second = (taught(Teaching(members, 3, 16)).told for members in (PAIR, PAIR[1:]))
    assert np.allclose(first[1].logits, second[0].logits, atol=1e-4)
    assert not np.allclose(first[0].logits, second[0].logits, atol=1e-2)


def test_weights_are_he_s_and_the_global_generator_rests() -> None:
    before = torch.get_rng_state()
    network = Dense([200, 300, 300, 10], PAIR)
    for weight, power in zip(network.weights, (2.0, 2.0, 1 / 3), strict=True):
        assert float(weight.detach().var()) * weight.shape[1] == pytest.approx(power, rel=0.05)
    assert not any(bias.any() for bias in network.biases)
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_keeps_the_mean() -> None:
    masks = masks_of([torch.Generator().manual_seed(seed) for seed in (0, 1)], 400, 2, 0.3)
    assert [tuple(mask.shape) for mask in masks] == [(2, 64, 400)] * 2
    assert {round(float(value), 4) for value in masks[0].unique()} == {0.0, round(1 / 0.7, 4)}
    assert float(masks[1].mean()) == pytest.approx(1.0, abs=0.02)
    assert not torch.equal(masks[0][0], masks[0][1])


def test_the_soft_loss_is_hinton_s() -> None:
    told, logits = torch.randn(1, 6, 4), torch.randn(1, 6, 4, requires_grad=True)
    shares, own = (torch.softmax(v.detach() / 3, dim=-1)[0] for v in (told, logits))
    assert float(soft_cross_entropy(logits, told, 3.0).detach()) == pytest.approx(
        float(-9 * (shares * own.log()).sum() / 6)
    )
    (slope,) = torch.autograd.grad(soft_cross_entropy(logits, told, 3.0), logits)
    assert torch.allclose(slope[0], 3 * (own - shares) / 6, atol=1e-6)  # T² · (1/T) · difference, mean of 6
    (none,) = torch.autograd.grad(soft_cross_entropy(logits, logits.detach(), 3.0), logits)
    assert float(none.abs().max()) < 1e-6


def told_of(task: Task, width: int) -> Told:
    generator = torch.Generator().manual_seed(0)
    n = len(task.train)
    return Told(torch.randn(n, 10, generator=generator).numpy(), torch.randn(n, width, generator=generator).numpy())


def test_the_hint_moves_the_guided_layers_and_no_other(task: Task) -> None:
    job = Lessons("FitNet", PAIR, 4, (told_of(task, 6),) * 2)
    network, untouched = lessons.student(task, PAIR), lessons.student(task, PAIR)
    lessons._follow_hint(network, job, task.train.inputs, 4)
    moved = [not torch.equal(a, b) for a, b in zip(network.weights, untouched.weights, strict=True)]
    assert moved == [True] * lessons.GUIDED + [False] * (lessons.STUDENT_DEPTH + 1 - lessons.GUIDED)


def test_a_teacher_that_says_the_label_is_followed(task: Task) -> None:
    """Its outputs decide what KD learns: right ones the classes, wrong ones something else."""
    right = 8 * F.one_hot(task.train.targets, 10).float().numpy()
    hint = told_of(task, 4).hint
    jobs = [Lessons("KD", (Member(0, 0.005),), 150, (Told(logits, hint),)) for logits in (right, right[:, ::-1].copy())]
    good, bad = (studied(job).test[0] for job in jobs)
    assert good < 75 and bad > good + 10


def test_what_a_teacher_tells_has_deviation_one() -> None:
    told = taught(Teaching(PAIR, 2, 12)).told
    for one in told:
        assert one.hint.shape == (3200, 12) and one.logits.shape == (3200, 10)
        assert float(np.sqrt((one.hint.astype(np.float64) ** 2).mean())) == pytest.approx(1.0, rel=1e-4)
        assert np.abs(one.hint.mean(axis=0)).max() < 1e-4


def test_lost_decades_are_those_of_plain_autograd(task: Task) -> None:
    seed = 5
    x, y = batch_of(task.train, 64, seed)
    model = drawn(dense_network([40, *[32] * 8, 10], nn.ReLU), torch_draw, seed)
    states: list[Tensor] = []
    for module in model:
        x = module(x)
        if isinstance(module, nn.Linear):
            states.append(x)
    first, last = (float(g.norm()) for g in torch.autograd.grad(F.cross_entropy(x, y), (states[0], states[7])))
    by_loss, by_hint = lessons.hops_lost(seed)
    assert by_loss == pytest.approx(np.log10(first / last), abs=1e-3)
    assert by_loss < by_hint - 1 < -1


def test_quick_form_reproduces() -> None:
    ticks: list[tuple[int, int, str]] = []
    out = fitnets.EXPERIMENT.run(Order(quick=True, processes=1, tick=lambda *t: ticks.append(t)))
    assert out.reproduced, failing(out)
    assert ticks[-1][:2] == (3, 3)


def test_without_lessons_there_is_no_order() -> None:
    plan = replace(fitnets.QUICK, steps=20, seeds=(0, 1), teacher_steps=1, teacher_width=8)
    out = fitnets.outcome(ALONE, replace(plan, taught=()))
    assert not out.reproduced and out.reasons
    assert failing(out).startswith("plain − KD | plain − KD: lower end of its 95 % interval | KD − FitNet")
    assert "shorter way" not in failing(out)
    assert not fitnets.outcome(ALONE, plan).reproduced  # lessons of a teacher that knows nothing


def test_every_network_is_searched_and_other_seeds_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Lessons] = []
    real = fitnets.studied

    def spy(job: Lessons) -> lessons.Errors:
        seen.append(job)
        return real(job)

    monkeypatch.setattr(fitnets, "studied", spy)
    plan = fitnets.Plan((1e-9, 0.01), 40, (100, 101), (0, 1), (1e-9, 0.01), 30, 8)
    out = fitnets.outcome(ALONE, plan)
    search, judged = seen[:3], seen[3:]
    assert {(m.seed, m.lr) for job in search for m in job.members} == {(s, r) for s in (100, 101) for r in (1e-9, 0.01)}
    assert {(job.arm, m.seed, m.lr) for job in judged for m in job.members} == {
        (arm, seed, 0.01) for arm in ("plain", "KD", "FitNet") for seed in (0, 1)
    }
    assert [row[0] for row in out.tables[0].rows] == ["teacher", "plain", "KD", "FitNet"]
    assert {row[2] for row in out.tables[0].rows} == {"0.01"}
