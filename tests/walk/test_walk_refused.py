"""What explain() refuses, each in one clear sentence, and that it leaves everything as it was."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from walk_networks import chain, classified, images

from gradiometer.records import GradiometerError, ModelError, UserError
from gradiometer.session import Options
from gradiometer.session.live import Session
from gradiometer.walk.explain import explain


def data() -> tuple[Tensor, Tensor]:
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0])


class Shifting(nn.Module):
    """Its hidden width depends on how often it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 3)
        self.seen: list[int] = CALLS

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(1)
        hidden = self.first(x)
        return self.last(hidden if len(self.seen) % 2 else torch.cat([hidden, hidden]))[: len(x)]

    def __deepcopy__(self, memo: dict[int, Any]) -> Shifting:
        made = Shifting()
        made.load_state_dict(self.state_dict())
        return made


CALLS: list[int] = []


class Strange(torch.autograd.Function):
    """An operation of the user's own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return (x * w).sum()

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        return error * w, error * (x * torch.ones_like(w)).sum(0)


class Lawless(nn.Module):
    """Nothing in it has a law."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(6))

    def forward(self, x: Tensor) -> Tensor:
        return Strange.apply(x.detach(), self.w)


def mlp() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def frozen() -> nn.Module:
    return mlp().requires_grad_(False)


REFUSED = [
    (lambda: explain(mlp(), data(), lambda m, b: m(b[0])), ModelError, "not a scalar"),
    (lambda: explain(mlp(), data(), lambda m, b: 3.0), ModelError, "returned a float"),
    (
        lambda: explain(mlp(), data(), lambda m, b: m(b[0]).sum().detach()),
        ModelError,
        "does not depend on any",
    ),
    (lambda: explain(Shifting(), data(), classified), ModelError, "changes between two forward passes"),
    (
        lambda: explain(Lawless(), data(), lambda m, b: m(b[0])),
        ModelError,
        "None of the 1 operations of Lawless has",
    ),
    (lambda: explain(frozen(), data(), classified), ModelError, "No parameter of Sequential requires grad"),
    (lambda: explain("net", data(), classified), UserError, "got a str as model"),
    (lambda: explain(mlp(), data(), "loss"), UserError, "not callable"),
    (lambda: explain(mlp(), data(), classified, "adam"), UserError, "got a str as optimizer"),
    (lambda: with_optimizer(torch.optim.Adamax), UserError, "Adamax has no update written by hand"),
]


def with_optimizer(cls: type[torch.optim.Optimizer]) -> object:
    model = mlp()
    return explain(model, data(), classified, cls(model.parameters(), lr=0.1))  # type: ignore[call-arg]


@pytest.mark.parametrize(("act", "error", "told"), REFUSED)
def test_refused_in_one_sentence(act: Any, error: type[GradiometerError], told: str) -> None:
    CALLS.clear()
    with pytest.raises(error, match=re.escape(told)) as caught:
        act()
    assert "\n" not in str(caught.value)


def test_a_loss_that_runs_the_original_is_told() -> None:
    model = mlp()
    with pytest.raises(ModelError, match="used the original network"):
        explain(model, data(), lambda m, b: F.cross_entropy(model(b[0]), b[1]))


def test_nothing_is_changed() -> None:
    model, batch, loss = images()
    loss(model, batch).backward()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    optimizer.step()
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict(), [p.grad for p in model.parameters()]))
    kept = (batch[0].clone(), torch.get_rng_state(), torch.get_default_dtype(), model.training)
    explain(model, batch, loss, optimizer, focus="fc.weight[0,0]")
    after = (model.state_dict(), optimizer.state_dict(), [p.grad for p in model.parameters()])
    assert_same(before, after)
    assert torch.equal(kept[0], batch[0])
    assert torch.equal(kept[1], torch.get_rng_state())
    assert (kept[2], kept[3]) == (torch.get_default_dtype(), model.training)
    assert not batch[0].requires_grad
    assert not any(m._forward_hooks for m in model.modules())


def assert_same(before: Any, after: Any) -> None:
    if isinstance(before, Tensor):
        assert torch.equal(before, after)
    elif isinstance(before, dict):
        assert before.keys() == after.keys()
        for key in before:
            assert_same(before[key], after[key])
    elif isinstance(before, list | tuple):
        for a, b in zip(before, after, strict=True):
            assert_same(a, b)
    else:
        assert before == after


def test_a_watch_looks_away_meanwhile() -> None:
    model, batch, loss = chain(4)
    session = Session(Options(keep_file=False, every=1), say=lambda text: None)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    session.attach(discover=True)
    try:
        for _ in range(2):
            optimizer.zero_grad()
            explain(model, batch, loss)
            loss(model, batch).backward()
            optimizer.step()
    finally:
        run = session.stop("finished")
    assert run is not None
    assert [n.cls for n in run.networks] == ["Sequential"]
    assert run.problems == ()
    assert len(run.frames) == 2


def test_an_input_of_whole_numbers_is_said() -> None:
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 3))
    walk = explain(model, (torch.randint(0, 9, (5, 3)), torch.randint(0, 3, (5,))), classified)
    assert walk.notes == ("The walk ends at 0: its input holds no real numbers.",)
    assert walk.hops[-1].lower == "0"


class Single(nn.Module):
    """Insists on float32 inside."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype != torch.float32:
            raise RuntimeError("expected float32")
        return self.last(torch.tanh(self.first(x)))


def test_a_network_that_cannot_run_in_float64_is_walked_in_its_own_precision() -> None:
    walk = explain(Single(), data(), classified)
    assert walk.dtype == "float32"
    assert walk.gap < 1e-5
    assert len(walk.notes) == 1
    assert walk.notes[0].startswith("Calculated in the network's own precision: in float64 it raises RuntimeError")


class Mixed(nn.Module):
    """Calculates one part in float32 whatever it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        return self.last(h + torch.sigmoid(h.float()))


def test_errors_have_the_type_of_their_values() -> None:
    walk = explain(Mixed(), data(), classified)
    assert walk.dtype == "float64"
    assert walk.gap < 1e-6  # float32 in one branch, by hand and by autograd
    assert walk.focus is not None
    assert walk.focus.gap < 1e-6
