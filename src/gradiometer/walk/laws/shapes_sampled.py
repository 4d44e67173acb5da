"""Laws of spatial transformers: a grid of places made by an affine map, and a picture that is read at these places.

x [N, C, *S]: the picture, its axes S of rank d (2 or 3); grid [N, *O, d]: for each element of the output the place that
it is read from, in -1..1, the last axis of the picture first; y [N, C, *O]. θ [N, d, d + 1]: the affine maps.
u: a place along one axis of the picture, counted in its elements from 0. P, Q: elements of S and of O.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given
from .shapes_base import handed_on, shape_of, zeros

BILINEAR, NEAREST, BICUBIC = 0, 1, 2
ZEROS, BORDER, REFLECTION = 0, 1, 2
KEYS = -0.75  # Keys's free constant, as torch takes it


def base_grid(settings: Settings, like: Tensor) -> Tensor:
    """The places of the identity map in homogeneous coordinates: [Q, d + 1]."""
    axes = []
    for n in settings["size"][2:]:
        ends = (
            torch.linspace(-1, 1, n, dtype=like.dtype, device=like.device) if n > 1 else zeros(torch.Size((n,)), like)
        )
        axes.append(ends if settings["align_corners"] else ends * (n - 1) / n)
    places = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([*reversed(places), torch.ones_like(places[0])], dim=-1).flatten(0, -2)


def _made(inputs: Tensors, settings: Settings) -> Tensors:
    theta = given(inputs, 0)
    n, _, *rest = settings["size"]
    return ((base_grid(settings, theta) @ theta.mT).reshape(n, *rest, len(rest)),)


def _made_back(errors: Tensors, kept: Kept) -> Tensors:
    error = errors[0]
    if error is None or not kept.wanted[0]:
        return (None,)
    return (error.flatten(1, -2).mT @ base_grid(kept.settings, error),)


@dataclass(frozen=True, slots=True)
class Tap:
    """Elements that a place is read from, along one axis: index, weight k(u − i), and the weight's slope in u: [N, *O].

    Both are 0 for an element outside of the picture.
    """

    index: Tensor
    weight: Tensor
    slope: Tensor


def mirrored(u: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Places thrown back at both ends into low..high, and the slope of that: 1 or -1."""
    span = high - low
    if span <= 0:
        return torch.zeros_like(u), torch.zeros_like(u)
    away = u - low
    flips = torch.floor(away.abs() / span)
    rest = away.abs() - flips * span
    even = torch.remainder(flips, 2) == 0
    slope = torch.where(even, 1.0, -1.0).to(u) * torch.where(away < 0, -1.0, 1.0).to(u)
    return torch.where(even, rest, span - rest) + low, slope


def _padded(u: Tensor, n: int, settings: Settings) -> tuple[Tensor, Tensor]:
    """Places brought into the picture as the padding says, and the slope of that."""
    slope = torch.ones_like(u)
    if settings["padding_mode"] == ZEROS:
        return u, slope
    if settings["padding_mode"] == REFLECTION:
        u, slope = mirrored(u, 0, n - 1) if settings["align_corners"] else mirrored(u, -0.5, n - 0.5)
    return u.clamp(0, n - 1), torch.where((u > 0) & (u < n - 1), slope, torch.zeros_like(slope))


def _tap(at: Tensor, n: int, weight: Tensor, slope: Tensor) -> Tap:
    inside = (at >= 0) & (at <= n - 1)
    nothing = torch.zeros_like(weight)
    index = torch.where(inside, at, nothing).long()
    return Tap(index, torch.where(inside, weight, nothing), torch.where(inside, slope, nothing))


def _keys(t: Tensor) -> tuple[Tensor, Tensor]:
    """Keys's cubic kernel at a distance t >= 0, and its slope."""
    near = ((KEYS + 2) * t - (KEYS + 3)) * t * t + 1
    far = ((KEYS * t - 5 * KEYS) * t + 8 * KEYS) * t - 4 * KEYS
    near_slope = (3 * (KEYS + 2) * t - 2 * (KEYS + 3)) * t
    far_slope = (3 * KEYS * t - 10 * KEYS) * t + 8 * KEYS
    return torch.where(t <= 1, near, far), torch.where(t <= 1, near_slope, far_slope)


def taps(g: Tensor, n: int, settings: Settings) -> list[Tap]:
    """What a place g in -1..1 along an axis of n elements is read from; slopes are those in g."""
    scale = (n - 1) / 2 if settings["align_corners"] else n / 2
    u = g * scale + (n - 1) / 2
    if settings["interpolation_mode"] == BICUBIC:
        first = torch.floor(u)
        found = []
        for offset in (-1, 0, 1, 2):
            at = first + offset
            weight, slope = _keys((u - at).abs())
            found.append(_tap(_padded(at, n, settings)[0].trunc(), n, weight, slope * torch.sign(u - at) * scale))
        return found
    u, moved = _padded(u, n, settings)
    if settings["interpolation_mode"] == NEAREST:
        return [_tap(torch.round(u), n, torch.ones_like(u), torch.zeros_like(u))]
    first = torch.floor(u)
    right = u - first
    slope = moved * scale
    return [_tap(first, n, 1 - right, -slope), _tap(first + 1, n, right, slope)]


def _axes(x_shape: Sequence[int], grid: Tensor, settings: Settings) -> list[list[Tap]]:
    """Taps of every axis of the picture, the first axis first."""
    size = x_shape[2:]
    return [taps(grid[..., len(size) - 1 - i], n, settings) for i, n in enumerate(size)]


def _element(chosen: Sequence[Tap], size: Sequence[int]) -> Tensor:
    """Number of the element that stands at one tap of each axis: [N, 1, Q]."""
    at = torch.zeros_like(chosen[0].index)
    for tap, n in zip(chosen, size, strict=True):
        at = at * n + tap.index
    return at.flatten(1).unsqueeze(1)


def _weight(chosen: Sequence[Tap], slope_of: int = -1) -> Tensor:
    """Product of the weights over the axes, in one of them the slope: [N, 1, Q]."""
    parts = [tap.slope if i == slope_of else tap.weight for i, tap in enumerate(chosen)]
    return math.prod(parts[1:], start=parts[0]).flatten(1).unsqueeze(1)


def _sampled(inputs: Tensors, settings: Settings) -> Tensors:
    x, grid = given(inputs, 0), given(inputs, 1)
    flat = x.flatten(2)
    total = zeros(torch.Size((*x.shape[:2], grid[0, ..., 0].numel())), x)
    for chosen in product(*_axes(x.shape, grid, settings)):
        at = _element(chosen, x.shape[2:]).expand_as(total)
        total = total + flat.gather(2, at) * _weight(chosen)
    return (total.reshape(*x.shape[:2], *grid.shape[1:-1]),)


def _sampled_back(errors: Tensors, kept: Kept) -> Tensors:
    error, grid = errors[0], given(kept.inputs, 1)
    if error is None:
        return None, None
    shape, delta = shape_of(kept, 0), error.flatten(2)
    every = list(product(*_axes(shape, grid, kept.settings)))

    def to_picture() -> Tensor:
        flat = zeros(torch.Size((*shape[:2], math.prod(shape[2:]))), error)
        for chosen in every:
            flat = flat.scatter_add(2, _element(chosen, shape[2:]).expand_as(delta), delta * _weight(chosen))
        return flat.reshape(shape)

    def to_grid() -> Tensor:
        values, axes = given(kept.inputs, 0).flatten(2), len(shape) - 2
        ways = [zeros(torch.Size((shape[0], delta.shape[2])), error) for _ in range(axes)]
        for chosen in every:
            read = (delta * values.gather(2, _element(chosen, shape[2:]).expand_as(delta))).sum(dim=1)
            ways = [way + read * _weight(chosen, i).squeeze(1) for i, way in enumerate(ways)]
        return torch.stack(ways[::-1], dim=-1).reshape(grid.shape)

    return handed_on(kept, to_picture, to_grid)


SPATIAL_TRANSFORMERS = "Jaderberg and others 2015, Spatial transformer networks"
AFFINE_GRID = Law(
    name="affine_grid",
    role="product",
    title="affine grid",
    value=r"g_j = \theta \left( j, 1 \right)^{\top}",
    error=r"\delta_{\theta} = \sum_j \delta_{g,j} \left( j, 1 \right)",
    step=r"\sum_j @d \left( j, 1 \right)",
    source=SPATIAL_TRANSFORMERS + ", equation 1",
    forward=_made,
    backward=_made_back,
)
GRID_SAMPLE = Law(
    name="grid_sample",
    role="index",
    title="grid sample",
    value=r"y_j = \sum_i k(g_j - i) x_i",
    error=(
        r"\delta_{x,i} = \sum_j k(g_j - i) \delta_j, "
        r"\delta_{g,j} = \sum_i k'(g_j - i) \langle \delta_j, x_i \rangle"
    ),
    step=r"\left( \frac{\partial y}{\partial x} \right)^{\top} @d",
    source=SPATIAL_TRANSFORMERS + ", equations 3 to 7; Keys 1981 for cubes",
    forward=_sampled,
    backward=_sampled_back,
)

SAMPLED: tuple[Law, ...] = (AFFINE_GRID, GRID_SAMPLE)
