"""Circular padding as a selection of rows: torch writes it slice by slice in place, which its graph does not name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class CircularAsSelection(TorchFunctionMode):
    """While it lasts ``F.pad(mode="circular")`` selects rows: the same numbers, by operations that have laws."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
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
