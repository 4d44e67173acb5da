"""What a law is: forward value, local derivative and backward rule of one operation, without autograd."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Tensors = tuple[Tensor | None, ...]
Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the forward pass has left for the backward rule.

    inputs: as given to ``forward``; None where an input is missing, or where its numbers were not kept.
    outputs: as given by ``forward``; None likewise. shapes: of the inputs, None where there is no input.
    settings: as given to ``forward``. wanted: for which inputs an error is asked.
    """

    inputs: Tensors
    outputs: Tensors
    shapes: tuple[torch.Size | None, ...]
    settings: Settings
    wanted: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Law:
    """One operation by hand.

    role: as in ``records.walk.FactorRole``. title: what a page calls it.
    value, error: TeX of the forward value and of the backward rule; source: where the formula stands.
    step: TeX of the backward step on a chain: ``@d`` is the error that arrives, ``@u`` and ``@v`` the subscripts of the
        upper and the lower station: ``W_{@u}^{\\top} @d`` or ``@d \\odot \\sigma'(z_{@v})``.
    forward: (inputs, settings) -> outputs. backward: (errors at the outputs, kept) -> errors at the inputs, one an
        input, None where none is wanted or none goes there.
    local: φ'(z) of an elementwise law, in the shape of its first input. largest: sup |φ'|, None where unbounded.
    """

    name: str
    role: str
    title: str
    value: str
    error: str
    step: str
    source: str
    forward: Callable[[Tensors, Settings], Tensors]
    backward: Callable[[Tensors, Kept], Tensors]
    local: Callable[[Kept], Tensor] | None = None
    largest: float | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """A law and what it was applied to, as it was read from an autograd node or from a call.

    inputs stand in the order of the law; an input that the node has not saved is None (see ``Kept``).
    """

    law: Law
    inputs: Tensors
    outputs: Tensors
    settings: Settings


def by_name(laws: Iterable[Law]) -> dict[str, Law]:
    """Laws by name. ValueError where two have one name."""
    found: dict[str, Law] = {}
    for law in laws:
        if law.name in found:
            raise ValueError(f"two laws are called {law.name!r}")
        found[law.name] = law
    return found


def given(tensors: Tensors, i: int) -> Tensor:
    """The i-th tensor, which must be there. ValueError where it is not: the caller keeps too little."""
    found = tensors[i] if i < len(tensors) else None
    if found is None:
        raise ValueError(f"input {i} was not kept")
    return found


def unbroadcast(error: Tensor, shape: torch.Size) -> Tensor:
    """Sum an error over the axes along which an input of ``shape`` was broadcast."""
    extra = error.dim() - len(shape)
    if extra:
        error = error.sum(dim=tuple(range(extra)))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and error.shape[i] != 1)
    return error.sum(dim=stretched, keepdim=True) if stretched else error
