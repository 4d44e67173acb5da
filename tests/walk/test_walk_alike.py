"""Circular padding as a selection is what torch calculates; float64 draws are those of float32."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gradiometer.walk.alike import CircularAsSelection, DrawnAs


@pytest.mark.parametrize(
    ("shape", "pad"), [((2, 3, 7), (2, 1)), ((2, 3, 5, 6), (1, 2, 3, 0)), ((1, 2, 4, 4, 4), (1, 1, 0, 2, 2, 1))]
)
def test_the_same_numbers_and_errors(shape: tuple[int, ...], pad: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    true = F.pad(x, pad, mode="circular")
    with CircularAsSelection():
        found = F.pad(x, pad, mode="circular")
        constant = F.pad(x, pad)
    assert torch.equal(found, true)
    assert not torch.equal(constant, true)
    delta = torch.randn_like(true)
    assert torch.allclose(*(torch.autograd.grad(y, x, delta)[0] for y in (found, true)), rtol=1e-14)


DRAWS = {
    "randn": lambda dtype: torch.randn(4, 5, dtype=dtype),
    "rand": lambda dtype: torch.rand((4, 5), dtype=dtype),
    "randn_like": lambda dtype: torch.randn_like(torch.zeros(4, 5, dtype=dtype)),
    "normal_": lambda dtype: torch.empty(4, 5, dtype=dtype).normal_(1.0, 2.0),
    "uniform_": lambda dtype: torch.empty(4, 5, dtype=dtype).uniform_(-1.0, 2.0),
    "normal": lambda dtype: torch.normal(torch.ones(4, 5, dtype=dtype), torch.full((4, 5), 2.0, dtype=dtype)),
    "distribution": lambda dtype: torch.distributions.Normal(
        torch.zeros(4, 5, dtype=dtype), torch.ones(4, 5, dtype=dtype)
    ).rsample(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_float64_draws_are_those_of_float32(name: str) -> None:
    torch.manual_seed(3)
    true = DRAWS[name](torch.float32)
    torch.manual_seed(3)
    with DrawnAs(torch.float32):
        found = DRAWS[name](torch.float64)
    assert found.dtype == torch.float64
    assert torch.allclose(found, true.double(), rtol=1e-6)
    torch.manual_seed(3)
    other = DRAWS[name](torch.float64)
    assert not torch.allclose(other, found, rtol=1e-3)


def test_whole_numbers_and_float32_are_left_alone() -> None:
    torch.manual_seed(3)
    true = (torch.randint(0, 9, (5,)), torch.randn(3), torch.randn(3, requires_grad=True))
    torch.manual_seed(3)
    with DrawnAs(torch.float32):
        found = (torch.randint(0, 9, (5,)), torch.randn(3), torch.randn(3, requires_grad=True))
    assert all(torch.equal(a, b) for a, b in zip(found, true, strict=True))
    assert found[2].is_leaf
    assert found[2].requires_grad
