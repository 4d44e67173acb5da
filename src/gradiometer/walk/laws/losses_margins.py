"""Laws of losses that ask for a margin: soft margin, margin over classes, margin over several labels.

Shape letters: N examples, C classes, K labels listed for an example.
Targets are no differentiable input: they stand in settings["target"].
settings: reduction; margin, p (1 or 2) and weight [C] or None (margin over classes).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given
from .losses_reducing import reduced, sigmoid, softplus, spread


def _soft_forward(inputs: Tensors, settings: Settings) -> Tensors:
    return (reduced(softplus(-settings["target"] * given(inputs, 0)), settings["reduction"]),)


def _soft_backward(errors: Tensors, kept: Kept) -> Tensors:
    x, y = given(kept.inputs, 0), kept.settings["target"]
    arriving = spread(given(errors, 0), x.shape, kept.settings["reduction"])
    return (-arriving * y * sigmoid(-y * x),)


SOFT_MARGIN_LOSS = Law(
    name="soft_margin_loss",
    role="loss",
    title="soft margin",
    value=r"L = \frac{1}{N} \sum_i \operatorname{log}(1 + e^{-y_i x_i})",
    error=r"\delta = -\frac{1}{N} y \odot \sigma(-y \odot x)",
    step=r"-@d \cdot \frac{1}{N} y \odot \sigma(-y \odot x)",
    source="definition",
    forward=_soft_forward,
    backward=_soft_backward,
)


@dataclass(frozen=True, slots=True)
class _Margins:
    """Of every class to the true one: missing [N, C] (0 where enough, and at the true class), weight [N, 1]."""

    missing: Tensor
    number: Tensor
    weight: Tensor | float


def _margins(x: Tensor, settings: Settings) -> _Margins:
    rows = x.reshape(-1, x.shape[-1])
    number = settings["target"].reshape(-1, 1)
    gap = settings["margin"] - rows.gather(1, number) + rows
    other = torch.ones_like(rows).scatter(1, number, torch.zeros_like(rows))
    weight = settings["weight"]
    return _Margins(gap.clamp(min=0) * other, number, 1.0 if weight is None else weight.to(x.dtype)[number])


def _multi_forward(inputs: Tensors, settings: Settings) -> Tensors:
    x = given(inputs, 0)
    found = _margins(x, settings)
    each = (found.missing ** settings["p"] * found.weight).sum(1) / x.shape[-1]
    return (reduced(each.reshape(x.shape[:-1]), settings["reduction"]),)


def _multi_backward(errors: Tensors, kept: Kept) -> Tensors:
    x, settings = given(kept.inputs, 0), kept.settings
    found = _margins(x, settings)
    slope = torch.sign(found.missing) if settings["p"] == 1 else 2 * found.missing
    arriving = spread(given(errors, 0), x.shape[:-1], settings["reduction"]).reshape(-1, 1)
    toward = arriving * found.weight * slope / x.shape[-1]
    return (toward.scatter(1, found.number, -toward.sum(1, keepdim=True)).reshape(x.shape),)


MULTI_MARGIN_LOSS = Law(
    name="multi_margin_loss",
    role="loss",
    title="margin over classes",
    value=r"L = \frac{1}{N} \sum_i \frac{w_{y_i}}{C} \sum_c (1 - \mathbb{1}_{c = y_i}) m_{ic}^p,"
    r" m_{ic} = \operatorname{max}(0, \mu - x_{i y_i} + x_{ic})",
    error=r"\delta_{ic} = \frac{w_{y_i} p}{N C} m_{ic}^{p - 1} \mathbb{1}_{0 \lt m_{ic}},"
    r" \delta_{i y_i} = -\sum_c (1 - \mathbb{1}_{c = y_i}) \delta_{ic}",
    step=r"@d \cdot \frac{w_y p}{N C} m^{p - 1}",
    source="Crammer and Singer 2001; over C classes, as in torch",
    forward=_multi_forward,
    backward=_multi_backward,
)


@dataclass(frozen=True, slots=True)
class _Labels:
    """listed, number [N, K]; labelled [N, C] bool; missing [N, K, C]: margin that class c has not left to label k."""

    listed: Tensor
    number: Tensor
    labelled: Tensor
    missing: Tensor


def _labels(x: Tensor, settings: Settings) -> _Labels:
    rows = x.reshape(-1, x.shape[-1])
    target = settings["target"].reshape(rows.shape)
    listed = (target >= 0).long().cumprod(1)  # the first negative number ends the list
    number = target.clamp(min=0)
    labelled = torch.zeros_like(target).scatter_add(1, number, listed) > 0
    counts = listed.unsqueeze(2) * (~labelled).unsqueeze(1)
    gap = 1 - rows.gather(1, number).unsqueeze(2) + rows.unsqueeze(1)
    return _Labels(listed, number, labelled, gap.clamp(min=0) * counts)


def _multilabel_forward(inputs: Tensors, settings: Settings) -> Tensors:
    x = given(inputs, 0)
    found = _labels(x, settings)
    each = found.missing.sum((1, 2)) / x.shape[-1]
    loss = reduced(each.reshape(x.shape[:-1]), settings["reduction"])
    return loss, found.labelled.to(x.dtype).reshape(x.shape)


def _multilabel_backward(errors: Tensors, kept: Kept) -> Tensors:
    x, settings = given(kept.inputs, 0), kept.settings
    found = _labels(x, settings)
    short = torch.sign(found.missing)
    toward = short.sum(1).scatter_add(1, found.number, -short.sum(2)) / x.shape[-1]
    arriving = spread(given(errors, 0), x.shape[:-1], settings["reduction"]).reshape(-1, 1)
    return ((arriving * toward).reshape(x.shape),)


MULTILABEL_MARGIN_LOSS = Law(
    name="multilabel_margin_loss",
    role="loss",
    title="margin over labels",
    value=r"L = \frac{1}{N C} \sum_i \sum_{k \in Y_i} \sum_c (1 - \mathbb{1}_{c \in Y_i})"
    r" \operatorname{max}(0, 1 - x_{ik} + x_{ic})",
    error=r"\delta_{ic} = \frac{1}{N C} \sum_{k \in Y_i} \mathbb{1}_{x_{ik} \lt 1 + x_{ic}},"
    r" \delta_{ik} = -\frac{1}{N C} \sum_c (1 - \mathbb{1}_{c \in Y_i}) \mathbb{1}_{x_{ik} \lt 1 + x_{ic}}",
    step=r"@d \cdot \frac{1}{N C} \sum \mathbb{1}_{x_k \lt 1 + x_c}",
    source="definition, as in torch",
    forward=_multilabel_forward,
    backward=_multilabel_backward,
)

LAWS: tuple[Law, ...] = (SOFT_MARGIN_LOSS, MULTI_MARGIN_LOSS, MULTILABEL_MARGIN_LOSS)
