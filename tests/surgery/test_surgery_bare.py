"""Weights that lie in no layer are drawn as those of layers are: against a twin that is made of layers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from surgery_checks import check_undo
from surgery_outputs import patched
from torch import Tensor, nn

from gradiometer.records import ModelError, Prescription
from gradiometer.surgery import apply

SIZES = (12, 16, 16, 16, 10)
READ: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "linear": lambda x, w, b: F.linear(x, w, b),
    "turned": lambda x, w, b: x @ w + b,
    "transposed": lambda x, w, b: b + torch.matmul(x, w.t()),
    "T": lambda x, w, b: torch.add(x.mm(w.T), b),
    "addmm": lambda x, w, b: torch.addmm(b, x, w),
}
TURNED = ("turned", "addmm")


class Layers(nn.Module):
    """Tanh layers of torch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(SIZES)).double()

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))
        return self.layers[-1](x)


class Bare(nn.Module):
    """The same without layers."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, turned = way, way in TURNED
        layers = Layers().layers
        self.w = nn.ParameterList((x.weight.t() if turned else x.weight).detach().clone() for x in layers)
        self.b = nn.ParameterList(x.bias.detach().clone() for x in layers)

    def forward(self, x: Tensor) -> Tensor:
        for w, b in zip(self.w[:-1], self.b[:-1], strict=True):
            x = torch.tanh(READ[self.way](x, w, b))
        return READ[self.way](x, self.w[-1], self.b[-1])


def inputs() -> Tensor:
    return 3.0 * torch.randn(32, SIZES[0], generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("way", READ)
@pytest.mark.parametrize("cure", ["critical", "lsuv", "orthogonal", "he", "xavier", "relu", "tailored"])
def test_they_are_drawn_as_those_of_layers(way: str, cure: str) -> None:
    model, twin, x = Bare(way), Layers(), inputs()
    prescription = Prescription(cure)
    receipt = apply(model, prescription, batch=x)
    apply(twin, prescription, batch=x)
    assert torch.allclose(model(x), twin(x), rtol=1e-9)
    for w, b, layer in zip(model.w, model.b, twin.layers, strict=True):
        faced = w.t() if way in TURNED else w
        assert torch.allclose(faced, layer.weight, rtol=1e-9) and torch.allclose(b, layer.bias, rtol=1e-9)
    assert not torch.equal(model.w[1], Bare(way).w[1])
    assert any(change.site == "w.1" and change.what == "std" for change in receipt.changes)
    assert torch.equal(patched(receipt, Bare(way))(x), model(x))


def test_undo_brings_them_back() -> None:
    check_undo(lambda: Bare("turned"), Prescription("critical"), inputs())


class Convolved(nn.Module):
    """Grouped convolutions, by layers and by their weights alone."""

    def __init__(self, bare: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        first, second = nn.Conv1d(4, 8, 3, stride=2), nn.Conv1d(8, 8, 3, groups=2, bias=False)
        if bare:
            self.one, self.bias, self.two = first.weight, first.bias, second.weight
        else:
            self.first, self.second = first, second

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "first"):
            return self.second(F.relu(self.first(x))).mean(2)
        hidden = F.relu(F.conv1d(x, self.one, self.bias, stride=2))
        return F.conv1d(input=hidden, weight=self.two, groups=2).mean(2)


@pytest.mark.parametrize("cure", ["critical", "xavier", "lsuv", "orthogonal", "true-fan"])
def test_convolutions_have_their_true_fans(cure: str) -> None:
    model, twin = Convolved(True), Convolved(False)
    x = torch.randn(16, 4, 20, generator=torch.Generator().manual_seed(1))
    apply(model, Prescription(cure), batch=x)
    apply(twin, Prescription(cure), batch=x)
    assert torch.equal(model(x), twin(x)) and not torch.equal(model(x), Convolved(True)(x))


class Other(nn.Module):
    """Weights that are no layer's: of an embedding, of a loop over time, before the signal, changed before."""

    def __init__(self, way: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.w = nn.Embedding(6, 6), nn.Parameter(torch.randn(6, 6))
        self.v, self.tied, self.way = nn.Parameter(torch.randn(6, 6)), self.table.weight, way

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.way(self, x)
        return out


@pytest.mark.parametrize(
    "way",
    [
        lambda m, x: F.linear(x, m.table.weight),
        lambda m, x: torch.tanh(torch.tanh(x @ m.w) @ m.w),
        lambda m, x: m.w @ x.t(),
        lambda m, x: x @ (m.w * 2),
        lambda m, x: x @ (m.w @ m.v),
        lambda m, x: x @ m.w.view(6, 6),
        lambda m, x: x @ m.tied,
        lambda m, x: x * m.w[0],
        lambda m, x: x @ m.w.detach(),
    ],
)
def test_what_is_no_weight_of_a_layer_is_left(way: Any) -> None:
    with pytest.raises(ModelError):
        apply(Other(way), Prescription("orthogonal"), batch=torch.randn(4, 6))


def test_a_frozen_weight_stays() -> None:
    model = Bare("linear")
    model.w[1].requires_grad_(False)
    before = model.w[1].clone()
    apply(model, Prescription("he"), batch=inputs())
    assert torch.equal(model.w[1], before) and not torch.equal(model.w[2], Bare("linear").w[2])
