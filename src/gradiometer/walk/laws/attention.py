"""Laws of softmax and of scaled dot-product attention.

Settings of a softmax: dim; dtype, into which the input is brought first, None for its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .attention_product import ATTENTION
from .law import Kept, Law, Settings, Tensors, given


def _shifted(inputs: Tensors, settings: Settings) -> Tensor:
    """x in the dtype asked for, less its largest value along the axis, so that no power of e is above 1."""
    x, dtype = given(inputs, 0), settings.get("dtype")
    x = x if dtype is None else x.to(dtype)
    return x if x.numel() == 0 else x - x.amax(dim=settings["dim"], keepdim=True)


def _back(error: Tensor, kept: Kept) -> Tensor:
    """The error in the dtype of the input."""
    x = kept.inputs[0]
    return error if x is None else error.to(x.dtype)


def _softmax(inputs: Tensors, settings: Settings) -> Tensors:
    powers = torch.exp(_shifted(inputs, settings))
    return (powers / powers.sum(dim=settings["dim"], keepdim=True),)


def _softmax_back(errors: Tensors, kept: Kept) -> Tensors:
    delta = errors[0]
    if delta is None or not kept.wanted[0]:
        return (None,)
    y = kept.outputs[0] if kept.outputs[0] is not None else given(_softmax(kept.inputs, kept.settings), 0)
    weighed = delta * y
    return (_back(weighed - y * weighed.sum(dim=kept.settings["dim"], keepdim=True), kept),)


SOFTMAX = Law(
    name="softmax",
    role="softmax",
    title="softmax",
    value=r"p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}",
    error=r"\delta_z = p \odot \left( \delta_p - \sum_j p_j \delta_{p_j} \right)",
    step=r"p_{@v} \odot \left( I - \mathbb{1} p_{@v}^{\top} \right) @d",
    source="Bridle 1990",
    forward=_softmax,
    backward=_softmax_back,
)


def _safe_softmax(inputs: Tensors, settings: Settings) -> Tensors:
    x = given(inputs, 0)
    y = given(_softmax(inputs, settings), 0)
    empty = (x == -torch.inf).all(dim=settings["dim"], keepdim=True)
    return (torch.where(empty, torch.zeros_like(y), y),)


def _safe_softmax_back(errors: Tensors, kept: Kept) -> Tensors:
    made = kept.outputs if kept.outputs[0] is not None else _safe_softmax(kept.inputs, kept.settings)
    return _softmax_back(errors, Kept(kept.inputs, made, kept.shapes, kept.settings, kept.wanted))


SAFE_SOFTMAX = Law(
    name="safe_softmax",
    role="softmax",
    title="softmax",
    value=r"p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}",
    error=SOFTMAX.error,
    step=SOFTMAX.step,
    source="Bridle 1990; a row that is masked altogether is 0",
    forward=_safe_softmax,
    backward=_safe_softmax_back,
)


def _log_softmax(inputs: Tensors, settings: Settings) -> Tensors:
    shifted = _shifted(inputs, settings)
    return (shifted - torch.log(torch.exp(shifted).sum(dim=settings["dim"], keepdim=True)),)


def _log_softmax_back(errors: Tensors, kept: Kept) -> Tensors:
    delta = errors[0]
    if delta is None or not kept.wanted[0]:
        return (None,)
    y = kept.outputs[0] if kept.outputs[0] is not None else given(_log_softmax(kept.inputs, kept.settings), 0)
    return (_back(delta - torch.exp(y) * delta.sum(dim=kept.settings["dim"], keepdim=True), kept),)


LOG_SOFTMAX = Law(
    name="log_softmax",
    role="softmax",
    title="log softmax",
    value=r"y_i = z_i - \operatorname{log} \sum_j e^{z_j}",
    error=r"\delta_z = \delta_y - e^y \odot \sum_j \delta_{y_j}",
    step=r"\left( I - p_{@v} \mathbb{1}^{\top} \right) @d",
    source="Bridle 1990",
    forward=_log_softmax,
    backward=_log_softmax_back,
)

LAWS: tuple[Law, ...] = (SOFTMAX, SAFE_SOFTMAX, LOG_SOFTMAX, ATTENTION)
