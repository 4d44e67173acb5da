"""The causal tests of a running training: its loss is rebuilt, nothing of it changes, and errors stay inside."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from session_causal import WIDTH, Optim, checked, classes, entropy, figures, plain_mlp, reason, sgd
from session_diary import first_difference, kept
from session_loops import LOOPS
from torch import Tensor, nn

import gradiometer as gm
from gradiometer.diagnosis.causal import causal_line
from gradiometer.records import Run
from gradiometer.session import Options, live, start
from gradiometer.session import causal as arms
from gradiometer.session.causal import NotMadeError, Subject
from gradiometer.session.causal_run import Captures

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def nobody_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    left = live._current() if live._current is not None else None
    if left is not None:
        left.stop("crashed")


# ---- in a running training ------------------------------------------------------------------------------------------


def trained(
    model: nn.Module, make: Optim, loss: Callable[..., Tensor] = entropy, batch: object = None, steps: int = 12
) -> Run:
    """A watched training on one batch, with the causal tests."""
    batch = classes() if batch is None else batch
    optimizer = make(list(model.parameters()))
    session = start(Options(keep_file=False, every=1, causal=True))
    try:
        for _ in range(steps):
            optimizer.zero_grad()
            value = loss(model, batch)
            value.backward()
            optimizer.step()
    finally:
        run = session.stop("finished")
    assert run is not None
    assert session.warnings == []
    return run


def numbers(batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.one_hot(batch[1], 4).float()


LOSSES: dict[str, Callable[[nn.Module, tuple[Tensor, Tensor]], Tensor]] = {
    "cross_entropy": entropy,
    "module, summed": lambda m, b: nn.CrossEntropyLoss(reduction="sum")(m(b[0]), b[1]) / 1000,
    "smoothed": lambda m, b: F.cross_entropy(m(b[0]), b[1], label_smoothing=0.1),
    "nll": lambda m, b: F.nll_loss(F.log_softmax(m(b[0]), dim=1), b[1]),
    "mse": lambda m, b: F.mse_loss(m(b[0]), numbers(b)),
    "mse by hand": lambda m, b: 0.5 * ((m(b[0]) - numbers(b)) ** 2).sum(1).mean(),
    "l1": lambda m, b: F.l1_loss(m(b[0]), numbers(b)),
    "smooth_l1": lambda m, b: F.smooth_l1_loss(m(b[0]), numbers(b), beta=0.3),
    "huber": lambda m, b: F.huber_loss(m(b[0]), numbers(b), delta=0.3),
    "bce": lambda m, b: F.binary_cross_entropy(torch.sigmoid(m(b[0])), numbers(b)),
    "bce_logits": lambda m, b: F.binary_cross_entropy_with_logits(m(b[0]).reshape(-1), numbers(b).reshape(-1)),
    "picked": lambda m, b: -torch.softmax(m(b[0]), 1).log().gather(1, b[1][:, None]).mean(),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_running_training_says_what_a_check_says(name: str) -> None:
    """The check has the loss; the run has rebuilt it."""
    model = plain_mlp(nn.Tanh, 6, 1.0)
    expected = figures(checked(model, sgd(0.2), LOSSES[name]))
    found = figures(trained(model, sgd(0.2), LOSSES[name]))
    assert set(found) == {"causal_freeze", "causal_rescue", "causal_rescued_fall"}
    assert found == pytest.approx(expected, rel=1e-3)


def test_dropout_begins_with_the_numbers_of_the_script() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*(m for _ in range(5) for m in (nn.Linear(WIDTH, WIDTH), nn.Dropout(0.3), nn.Tanh())))
    loss = lambda m, b: F.cross_entropy(m(b[0]), b[1])  # noqa: E731
    assert "causal_freeze" in figures(trained(model, sgd(0.1), loss))


def wrong_target(m: nn.Module, b: tuple[Tensor, Tensor]) -> Tensor:
    target = numbers(b)
    value = F.mse_loss(m(b[0]), target)
    target.data.add_(0.1)  # behind autograd's back: what the node has saved is not what the loss was
    return value


class Scaled(nn.Module):
    """Reads a number outside of itself, which the training changes after each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.body = plain_mlp(nn.Tanh, 6, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        outside[0] *= 1.5
        return self.body(x) * outside[0]


class Shares(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = plain_mlp(nn.Tanh, 6, 1.0)

    def forward(self, x: Tensor) -> torch.distributions.Categorical:
        return torch.distributions.Categorical(logits=self.body(x))


outside = [1.0]
HARD: dict[str, tuple[Callable[[], nn.Module], Callable[..., Tensor], str]] = {
    "another target": (lambda: plain_mlp(nn.Tanh, 6, 1.0), wrong_target, "could not be rebuilt: it was"),
    "another output": (Scaled, entropy, "could not be rebuilt: it was"),
    "a penalty": (
        lambda: plain_mlp(nn.Tanh, 6, 1.0),
        lambda m, b: entropy(m, b) + 0.01 * m[0].weight.pow(2).sum(),
        "could not be rebuilt: a parameter",
    ),
    "an operation": (
        lambda: plain_mlp(nn.Tanh, 6, 1.0),
        lambda m, b: torch.cdist(m(b[0]), numbers(b)).mean(),
        "could not be rebuilt: `",
    ),
    "no tensor": (
        Shares,
        lambda m, b: -m(b[0]).log_prob(b[1]).mean(),
        "gives back a Categorical, and no tensor",
    ),
    "a first loss of inf": (
        lambda: plain_mlp(nn.Tanh, 6, 1.0),
        lambda m, b: entropy(m, b) * float("inf"),
        "The first loss is not finite",
    ),
    "a mixed format": (
        lambda: plain_mlp(nn.Tanh, 6, 1.0),
        lambda m, b: _mixed(m, b),
        "mixed precision",
    ),
}


def _mixed(m: nn.Module, b: tuple[Tensor, Tensor]) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = m(b[0])
    return F.cross_entropy(out.float(), b[1])


@pytest.mark.parametrize("name", HARD)
def test_a_loss_that_is_not_certain_is_refused(name: str) -> None:
    model, loss, why = HARD[name]
    assert why in reason(trained(model(), sgd(0.1), loss))


def test_two_losses_of_one_step_are_no_one_loss() -> None:
    model = plain_mlp(nn.Tanh, 6, 1.0)

    class Both:
        """Backward twice, through one graph."""

        def __init__(self, first: Tensor, second: Tensor) -> None:
            self.parts = first, second

        def backward(self) -> None:
            self.parts[0].backward(retain_graph=True)
            self.parts[1].backward()

    def loss(m: nn.Module, b: tuple[Tensor, Tensor]) -> Both:
        out = m(b[0])
        return Both(F.cross_entropy(out, b[1]), out.abs().mean())

    assert "More than one loss" in reason(trained(model, sgd(0.1), loss))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", LOOPS)
def test_a_training_is_bit_equal_with_causal_tests(name: str) -> None:
    plain = kept(LOOPS[name])
    session = start(Options(keep_file=False, causal=True))
    try:
        diary = kept(LOOPS[name])
    finally:
        states = torch.get_rng_state(), random.getstate(), repr(np.random.get_state())
        run = session.stop("finished")
    assert first_difference(plain, diary) == ""
    assert session.warnings == []
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), repr(np.random.get_state())) == states[1:]
    assert run is not None
    told = [e.kind for e in run.events if e.kind.startswith("causal")]
    assert told in (["causal_not_made"], ["causal_freeze", "causal_rescue", "causal_rescued_fall"])


@pytest.mark.parametrize("place", ["begins", "ends", "backward"])
def test_an_error_while_keeping_is_told_once(
    place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: object) -> None:
        torch.rand(3)
        raise RuntimeError("broken on purpose")

    plain = kept(LOOPS["mlp_dropout"])
    monkeypatch.setattr(Captures, place, broken)
    session = start(Options(keep_file=False, causal=True))
    try:
        diary = kept(LOOPS["mlp_dropout"])
    finally:
        run = session.stop("finished")
    assert first_difference(plain, diary) == ""
    assert capsys.readouterr().err.count("broken on purpose") == 1
    assert run is not None
    assert len(run.frames) >= 10
    assert [e.kind for e in run.events if e.kind.startswith("causal")] == ["causal_not_made"]


def test_an_error_in_an_arm_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(subject: Subject, layers: object) -> None:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(arms, "try_arms", broken)
    assert "ZeroDivisionError" in reason(trained(plain_mlp(nn.Tanh, 6), sgd(0.1)))


def test_a_network_that_cannot_be_copied() -> None:
    class Stubborn(nn.Sequential):
        def __deepcopy__(self, memo: object) -> None:
            raise TypeError("no copies")

    model = Stubborn(*plain_mlp(nn.Tanh, 6))
    assert "cannot be copied (TypeError: no copies)" in reason(trained(model, sgd(0.1)))


def test_the_longest_trunk_of_several_is_tried() -> None:
    small, large = plain_mlp(nn.Tanh, 4, 1.0), plain_mlp(nn.Tanh, 7, 1.0)
    both = [*small.parameters(), *large.parameters()]
    optimizer = torch.optim.SGD(both, lr=0.1)
    session = start(Options(keep_file=False, every=1, causal=True))
    for _ in range(12):
        for model in (small, large):
            entropy(model, classes()).backward()
        optimizer.step()
        optimizer.zero_grad()
    run = session.stop("finished")
    assert run is not None
    (model,) = {e.model for e in run.events if e.kind.startswith("causal")}
    assert len(run.network(model).params) == 16


def test_a_watch_tells_it_and_the_file_keeps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = plain_mlp(nn.Sigmoid, 12)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with gm.watch(model, optimizer, out=tmp_path / "run.gmr", causal=True) as watch:
        for _ in range(60):
            optimizer.zero_grad()
            entropy(model, classes()).backward()
            optimizer.step()
    run = watch.run()
    assert f"gradiometer: {causal_line(run)}" in capsys.readouterr().err
    kept_run = gm.open(tmp_path / "run.gmr")
    assert kept_run.events == run.events
    (finding,) = gm.diagnose(kept_run).findings
    assert "loss change when the early half is frozen" in [e.quantity for e in finding.evidence]
    assert finding == gm.diagnose(run).findings[0]


def test_the_reasons_are_exceptions_of_their_own() -> None:
    with pytest.raises(NotMadeError, match="several times"):
        arms.check_optimizer(torch.optim.LBFGS([nn.Parameter(torch.ones(1))]))
    arms.check_optimizer(torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1))
