"""Autograd nodes of losses, read as laws.

Targets that are class numbers, and weights, carry no error and have no edge: they stand in the settings.
"""

from __future__ import annotations

from typing import Any

from ..laws.law import Applied, Law
from ..laws.losses_classes import CROSS_ENTROPY, NLL_LOSS
from ..laws.losses_elementwise import (
    BINARY_CROSS_ENTROPY,
    BINARY_CROSS_ENTROPY_WITH_LOGITS,
    HUBER_LOSS,
    MSE_LOSS,
    SMOOTH_L1_LOSS,
)
from ..laws.losses_margins import MULTI_MARGIN_LOSS, MULTILABEL_MARGIN_LOSS, SOFT_MARGIN_LOSS
from ..laws.losses_reducing import reduction_named
from .reading import Reader

_TWO_TO_64 = 2**64  # negative numbers are saved modulo this
_OPTIONAL = {HUBER_LOSS.name: ("delta",), SMOOTH_L1_LOSS.name: ("beta",), BINARY_CROSS_ENTROPY.name: ("weight",)} | {
    BINARY_CROSS_ENTROPY_WITH_LOGITS.name: ("weight", "pos_weight"),
    SOFT_MARGIN_LOSS.name: ("target",),
    MULTI_MARGIN_LOSS.name: ("target", "p", "margin", "weight"),
    MULTILABEL_MARGIN_LOSS.name: ("target",),
}


def _signed(number: int) -> int:
    return number - _TWO_TO_64 if number >= _TWO_TO_64 // 2 else number


def _settings(law: Law, node: Any) -> dict[str, Any]:
    found = {name: getattr(node, f"_saved_{name}") for name in _OPTIONAL.get(law.name, ())}
    return {**found, "reduction": reduction_named(node._saved_reduction)}


def _with_target(law: Law) -> Reader:
    """A loss whose target is an input, with an edge of its own."""

    def read(node: Any) -> Applied:
        return Applied(law, (node._saved_self, node._saved_target), (None,), _settings(law, node))

    return read


def _alone(law: Law) -> Reader:
    """A loss whose target is a constant."""

    def read(node: Any) -> Applied:
        return Applied(law, (node._saved_self,), (None,), _settings(law, node))

    return read


def _read_nll(node: Any) -> Applied:
    settings = {
        "target": node._saved_target,
        "weight": node._saved_weight,
        "ignore_index": _signed(node._saved_ignore_index),
        "reduction": reduction_named(node._saved_reduction),
    }
    return Applied(NLL_LOSS, (node._saved_self,), (None, node._saved_total_weight), settings)


def read_cross_entropy(node: Any) -> Applied | None:
    """A cross-entropy from the last of its two nodes, NllLoss over LogSoftmax; None where it is none.

    Its one input aligns with the edge of the LogSoftmax node. The input given is log p, which the node has kept: it
    stands for the logits, because softmax(log p) = p.
    """
    if node.name() not in ("NllLossBackward0", "NllLoss2DBackward0"):
        return None
    below = node.next_functions[0][0]
    if below is None or below.name() != "LogSoftmaxBackward0":
        return None
    applied = _read_nll(node)
    dims = node._saved_self.dim()
    if _signed(below._saved_dim) % dims != (0 if dims == 1 else 1):
        return None
    return Applied(CROSS_ENTROPY, applied.inputs, (None,), {**applied.settings, "label_smoothing": 0.0})


READERS: dict[str, Reader] = {
    "MseLossBackward0": _with_target(MSE_LOSS),
    "SmoothL1LossBackward0": _with_target(SMOOTH_L1_LOSS),
    "HuberLossBackward0": _with_target(HUBER_LOSS),
    "BinaryCrossEntropyBackward0": _with_target(BINARY_CROSS_ENTROPY),
    "BinaryCrossEntropyWithLogitsBackward0": _with_target(BINARY_CROSS_ENTROPY_WITH_LOGITS),
    "NllLossBackward0": _read_nll,
    "NllLoss2DBackward0": _read_nll,
    "SoftMarginLossBackward0": _alone(SOFT_MARGIN_LOSS),
    "MultiMarginLossBackward0": _alone(MULTI_MARGIN_LOSS),
    "MultilabelMarginLossBackward0": _alone(MULTILABEL_MARGIN_LOSS),
}
