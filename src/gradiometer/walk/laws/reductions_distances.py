"""Laws of distances: the p-norm of differences of vectors.

a [.., P, M], b [.., R, M]: rows of vectors; settings p. D [.., P, R]: their distances. Where two vectors are equal, no
error goes on, as in torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .arithmetic_base import Rule, several
from .law import Kept, Law, Settings, Tensors, given
from .shapes_base import DEFINITION, one_to_one, only, shape_of, zeros


def length_of(gap: Tensor, p: float) -> Tensor:
    """Law: (Σ |g|^p)^{1/p} over the last axis; how many are not 0 for p = 0, the largest for p = ∞."""
    size = gap.abs()
    if p == 0:
        return (gap != 0).to(gap.dtype).sum(dim=-1)
    if math.isinf(p):
        return size.amax(dim=-1)
    if p == 2:
        return torch.sqrt((gap * gap).sum(dim=-1))
    return size.sum(dim=-1) if p == 1 else (size**p).sum(dim=-1) ** (1 / p)


def direction_of(gap: Tensor, p: float) -> Tensor:
    """Law: ∂‖g‖/∂g = sgn(g) (|g| / ‖g‖)^{p−1}; 0 where g = 0, and for p = 0. [.., M] -> [.., M]."""
    if p == 0:
        return torch.zeros_like(gap)
    size, whole = gap.abs(), length_of(gap, p).unsqueeze(-1)
    if math.isinf(p):
        return torch.sign(gap) * (size == whole).to(gap.dtype)
    share = torch.where(size == 0, torch.ones_like(gap), size / whole)
    return torch.sign(gap) * share ** (p - 1)


def _table(inputs: Tensors) -> Tensor:
    """Differences of all pairs, [.., P, R, M]."""
    return given(inputs, 0).unsqueeze(-2) - given(inputs, 1).unsqueeze(-3)


def _all_pairs(inputs: Tensors, settings: Settings) -> Tensors:
    return (length_of(_table(inputs), settings["p"]),)


def _all_pairs_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    each = error.unsqueeze(-1) * direction_of(_table(kept.inputs), kept.settings["p"])  # [.., P, R, M]
    return lambda: each.sum(dim=-2), lambda: -each.sum(dim=-3)


def _whole(inputs: Tensors, settings: Settings) -> Tensors:
    return (length_of((given(inputs, 0) - given(inputs, 1)).reshape(-1), settings["p"]),)


def _whole_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    gap = given(kept.inputs, 0) - given(kept.inputs, 1)
    each = error * direction_of(gap.reshape(-1), kept.settings["p"]).reshape(gap.shape)
    return lambda: each, lambda: -each


def _pairs(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Differences of the rows i < j of x [P, M], and i and j: [P (P − 1) / 2, M]."""
    i, j = torch.triu_indices(len(x), len(x), 1, device=x.device)
    return x[i] - x[j], i, j


def _own_pairs(inputs: Tensors, settings: Settings) -> Tensors:
    return (length_of(_pairs(only(inputs))[0], settings["p"]),)


def _own_pairs_back(error: Tensor, kept: Kept) -> Tensor:
    gap, i, j = _pairs(given(kept.inputs, 0))
    each = error.unsqueeze(-1) * direction_of(gap, kept.settings["p"])
    return zeros(shape_of(kept, 0), error).index_add(0, i, each).index_add(0, j, -each)


def _of_two(name: str, texts: tuple[str, str, str], forward: Callable[..., Tensors], rule: Rule) -> Law:
    """texts: value, error, step."""
    return Law(name, "reduction", "distance", *texts, DEFINITION, forward, several(rule))


CDIST = _of_two(
    "cdist",
    (
        r"D_{i j} = \| a_i - b_j \|",
        r"\delta_{a,i} = \sum_j \delta_{i j} \frac{\partial D_{i j}}{\partial a_i}; "
        r"\delta_{b,j} = -\sum_i \delta_{i j} \frac{\partial D_{i j}}{\partial a_i}",
        r"\sum_j \frac{\partial D_{i j}}{\partial a_i} @d",
    ),
    _all_pairs,
    _all_pairs_back,
)
DIST = _of_two(
    "dist",
    (
        r"D = \| a - b \|",
        r"\delta_a = \frac{\partial D}{\partial a} \delta; \delta_b = -\frac{\partial D}{\partial a} \delta",
        r"\frac{\partial D}{\partial a} @d",
    ),
    _whole,
    _whole_back,
)
PDIST = Law(
    name="pdist",
    role="reduction",
    title="distance",
    value=r"D_{i j} = \| x_i - x_j \|, i \lt j",
    error=r"\delta_{x,i} = \sum_j \delta_{i j} \frac{\partial D_{i j}}{\partial x_i}",
    step=r"\sum_j \frac{\partial D_{i j}}{\partial x_i} @d",
    source=DEFINITION,
    forward=_own_pairs,
    backward=one_to_one(_own_pairs_back),
)

DISTANCES: tuple[Law, ...] = (CDIST, DIST, PDIST)
