"""How the calls of layers are checked: torch's operation is run, its calls are read, and the laws' values compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from law_checks import gap
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gradiometer.walk.calls import CALLS
from gradiometer.walk.laws.law import Law, Settings, Tensors


def draw(*shape: int, seed: int = 0) -> Tensor:
    """Gaussian numbers in float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def leaf(*shape: int, seed: int = 0) -> Tensor:
    """The same, as a leaf that wants its gradient."""
    return draw(*shape, seed=seed).requires_grad_()


@dataclass(frozen=True)
class Case:
    """A law on given inputs, and torch's own operation on the same."""

    law: Law
    inputs: Tensors
    settings: Settings
    reference: Callable[..., Any]


class Heard(TorchDispatchMode):
    """Hands every operation on as it is and keeps the largest gap of a law's values to the true ones, by operation.

    The law is applied before the operation, which may change its input in place.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gaps: dict[str, float] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func._schema.name.rstrip("_")
        kwargs = kwargs or {}
        found = None
        if name in CALLS:
            called = CALLS[name](args, kwargs)
            found = called.law.forward(called.inputs, called.settings)
        out = func(*args, **kwargs)
        if found is not None:
            true = out if isinstance(out, tuple) else (out,)
            assert len(found) == len(true)
            self.gaps[name] = max(gap(of_law(a), of_law(b)) for a, b in zip(found, true, strict=True))
        return out


def of_law(x: Tensor | None) -> Tensor | None:
    """Numbers that a norm can be taken of."""
    return x.double() if x is not None and not x.is_floating_point() else x


def call_gap(operation: Callable[[], Any], name: str) -> float:
    """Gap of the law's values to those of the operation of this name, which must have been called."""
    with torch.no_grad(), Heard() as heard:
        operation()
    assert name in heard.gaps, sorted(heard.gaps)
    return heard.gaps[name]
