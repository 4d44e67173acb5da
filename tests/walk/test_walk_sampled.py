"""Laws, nodes and calls of spatial transformers: affine grids, and pictures that are read at their places."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from table_checks import Case, case, every_check, randn
from torch import Tensor

from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws.law import Kept
from gradiometer.walk.laws.shapes_sampled import mirrored

PICTURE, GRID = randn(2, 3, 6, 5), randn(2, 3, 7, 2, seed=3)  # a third of the places lie outside of the picture
SOLID, CUBE = randn(2, 3, 4, 2, 5), randn(2, 2, 3, 2, 3, seed=4)
MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
PADDINGS = {"zeros": 0, "border": 1, "reflection": 2}


def sampled(mode: str, padding: str, corners: bool, *given: Tensor) -> object:
    """A case of grid_sample."""
    rank = given[0].dim() - 2
    return case(
        f"grid_sampler_{rank}d",
        f"GridSampler{rank}DBackward0",
        lambda x, grid: F.grid_sample(x, grid, mode, padding, corners),
        *given,
        smooth=mode != "nearest",
    )


CASES = [
    *(sampled(mode, pad, corners, PICTURE, GRID) for mode in MODES for pad in PADDINGS for corners in (False, True)),
    *(sampled(mode, pad, True, SOLID, CUBE) for mode in ("bilinear", "nearest") for pad in PADDINGS),
    sampled("bilinear", "zeros", False, SOLID, CUBE),
    sampled("bilinear", "reflection", True, randn(2, 3, 1, 4), GRID),  # an axis of one element
    *(
        case(
            "affine_grid_generator",
            "AffineGridGeneratorBackward0",
            lambda theta, how=(size, corners): F.affine_grid(theta, *how),
            randn(2, len(size) - 2, len(size) - 1),
        )
        for size in ((2, 3, 4, 5), (2, 1, 3, 2, 4))
        for corners in (False, True)
    ),
    case(
        "affine_grid_generator",
        "AffineGridGeneratorBackward0",
        lambda theta: F.affine_grid(theta, (2, 3, 1, 4), align_corners=False),
        randn(2, 2, 3),
    ),
]


@every_check
@pytest.mark.parametrize("given", CASES)
def test_an_expression_by_its_law(given: Case, check: Callable[[Case], None]) -> None:
    check(given)


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", MODES)
def test_places_on_elements_and_edges(mode: str, padding: str, corners: bool) -> None:
    ends = torch.tensor([-2.0, -1.25, -1.0, -0.75, 0.0, 0.5, 1.0, 1.25, 2.0], dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(ends, ends, indexing="ij"), dim=-1)[None].requires_grad_()
    x = randn(1, 2, 4, 4).requires_grad_()
    true = F.grid_sample(x, grid, mode, padding, corners)
    settings = {"interpolation_mode": MODES[mode], "padding_mode": PADDINGS[padding], "align_corners": corners}
    inputs = (x.detach(), grid.detach())
    (value,) = LAWS["grid_sample"].forward(inputs, settings)
    assert torch.allclose(value, true, atol=1e-13)
    delta = randn(*value.shape, seed=1)
    shapes = tuple(t.shape for t in inputs)
    found = LAWS["grid_sample"].backward((delta,), Kept(inputs, (value,), shapes, settings, (True, True)))
    for mine, theirs in zip(found, torch.autograd.grad(true, (x, grid), delta), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-12)


def test_a_place_that_is_no_number_reads_nothing_and_gets_nothing() -> None:
    x, grid = randn(1, 2, 4, 4), randn(1, 2, 2, 2)
    grid[0, 0, 0, 0], grid[0, 1, 1, 1] = math.nan, math.inf
    settings = {"interpolation_mode": 0, "padding_mode": 0, "align_corners": False}
    (value,) = LAWS["grid_sample"].forward((x, grid), settings)
    assert not value[0, :, 0, 0].any()
    assert not value[0, :, 1, 1].any()
    kept = Kept((x, grid), (value,), (x.shape, grid.shape), settings, (True, True))
    to_picture, to_grid = LAWS["grid_sample"].backward((torch.ones_like(value),), kept)
    assert to_picture is not None and to_grid is not None
    assert bool(to_picture.isfinite().all())
    assert not to_grid[0, 0, 0].any()


def test_mirrored_places() -> None:
    u = torch.tensor([-4.0, -1.0, 0.0, 1.0, 2.5, 4.0, 7.0], dtype=torch.float64)
    place, slope = mirrored(u, 0.0, 3.0)
    assert place.tolist() == [2.0, 1.0, 0.0, 1.0, 2.5, 2.0, 1.0]
    assert slope.tolist() == [1.0, -1.0, 1.0, 1.0, 1.0, -1.0, 1.0]
    assert mirrored(u, 0.0, 0.0)[0].tolist() == [0.0] * 7
