"""What follows each layer of weights and what it reads, in networks that mix modules and functions."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from surgery_state import whole
from torch import Tensor, nn

from gradiometer.records import Prescription
from gradiometer.surgery import Batch, Patient
from gradiometer.surgery.layers import true_fans
from gradiometer.surgery.tracing import GATE, OUTPUT, WEIGHTS, Trace, traced


class Mixed(nn.Module):
    """A residual CNN: module and functional activations, pooling, norms, a product, attention-like arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.act = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        self.depth, self.point = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 8, 1)
        self.gate, self.value = nn.Linear(8, 8), nn.Linear(8, 8)
        self.key, self.out = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.stem(x)))
        x = x + 0.1 * F.leaky_relu(self.point(self.depth(x)), 0.2)
        x = F.max_pool2d(x, 2).flatten(2).mT.mean(1)
        x = x + self.value(x).tanh() * torch.sigmoid(self.gate(x))
        scores = torch.softmax(self.key(x) @ x.T, dim=-1)
        return self.out(scores @ x).clamp(min=0)


@pytest.fixture
def trace() -> Trace:
    torch.manual_seed(0)
    model = Mixed()
    before = whole(model)
    out = traced(model, Batch((torch.randn(4, 3, 8, 8),)))
    assert whole(model) == before
    return out


def test_what_follows_is_found_through_norms_pools_and_sums(trace: Trace) -> None:
    assert trace.follows["stem"] == {"act"}
    assert trace.normed == {"stem"}
    assert trace.follows["depth"] == {WEIGHTS}
    assert trace.follows["point"] == {":0"}
    assert trace.activations[":0"].kind == "leaky_relu"
    assert trace.activations[":0"].args == {"negative_slope": 0.2}
    assert trace.activations[":0"].feeds >= {"gate", "value", "key"}
    assert trace.activations["act"].feeds >= {"depth", "gate", "value", "key"}


def test_what_is_read(trace: Trace) -> None:
    assert trace.reads["stem"] == {("input", "")}
    assert trace.reads["depth"] == {("act", "act")}
    assert trace.reads["point"] == {("layer", "depth")}
    assert trace.power["stem"] == pytest.approx(1.0, abs=0.15)


def test_what_is_not_known_is_not_guessed(trace: Trace) -> None:
    gates = {key for key, act in trace.activations.items() if GATE in act.feeds}
    assert {trace.activations[key].kind for key in gates} == {"sigmoid"}
    assert GATE not in next(a for a in trace.activations.values() if a.kind == "tanh").feeds
    assert trace.follows["key"] == {"(matmul)"} or trace.follows["key"] == {"(__matmul__)"}
    assert trace.follows["out"] == {"(clamp)"}
    assert not any(OUTPUT in follows for follows in trace.follows.values())


class Two(nn.Module):
    """A product of two signals, neither of them a gate; and a sum of which only one part is scaled."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.a(x)) * torch.tanh(self.b(x))
        return torch.relu(self.c(y) + 0.1 * self.a(x)) + torch.relu(0.1 * self.b(x))


def test_products_without_a_gate_and_sums_that_are_scaled_in_part() -> None:
    trace = traced(Two(), Batch((torch.randn(5, 4),)))
    assert [a.kind for a in trace.activations.values()] == ["tanh", "tanh", "relu", "scaled relu"]
    assert all(GATE in a.feeds for a in trace.activations.values() if a.kind == "tanh")
    assert trace.reads["c"] == {("other", GATE)}


class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.head = nn.Linear(4, 4), nn.Linear(4, 2)
        self.act = Centred()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.inner(x)))


class Centred(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * torch.tanh(0.5 * x)


def test_an_activation_of_the_users_own_is_a_module_with_a_scaled_kind() -> None:
    trace = traced(Wrapped(), Batch((torch.randn(5, 4),)))
    assert trace.activations["act"].kind == "scaled tanh"
    assert trace.activations["act"].form == "module"


def test_a_network_that_is_called_by_its_parts() -> None:
    model = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 2)})
    batch = Batch((torch.randn(3, 4),), {}, lambda m, x: m["b"](torch.relu(m["a"](x))).sum())
    trace = traced(model, batch)
    assert set(trace.follows) == {"a", "b"}


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(6, 10), (6,)),
        (nn.Conv1d(6, 12, 3, padding=1, padding_mode="circular"), (6, 12)),
        (nn.Conv1d(6, 12, 3, padding=1, padding_mode="circular", groups=3), (6, 12)),
        (nn.Conv1d(6, 12, 4, stride=2, padding=1, padding_mode="circular"), (6, 12)),
        (nn.ConvTranspose1d(6, 12, 4, stride=2), (6, 40)),
        (nn.ConvTranspose1d(6, 12, 3, groups=2), (6, 40)),
    ],
)
def test_true_fans_are_the_variances_of_signal_and_error(layer: nn.Module, shape: tuple[int, ...]) -> None:
    """E z²/E x² = fan-in and E δx²/E δz² = fan-out for weights of variance 1, by autograd over many draws."""
    generator = torch.Generator().manual_seed(0)
    forward, backward = [], []
    for _ in range(60):
        fresh = copy.deepcopy(layer)
        nn.init.normal_(fresh.weight, generator=generator)
        nn.init.zeros_(fresh.bias)
        x = torch.randn(16, *shape, generator=generator, requires_grad=True)
        z = fresh(x)
        error = torch.randn(z.shape, generator=generator)
        (lower,) = torch.autograd.grad(z, x, error)
        edge = slice(4, -4) if len(shape) > 1 and isinstance(layer, nn.ConvTranspose1d) else slice(None)
        forward.append(float(z.detach()[..., edge].square().mean()))
        backward.append(float(lower[..., edge].square().mean()))
    fan_in, fan_out = true_fans(layer)
    assert sum(forward) / 60 == pytest.approx(fan_in, rel=0.1)
    assert sum(backward) / 60 == pytest.approx(fan_out, rel=0.1)


def test_the_trunk_is_at_hand_for_an_operation_and_nothing_is_left_behind() -> None:
    blocks = (m for _ in range(4) for m in (nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Tanh()))
    model = nn.Sequential(*blocks, nn.Linear(8, 2))
    before = whole(model)
    patient = Patient(model, Prescription("critical"), {}, (), Batch((torch.randn(6, 8),)))
    assert len(patient.network().hops) >= 3
    assert whole(model) == before
