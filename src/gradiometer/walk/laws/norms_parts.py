"""What the laws of normalisations share: moments, the affine end, and the parts of the backward rule."""

from __future__ import annotations

import torch
from torch import Tensor

THREE_PARTS = (
    r"\delta_x = \frac{1}{s} \left( g - \langle g \rangle - \hat{x} \odot \langle g \odot \hat{x} \rangle \right), "
    r"g = \gamma \odot \delta_y, \hat{x} = \frac{x - \mu}{s}"
)
THREE_PARTS_STEP = (
    r"\frac{1}{s_{@v}} \left( I - \frac{1}{M} \mathbb{1} \mathbb{1}^{\top} - \frac{1}{M} \hat{x}_{@v} "
    r"\hat{x}_{@v}^{\top} \right) \left( \gamma_{@v} \odot @d \right)"
)
TO_AFFINE = (
    r", \frac{\partial L}{\partial \gamma} = \sum \delta_y \odot \hat{x}, "
    r"\frac{\partial L}{\partial \beta} = \sum \delta_y"
)


def moments(x: Tensor, axes: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor]:
    """μ and 1 / √(σ² + ε) over the axes, which stay as axes of length 1; σ² is that of the population."""
    mean = x.mean(dim=axes, keepdim=True)
    return mean, torch.rsqrt(((x - mean) ** 2).mean(dim=axes, keepdim=True) + eps)


def affine(unit: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """γ ⊙ x̂ + β, where there are any."""
    scaled = unit * weight if weight is not None else unit
    return scaled + bias if bias is not None else scaled


def less_projection(g: Tensor, unit: Tensor, axes: tuple[int, ...]) -> Tensor:
    """g − x̂ mean(g ⊙ x̂): g without what it has along x̂."""
    return g - unit * (g * unit).mean(dim=axes, keepdim=True)


def less_mean_and_projection(g: Tensor, unit: Tensor, axes: tuple[int, ...]) -> Tensor:
    """g − mean(g) − x̂ mean(g ⊙ x̂): neither a shift of x nor a stretch of it changes a normalised output."""
    return less_projection(g, unit, axes) - g.mean(dim=axes, keepdim=True)
