"""Laws of losses between a value and a target of its shape: squared, absolute, smooth L1, Huber, binary cross-entropy.

inputs: (value, target), both differentiable, broadcast where their shapes differ.
settings: reduction (none, mean, sum); beta (smooth L1); delta (Huber); weight and pos_weight (binary), constants.
In the formulas N is the number of terms under a mean and 1 otherwise, κ is Huber's delta, π is pos_weight.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given, unbroadcast
from .losses_reducing import as_weight, reduced, sigmoid, softplus, spread

Each = Callable[[Tensor, Tensor, Settings], Tensor]
"""(value, target, settings) -> one number an element: the loss's term, or its slope along one of both."""

LOG_FLOOR = -100.0
"""torch.nn.BCELoss: log p is not taken below this."""

VARIANCE_FLOOR = 9.999999960041972e-13
"""torch.nn.BCELoss, backward: p (1 - p) is not taken below 1e-12; torch holds that number in float32."""


def _forward(each: Each) -> Callable[[Tensors, Settings], Tensors]:
    def forward(inputs: Tensors, settings: Settings) -> Tensors:
        return (reduced(each(given(inputs, 0), given(inputs, 1), settings), settings["reduction"]),)

    return forward


def _backward(along_value: Each, along_target: Each) -> Callable[[Tensors, Kept], Tensors]:
    def backward(errors: Tensors, kept: Kept) -> Tensors:
        value, target = given(kept.inputs, 0), given(kept.inputs, 1)
        found: list[Tensor | None] = []
        for to, along, wanted in zip((value, target), (along_value, along_target), kept.wanted, strict=True):
            if not wanted:
                found.append(None)
                continue
            slope = along(value, target, kept.settings)
            error = spread(given(errors, 0), slope.shape, kept.settings["reduction"]) * slope
            found.append(unbroadcast(error, to.shape))
        return tuple(found)

    return backward


def _minus(slope: Each) -> Each:
    """The slope along the target of a loss of value − target."""
    return lambda value, target, settings: -slope(value, target, settings)


def _squared(value: Tensor, target: Tensor, settings: Settings) -> Tensor:
    return (value - target) ** 2


def _squared_slope(value: Tensor, target: Tensor, settings: Settings) -> Tensor:
    return 2 * (value - target)


def _absolute(value: Tensor, target: Tensor, settings: Settings) -> Tensor:
    return (value - target).abs()


def _absolute_slope(value: Tensor, target: Tensor, settings: Settings) -> Tensor:
    return torch.sign(value - target)


def _smooth(value: Tensor, target: Tensor, settings: Settings) -> Tensor:
    size, beta = (value - target).abs(), settings["beta"]
    return torch.where(size < beta, size**2 / (2 * beta), size - beta / 2)


def _smooth_slope(value: Tensor, target: Tensor, settings: Settings) -> Tensor:
    gap, beta = value - target, settings["beta"]
    return torch.where(gap.abs() < beta, gap / beta, torch.sign(gap))


def _huber(value: Tensor, target: Tensor, settings: Settings) -> Tensor:
    size, delta = (value - target).abs(), settings["delta"]
    return torch.where(size <= delta, size**2 / 2, delta * (size - delta / 2))


def _huber_slope(value: Tensor, target: Tensor, settings: Settings) -> Tensor:
    return (value - target).clamp(-settings["delta"], settings["delta"])


def _binary(p: Tensor, target: Tensor, settings: Settings) -> Tensor:
    yes, no = torch.log(p).clamp(min=LOG_FLOOR), torch.log1p(-p).clamp(min=LOG_FLOOR)
    return ((target - 1) * no - target * yes) * as_weight(settings["weight"], p)


def _binary_slope(p: Tensor, target: Tensor, settings: Settings) -> Tensor:
    return (p - target) / ((1 - p) * p).clamp(min=VARIANCE_FLOOR) * as_weight(settings["weight"], p)


def _binary_target(p: Tensor, target: Tensor, settings: Settings) -> Tensor:
    return (torch.log1p(-p) - torch.log(p)) * as_weight(settings["weight"], p)


def _logits(z: Tensor, target: Tensor, settings: Settings) -> Tensor:
    positive = as_weight(settings["pos_weight"], z)
    term = (1 - target) * z + (1 + (positive - 1) * target) * softplus(-z)
    return term * as_weight(settings["weight"], z)


def _logits_slope(z: Tensor, target: Tensor, settings: Settings) -> Tensor:
    yes = as_weight(settings["pos_weight"], z) * target
    return ((yes + 1 - target) * sigmoid(z) - yes) * as_weight(settings["weight"], z)


def _logits_target(z: Tensor, target: Tensor, settings: Settings) -> Tensor:
    positive = as_weight(settings["pos_weight"], z)
    return ((positive - 1) * softplus(-z) - z) * as_weight(settings["weight"], z)


MSE_LOSS = Law(
    name="mse_loss",
    role="loss",
    title="squared error",
    value=r"L = \frac{1}{N} \sum_i (\hat{y}_i - y_i)^2",
    error=r"\delta = \frac{2}{N} (\hat{y} - y)",
    step=r"@d \cdot \frac{2}{N} (\hat{y} - y)",
    source="Rumelhart, Hinton and Williams 1986",
    forward=_forward(_squared),
    backward=_backward(_squared_slope, _minus(_squared_slope)),
)

L1_LOSS = Law(
    name="l1_loss",
    role="loss",
    title="absolute error",
    value=r"L = \frac{1}{N} \sum_i \| \hat{y}_i - y_i \|",
    error=r"\delta = \frac{1}{N} \operatorname{sgn}(\hat{y} - y)",
    step=r"@d \cdot \frac{1}{N} \operatorname{sgn}(\hat{y} - y)",
    source="definition; 0 at the kink, as in torch",
    forward=_forward(_absolute),
    backward=_backward(_absolute_slope, _minus(_absolute_slope)),
)

SMOOTH_L1_LOSS = Law(
    name="smooth_l1_loss",
    role="loss",
    title="smooth L1",
    value=r"L = \frac{1}{N} \sum_i \left( \frac{d_i^2}{2 \beta} \mathbb{1}_{\| d_i \| \lt \beta}"
    r" + (\| d_i \| - \frac{\beta}{2}) \mathbb{1}_{\| d_i \| \geq \beta} \right), d = \hat{y} - y",
    error=r"\delta = \frac{1}{N} \operatorname{clip}(\frac{\hat{y} - y}{\beta}, -1, 1)",
    step=r"@d \cdot \frac{1}{N} \operatorname{clip}(\frac{\hat{y} - y}{\beta}, -1, 1)",
    source="Girshick 2015, Fast R-CNN",
    forward=_forward(_smooth),
    backward=_backward(_smooth_slope, _minus(_smooth_slope)),
)

HUBER_LOSS = Law(
    name="huber_loss",
    role="loss",
    title="Huber",
    value=r"L = \frac{1}{N} \sum_i \left( \frac{d_i^2}{2} \mathbb{1}_{\| d_i \| \leq \kappa}"
    r" + \kappa (\| d_i \| - \frac{\kappa}{2}) \mathbb{1}_{\kappa \lt \| d_i \|} \right), d = \hat{y} - y",
    error=r"\delta = \frac{1}{N} \operatorname{clip}(\hat{y} - y, -\kappa, \kappa)",
    step=r"@d \cdot \frac{1}{N} \operatorname{clip}(\hat{y} - y, -\kappa, \kappa)",
    source="Huber 1964",
    forward=_forward(_huber),
    backward=_backward(_huber_slope, _minus(_huber_slope)),
)

BINARY_CROSS_ENTROPY = Law(
    name="binary_cross_entropy",
    role="loss",
    title="binary cross-entropy",
    value=r"L = -\frac{1}{N} \sum_i \left( y_i \operatorname{log} p_i + (1 - y_i) \operatorname{log}(1 - p_i) \right)",
    error=r"\delta = \frac{1}{N} \frac{p - y}{p (1 - p)}",
    step=r"@d \cdot \frac{1}{N} \frac{p - y}{p (1 - p)}",
    source="definition; the logarithm at least -100 and p (1 - p) at least 1e-12, as in torch",
    forward=_forward(_binary),
    backward=_backward(_binary_slope, _binary_target),
)

BINARY_CROSS_ENTROPY_WITH_LOGITS = Law(
    name="binary_cross_entropy_with_logits",
    role="loss",
    title="binary cross-entropy",
    value=r"L = \frac{1}{N} \sum_i \left( (1 - y_i) z_i + (1 + (\pi - 1) y_i) \operatorname{log}(1 + e^{-z_i}) \right)",
    error=r"\delta = \frac{1}{N} (\sigma(z) - y),"
    r" \delta_{\pi} = \frac{1}{N} \left( (1 + (\pi - 1) y) \odot \sigma(z) - \pi y \right)",
    step=r"@d \cdot \frac{1}{N} (\sigma(z) - y)",
    source="Bishop 2006, section 4.3.2; the weight of positives as in torch",
    forward=_forward(_logits),
    backward=_backward(_logits_slope, _logits_target),
)

LAWS: tuple[Law, ...] = (
    MSE_LOSS,
    L1_LOSS,
    SMOOTH_L1_LOSS,
    HUBER_LOSS,
    BINARY_CROSS_ENTROPY,
    BINARY_CROSS_ENTROPY_WITH_LOGITS,
)
