"""Laws of losses over classes: negative log-likelihood and cross-entropy.

Shape letters: N examples, C classes, * further axes (height and width); classes stand on axis 1, on axis 0 without N.
Class numbers are no differentiable input: they stand in settings["target"]. Probabilities as targets are the second
input of cross-entropy.
settings: reduction (none, mean, sum); weight [C] or None; ignore_index; label_smoothing (cross-entropy).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given
from .losses_reducing import reduction_named

IGNORE_INDEX = -100
"""torch's default: a target of this number counts for nothing."""


def _class_axis(dims: int) -> int:
    return 0 if dims == 1 else 1


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The class of every example: valid [N, *] bool, number [N, *] (0 where not valid), weight [N, *] (0 likewise)."""

    valid: Tensor
    number: Tensor
    weight: Tensor


def _chosen(settings: Settings, dtype: torch.dtype) -> _Chosen:
    target, weight = settings["target"], settings["weight"]
    valid = target != settings["ignore_index"]
    number = torch.where(valid, target, torch.zeros_like(target))
    each = torch.ones_like(number, dtype=dtype) if weight is None else weight.to(dtype)[number]
    return _Chosen(valid, number, torch.where(valid, each, torch.zeros_like(each)))


def _nll_forward(inputs: Tensors, settings: Settings) -> Tensors:
    log_p = given(inputs, 0)
    axis, chosen = _class_axis(log_p.dim()), _chosen(settings, log_p.dtype)
    picked = log_p.gather(axis, chosen.number.unsqueeze(axis)).squeeze(axis)
    each = torch.where(chosen.valid, -chosen.weight * picked, torch.zeros_like(picked))
    total = chosen.weight.sum()
    if reduction_named(settings["reduction"]) == "none":
        # torch leaves the total weight at 0 where it has not added anything up: there is a batch axis
        return each, total if each.dim() == 0 else torch.zeros_like(total)
    return (each.sum() / total if settings["reduction"] == "mean" else each.sum()), total


def _nll_backward(errors: Tensors, kept: Kept) -> Tensors:
    shape = kept.shapes[0]
    if shape is None or errors[0] is None or not kept.wanted[0]:
        return (None,)
    chosen, error = _chosen(kept.settings, errors[0].dtype), errors[0]
    if reduction_named(kept.settings["reduction"]) == "mean":
        error = error / chosen.weight.sum()
    each = torch.where(chosen.valid, -chosen.weight * error, torch.zeros_like(chosen.weight))
    axis = _class_axis(len(shape))
    empty = each.new_zeros(shape)
    return (empty.scatter(axis, chosen.number.unsqueeze(axis), each.unsqueeze(axis)),)


NLL_LOSS = Law(
    name="nll_loss",
    role="loss",
    title="negative log-likelihood",
    value=r"L = -\frac{1}{W} \sum_i w_{y_i} \operatorname{log} p_{i y_i}, W = \sum_i w_{y_i}",
    error=r"\delta_{ic} = -\frac{w_{y_i}}{W} \mathbb{1}_{c = y_i}",
    step=r"-@d \cdot \frac{w_y}{W} \mathbb{1}_{c = y}",
    source="definition",
    forward=_nll_forward,
    backward=_nll_backward,
)


def log_softmax(z: Tensor, axis: int) -> Tensor:
    """z − log Σ e^z, with the largest z taken out first so that nothing overflows."""
    shifted = z - z.amax(axis, keepdim=True)
    return shifted - torch.log(torch.exp(shifted).sum(axis, keepdim=True))


@dataclass(frozen=True, slots=True)
class _Share:
    """L_i = −Σ_c a_ic log p_ic: the coefficients a [N, C, *], and what a mean divides by."""

    of_class: Tensor
    total: Tensor | int


def _by_class(values: Any, like: Tensor, axis: int) -> Tensor:
    """A vector over classes, shaped so that it broadcasts over the examples; ones where there is none."""
    if values is None:
        return like.new_ones(())
    assert isinstance(values, Tensor)
    return values.to(like.dtype).reshape(-1, *[1] * (like.dim() - axis - 1))


def _share(inputs: Tensors, settings: Settings) -> _Share:
    z, smoothing = given(inputs, 0), settings["label_smoothing"]
    axis = _class_axis(z.dim())
    classes, weight = z.shape[axis], _by_class(settings["weight"], z, axis)
    if len(inputs) > 1:
        smoothed = (1 - smoothing) * given(inputs, 1) + smoothing / classes
        return _Share(weight * smoothed, z.numel() // max(classes, 1))
    chosen = _chosen(settings, z.dtype)
    hard = torch.zeros_like(z).scatter(axis, chosen.number.unsqueeze(axis), chosen.weight.unsqueeze(axis))
    even = chosen.valid.to(z.dtype).unsqueeze(axis) * weight * (smoothing / classes)
    return _Share((1 - smoothing) * hard + even, chosen.weight.sum())


def _cross_forward(inputs: Tensors, settings: Settings) -> Tensors:
    z, share = given(inputs, 0), _share(inputs, settings)
    axis = _class_axis(z.dim())
    log_p = log_softmax(z, axis)
    # a class that has no share may have p = 0: 0 · (−∞) would be nan
    counted = torch.where(share.of_class != 0, log_p, torch.zeros_like(log_p))
    each = -(share.of_class * counted).sum(axis)
    if reduction_named(settings["reduction"]) == "none":
        return (each,)
    return (each.sum() / share.total if settings["reduction"] == "mean" else each.sum(),)


def _cross_backward(errors: Tensors, kept: Kept) -> Tensors:
    z, settings = given(kept.inputs, 0), kept.settings
    axis, share, error = _class_axis(z.dim()), _share(kept.inputs, settings), given(errors, 0)
    if reduction_named(settings["reduction"]) == "none":
        error = error.unsqueeze(axis)
    elif settings["reduction"] == "mean":
        error = error / share.total
    log_p, a = log_softmax(z, axis), share.of_class
    found: list[Tensor | None] = [None] * len(kept.inputs)
    if kept.wanted[0]:
        # where an example counts for nothing, so does the error: also where all do, and W is 0
        found[0] = torch.where((a != 0).any(axis, keepdim=True), error, 0) * (torch.exp(log_p) * a.sum(axis, True) - a)
    if len(found) > 1 and kept.wanted[1]:
        weight = _by_class(settings["weight"], z, axis)
        found[1] = -error * (1 - settings["label_smoothing"]) * weight * log_p
    return tuple(found)


CROSS_ENTROPY = Law(
    name="cross_entropy",
    role="loss",
    title="cross-entropy",
    value=r"L = -\frac{1}{N} \sum_i \sum_c y_{ic} \operatorname{log} \operatorname{softmax}(z_i)_c",
    error=r"\delta = \frac{1}{N} (\operatorname{softmax}(z) - y)",
    step=r"@d \cdot \frac{1}{N} (\operatorname{softmax}(z) - y)",
    source="Bridle 1990; label smoothing: Szegedy et al. 2016",
    forward=_cross_forward,
    backward=_cross_backward,
)

LAWS: tuple[Law, ...] = (NLL_LOSS, CROSS_ENTROPY)
