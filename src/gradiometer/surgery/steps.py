"""A step of a cure: one call of a self-contained function of plain PyTorch, which also is a line of the patch.

Because the patch holds the source of the very functions that were called, with the very arguments, it cannot do
anything else than the cure did.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

Literals = float | int | str | bool | None | tuple[Any, ...] | list[Any] | dict[Any, Any]
"""What can stand in the patch as it is written."""

_PARTS: dict[Any, tuple[tuple[Any, ...], tuple[str, ...]]] = {}


def plain(function: Any, *parts: Any, imports: Sequence[str] = ()) -> None:
    """Declare a function or class as fit for patches.

    Its source may use only ``torch``, ``nn``, ``Tensor`` and ``F`` (imported in every patch as usual), what
    ``imports`` names (whole lines: ``import math``), and ``parts``: other functions, classes and module-level values
    (given as source lines) that it needs, declared before it.
    """
    _PARTS[function] = (parts, tuple(imports))


@dataclass(frozen=True, slots=True)
class Step:
    """A call: ``function(model, *args, **named)``, with a generator, the optimizers or the teacher where it asks."""

    function: Callable[..., Any]
    args: tuple[Literals, ...]
    named: tuple[tuple[str, Literals], ...]

    @classmethod
    def of(cls, function: Callable[..., Any], args: tuple[Literals, ...], named: dict[str, Literals]) -> Step:
        """A step of a declared function with arguments that can be written out."""
        assert function in _PARTS, f"{function.__name__} was not declared with plain()"
        return cls(function, args, tuple(named.items()))

    def asks_for(self, name: str) -> bool:
        """True where the function has a parameter of that name."""
        return name in inspect.signature(self.function).parameters

    def call(
        self,
        model: nn.Module,
        generator: torch.Generator,
        optimizers: list[Optimizer],
        teacher: nn.Module | None = None,
    ) -> Any:
        """Do it."""
        given: dict[str, Any] = dict(self.named)
        if self.asks_for("teacher"):
            given["teacher"] = teacher
        if self.asks_for("generator"):
            given["generator"] = generator
        if self.asks_for("optimizers"):
            given["optimizers"] = optimizers
        return self.function(model, *self.args, **given)

    @property
    def wants_optimizers(self) -> bool:
        """True where it makes no sense without an optimizer: its parameter ``optimizers`` has no default."""
        asked = inspect.signature(self.function).parameters.get("optimizers")
        return asked is not None and asked.default is inspect.Parameter.empty

    def line(self) -> str:
        """The same call as source."""
        words = ["model", *map(repr, self.args), *(f"{k}={v!r}" for k, v in self.named)]
        words += ["teacher=teacher"] if self.asks_for("teacher") else []
        words += ["generator=generator"] if self.asks_for("generator") else []
        words += ["optimizers=optimizers"] if self.wants_optimizers else []
        return f"{self.function.__name__}({', '.join(words)})"


@functools.cache  # a trial asks for the same few functions for each of its trainings, and Python parses their files
def _source(part: Any) -> str:
    return inspect.getsource(part).rstrip()


def sources(functions: Sequence[Any]) -> tuple[list[str], list[str]]:
    """(lines of imports, sources) of declared functions and all their parts, each once, parts first."""
    imports: dict[str, None] = {}
    out: dict[str, None] = {}

    def add(part: Any) -> None:
        if isinstance(part, str):
            out[part] = None
            return
        parts, lines = _PARTS[part]
        imports.update(dict.fromkeys(lines))
        for inner in parts:
            add(inner)
        out[_source(part)] = None

    for function in functions:
        add(function)
    return list(imports), list(out)
