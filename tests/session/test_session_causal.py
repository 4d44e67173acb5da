"""Freeze and rescue: the arms against a plain loop, the loss of a running training, and what is never made."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from session_causal import HE, WIDTH, XAVIER, Optim, checked, classes, entropy, figures, plain_mlp, reason, sgd
from torch import Tensor, nn

import gradiometer as gm
from gradiometer.diagnosis.causal import causal_line
from gradiometer.session import check_setup, live
from gradiometer.session.causal import Subject, layers_of, try_arms

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def nobody_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    left = live._current() if live._current is not None else None
    if left is not None:
        left.stop("crashed")


# ---- the arms against a loop of their own ---------------------------------------------------------------------------


def by_hand(model: nn.Sequential, make: Optim, arm: str, early: list[int], late: list[int]) -> list[float]:
    """20 steps of one arm: layers by their place in the Sequential."""
    model = copy.deepcopy(model)
    optimizer = make(list(model.parameters()))
    losses = []
    for _ in range(20):
        loss = entropy(model, classes())
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        before = [p.detach().double().clone() for p in model.parameters()]
        optimizer.step()
        after = [p.detach().double().clone() for p in model.parameters()]
        ratio = {}
        for i, module in enumerate(model):
            if isinstance(module, nn.Linear):
                at = [id(p) for p in model.parameters()].index(id(module.weight))
                ratio[i] = float((after[at] - before[at]).norm() / before[at].norm())
        for i in early:
            ids = {id(model[i].weight), id(model[i].bias)}
            factor = 0.0 if arm == "frozen" else min(float(np.median([ratio[j] for j in late])) / ratio[i], 1e6)
            for p, old, new in zip(model.parameters(), before, after, strict=True):
                if id(p) in ids and arm != "plain":
                    p.data.copy_(old + factor * (new - old))
    return [*losses, entropy(model, classes()).item()]


@pytest.mark.parametrize("make", [sgd(0.1), lambda ps: torch.optim.Adam(ps, lr=0.003)], ids=["SGD", "Adam"])
def test_the_arms_are_those_of_a_loop_by_hand(make: Optim) -> None:
    model = plain_mlp(nn.Tanh, 6, 0.7)
    run = checked(model, make)
    layers = layers_of(run, run.network())
    assert (layers.count, [names[0] for names in layers.early]) == (7, ["4.weight", "2.weight", "0.weight"])
    assert layers.late == ("12.weight", "10.weight")
    assert set(layers.frozen) == {f"{i}.{n}" for i in (0, 2, 4) for n in ("weight", "bias")}
    subject = Subject(model, (make(list(model.parameters())),), lambda own: entropy(own, classes()))
    before = copy.deepcopy(model.state_dict())
    subject = Subject(model, subject.optimizers, subject.loss_of)
    ours = try_arms(subject, layers)
    for arm, found in (("plain", ours.plain), ("frozen", ours.frozen), ("rescued", ours.rescued)):
        expected = by_hand(model, make, arm, [4, 2, 0], [12, 10])
        np.testing.assert_allclose(found, expected, rtol=2e-5, err_msg=arm)  # rounding of W in the loop by hand
    assert ours.plain[-1] != ours.frozen[-1] != ours.rescued[-1]  # and the arms do differ
    assert all(torch.equal(before[n], x) for n, x in model.state_dict().items())
    seen = figures(run)
    first = ours.plain[0]
    assert seen["causal_freeze"] == pytest.approx(
        max(abs(a - b) for a, b in zip(ours.frozen, ours.plain, strict=True)) / first, rel=1e-3
    )  # the floor of cross-entropy is 0
    assert seen["causal_rescue"] == pytest.approx((first - ours.rescued[-1]) / (first - ours.plain[-1]), rel=1e-3)
    assert seen["causal_rescued_fall"] == pytest.approx((first - ours.rescued[-1]) / first, rel=1e-3)


def test_all_arms_draw_the_same_numbers_and_put_them_back() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*(m for _ in range(5) for m in (nn.Linear(WIDTH, WIDTH), nn.Dropout(0.5), nn.Tanh())))
    drawn: list[tuple[float, float, float]] = []

    def loss(own: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        drawn.append((float(torch.rand(())), random.random(), float(np.random.rand())))
        return own(batch[0]).pow(2).mean()

    setup = gm.Setup(model, [classes()], loss, torch.optim.SGD(model.parameters(), lr=0.1))
    states = torch.get_rng_state(), random.getstate(), repr(np.random.get_state())
    run = check_setup(setup, causal=True)
    assert "causal_freeze" in figures(run)
    assert len(drawn) == 11 + 3 * 21
    first, second, third = (drawn[11 + 21 * i : 32 + 21 * i] for i in range(3))
    assert first == second == third
    assert len(set(first)) == 21
    now = torch.get_rng_state(), random.getstate(), repr(np.random.get_state())
    assert torch.equal(now[0], states[0])
    assert now[1:] == states[1:]


# ---- real networks --------------------------------------------------------------------------------------------------


class Fading(torch.autograd.Function):
    """The identity, whose error is a thousandth."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: object, error: Tensor) -> Tensor:
        return error * 1e-3


class Narrow(nn.Module):
    """Four numbers reach the late half, which the early one has to choose. fades: its error is cut to a thousandth."""

    def __init__(self, fades: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.early = nn.Sequential(nn.Linear(WIDTH, 32), nn.Tanh(), nn.Linear(32, 4))
        self.late = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 4))
        self.fades = fades
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=1.3 / module.in_features**0.5)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.early(x)
        return self.late(Fading.apply(x) if self.fades else x)


def test_a_deep_sigmoid_network_and_a_healthy_one() -> None:
    deep = figures(checked(plain_mlp(nn.Sigmoid, 20), sgd(0.1)))
    assert deep["causal_freeze"] < 1e-6
    assert deep["causal_rescue"] == pytest.approx(1, abs=0.01)  # even a million times nothing is too little
    healthy = figures(checked(plain_mlp(nn.ReLU, 6, HE), sgd(0.3)))
    assert healthy["causal_freeze"] > 0.05
    assert healthy["causal_rescue"] < 2


def test_ten_relus_with_xavier_weights_step_alike() -> None:
    """The error is small there, and ∇W is flat over the layers: nothing is to be rescued. He has more of it."""
    xavier = figures(checked(plain_mlp(nn.ReLU, 10, XAVIER), sgd(0.1)))
    he = figures(checked(plain_mlp(nn.ReLU, 10, HE), sgd(0.1)))
    assert 0.5 < xavier["causal_rescue"] < 1.5
    assert 0.5 < he["causal_rescue"] < 1.5
    assert xavier["causal_freeze"] < 0.01 < 0.03 < he["causal_freeze"]
    assert xavier["causal_rescued_fall"] < 0.05 < 0.3 < he["causal_rescued_fall"]


def test_where_size_alone_is_the_matter_the_rescue_finds_it() -> None:
    cut = figures(checked(Narrow(fades=True), sgd(0.3)))
    assert cut["causal_freeze"] < 0.05
    assert cut["causal_rescue"] > 2
    assert cut["causal_rescued_fall"] > 0.5
    whole = figures(checked(Narrow(fades=False), sgd(0.3)))
    assert whole["causal_freeze"] > 0.3
    assert whole["causal_rescue"] < 2


# ---- what is not made -----------------------------------------------------------------------------------------------


class Rows(nn.Module):
    def __init__(self, sparse: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rows = nn.Embedding(128, WIDTH, sparse=sparse)
        self.body = plain_mlp(nn.Tanh, 5, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self.rows(x[:, 0].argsort()))


NOT_MADE: dict[str, tuple[Callable[[], nn.Module], Optim, str]] = {
    "closure": (lambda: plain_mlp(nn.Tanh, 6), lambda ps: torch.optim.LBFGS(ps), "LBFGS asks for the loss several"),
    "three layers": (lambda: plain_mlp(nn.Tanh, 2), sgd(0.1), "fewer than 4 trained layers of weights (3)"),
    "sparse": (lambda: Rows(sparse=True), sgd(0.1), "sparse gradients"),
    "rises": (lambda: plain_mlp(nn.Tanh, 6, 1.0), sgd(3.0), "The loss rises"),
    "diverges": (lambda: plain_mlp(nn.Tanh, 6), sgd(1e38), "does not stay finite"),
}
MADE: dict[str, tuple[Callable[[], nn.Module], Optim]] = {
    "no closure": (lambda: plain_mlp(nn.Tanh, 6), sgd(0.1)),
    "four layers": (lambda: plain_mlp(nn.Tanh, 3), sgd(0.1)),
    "dense": (lambda: Rows(sparse=False), sgd(0.1)),
}


@pytest.mark.parametrize("name", NOT_MADE)
def test_what_is_not_made_says_why(name: str) -> None:
    model, make, why = NOT_MADE[name]
    run = checked(model(), make)
    told = " ".join(e.detail for e in run.events if e.kind == "causal_not_made")
    assert why in told
    assert told.endswith(".")
    assert causal_line(run).endswith(f"Causal test not made: {told}")
    assert "causal_rescue" not in figures(run)


@pytest.mark.parametrize("name", MADE)
def test_their_twins_are_made(name: str) -> None:
    model, make = MADE[name]
    assert set(figures(checked(model(), make))) == {"causal_freeze", "causal_rescue", "causal_rescued_fall"}


def test_weights_beside_the_network_are_never_touched() -> None:
    beside = nn.Parameter(torch.ones(()))
    run = checked(plain_mlp(nn.Tanh, 6), sgd(0.1), lambda m, b: entropy(m, b) * beside)
    assert "no part of the network" in reason(run)


def test_without_being_asked_for_nothing_is_tried() -> None:
    model = plain_mlp(nn.Tanh, 6)
    assert check_setup(gm.Setup(model, [classes()], entropy)).events == ()
    with pytest.raises(TypeError):
        gm.check(model, classes(), entropy, None, True)  # type: ignore[misc]  # by name alone
