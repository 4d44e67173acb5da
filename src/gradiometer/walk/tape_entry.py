"""What stands on a tape: one operation with its law, or one look at a part of a tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .laws.law import Law, Settings


@dataclass(slots=True)
class Entry:
    """One operation on the tape.

    inputs, outputs, shapes, settings: as ``Kept`` has them. sources, results: the values at inputs and outputs, None
    for a constant or where nothing arrives.
    """

    law: Law
    inputs: list[Tensor | None]
    outputs: list[Tensor | None]
    shapes: tuple[torch.Size | None, ...]
    settings: Settings
    sources: tuple[int | None, ...]
    results: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Looked:
    """One step from a tensor to a view of it: the operation, what it is given beside the tensor, which output."""

    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    at: int | None = None

    def __call__(self, tensor: Tensor) -> Tensor:
        return self.all(tensor)[self.at or 0]

    def all(self, tensor: Tensor) -> list[Tensor]:
        """Every view that the operation makes."""
        made = self.func(tensor, *self.args, **self.kwargs)
        return [made] if isinstance(made, Tensor) else list(made)


def memory(tensor: Tensor) -> int:
    """Equal for tensors that share their memory."""
    return int(tensor.untyped_storage()._cdata)


def tensors_in(values: Iterable[Any]) -> list[Tensor]:
    """All tensors of a list of arguments, those inside lists and tuples too."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += tensors_in(value)
    return found


def name_of(func: Any) -> str:
    """``aten::add`` for every overload of it, in-place ones included."""
    name = str(func._schema.name)
    return name[:-1] if torch.Tag.inplace in func.tags and name.endswith("_") else name
