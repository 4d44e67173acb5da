"""How calls of shapes, indices, arithmetic and reductions are read: by the names of their arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..laws.law import Law
from .calling import Called, Caller

Arguments = tuple[Any, ...]
Keywords = Mapping[str, Any]


def named(signature: str, args: Arguments, kwargs: Keywords) -> dict[str, Any]:
    """Arguments by name; ``signature`` names them in the order in which they may be given without one."""
    return {**dict(zip(signature.split(), args, strict=False)), **kwargs}


def calling(law: Law, signature: str = "self", inputs: str = "self", **defaults: Any) -> Caller:
    """A caller of an operation whose ``inputs`` are tensors and whose other arguments are the law's settings."""

    def call(args: Arguments, kwargs: Keywords) -> Called:
        found = {**defaults, **named(signature, args, kwargs)}
        return Called(law, tuple(found.pop(name) for name in inputs.split()), found)

    return call


def calling_with_numbers(law: Law, signature: str, inputs: str, **defaults: Any) -> Caller:
    """As ``calling``, of an operation whose inputs beside the first may be numbers; these become settings."""

    def call(args: Arguments, kwargs: Keywords) -> Called:
        found = {**defaults, **named(signature, args, kwargs)}
        tensors = tuple(found.pop(name) for name in inputs.split() if isinstance(found.get(name), Tensor))
        return Called(law, tensors, found)

    return call


def calls(names: str, caller: Caller) -> dict[str, Caller]:
    """One caller for several operations of aten, named without their namespace."""
    return {f"aten::{name}": caller for name in names.split()}
