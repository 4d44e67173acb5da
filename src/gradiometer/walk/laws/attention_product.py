"""The law of scaled dot-product attention.

N batch, H heads of the queries, J heads of keys and values (H is a multiple of J), L queries, S keys, E and V widths of
a key and of a value. Any axes may stand ahead of [L, E]; with H ≠ J the heads are the axis right ahead.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given, unbroadcast

_HEADS = -3  # axis


def _mask(inputs: Tensors, settings: Settings) -> Tensor | None:
    """The mask: the fourth input, or a setting where it carries no error (torch's node has no edge for it)."""
    return inputs[3] if len(inputs) > 3 else settings.get("mask")


def _scale(q: Tensor, settings: Settings) -> float:
    scale: float | None = settings.get("scale")
    return 1 / math.sqrt(q.shape[-1]) if scale is None else scale


def _shared(x: Tensor, q: Tensor) -> int:
    """How many heads of the queries share one head of x: 1 unless queries are grouped."""
    if q.dim() < 3 or x.shape[_HEADS] in (0, 1, q.shape[_HEADS]):
        return 1
    return q.shape[_HEADS] // x.shape[_HEADS]


def _repeated(x: Tensor, q: Tensor) -> Tensor:
    """Keys or values for every head of the queries: [N, J, S, E] as [N, H, S, E]."""
    times = _shared(x, q)
    return x if times == 1 else x.repeat_interleave(times, dim=_HEADS)


def _summed(error: Tensor, x: Tensor, q: Tensor) -> Tensor:
    """The error of keys or values: the sum over the heads, and over the axes, that share them."""
    times = _shared(x, q)
    if times > 1:
        error = error.reshape(*error.shape[:_HEADS], -1, times, *error.shape[-2:]).sum(dim=_HEADS)
    return unbroadcast(error, x.shape)


def _scores(inputs: Tensors, settings: Settings) -> Tensor:
    """S = scale · Q Kᵀ + M, −∞ where a mask or the arrow of time forbids: [N, H, L, S]."""
    q, k = given(inputs, 0), given(inputs, 1)
    scores = (q * _scale(q, settings)) @ _repeated(k, q).transpose(-2, -1)
    mask = _mask(inputs, settings)
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, -torch.inf)
    elif mask is not None:
        scores = scores + mask
    if settings.get("is_causal", False):
        past = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~past, -torch.inf)
    return scores


def _shares(scores: Tensor) -> tuple[Tensor, Tensor]:
    """P = softmax(S) and log Σ e^S over the keys. A query that may see no key has P = 0, and 0 for the logarithm."""
    if scores.shape[-1] == 0:
        return scores, scores.new_zeros(scores.shape[:-1])
    top = scores.amax(dim=-1, keepdim=True)
    top = torch.where(top == -torch.inf, torch.zeros_like(top), top)
    powers = torch.exp(scores - top)
    total = powers.sum(dim=-1, keepdim=True)
    total = torch.where(total == 0, torch.ones_like(total), total)
    return powers / total, (top + torch.log(total)).squeeze(-1)


def _attention(inputs: Tensors, settings: Settings) -> Tensors:
    q, v = given(inputs, 0), given(inputs, 2)
    shares, log_total = _shares(_scores(inputs, settings))
    return shares @ _repeated(v, q), log_total


def _attention_back(errors: Tensors, kept: Kept) -> Tensors:
    """The shares are made again from queries and keys, so that nothing of size [L, S] need be kept."""
    delta, count = errors[0], len(kept.wanted)
    if delta is None:
        return (None,) * count
    q, k, v = (given(kept.inputs, i) for i in range(3))
    shares, _ = _shares(_scores(kept.inputs, kept.settings))
    to_value = _summed(shares.transpose(-2, -1) @ delta, v, q) if kept.wanted[2] else None
    if not any((*kept.wanted[:2], *kept.wanted[3:])):
        return (None, None, to_value, None)[:count]
    at_shares = shares * (delta @ _repeated(v, q).transpose(-2, -1))
    at_scores = at_shares - shares * at_shares.sum(dim=-1, keepdim=True)
    scale, mask = _scale(q, kept.settings), _mask(kept.inputs, kept.settings)
    to_query = unbroadcast(at_scores @ _repeated(k, q) * scale, q.shape) if kept.wanted[0] else None
    to_key = _summed(at_scores.transpose(-2, -1) @ q * scale, k, q) if kept.wanted[1] else None
    learned = mask is not None and mask.is_floating_point() and count > 3 and kept.wanted[3]
    to_mask = unbroadcast(at_scores, mask.shape) if learned and mask is not None else None
    return (to_query, to_key, to_value, to_mask)[:count]


ATTENTION = Law(
    name="attention",
    role="attention",
    title="attention",
    value=r"y = P V, P = \operatorname{softmax}(S), S = s Q K^{\top} + M",
    error=r"\delta_V = P^{\top} \delta_y, \delta_P = \delta_y V^{\top}, "
    r"\delta_S = P \odot \left( \delta_P - \mathrm{rowsum}(\delta_P \odot P) \right), "
    r"\delta_Q = s \delta_S K, \delta_K = s \delta_S^{\top} Q, \delta_M = \delta_S",
    step=r"\mathrm{attention}_{@v}^{\top}(@d)",
    source="Vaswani et al. 2017",
    forward=_attention,
    backward=_attention_back,
)
