"""Circular padding as a selection is what torch calculates."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gradiometer.walk.padding import CircularAsSelection


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
