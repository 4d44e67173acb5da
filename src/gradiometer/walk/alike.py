"""What the walked pass does otherwise than the measured one, so that it is the same pass.

Circular padding is a selection of rows: torch writes it slice by slice in place, which its graph does not name. Random
numbers are drawn in the precision of the network and then made wide: in float64 torch would draw others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_MADE = (torch.randn, torch.rand, torch.randn_like, torch.rand_like)
_FILLED = (Tensor.normal_, Tensor.uniform_, Tensor.exponential_, Tensor.log_normal_, Tensor.cauchy_, Tensor.bernoulli_)
Function = Callable[..., Any]


class CircularAsSelection(TorchFunctionMode):
    """While it lasts ``F.pad(mode="circular")`` selects rows: the same numbers, by operations that have laws."""

    def __torch_function__(
        self,
        func: Function,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func is F.pad and (given.get("mode") or (args[2] if len(args) > 2 else "constant")) == "circular":
            return wrapped(args[0], given.get("pad", args[1] if len(args) > 1 else ()))
        return func(*args, **given)


def wrapped(x: Tensor, pad: Sequence[int]) -> Tensor:
    """``x`` with ``pad`` rows of its other end before and behind each of its last axes, as F.pad counts them.

    law: y_i = x_{(i − before) mod n}. shapes, units: [..., n] -> [..., before + n + behind], those of x.
    at 0: a pad of 0 leaves the axis. at inf/nan: passes on. source: definition.
    """
    for i in range(len(pad) // 2):
        before, behind = pad[2 * i], pad[2 * i + 1]
        axis = x.dim() - 1 - i
        if before or behind:
            rows = torch.arange(-before, x.shape[axis] + behind, device=x.device) % x.shape[axis]
            x = x.index_select(axis, rows)
    return x


class DrawnAs(TorchFunctionMode):
    """While it lasts random numbers are drawn in ``narrow`` where float64 is asked for, and cast."""

    def __init__(self, narrow: torch.dtype) -> None:
        super().__init__()
        self.narrow = narrow

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func in _MADE:
            return self._made(func, args, given)
        if func in _FILLED and args[0].dtype == torch.float64 and "generator" not in given:
            drawn = torch.empty_like(args[0], dtype=self.narrow)
            func(drawn, *args[1:], **given)
            return args[0].copy_(drawn)
        if func is torch.normal and isinstance(args[0], Tensor) and args[0].dtype == torch.float64:
            deviation = args[1] if len(args) > 1 else given.pop("std", 1.0)
            drawn = torch.normal(torch.zeros_like(args[0], dtype=self.narrow), 1.0, **given)
            return args[0] + deviation * drawn.double()
        return func(*args, **given)

    def _made(self, func: Function, args: tuple[Any, ...], given: dict[str, Any]) -> Any:
        like = args[0] if args and isinstance(args[0], Tensor) else None
        wanted = given.get("dtype") or (like.dtype if like is not None else torch.get_default_dtype())
        if wanted != torch.float64:
            return func(*args, **given)
        asks_grad = given.pop("requires_grad", False)
        drawn = func(*args, **{**given, "dtype": self.narrow}).double()
        return drawn.requires_grad_() if asks_grad else drawn
