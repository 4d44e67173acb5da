"""Several models and optimizers in one training are told apart; nothing is counted twice."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from measurement_nets import Case, Checkpointed, norm_of, oracle_calls, oracle_errors, recorded, row
from torch import Tensor, nn

import gradiometer as gm
from gradiometer.records import Run
from gradiometer.session import Options, start

pytestmark = pytest.mark.torch

ROUNDING = 2e-6  # float32 norms of small tensors


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))


def everything(_: nn.Module) -> Callable[[], Run]:
    """Watch the process; returns how to end it."""
    session = start(Options(keep_file=False, every=1))

    def end() -> Run:
        run = session.stop("finished")
        assert run is not None
        return run

    return end


def gan_run(
    order: str, steps: int, attach: Callable[[nn.Module], Callable[[], Run]] = everything
) -> tuple[Run, list[dict[str, float]], list[dict[str, float]]]:
    """A GAN; the run, and the errors of G and of D in their own steps by the oracle."""
    G = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6))
    D = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 1))
    judge, one, zero = nn.BCEWithLogitsLoss(), torch.ones(8, 1), torch.zeros(8, 1)
    in_G: list[dict[str, float]] = []
    in_D: list[dict[str, float]] = []
    end = attach(D)
    of = {"G": torch.optim.SGD(G.parameters(), 0.05), "D": torch.optim.SGD(D.parameters(), 0.05)}
    for _ in range(steps):
        z, real = torch.randn(8, 4), torch.randn(8, 6)
        fake = G(z)
        for who in order:
            of[who].zero_grad()
            if who == "D":
                halves = [
                    Case(D, (real,), lambda o: judge(o, one)),
                    Case(D, (fake.detach(),), lambda o: judge(o, zero)),
                ]
                parts = [plain_errors(c) for c in halves]
                in_D.append({k: math.sqrt(sum(p[k] ** 2 for p in parts) / 2) for k in parts[0]})
                judge(D(real), one).backward()
                judge(D(fake.detach()), zero).backward()
            else:
                in_G.append(plain_errors(Case(G, (z,), lambda o: judge(D(o), one))))
                judge(D(fake), one).backward()
            of[who].step()
    return end(), in_G, in_D


def plain_errors(case: Case) -> dict[str, float]:
    """The oracle between two steps of a watched loop: by autograd.grad on pieces, so that no backward pass is seen."""
    values: dict[str, Tensor] = {}
    x = case.args[0]
    for i, layer in enumerate(case.model):
        values[str(i)] = x = _by_hand(layer, x)
    errors = torch.autograd.grad(case.loss(x), list(values.values()))
    return {k: norm_of([g]) for k, g in zip(values, errors, strict=True)}


def _by_hand(layer: nn.Module, x: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return F.linear(x, layer.weight, layer.bias)
    return torch.tanh(x) if isinstance(layer, nn.Tanh) else F.relu(x)


@pytest.mark.parametrize("order", ["DG", "GD"])
def test_both_models_of_a_gan_have_their_own_steps_and_errors(order: str) -> None:
    run, in_G, in_D = gan_run(order, steps=4)
    assert run.coverage == 1.0
    sizes = {len(n.modules): n.name for n in run.networks}
    G, D = sizes[4], sizes[6]
    for name, expected in ((G, in_G), (D, in_D)):
        assert run.steps(name).tolist() == [0, 1, 2, 3]
        for i, errors in enumerate(expected):
            found = {k: v for k, v in row(run, "err_norm", i, name).items() if k in errors}
            assert found == pytest.approx(errors, rel=1e-5)
        assert len(run.network(name).hops) == len(expected[0]) // 2
    owned = {o.name: set(o.owned) for o in run.optimizers}
    assert sorted(map(sorted, owned.values())) == sorted([[G], [D]])
    losses = {name: [f.loss for f in run.frames_of(name)] for name in (G, D)}
    assert max(losses[G]) < 1.2 < min(losses[D])  # one judgement against the sum of two


@pytest.mark.parametrize("order", ["DG", "GD"])
def test_one_model_of_a_gan_watched_alone_has_the_errors_of_its_own_steps(order: str, tmp_path: Path) -> None:
    """The generator's pass sends an error through the discriminator as well: no step of the discriminator used it."""

    def alone(D: nn.Module) -> Callable[[], Run]:
        handle = gm.watch(D, out=tmp_path, every=1)
        return lambda: (handle.close(), handle.run())[1]

    run, _, in_D = gan_run(order, 4, alone)
    assert len(run.networks) == 1
    assert run.steps().tolist() == [0, 1, 2, 3]
    for i, errors in enumerate(in_D):
        found = {k: v for k, v in row(run, "err_norm", i).items() if k in errors}
        assert found == pytest.approx(errors, rel=1e-5)


def test_a_teacher_under_no_grad_is_not_taken_for_a_model_that_trains() -> None:
    teacher, student = small(), small()
    x = torch.randn(5, 6)

    def loop(_: int) -> None:
        with torch.no_grad():
            soft = teacher(x).softmax(1)
        F.kl_div(student(x).log_softmax(1), soft, reduction="batchmean").backward()

    run = recorded(student, loop, 3)
    assert len(run.networks) == 1
    assert {f.model for f in run.frames} == {run.main}
    assert len(run.frames) == 3
    (seen,) = run.optimizers
    assert seen.strangers == 0


def test_two_models_under_one_optimizer() -> None:
    body, head = nn.Sequential(nn.Linear(6, 8), nn.Tanh()), nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD([*body.parameters(), *head.parameters()], 0.0)
    x = torch.randn(5, 6)
    run = recorded(head, lambda _: head(body(x)).pow(2).mean().backward(), 2, optimizer)
    assert sorted(len(run.steps(n.name)) for n in run.networks) == [2, 2]
    whole = Case(nn.Sequential(*body, *head), (x,), lambda out: out.pow(2).mean())
    errors = list(oracle_errors(oracle_calls(whole)).values())[:-1]
    found = [
        v
        for n in sorted(run.networks, key=lambda n: len(n.modules))
        for v in [row(run, "err_norm", 1, n.name)[str(i)] for i in range(len(n.modules) - 1)]
    ]
    assert found == pytest.approx(errors, rel=ROUNDING)


@pytest.mark.parametrize("reentrant", [False, True], ids=["non-reentrant", "reentrant"])
@pytest.mark.parametrize("micro", [1, 2])
def test_checkpointing_counts_nothing_twice(reentrant: bool, micro: int) -> None:
    plain, inside = Checkpointed(None), Checkpointed(reentrant)
    inside.load_state_dict(plain.state_dict())
    batches = [torch.randn(5, 6, requires_grad=True) * (i + 1) for i in range(micro)]
    runs = []
    for model in (plain, inside):

        def loop(_: int, model: nn.Module = model) -> None:
            for x in batches:
                model(x.detach().requires_grad_()).pow(2).mean().backward()

        runs.append(recorded(model, loop, 2))
    for frame in (0, 1):
        for stat in ("err_norm", "act_norm", "act_numel", "grad_norm"):
            expected, found = row(runs[0], stat, frame), row(runs[1], stat, frame)
            expected = {k: v for k, v in expected.items() if ":" not in k and "input" not in k}
            found = {k: v for k, v in found.items() if ":" not in k and "input" not in k}
            assert found == pytest.approx(expected, rel=ROUNDING)


def test_a_second_backward_pass_of_second_order_is_left_out() -> None:
    """A gradient penalty asks for gradients on the way: those are no errors of the training."""
    model, x = small(), torch.randn(5, 6)

    def loop(_: int) -> None:
        given = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(model(given).sum(), given, create_graph=True)
        assert slope.requires_grad
        model(x).pow(2).mean().backward()

    run = recorded(model, loop)
    expected = oracle_errors(oracle_calls(Case(model, (x,), lambda out: out.pow(2).mean())))
    assert row(run, "err_norm") == pytest.approx(expected, rel=ROUNDING)


def test_two_models_and_two_optimizers_share_one_loss() -> None:
    """The loss of a backward pass belongs to every model that steps on it, not to the first one only."""
    body, head = nn.Sequential(nn.Linear(6, 8), nn.Tanh()), nn.Linear(8, 2)
    of_body, of_head = torch.optim.SGD(body.parameters(), 0.1), torch.optim.SGD(head.parameters(), 0.1)
    x = torch.randn(5, 6)
    session = start(Options(keep_file=False, every=1))
    losses = []
    for _ in range(4):
        of_body.zero_grad()
        of_head.zero_grad()
        loss = head(body(x)).pow(2).mean()
        loss.backward()
        of_body.step()
        of_head.step()
        losses.append(loss.item())
    run = session.stop("finished")
    assert run is not None
    for network in run.networks:
        assert [f.loss for f in run.frames_of(network.name)] == pytest.approx(losses, rel=1e-6)
        assert run.curve(network.name)[:, 1] == pytest.approx(losses, rel=1e-6)
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)
