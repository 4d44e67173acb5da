"""A watch keeps no graph of the user's alive."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradiometer.measurement.recorder import KEPT_CALLS
from gradiometer.session import Options, live, start

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def nobody_watches() -> Iterator[None]:
    """A test that failed inside a watch must not make its followers fail."""
    yield
    left = live._current() if live._current is not None else None
    if left is not None:
        left.stop("crashed")


class Token:
    """Something that a graph holds and a weak reference can watch."""


class Holds(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, token: Token) -> Tensor:
        ctx.token = token
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> Any:
        return errors[0], None


class WithToken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x: Tensor, token: Token) -> Tensor:
        return Holds.apply(self.inner(x), token)


def test_the_graph_of_a_pass_without_backward_is_freed() -> None:
    """Validation with gradients enabled: the last few graphs may be held until the next call, never all of them."""
    session = start(Options(keep_file=False, every=1))
    model = WithToken()
    alive: list[weakref.ref[Token]] = []
    for _ in range(9):
        token = Token()
        alive.append(weakref.ref(token))
        out = model(torch.randn(2, 4), token)
        del token, out
    gc.collect()
    assert sum(r() is not None for r in alive) <= KEPT_CALLS
    session.stop("finished")
    gc.collect()
    assert sum(r() is not None for r in alive) == 0


def test_the_graph_of_a_training_step_is_freed() -> None:
    session = start(Options(keep_file=False, every=1))
    model = WithToken()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    alive: list[weakref.ref[Token]] = []
    for _ in range(5):
        token = Token()
        alive.append(weakref.ref(token))
        model(torch.randn(2, 4), token).sum().backward()
        optimizer.step()
        del token
    gc.collect()
    assert sum(r() is not None for r in alive) == 0
    held = model(torch.randn(2, 4), token := Token())  # the twin: a graph that is held keeps its token alive
    last = weakref.ref(token)
    del token
    gc.collect()
    assert held is not None
    assert last() is not None
    session.stop("finished")
