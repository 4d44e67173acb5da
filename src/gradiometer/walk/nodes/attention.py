"""Autograd nodes of softmax and of scaled dot-product attention, read as laws."""

from __future__ import annotations

from typing import Any

from ..laws import attention
from ..laws.attention_product import ATTENTION
from ..laws.law import Applied, Law
from .activations import signed
from .reading import Reader


def _from_result(law: Law) -> Reader:
    return lambda node: Applied(law, (None,), (node._saved_result,), {"dim": signed(node._saved_dim)})


def _masked_softmax(node: Any) -> Applied:
    """What is masked has the share 0, so the rule of the softmax holds as it stands."""
    dim = node._saved_dim
    settings = {"dim": -1 if dim is None else signed(dim)}
    return Applied(attention.SOFTMAX, (None,), (node._saved_result,), settings)


def _attention(node: Any) -> Applied:
    """The node has no edge for the mask: it is a setting here. Torch takes this way only where nothing is dropped."""
    inputs = (node._saved_query, node._saved_key, node._saved_value)
    settings = {"mask": node._saved_attn_mask, "is_causal": node._saved_is_causal, "scale": node._saved_scale}
    return Applied(ATTENTION, inputs, (node._saved_output, node._saved_logsumexp), settings)


READERS: dict[str, Reader] = {
    "SoftmaxBackward0": _from_result(attention.SOFTMAX),
    "SafeSoftmaxBackward0": _from_result(attention.SAFE_SOFTMAX),
    "MaskedSoftmaxBackward0": _masked_softmax,
    "LogSoftmaxBackward0": _from_result(attention.LOG_SOFTMAX),
    "ScaledDotProductFlashAttentionForCpuBackward0": _attention,
}
