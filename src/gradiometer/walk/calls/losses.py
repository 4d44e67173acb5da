"""Calls of losses, read as laws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..laws.law import Law
from ..laws.losses_classes import IGNORE_INDEX, NLL_LOSS
from ..laws.losses_elementwise import (
    BINARY_CROSS_ENTROPY,
    BINARY_CROSS_ENTROPY_WITH_LOGITS,
    HUBER_LOSS,
    MSE_LOSS,
    SMOOTH_L1_LOSS,
)
from ..laws.losses_margins import MULTI_MARGIN_LOSS, MULTILABEL_MARGIN_LOSS, SOFT_MARGIN_LOSS
from ..laws.losses_reducing import REDUCTIONS, reduction_named
from .calling import Called, Caller

_MEAN = REDUCTIONS.index("mean")
_WEIGHT: tuple[str, Any] = ("weight", None)
_REDUCTION: tuple[str, Any] = ("reduction", _MEAN)
_NLL = (_WEIGHT, _REDUCTION, ("ignore_index", IGNORE_INDEX))
_BINARY_LOGITS = (_WEIGHT, ("pos_weight", None), _REDUCTION)
_MULTI_MARGIN = (("p", 1), ("margin", 1.0), _WEIGHT, _REDUCTION)

Signature = tuple[tuple[str, Any], ...]
"""What follows (self, target): names and defaults, in the order of the operation."""


def _bound(signature: Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """(self, target, settings) of a call."""
    named = {**dict(zip(("self", "target", *(name for name, _ in signature)), args, strict=False)), **kwargs}
    settings: dict[str, Any] = {name: named.get(name, default) for name, default in signature}
    return named["self"], named["target"], {**settings, "reduction": reduction_named(settings["reduction"])}


def _with_target(law: Law, *signature: tuple[str, Any]) -> Caller:
    """A loss whose target is an input."""

    def call(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called:
        value, target, settings = _bound(signature, args, kwargs)
        return Called(law, (value, target), settings)

    return call


def _alone(law: Law, *signature: tuple[str, Any]) -> Caller:
    """A loss whose target is a constant, in the settings."""

    def call(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called:
        value, target, settings = _bound(signature, args, kwargs)
        return Called(law, (value,), {**settings, "target": target})

    return call


CALLS: dict[str, Caller] = {
    "aten::mse_loss": _with_target(MSE_LOSS, _REDUCTION),
    "aten::smooth_l1_loss": _with_target(SMOOTH_L1_LOSS, _REDUCTION, ("beta", 1.0)),
    "aten::huber_loss": _with_target(HUBER_LOSS, _REDUCTION, ("delta", 1.0)),
    "aten::binary_cross_entropy": _with_target(BINARY_CROSS_ENTROPY, _WEIGHT, _REDUCTION),
    "aten::binary_cross_entropy_with_logits": _with_target(BINARY_CROSS_ENTROPY_WITH_LOGITS, *_BINARY_LOGITS),
    "aten::nll_loss_forward": _alone(NLL_LOSS, *_NLL),
    "aten::nll_loss2d_forward": _alone(NLL_LOSS, *_NLL),
    "aten::soft_margin_loss": _alone(SOFT_MARGIN_LOSS, _REDUCTION),
    "aten::multi_margin_loss": _alone(MULTI_MARGIN_LOSS, *_MULTI_MARGIN),
    "aten::multilabel_margin_loss_forward": _alone(MULTILABEL_MARGIN_LOSS, _REDUCTION),
}
