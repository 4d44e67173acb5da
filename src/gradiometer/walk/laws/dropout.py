"""Laws of dropout: with the mask of the forward pass, which is an input. The laws draw nothing."""

from __future__ import annotations

import math

from torch import Tensor

from .activations_exponential import SELU_ALPHA, SELU_SCALE
from .law import Kept, Law, Settings, Tensors, given


def _scale(p: float) -> float:
    """1 / (1 − p); 0 where all is dropped."""
    return 0.0 if p == 1 else 1 / (1 - p)


def _mask(kept: Kept) -> Tensor:
    """The mask: an input of the law, and its second output too, which is all that torch's node has."""
    return given(kept.inputs, 1) if len(kept.inputs) > 1 else given(kept.outputs, 1)


def _without(kept: Kept, error: Tensor | None) -> Tensors:
    """No error goes to the mask; torch's node has no edge for it."""
    return (error, None)[: len(kept.wanted)]


def _dropout(inputs: Tensors, settings: Settings) -> Tensors:
    x, mask = given(inputs, 0), given(inputs, 1)
    return x * mask * _scale(settings["p"]), mask


def _dropout_back(errors: Tensors, kept: Kept) -> Tensors:
    if errors[0] is None or not kept.wanted[0]:
        return _without(kept, None)
    return _without(kept, errors[0] * _mask(kept) * _scale(kept.settings["p"]))


DROPOUT = Law(
    name="dropout",
    role="dropout",
    title="dropout",
    value=r"y = \frac{1}{1 - p} m \odot x",
    error=r"\delta_x = \frac{1}{1 - p} m \odot \delta_y",
    step=r"\frac{1}{1 - p} m_{@v} \odot @d",
    source="Srivastava et al. 2014",
    forward=_dropout,
    backward=_dropout_back,
)

_FLOOR = SELU_ALPHA * SELU_SCALE  # a dropped unit is set to −this, where SELU saturates


def _alpha_scale(p: float) -> float:
    """The a that brings mean 0 and variance 1 back; 0 where all is dropped."""
    return 0.0 if p == 1 else 1 / math.sqrt((_FLOOR**2 * p + 1) * (1 - p))


def _alpha_dropout(inputs: Tensors, settings: Settings) -> Tensors:
    x, mask = given(inputs, 0), given(inputs, 1)
    p, a = settings["p"], _alpha_scale(settings["p"])
    kept = mask.to(x.dtype)
    return x * kept * a + (kept - 1 + p) * (_FLOOR * a), mask


def _alpha_dropout_back(errors: Tensors, kept: Kept) -> Tensors:
    if errors[0] is None or not kept.wanted[0]:
        return _without(kept, None)
    return _without(kept, errors[0] * _mask(kept) * _alpha_scale(kept.settings["p"]))


ALPHA_DROPOUT = Law(
    name="alpha_dropout",
    role="dropout",
    title="alpha dropout",
    value=r"y = a \left( m \odot x - c (1 - m) + c p \right), a = \frac{1}{\sqrt{(1 - p)(1 + p c^2)}}, c = 1.7581",
    error=r"\delta_x = a m \odot \delta_y",
    step=r"a m_{@v} \odot @d",
    source="Klambauer et al. 2017, Self-normalizing neural networks",
    forward=_alpha_dropout,
    backward=_alpha_dropout_back,
)

LAWS: tuple[Law, ...] = (DROPOUT, ALPHA_DROPOUT)
