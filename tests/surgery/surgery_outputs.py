"""Lab networks with a function behind them, their data, and what is asked of every cure of their output."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from surgery_checks import inputs, lab
from surgery_state import whole
from torch import Tensor, nn

from gradiometer.records import Prescription
from gradiometer.surgery import LiveReceipt, apply


class Ended(nn.Module):
    """A lab network with a function behind it."""

    def __init__(self, network: str, activation: str, end: Callable[[Tensor], Tensor] | nn.Module) -> None:
        super().__init__()
        self.inner = lab(network, activation=activation, depth=3, width=8)
        self.end = end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.inner(x))


def softmax(x: Tensor) -> Tensor:
    return F.softmax(x, 1)


def nothing(x: Tensor) -> Tensor:
    return x


def data(model: nn.Module, kind: str = "class") -> tuple[Tensor, Tensor]:
    x = inputs(model)
    numbers = torch.Generator().manual_seed(7)
    if kind == "class":
        return x, torch.randint(0, 10, (len(x),), generator=numbers)
    y = torch.randn(len(x), 10, generator=numbers, dtype=x.dtype)
    return x, (y > 0).to(x.dtype) if kind == "binary" else 40 + 6 * y


def loss_of(criterion: Callable[[Tensor, Tensor], Tensor]) -> Any:
    return lambda model, batch: criterion(model(batch[0]), batch[1])


def gradients(model: nn.Module, value: Tensor) -> list[Tensor]:
    model.zero_grad()
    value.backward()
    return [p.grad.clone() for p in model.parameters()]


def assert_undone(make: Callable[[], nn.Module], cure: Prescription, batch: Any, loss: Any = None) -> LiveReceipt:
    """In the middle of a training, undo brings every bit back, and copies and pickles keep the cure."""
    model = make()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        model(batch[0]).square().sum().backward()
        optimizer.step()
    optimizer.zero_grad()
    before = whole(model, optimizer)
    receipt = apply(model, cure, optimizer, batch, loss)
    assert whole(model, optimizer) != before
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(batch[0]), model(batch[0]))
        assert type(other(batch[0])) is type(model(batch[0]))
    model(batch[0]).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    receipt.undo(discard_training=True)
    assert whole(model, optimizer) == before
    return receipt


def patched(receipt: LiveReceipt, model: nn.Module) -> nn.Module:
    space: dict[str, Any] = {"__name__": "patched"}
    exec(compile(receipt.as_patch(), "patch", "exec"), space)
    space["cure"](model)
    return model
