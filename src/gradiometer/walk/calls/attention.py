"""Calls of softmax and of scaled dot-product attention, read as laws. Each has the signature of torch's operation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gradiometer.records.errors import ModelError

from ..laws import attention
from ..laws.attention_product import ATTENTION
from ..laws.law import Law
from .activations import by_signature
from .calling import Called, Caller


def _along(law: Law) -> Callable[..., Called]:
    def read(x: Tensor, dim: int, half_to_float: bool) -> Called:
        return Called(law, (x,), {"dim": dim, "dtype": torch.float32 if half_to_float else None})

    return read


def _safe_softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Called:
    return Called(attention.SAFE_SOFTMAX, (x,), {"dim": dim, "dtype": dtype})


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: Tensor | None = None,
    scale: float | None = None,
) -> Called:
    if dropout_p:
        raise ModelError(
            f"scaled dot-product attention drops {dropout_p:g} of its shares inside torch, so it cannot be computed "
            "by hand. Use dropout_p=0, or torch.nn.attention.sdpa_kernel(SDPBackend.MATH)."
        )
    return Called(ATTENTION, (query, key, value, attn_mask), {"is_causal": is_causal, "scale": scale})


_READINGS: dict[str, Callable[..., Called]] = {
    "aten::_softmax": _along(attention.SOFTMAX),
    "aten::_log_softmax": _along(attention.LOG_SOFTMAX),
    "aten::_safe_softmax": _safe_softmax,
    "aten::_scaled_dot_product_flash_attention_for_cpu": _attention,
}

CALLS: dict[str, Caller] = {name: by_signature(read) for name, read in _READINGS.items()}
