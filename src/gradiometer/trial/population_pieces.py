"""Pieces of a network that cost less for all members at once than torch.func.vmap makes them.

vmap adds a bias in a pass of its own over memory and takes the softmax of short rows one row at a time. Within
``Together`` a linear layer is one batched product that begins from the bias, and a cross-entropy over few classes
goes over the classes with the examples side by side. Values and gradients are the same up to the order of additions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._C import _functorch as functorch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

FEW_CLASSES = 64
"""Rows of so many numbers or fewer are too short for torch's softmax over the last axis to be quick on a CPU
(benchmarks/population.py: 1.4 ms against 0.2 ms a step at 10 classes, 256 members)."""


class Together(TorchFunctionMode):
    """For the forward pass inside vmap: exchanges ``F.linear`` and ``F.cross_entropy`` where the quicker form fits."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.linear:
            return _linear(*args, **(kwargs or {}))
        if func is F.cross_entropy:
            return _cross_entropy(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear`` of one member [..., in]; one product for all where every one of its tensors is a member's own."""
    own = [input, weight] if bias is None else [input, weight, bias]
    levels = {functorch.maybe_get_level(tensor) for tensor in own}
    if len(levels) > 1 or any(not functorch.is_batchedtensor(t) or functorch.maybe_get_bdim(t) for t in own):
        return F.linear(input, weight, bias)
    x, w, *b = (functorch.get_unwrapped(tensor) for tensor in own)  # [row, ..., in], [row, out, in], [row, out]
    if x.ndim < 3 or w.ndim != 3 or any(functorch.is_functorch_wrapped_tensor(t) for t in (x, w, *b)):
        return F.linear(input, weight, bias)
    flat, turned = x.flatten(1, -2), w.transpose(1, 2)
    y = torch.baddbmm(b[0].unsqueeze(1), flat, turned) if b else torch.bmm(flat, turned)
    out: Tensor = functorch._add_batch_dim(y.view(*x.shape[:-1], w.shape[1]), 0, levels.pop())
    return out


def _cross_entropy(input: Tensor, target: Tensor, **kwargs: Any) -> Tensor:
    """``F.cross_entropy`` of one member [example, class]; over the classes first where they are few."""
    rest = {name: value for name, value in kwargs.items() if not _default(name, value)}
    short = input.ndim == 2 and input.shape[1] <= FEW_CLASSES and input.device.type == "cpu"
    if not short or target.ndim != 1 or set(rest) - {"weight", "ignore_index", "reduction"}:
        return F.cross_entropy(input, target, **kwargs)
    shares = F.log_softmax(input.t().contiguous(), 0)
    lost = F.nll_loss(shares.unsqueeze(0), target.unsqueeze(0), **rest)  # [1, class, example]
    return lost.squeeze(0) if lost.ndim else lost


def _default(name: str, value: object) -> bool:
    return (name == "label_smoothing" and value == 0.0) or (name in ("size_average", "reduce") and value is None)
