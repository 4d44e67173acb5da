"""What goes into a model is described once: its scale, its columns, how alike its examples are."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from measurement_nets import recorded
from torch import Tensor, nn

import gradiometer as gm
from gradiometer.records import InputSeen, LossSeen, Network, Run

pytestmark = pytest.mark.torch

nan = pytest.approx(math.nan, nan_ok=True)


def run_on(x: Tensor, model: nn.Module | None = None) -> Run:
    torch.manual_seed(0)
    model = model or nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    model(x.float())
    return recorded(model, lambda _: model(x).pow(2).mean().backward())


def seen_of(x: Tensor, model: nn.Module | None = None) -> InputSeen:
    (seen,) = run_on(x, model).network().inputs
    return seen


COLUMNS = torch.stack([torch.linspace(-1, 1, 32), torch.linspace(900, 1100, 32), torch.full((32,), 5.0)], 1)


def test_scale_and_columns() -> None:
    seen = seen_of(COLUMNS)
    assert (seen.name, seen.shape, seen.dtype, seen.finite) == ("input", (32, 3), "float32", 1)
    assert (seen.min, seen.max) == (-1, 1100)
    assert seen.mean == pytest.approx(float(COLUMNS.mean()), rel=1e-6)
    assert seen.std == pytest.approx(float(COLUMNS.double().std(correction=0)), rel=1e-6)
    assert seen.rms == pytest.approx(float(COLUMNS.double().pow(2).mean().sqrt()), rel=1e-6)
    assert (seen.column_std_min, seen.column_mean_max) == (0, pytest.approx(1000))
    assert seen.column_std_max == pytest.approx(float(COLUMNS[:, 1].std(correction=0)), rel=1e-5)
    turned = seen_of(COLUMNS.T)
    assert turned.column_std_min > 400
    assert (turned.mean, turned.whole) == (pytest.approx(seen.mean), False)


def test_channels_are_the_columns_of_images() -> None:
    images = torch.zeros(6, 2, 3, 3)
    images[:, 1] = torch.linspace(0, 255, 54).round().view(6, 3, 3)
    seen = seen_of(images)
    assert (seen.column_std_min, seen.whole) == (0, True)
    assert seen.column_mean_max == pytest.approx(float(images[:, 1].mean()))
    assert seen_of(images.transpose(1, 2)).column_std_min > 0


def cosine(x: Tensor) -> float:
    """Mean over pairs, plainly."""
    rows = x.flatten(1).double()
    pairs = [(a, b) for a in range(len(rows)) for b in range(len(rows)) if a != b]
    return sum(float(torch.cosine_similarity(rows[a], rows[b], 0)) for a, b in pairs) / len(pairs)


@pytest.mark.parametrize("shift", [0.0, 0.5, 20.0])
def test_similarity_is_the_mean_cosine_of_pairs(shift: float) -> None:
    x = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(1)) + shift
    assert seen_of(x).similarity == pytest.approx(cosine(x), abs=1e-9)


def test_binary_and_one_hot() -> None:
    hot = torch.eye(5)[torch.arange(20) % 5]
    seen = seen_of(hot)
    assert (seen.binary, seen.one_hot, seen.whole) == (1, 1, True)
    seen = seen_of((torch.arange(60).view(20, 3) % 2).float())
    assert (seen.binary, seen.one_hot) == (1, 0.5)
    seen = seen_of(hot / 2)
    assert (seen.binary, seen.one_hot) == (0.8, 0)


@pytest.mark.parametrize("tokens", [torch.arange(12).view(3, 4), torch.arange(12, dtype=torch.int32).view(3, 4)])
def test_of_integers_only_the_range_is_known(tokens: Tensor) -> None:
    model = nn.Sequential(nn.Embedding(12, 2), nn.Flatten(), nn.Linear(8, 1))
    (seen,) = recorded(model, lambda _: model(tokens).mean().backward()).network().inputs
    dtype = str(tokens.dtype).removeprefix("torch.")
    assert (seen.shape, seen.dtype, seen.min, seen.max, seen.whole) == ((3, 4), dtype, 0, 11, True)
    assert [seen.mean, seen.std, seen.similarity] == [nan, nan, nan]


def test_numbers_that_are_not_finite() -> None:
    x = COLUMNS.clone()
    x[0] = torch.tensor([math.nan, math.inf, 1.0])
    seen = seen_of(x)
    assert seen.finite == pytest.approx(1 - 2 / 96)
    assert (seen.min, seen.max) == (pytest.approx(-1, abs=0.1), 1100)
    assert seen_of(x * math.nan).finite == 0


class Two(nn.Module):
    """Takes a tensor by position, and another one and a list by name."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 1)
        self.outer = nn.Linear(2, 1)

    def forward(self, left: Tensor, *, right: Tensor, more: tuple[Tensor, ...] = ()) -> Tensor:
        return self.inner(left) + self.outer(right) + sum(m.mean() for m in more)


def test_every_tensor_is_named_as_forward_names_it() -> None:
    model = Two()
    right, extra = torch.ones(32, 2), torch.full((4,), 7.0)
    run = recorded(model, lambda _: model(COLUMNS, right=right, more=(extra,)).mean().backward())
    seen = run.network().inputs
    assert [(s.model, s.name, s.shape) for s in seen] == [
        ("two", "left", (32, 3)),
        ("two", "right", (32, 2)),
        ("two", "more", (4,)),
    ]
    assert [s.max for s in seen] == [1100, 1, 7]
    assert [seen[2].similarity, seen[2].column_std_min] == [nan, nan]


def test_a_pass_that_is_not_trained_on_is_not_told() -> None:
    """A model is often called once with zeros to learn its shapes."""
    model = nn.Linear(3, 1)

    def step(_: int) -> None:
        model(torch.zeros(1, 3))
        model(COLUMNS).mean().backward()

    (seen,) = recorded(model, step).network().inputs
    assert (seen.shape, seen.max) == ((32, 3), 1100)


def test_the_first_trained_pass_stands() -> None:
    model = nn.Linear(3, 1)
    (seen,) = recorded(model, lambda i: model(COLUMNS * (i + 1)).mean().backward(), steps=3).network().inputs
    assert seen.max == 1100


class Parts(nn.Module):
    """Never called as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
        self.decoder = nn.Linear(2, 3)


def test_a_root_that_is_never_called(tmp_path: Path) -> None:
    model = Parts()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with gm.watch(model, optimizer, out=tmp_path / "run.gmr") as handle:
        model.decoder(model.encoder(COLUMNS)).mean().backward()
        optimizer.step()
    (seen,) = handle.run().network().inputs
    assert (seen.name, seen.shape, seen.max) == ("encoder.0.input", (32, 3), 1100)


def test_large_inputs_are_sampled_and_their_ends_are_not() -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(500, 4, 10, 10, generator=generator)
    x[3, 1, 2, 2] = 1e4
    seen = seen_of(x)
    assert seen.max == 1e4
    usual = torch.randn(500, 4, 10, 10, generator=generator)
    assert seen_of(usual).std == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("make", [lambda: COLUMNS.to(torch.bfloat16), lambda: COLUMNS.double()])
def test_other_formats(make: Callable[[], Tensor]) -> None:
    x = make()
    model = nn.Linear(3, 1, dtype=x.dtype)
    (seen,) = recorded(model, lambda _: model(x).mean().backward()).network().inputs
    assert (seen.dtype, seen.max) == (str(x.dtype).removeprefix("torch."), float(x.max()))


def test_inputs_and_losses_go_through_the_file_and_old_ones_are_read(tmp_path: Path) -> None:
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with gm.watch(model, optimizer, out=tmp_path / "run.gmr") as handle:
        ((model(COLUMNS / 1000) - 2) ** 2).mean().backward()
        optimizer.step()
    kept, read = handle.run(), gm.open(tmp_path / "run.gmr")
    assert read.network().inputs == kept.network().inputs
    assert len(kept.network().inputs) == 1
    assert repr(read.losses) == repr(kept.losses)
    assert read.losses[0].prediction_shape == (32, 1)
    old = msgspec.convert({"model": "net", "kind": "mse", "trivial": 1.0}, LossSeen)
    assert (old.terms, old.prediction_shape) == (0, ())
    assert msgspec.convert({"name": "net", "cls": "Net"}, Network).inputs == ()
