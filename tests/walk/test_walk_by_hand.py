"""Trainings by hand beside autograd and torch.optim, in float64: the same losses, and no autograd anywhere."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from law_checks import exaggerated
from torch import Tensor, nn
from torch.nn import functional as F

from gradiometer import lab
from gradiometer.lab import Recipe, Training
from gradiometer.lab.batches import Batches
from gradiometer.lab.menu_networks import ACTIVATIONS, INITS, NETWORKS, NORMS
from gradiometer.lab.networks.base import Outputs
from gradiometer.records import GradiometerError, UserError
from gradiometer.walk import by_hand
from gradiometer.walk.by_hand import HandTraining, first_step_gap, in_float64, prepare_by_hand, train_by_hand
from gradiometer.walk.calls import CALLS
from gradiometer.walk.calls.calling import Called
from gradiometer.walk.laws.law import Law
from gradiometer.walk.tape import Tape

SAME = 1e-10  # relative, of every loss of 100 steps; roundings of 1e-16 grow on the way
FIRST = 1e-14
STEPS = 100

OPTIMIZERS: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, foreach=False),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, foreach=False),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True, foreach=False),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3, foreach=False),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.01, foreach=False),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-3, foreach=False),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01, foreach=False),
}
"""torch's own, one tensor at a time, with the settings that the lab's names stand for."""


def small(**choices: Any) -> Recipe:
    """Small enough for a hundred steps in a moment."""
    settings: dict[str, Any] = {"depth": 2, "width": 8, "batch": 8, "steps": STEPS, "init": "xavier", "task": "digits"}
    return Recipe(**settings | choices)


def losses_by_hand(hand: HandTraining) -> list[float]:
    losses: list[float] = []
    train_by_hand(hand, lambda step: losses.append(step.loss))
    return losses


def losses_by_autograd(recipe: Recipe, changed: Callable[[nn.Module], None] = lambda network: None) -> list[float]:
    """A plain loop, written apart: lab's weights and batches, autograd, torch.optim."""
    training = lab.prepare(recipe)
    network, task = training.network.double().train(), training.task
    changed(network)
    optimizer = OPTIMIZERS[recipe.optimizer](list(network.parameters()))
    batches, losses = Batches(recipe.seed, len(task.train), recipe.batch), []
    for step in range(recipe.steps):
        rows = batches.rows(step)
        outputs = network(task.read(task.train.inputs[rows], training.form).double())
        targets = task.train.targets[rows]
        heads = (outputs.main, *outputs.auxiliary) if isinstance(outputs, Outputs) else (outputs,)
        each = [
            F.cross_entropy(y, targets) if task.goal == "classification" else F.mse_loss(y, targets.double())
            for y in heads
        ]
        loss = each[0] + 0.3 * sum(each[1:]) if len(each) > 1 else each[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def apart(mine: list[float], true: list[float]) -> float:
    """Largest relative difference of two rows of losses, both finite and moving."""
    assert len(mine) == len(true)
    assert all(map(math.isfinite, true))
    assert len(set(true)) > len(true) // 2
    return max(abs(a - b) / abs(b) for a, b in zip(mine, true, strict=True))


# ---- the same losses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_optimizer_gives_the_losses_of_torch_optim(optimizer: str) -> None:
    recipe = small(optimizer=optimizer, activation="tanh", norm="layer")
    mine = losses_by_hand(prepare_by_hand(recipe))
    assert apart(mine, losses_by_autograd(recipe)) < SAME


def test_another_optimizer_does_not() -> None:
    mine = losses_by_hand(prepare_by_hand(small(optimizer="adam", activation="tanh")))
    assert apart(mine, losses_by_autograd(small(optimizer="adamw", activation="tanh"))) > SAME


@pytest.mark.parametrize(
    "choices",
    [
        {"network": "plain"},
        {"network": "plain", "norm": "batch", "activation": "sigmoid"},
        {"network": "plain", "task": "article", "norm": "rms", "lr": 0.01},
        {"network": "cnn", "norm": "batch", "task": "mnist1d", "width": 4},
        {"network": "separable", "norm": "batch", "task": "mnist1d", "width": 4},
        {"network": "residual", "activation": "gelu"},
        {"network": "preact", "norm": "layer"},
        {"network": "highway", "activation": "prelu"},
        {"network": "dense"},
        {"network": "cross-v1", "init": "torch"},
        {"network": "cross-v2", "init": "torch"},
        {"network": "rnn", "activation": "tanh"},
        {"network": "gru"},
        {"network": "lstm"},
        {"network": "transformer-pre"},
        {"network": "auxiliary", "depth": 4},
        {"network": "rezero", "activation": "silu"},
    ],
    ids=lambda c: "-".join(map(str, c.values())),
)
def test_each_network_gives_the_losses_of_autograd(choices: dict[str, Any]) -> None:
    recipe = small(optimizer="momentum", **choices)
    assert recipe.lr in (None, 0.01)  # the oracle has momentum's own rate
    hand = prepare_by_hand(recipe)
    mine = losses_by_hand(hand)
    assert apart(mine, losses_by_autograd(recipe)) < SAME
    assert first_step_gap(hand) < FIRST


def convolutional(network: nn.Module) -> None:
    """Pools and dropout among the blocks; the lab's own networks have none."""
    first, second = network.blocks  # type: ignore[union-attr,misc]
    first.append(nn.MaxPool2d(3, stride=1, padding=1))
    first.append(nn.Dropout(0.3))
    second.append(nn.AvgPool2d(3, stride=1, padding=1))


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_pools_and_dropout_give_the_losses_of_the_labs_own_loop(norm: str) -> None:
    recipe = small(network="cnn", norm=norm, width=4, steps=40, optimizer="adam")
    hand = prepare_by_hand(recipe)
    convolutional(hand.training.network)
    true: list[float] = []
    plain = in_float64(lab.prepare(recipe))
    convolutional(plain.network)
    lab.train(plain, lambda step: true.append(step.loss))
    mine = losses_by_hand(hand)
    assert apart(mine, true) < SAME
    plain.network.eval()
    hand.training.network.eval()
    x = plain.task.read(plain.task.test.inputs[:5], plain.form)
    assert torch.allclose(hand.training.network(x), plain.network(x), rtol=1e-9)  # running statistics too
    assert hand.training.network.training is False


def test_a_wrong_law_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    read = CALLS["aten::relu"]

    def wrong(args: Any, kwargs: Any) -> Called:
        called = read(args, kwargs)
        (law,) = exaggerated(called.law)
        return dataclasses.replace(called, law=law)

    recipe = small()
    monkeypatch.setitem(CALLS, "aten::relu", wrong)
    hand = prepare_by_hand(recipe)
    assert apart(losses_by_hand(hand), losses_by_autograd(recipe)) > 1e3 * SAME
    assert first_step_gap(hand) > 1e-5


# ---- everything that the lab has -----------------------------------------------------------------------------------


def trained_or_refused(recipe: Recipe) -> None:
    try:
        hand = prepare_by_hand(recipe)
        mine = losses_by_hand(hand)
    except GradiometerError as refused:
        assert "\n" not in str(refused)
        assert any(getattr(recipe, kind) in str(refused) for kind in ("network", "activation", "norm", "init"))
        return
    true: list[float] = []
    lab.train(in_float64(lab.prepare(recipe)), lambda step: true.append(step.loss))
    assert len(mine) == recipe.steps
    assert apart(mine, true) < SAME
    assert first_step_gap(hand) < FIRST
    assert sum(hand.laws.values()) >= len(hand.laws) > 2


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_of_the_lab_trains(network: str) -> None:
    choices = {"activation": "tanh"} if network == "rnn" else {}
    trained_or_refused(small(network=network, steps=3, **choices))
    assert prepare_by_hand(small(network=network, **choices))  # and none of them is refused


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_of_the_lab_trains(activation: str) -> None:
    trained_or_refused(small(activation=activation, steps=3, optimizer="adam"))


@pytest.mark.parametrize(("network", "norm"), [(n, m) for n in ("cnn", "preact", "transformer-post") for m in NORMS])
def test_every_norm_trains_or_is_refused(network: str, norm: str) -> None:
    trained_or_refused(small(network=network, norm=norm, steps=2))


@pytest.mark.parametrize("init", INITS)
def test_every_initialisation_trains(init: str) -> None:
    trained_or_refused(small(init=init, steps=2, depth=1))


@pytest.mark.parametrize("task", ["article", "xor", "circles", "adding"])
def test_tasks_train_in_float64(task: str) -> None:
    network = "lstm" if task == "adding" else "plain"
    trained_or_refused(small(task=task, network=network, length=5 if task == "adding" else 0, steps=2))


def test_a_text_is_read_as_float64(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("the quick brown fox jumps over the lazy dog. " * 20)
    trained_or_refused(small(task="text", data=str(path), network="gru", length=6, steps=2))


def test_the_weights_begin_as_those_of_the_lab() -> None:
    recipe = small(norm="batch")
    hand = prepare_by_hand(recipe)
    true = lab.prepare(recipe).network.state_dict()
    for name, t in hand.training.network.state_dict().items():
        assert torch.equal(t.to(true[name].dtype), true[name])
    assert {p.dtype for p in hand.training.network.parameters()} == {torch.float64}
    score = lab.score(hand.training.network, hand.training.task, "test", hand.training.form)
    assert score.loss > 0


# ---- stopping, and what is refused ---------------------------------------------------------------------------------


def test_a_training_that_was_stopped_goes_on() -> None:
    recipe = small(steps=12, optimizer="adam", norm="batch")
    losses: list[float] = []

    def stops(step: lab.StepSeen) -> None:
        losses.append(step.loss)
        if step.step == 5:
            raise KeyboardInterrupt

    hand = prepare_by_hand(recipe)
    with pytest.raises(KeyboardInterrupt):
        train_by_hand(hand, stops)
    assert hand.training.step == 5
    train_by_hand(hand, stops)
    assert losses == losses_by_hand(prepare_by_hand(recipe))
    assert hand.training.diverged_at is None


def test_a_loss_that_is_not_finite_ends_nothing() -> None:
    hand = prepare_by_hand(small(task="article", lr=1e200, steps=8))
    losses = losses_by_hand(hand)
    at = hand.training.diverged_at
    assert at is not None
    assert len(losses) == 8
    assert [math.isfinite(v) for v in losses[:at]] == [True] * (at - 1) + [False]


@pytest.mark.parametrize("optimizer", ["muon", "lbfgs", "adadelta"])
def test_an_optimizer_without_an_update_by_hand_is_refused(optimizer: str) -> None:
    with pytest.raises(UserError, match=r"has no update written by hand\. Written by hand: "):
        prepare_by_hand(small(optimizer=optimizer))


def test_a_teacher_and_a_pretraining_have_no_place() -> None:
    with pytest.raises(UserError, match="A teacher has no place in a training by hand"):
        prepare_by_hand(small(teacher="other.safetensors"))
    with pytest.raises(UserError, match="A pre-training has no place"):
        prepare_by_hand(small(pretrain="greedy"))


def test_there_is_no_gap_before_the_first_step() -> None:
    with pytest.raises(UserError, match="There is no first step to check yet"):
        first_step_gap(prepare_by_hand(small()))


# ---- no autograd anywhere ------------------------------------------------------------------------------------------


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """autograd's engine raises, however it is asked."""

    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError("autograd was asked")

    for name in ("_engine_run_backward", "backward", "grad"):
        assert hasattr(torch.autograd, name)
        monkeypatch.setattr(torch.autograd, name, forbidden)
    monkeypatch.setattr(torch.autograd.graph, "_engine_run_backward", forbidden)
    monkeypatch.setattr(Tensor, "backward", forbidden)


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize("network", ["plain", "cnn", "gru", "lstm", "transformer-pre"])
def test_no_step_asks_autograd(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []

    class Watched(Tape):
        def errors(self, loss: Tensor) -> dict[Tensor, Tensor]:
            errors = super().errors(loss)
            made = [t for entry in self.entries for t in entry.outputs if t is not None]
            seen.extend([loss, *made, *errors.values()])
            return errors

    monkeypatch.setattr(by_hand, "Tape", Watched)
    hand = prepare_by_hand(small(network=network, steps=2, optimizer="adam"))
    losses_by_hand(hand)
    assert len(seen) > 20
    assert not any(t.requires_grad or t.grad_fn is not None for t in seen)
    assert all(p.grad is None and p.requires_grad for p in hand.training.network.parameters())


@pytest.mark.usefixtures("no_engine")
def test_the_labs_own_loop_does() -> None:
    with pytest.raises(AssertionError, match="autograd was asked"):
        lab.train(lab.prepare(small(steps=1)))


def test_the_laws_of_a_step_are_counted_loss_first() -> None:
    hand = prepare_by_hand(small(steps=1))
    losses_by_hand(hand)
    counts: dict[Law, int] = dict(hand.laws)
    assert {law.name: n for law, n in counts.items()} == {
        "nll_loss": 1,
        "log_softmax": 1,
        "addmm": 3,
        "permute": 3,
        "relu": 2,
    }
    assert next(iter(counts)).role == "loss"


def test_training_is_a_lab_training() -> None:
    assert isinstance(prepare_by_hand(small()).training, Training)
