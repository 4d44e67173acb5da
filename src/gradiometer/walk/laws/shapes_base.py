"""What laws of shapes, indices, arithmetic and reductions share: errors at the inputs, axes, zeros to write into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .law import Kept, Tensors, given, unbroadcast

Back = Callable[[Tensor, Kept], Tensor]
"""(error at the only output, kept) -> error at the only input."""

DEFINITION = "definition"
ADJOINT = "definition; its error goes back the way the value came"


def one_to_one(rule: Back) -> Callable[[Tensors, Kept], Tensors]:
    """A backward rule of one output and one input, made from ``rule``; nothing arrives, nothing goes on."""

    def backward(errors: Tensors, kept: Kept) -> Tensors:
        nobody: Tensors = (None,) * len(kept.wanted)
        if errors[0] is None or not any(kept.wanted):
            return nobody
        return (in_type_of(rule(errors[0], kept), kept.inputs[0]), *nobody[1:])

    return backward


def handed_on(kept: Kept, *errors: Callable[[], Tensor]) -> Tensors:
    """Errors at the inputs for which one is asked, summed over the axes along which an input was broadcast."""
    found: list[Tensor | None] = [None] * len(kept.wanted)
    for i, (error, wanted, x) in enumerate(zip(errors, kept.wanted, kept.inputs, strict=False)):
        if wanted:
            found[i] = in_type_of(unbroadcast(error(), shape_of(kept, i)), x)
    return tuple(found)


def in_type_of(error: Tensor, x: Tensor | None) -> Tensor:
    """The error in the type of its input, where that is known: operations of mixed types promote their value."""
    return error if x is None or x.dtype == error.dtype or not x.is_floating_point() else error.to(x.dtype)


def shape_of(kept: Kept, i: int) -> torch.Size:
    """Shape of the i-th input. ValueError where it is not known."""
    shape = kept.shapes[i]
    if shape is None:
        raise ValueError(f"the shape of input {i} was not kept")
    return shape


def axes(dim: int | Sequence[int] | None, count: int) -> tuple[int, ...]:
    """Axes counted from the front, in ascending order; None and () stand for all of ``count``."""
    if dim is None or (not isinstance(dim, int) and not dim):
        return tuple(range(count))
    listed = (dim,) if isinstance(dim, int) else dim
    return tuple(sorted(d % count for d in listed)) if count else ()


def key_at(dim: int, at: Any, count: int) -> tuple[Any, ...]:
    """What stands between square brackets to take ``at`` along axis ``dim`` of ``count``, and all along the others."""
    return (*(slice(None),) * (dim % count), at)


def common_shape(a: Sequence[int], b: Sequence[int]) -> torch.Size:
    """The shape to which both are broadcast."""
    longest = max(len(a), len(b))
    full = [(1,) * (longest - len(shape)) + tuple(shape) for shape in (a, b)]
    return torch.Size(n if m == 1 else m for m, n in zip(*full, strict=True))


def zeros(shape: torch.Size, like: Tensor) -> Tensor:
    """Zeros of a shape, of the type and device of an error."""
    return torch.zeros(shape, dtype=like.dtype, device=like.device)


def placed(error: Tensor, shape: torch.Size, key: Any) -> Tensor:
    """The error where ``key`` points, zero elsewhere."""
    whole = zeros(shape, error)
    whole[key] = error
    return whole


def only(inputs: Tensors) -> Tensor:
    """The first input."""
    return given(inputs, 0)
