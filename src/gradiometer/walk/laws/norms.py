"""Laws of normalisations.

N batch, C channels, G groups of channels, M numbers that are normalised together. With x̂ = (x − μ) / s, s = √(σ² + ε)
and g = γ ⊙ δ_y, the rule has three parts: scale by 1/s, less the mean of g, less the projection of g on x̂:
δ_x = (g − mean(g) − x̂ mean(g ⊙ x̂)) / s. RMS norm takes no mean off; a batch norm in eval only scales.

Inputs: x, weight, bias (RMS norm: x, weight), None where there is none. μ and 1/s are outputs of these laws, as they
are of torch's operations; no error comes back through them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given, unbroadcast
from .norms_batch import BATCH_NORM, BATCH_NORM_EVAL
from .norms_parts import (
    THREE_PARTS,
    THREE_PARTS_STEP,
    TO_AFFINE,
    affine,
    less_mean_and_projection,
    less_projection,
    moments,
)


def _last(shape: Sequence[int]) -> tuple[int, ...]:
    """The axes that a layer norm goes over, counted from the end."""
    return tuple(range(-len(shape), 0))


def _layer_norm(inputs: Tensors, settings: Settings) -> Tensors:
    x = given(inputs, 0)
    mean, rstd = moments(x, _last(settings["normalized_shape"]), settings["eps"])
    return affine((x - mean) * rstd, inputs[1], inputs[2]), mean, rstd


def _layer_norm_back(errors: Tensors, kept: Kept) -> Tensors:
    delta = errors[0]
    if delta is None:
        return None, None, None
    x, axes = given(kept.inputs, 0), _last(kept.settings["normalized_shape"])
    mean, rstd = _layer_moments(kept)
    unit, weight = (x - mean) * rstd, kept.inputs[1]
    carried = delta * weight if weight is not None else delta
    return (
        less_mean_and_projection(carried, unit, axes) * rstd if kept.wanted[0] else None,
        unbroadcast(delta * unit, x.shape[axes[0] :]) if kept.wanted[1] else None,
        unbroadcast(delta, x.shape[axes[0] :]) if kept.wanted[2] else None,
    )


def _layer_moments(kept: Kept) -> tuple[Tensor, Tensor]:
    """μ and 1/s as they were kept, else made again."""
    mean, rstd = kept.outputs[1], kept.outputs[2]
    if mean is None or rstd is None:
        return moments(given(kept.inputs, 0), _last(kept.settings["normalized_shape"]), kept.settings["eps"])
    return mean, rstd


LAYER_NORM = Law(
    name="layer_norm",
    role="norm",
    title="layer norm",
    value=r"y = \gamma \odot \frac{x - \mu}{s} + \beta, s = \sqrt{\sigma^2 + \epsilon}",
    error=THREE_PARTS + TO_AFFINE,
    step=THREE_PARTS_STEP,
    source="Ba, Kiros & Hinton 2016",
    forward=_layer_norm,
    backward=_layer_norm_back,
)


def _root_mean_square(x: Tensor, settings: Settings) -> Tensor:
    """1 / √(mean x² + ε) over the last axes; without an ε it is the dtype's own."""
    eps = settings.get("eps")
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    return torch.rsqrt((x * x).mean(dim=_last(settings["normalized_shape"]), keepdim=True) + eps)


def _rms_norm(inputs: Tensors, settings: Settings) -> Tensors:
    x = given(inputs, 0)
    rstd = _root_mean_square(x, settings)
    return affine(x * rstd, inputs[1], None), rstd


def _rms_norm_back(errors: Tensors, kept: Kept) -> Tensors:
    delta = errors[0]
    if delta is None:
        return None, None
    x, axes = given(kept.inputs, 0), _last(kept.settings["normalized_shape"])
    rstd = kept.outputs[1]
    rstd = rstd if rstd is not None else _root_mean_square(x, kept.settings)
    unit, weight = x * rstd, kept.inputs[1]
    carried = delta * weight if weight is not None else delta
    return (
        less_projection(carried, unit, axes) * rstd if kept.wanted[0] else None,
        unbroadcast(delta * unit, x.shape[axes[0] :]) if kept.wanted[1] else None,
    )


RMS_NORM = Law(
    name="rms_norm",
    role="norm",
    title="RMS norm",
    value=r"y = \gamma \odot \frac{x}{s}, s = \sqrt{\langle x \odot x \rangle + \epsilon}",
    error=r"\delta_x = \frac{1}{s} \left( g - \hat{x} \odot \langle g \odot \hat{x} \rangle \right), "
    r"g = \gamma \odot \delta_y, \hat{x} = \frac{x}{s}, "
    r"\frac{\partial L}{\partial \gamma} = \sum \delta_y \odot \hat{x}",
    step=r"\frac{1}{s_{@v}} \left( I - \frac{1}{M} \hat{x}_{@v} \hat{x}_{@v}^{\top} \right) "
    r"\left( \gamma_{@v} \odot @d \right)",
    source="Zhang & Sennrich 2019",
    forward=_rms_norm,
    backward=_rms_norm_back,
)


def _grouped(x: Tensor, groups: int) -> Tensor:
    """[N, C, ...] as [N, G, M]."""
    return x.reshape(x.shape[0], groups, math.prod(x.shape[1:]) // groups)


def _channels(weight: Tensor | None, x: Tensor) -> Tensor | None:
    """[C] in a shape that goes along with x [N, C, ...]."""
    return weight.reshape(1, -1, *(1,) * (x.dim() - 2)) if weight is not None else None


def _group_norm(inputs: Tensors, settings: Settings) -> Tensors:
    x, groups = given(inputs, 0), settings["groups"]
    together = _grouped(x, groups)
    mean, rstd = moments(together, (2,), settings["eps"])
    unit = ((together - mean) * rstd).reshape(x.shape)
    y = affine(unit, _channels(inputs[1], x), _channels(inputs[2], x))
    return y, mean.squeeze(2), rstd.squeeze(2)


def _group_norm_back(errors: Tensors, kept: Kept) -> Tensors:
    delta = errors[0]
    if delta is None:
        return None, None, None
    x, groups = given(kept.inputs, 0), kept.settings["groups"]
    together = _grouped(x, groups)
    mean, rstd = kept.outputs[1], kept.outputs[2]
    if mean is None or rstd is None:
        mean, rstd = moments(together, (2,), kept.settings["eps"])
    else:
        mean, rstd = mean.reshape(-1, groups, 1), rstd.reshape(-1, groups, 1)
    unit = (together - mean) * rstd
    weight = _channels(kept.inputs[1], x)
    carried = _grouped(delta * weight if weight is not None else delta, groups)
    others = tuple(i for i in range(x.dim()) if i != 1)
    return (
        (less_mean_and_projection(carried, unit, (2,)) * rstd).reshape(x.shape) if kept.wanted[0] else None,
        (delta * unit.reshape(x.shape)).sum(dim=others) if kept.wanted[1] else None,
        delta.sum(dim=others) if kept.wanted[2] else None,
    )


GROUP_NORM = Law(
    name="group_norm",
    role="norm",
    title="group norm",
    value=r"y = \gamma \odot \frac{x - \mu_G}{s_G} + \beta, s_G = \sqrt{\sigma_G^2 + \epsilon}",
    error=THREE_PARTS + TO_AFFINE,
    step=THREE_PARTS_STEP,
    source="Wu & He 2018",
    forward=_group_norm,
    backward=_group_norm_back,
)

LAWS: tuple[Law, ...] = (BATCH_NORM, BATCH_NORM_EVAL, LAYER_NORM, RMS_NORM, GROUP_NORM)
