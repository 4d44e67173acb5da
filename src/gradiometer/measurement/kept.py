"""The last tensors that left modules, kept until the backward pass that follows: predictions that no node saves."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor

KEPT_TENSORS = 8  # heads and their activations; what lies deeper is no prediction
KEPT_NUMEL = 2**22  # a larger one is not held: it would raise the peak of memory


class Kept:
    """Detached outputs by their place in the autograd graph: (node, output number)."""

    def __init__(self) -> None:
        self._tensors: OrderedDict[tuple[Any, int], tuple[Tensor, int]] = OrderedDict()

    def keep(self, t: Tensor) -> None:
        """Hold one output; the oldest goes."""
        if t.numel() > KEPT_NUMEL:
            return
        key = (t.grad_fn, t.output_nr)
        self._tensors.pop(key, None)
        self._tensors[key] = (t.detach(), t._version)
        if len(self._tensors) > KEPT_TENSORS:
            self._tensors.popitem(last=False)

    def of(self, vertex: tuple[Any, int]) -> Tensor | None:
        """The tensor at a place of the graph, as long as nobody has changed it since."""
        value, version = self._tensors.get(vertex, (None, 0))
        return value if value is not None and value._version == version else None

    def clear(self) -> None:
        """Let go of all."""
        self._tensors.clear()
