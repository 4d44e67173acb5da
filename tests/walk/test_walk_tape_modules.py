"""The tape on modules of torch: gradients and buffers beside plain autograd, and a wrong law that goes red."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from law_checks import exaggerated
from torch import Tensor, nn

from gradiometer.walk.calls import CALLS
from gradiometer.walk.calls.calling import Called
from gradiometer.walk.laws.dense import ADDMM
from gradiometer.walk.tape import Tape

GAP = 1e-12  # float64: a few hundred roundings


def module_gap(network: nn.Module, x: Tensor) -> float:
    """Largest gap of loss and gradients, all parameters together; buffers too."""
    state = {name: t.clone() for name, t in network.state_dict().items()}
    torch.manual_seed(1)
    true = network(x).square().mean()
    true.backward()
    buffers = {name: t.clone() for name, t in network.named_buffers()}
    network.load_state_dict(state)
    tape = Tape(list(network.parameters()), network)
    torch.manual_seed(1)
    with tape.recording():
        mine = network(x).square().mean()
    errors = tape.errors(mine)
    pairs = [(errors[p], p.grad) for p in network.parameters()] + [(mine, true.detach())]
    pairs += [(t, buffers[name]) for name, t in network.named_buffers()]
    assert all(a.shape == b.shape for a, b in pairs)
    whole = sum(float(b.double().norm()) ** 2 for _, b in pairs) ** 0.5
    return sum(float((a - b).double().norm()) ** 2 for a, b in pairs) ** 0.5 / whole


class ResidualBlock(nn.Module):
    """Convolutions whose norm, activation and skip work in place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.norm, self.act = nn.BatchNorm2d(channels), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.second(self.act(self.norm(self.first(x))))
        out += x
        pooled: Tensor = self.act(out).mean(dim=(2, 3), keepdim=True)
        return pooled.view(len(x), -1)


class GatesByHand(nn.Module):
    """A gated recurrence that writes its states into a tensor, step by step."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.units, self.linear = units, nn.Linear(inputs + units, 3 * units)

    def forward(self, x: Tensor) -> Tensor:
        h, states = x.new_zeros(len(x), self.units), x.new_empty(*x.shape[:2], self.units)
        for t in range(x.shape[1]):
            forget, write, new = self.linear(torch.cat((x[:, t], h), dim=1)).chunk(3, dim=1)
            h = torch.sigmoid(forget) * h + torch.sigmoid(write) * torch.tanh(new)
            states[:, t] = h
        return states


def modules() -> Iterator[tuple[str, nn.Module, Tensor]]:
    torch.manual_seed(3)
    grid, rows, series = torch.randn(4, 3, 6, 6), torch.randn(5, 6), torch.randn(3, 7, 6)
    yield (
        "convolutions",
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 4, 3, padding=1, groups=2),
            nn.AvgPool2d(3),
            nn.Flatten(),
            nn.Linear(4, 2),
        ),
        grid,
    )
    yield "norms", nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6), nn.GELU(), nn.RMSNorm(6), nn.BatchNorm1d(6)), rows
    yield "residual block", ResidualBlock(3), grid
    yield "gates by hand", GatesByHand(6, 4), series
    yield "cell", nn.LSTMCell(6, 5), rows
    yield "gated cell", nn.GRUCell(6, 5), rows
    yield "attention", nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True), series
    yield "recurrent, dropped", nn.LSTM(6, 5, num_layers=3, dropout=0.4, bidirectional=True, batch_first=True), series
    yield "softsign", nn.Sequential(nn.Linear(6, 6), nn.Softsign()), rows
    yield (
        "mean slopes",
        nn.Sequential(nn.Linear(6, 6), nn.RReLU(), nn.Linear(6, 6), nn.RReLU(inplace=True)).eval(),
        rows,
    )
    yield "channels last", nn.Sequential(ChannelsLast(), nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1)), grid


class ChannelsLast(nn.Module):
    """The same numbers, in the memory channel by channel."""

    def forward(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last)


class First(nn.Module):
    """The first output of a module."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        out = self.inner(x)
        first: Tensor = out[0] if isinstance(out, tuple) else out
        return first


@pytest.mark.parametrize(("network", "x"), [pytest.param(m, x, id=name) for name, m, x in modules()])
def test_modules_give_the_gradients_and_buffers_of_autograd(network: nn.Module, x: Tensor) -> None:
    assert module_gap(First(network).double(), x.double()) < GAP


def test_a_wrong_law_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    read = CALLS["aten::addmm"]
    (wrong,) = exaggerated(ADDMM)
    monkeypatch.setitem(CALLS, "aten::addmm", lambda args, kwargs: Called(wrong, *_given(read(args, kwargs))))
    network = First(nn.Linear(6, 3)).double()
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0)).double()
    assert module_gap(network, x) > 1e-4
    monkeypatch.undo()
    assert module_gap(First(nn.Linear(6, 3)).double(), x) < GAP


def _given(called: Called) -> tuple[tuple[Tensor | None, ...], object]:
    return called.inputs, called.settings
