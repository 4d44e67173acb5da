"""explain wherever it is called: twice, inside a watch, in a thread, in another precision; and on odd trainings."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import torch
import torch.nn.functional as F
from foreign_networks import ARCHITECTURES, classified, rows
from foreign_styles import STYLES, mlp
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from walk_claims import check_forks, check_formulas, check_hops

import gradiometer as gm
from gradiometer.records import ModelError, Walk
from gradiometer.walk.explain import explain

Batch = tuple[Tensor, Tensor]


def made() -> tuple[nn.Module, Batch]:
    """A small classifier with a batch, always the same."""
    torch.manual_seed(0)
    model, batch, _ = rows(mlp(8, 16, 16, 5))
    return model, batch


def walked() -> Walk:
    model, batch = made()
    return explain(model, batch, classified)


def same(a: Walk, b: Walk) -> bool:
    """Bit for bit, nan included."""
    return msgspec.json.encode(a) == msgspec.json.encode(b)


@pytest.mark.parametrize("name", ["vit", "mobile", "vae", "bilstm", "penalised", "mixture"])
def test_twice_is_the_same(name: str) -> None:
    torch.manual_seed(0)
    model, batch, loss = {**ARCHITECTURES, **STYLES}[name]()
    torch.manual_seed(1)
    first = explain(model, batch, loss)
    torch.manual_seed(1)
    assert same(explain(model, batch, loss), first)
    other = explain(model, batch, lambda m, b: 2 * loss(m, b))
    assert not same(other, first)


def test_inside_a_watch_it_is_the_same_and_the_watch_sees_nothing_of_it(tmp_path: Any) -> None:
    runs = []
    for asked in (False, True):
        model, batch = made()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with gm.watch(model, optimizer, out=tmp_path / f"{asked}.gmr") as watch:
            for _ in range(3):
                optimizer.zero_grad()
                loss = classified(model, batch)
                if asked:
                    explain(model, batch, classified, optimizer)
                loss.backward()
                if asked:
                    explain(model, batch, classified, optimizer)
                optimizer.step()
        runs.append(watch.run())
    alone, beside = (run.of("err_norm") for run in runs)
    assert runs[0].frames and len(runs[0].frames) == len(runs[1].frames)
    assert torch.equal(torch.from_numpy(alone).nan_to_num(-1), torch.from_numpy(beside).nan_to_num(-1))
    model, batch = made()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    before = explain(model, batch, classified, optimizer)
    with gm.watch(model, optimizer, out=tmp_path / "again.gmr"):
        inside = explain(model, batch, classified, optimizer)
    assert same(before, inside)


def test_in_a_thread_it_is_the_same() -> None:
    found: list[Walk] = []
    thread = threading.Thread(target=lambda: found.append(walked()))
    thread.start()
    thread.join()
    assert same(found[0], walked())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_under_another_default_type_it_is_the_same(dtype: torch.dtype) -> None:
    model, batch = made()
    plain = explain(model, batch, classified)
    torch.set_default_dtype(dtype)
    try:
        assert same(explain(model, batch, classified), plain)
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(torch.float32)


def whole(walk: Walk) -> None:
    check_hops(walk)
    check_forks(walk)
    check_formulas(walk)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_model_of_another_precision(dtype: torch.dtype) -> None:
    model, (x, y) = made()
    walk = explain(model.to(dtype), (x.to(dtype), y), classified)
    whole(walk)
    assert walk.dtype == "float64"
    name = str(dtype).removeprefix("torch.")
    note = f"The training calculates in {name} in part, the walk in float64: gains differ by its rounding."
    assert walk.notes == ((note,) if dtype != torch.float64 else ())
    for hop in walk.hops:
        assert hop.gain_autograd == pytest.approx(hop.gain, rel=1e-2)


@pytest.mark.parametrize("name", ["mobile", "vit", "bilstm"])
def test_in_evaluation(name: str) -> None:
    torch.manual_seed(0)
    model, batch, loss = {**ARCHITECTURES, **STYLES}[name]()
    walk = explain(model.eval(), batch, loss)
    whole(walk)
    assert not any(m.training for m in model.modules())
    laws = {law.name for law in walk.laws}
    assert ("batch_norm_eval" in laws) == (name == "mobile")
    assert "batch_norm" not in laws


def test_a_batch_of_one() -> None:
    model, (x, y) = made()
    walk = explain(model, (x[:1], y[:1]), classified)
    whole(walk)
    assert walk.examples == 1


def test_dead_units_end_the_error_and_its_sizes_are_zero() -> None:
    model, batch = made()
    model[2].bias.data.fill_(-100.0)
    walk = explain(model, batch, classified)
    whole(walk)
    assert walk.errors[0] > 0
    assert walk.errors[1:] == (0.0, 0.0, 0.0)
    assert walk.hops[0].gain == 0.0
    assert all(math.isnan(hop.gain) for hop in walk.hops[1:])
    assert walk.focus is not None
    assert walk.focus.parameter == "4.bias"  # the only one that learns: what it adds to is dead


def test_a_loss_without_any_error_has_no_focused_weight() -> None:
    model, batch = made()
    walk = explain(model, batch, lambda m, b: 0 * m(b[0]).sum())
    whole(walk)
    assert set(walk.errors) == {0.0}
    assert walk.focus is None


def test_a_loss_that_is_no_number_is_walked_as_it_is() -> None:
    model, batch = made()
    walk = explain(model, batch, lambda m, b: classified(m, b) * math.nan)
    assert math.isnan(walk.loss)
    assert all(math.isnan(e) for e in walk.errors)
    assert all(math.isnan(hop.gain) and math.isnan(hop.gain_autograd) for hop in walk.hops)


def test_hooks_that_stand_on_a_model_run_in_its_copies_alone_and_change_no_number() -> None:
    model, batch = made()
    plain = explain(model, batch, classified)
    calls: list[str] = []
    model[0].register_forward_hook(lambda *given: calls.append("forward"))
    model[2].register_forward_pre_hook(lambda *given: calls.append("ahead"))
    model[2].register_full_backward_hook(lambda *given: calls.append("backward"))
    walk = explain(model, batch, classified)
    whole(walk)
    assert calls == ["forward", "ahead", "backward"] * 2  # the measured pass and the walked one
    assert walk.by_law == walk.operations
    assert walk.errors == pytest.approx(plain.errors, rel=1e-12)
    assert walk.stations == plain.stations


def test_hooks_that_change_a_value_are_walked() -> None:
    model, batch = made()
    model[2].register_forward_hook(lambda module, given, out: 2 * out)
    walk = explain(model, batch, classified)
    whole(walk)
    assert any(f.law == "scale" and f.factor == pytest.approx(2) for f in walk.hops[0].factors)


def test_many_layers() -> None:
    torch.manual_seed(0)
    layers = [layer for _ in range(80) for layer in (nn.Linear(8, 8), nn.ReLU())]
    for layer in layers[::2]:
        nn.init.orthogonal_(layer.weight, math.sqrt(2))
    model, batch, loss = rows(nn.Sequential(*layers, nn.Linear(8, 5)))
    walk = explain(model, batch, loss)
    whole(walk)
    assert len(walk.hops) == 81


class Through(nn.Module):
    """Two layers, something between."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.between = between
        self.fc1, self.fc2 = nn.Linear(8, 16), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.between(self.fc1(x)))


def reversed_error(h: Tensor) -> Tensor:
    """The same values; the error turns round."""
    h = h * 1
    h.register_hook(lambda error: -error)
    return h


def softened() -> nn.Module:
    """A module whose hook makes the error that leaves it ten times smaller."""
    model, _ = made()
    model[2].register_full_backward_hook(lambda module, leaving, arriving: (leaving[0] / 10,))
    return model


@pytest.mark.parametrize("build", [lambda: Through(reversed_error), softened])
def test_hooks_that_change_an_error_are_told(build: Callable[[], nn.Module]) -> None:
    _, batch = made()
    try:
        walk = explain(build(), batch, classified)
    except ModelError:
        return
    assert walk.notes or walk.gap < 1e-10


def test_sparse_gradients() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Embedding(20, 8, sparse=True), nn.Flatten(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 5)
    )
    walk = explain(model, (torch.randint(0, 20, (6, 4)), torch.randint(0, 5, (6,))), classified)
    whole(walk)


def backward_too(model: nn.Module, batch: Batch) -> Tensor:
    loss = classified(model, batch)
    loss.backward(retain_graph=True)
    return loss


def backward_for_good(model: nn.Module, batch: Batch) -> Tensor:
    loss = classified(model, batch)
    loss.backward()
    return loss


@pytest.mark.parametrize("loss", [backward_too, backward_for_good])
def test_a_loss_that_goes_back_by_itself(loss: Callable[[nn.Module, Batch], Tensor]) -> None:
    model, batch = made()
    try:
        walk = explain(model, batch, loss)
    except ModelError as error:
        assert "backward" in str(error)
        return
    whole(walk)


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning")
@pytest.mark.parametrize(
    "build",
    [
        lambda: torch.jit.trace(made()[0], made()[1][0]),
        lambda: nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(5)),
    ],
)
def test_modules_that_cannot_be_walked_are_told_in_one_sentence(build: Callable[[], nn.Module]) -> None:
    with pytest.raises(ModelError):
        explain(build(), made()[1], classified)


def reentrant(h: Tensor) -> Tensor:
    """Calculated again in the backward pass."""
    out: Tensor = checkpoint(torch.tanh, h, use_reentrant=True)
    return out


class Mixed(torch.autograd.Function):
    """a x + b y, with the numbers among the tensors."""

    @staticmethod
    def forward(ctx: Any, a: float, x: Tensor, b: float, y: Tensor) -> Tensor:
        ctx.a, ctx.b = a, b
        return a * x + b * y

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor | None, ...]:
        return None, ctx.a * errors[0], None, ctx.b * errors[0]


@pytest.mark.parametrize("between", [reentrant, lambda h: Mixed.apply(0.5, h, 2.0, h * h)])
def test_functions_with_arguments_that_are_no_tensors(between: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    _, batch = made()
    walk = explain(Through(between), batch, classified)
    whole(walk)
    assert len(walk.without_law) == 1
    assert walk.stations == ("fc2", "fc1", "input")


BATCHES: dict[str, tuple[Any, Callable[[nn.Module, Any], Tensor]]] = {
    "nested": (
        {"a": [{"x": made()[1][0], "name": "z", 3: None}], "y": made()[1][1]},
        lambda m, b: F.cross_entropy(m(b["a"][0]["x"]), b["y"]),
    ),
    "numpy": (
        tuple(t.numpy() for t in made()[1]),
        lambda m, b: F.cross_entropy(m(torch.from_numpy(b[0])), torch.from_numpy(b[1])),
    ),
    "none": (None, lambda m, b: m(torch.ones(3, 8)).square().mean()),
    "that wants a gradient": ((made()[1][0].clone().requires_grad_(), made()[1][1]), classified),
}


@pytest.mark.parametrize("name", BATCHES)
def test_batches_of_any_form(name: str) -> None:
    batch, loss = BATCHES[name]
    walk = explain(made()[0], batch, loss)
    assert walk.stations[:3] == ("4", "2", "0")
    assert (walk.stations[-1] == "input") == (name in {"nested", "that wants a gradient"})
    assert any("own precision" in note for note in walk.notes) == (name == "numpy")
    assert walk.gap < 1e-6
