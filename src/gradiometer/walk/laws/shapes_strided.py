"""The law of a tensor that is read from another's memory by strides: as_strided.

x [..]: the input, y [..]: the output. where [shape of y]: for each element of y the place of its element in x, counted
along x as it is written out; -1 for an element that x does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors
from .shapes_base import ADJOINT, one_to_one, only, shape_of, zeros


def positions(size: Sequence[int], strides: Sequence[int], offset: int) -> Tensor:
    """Where each element of a tensor stands in its memory: [size]."""
    found = torch.full((), offset)
    for n, stride in zip(size, strides, strict=True):
        found = found.unsqueeze(-1) + torch.arange(n) * stride
    return found


def where_of(x: Tensor, size: Sequence[int], strides: Sequence[int], offset: int) -> Tensor:
    """For each element of x.as_strided(size, strides, offset) its place in x. ValueError where x overlaps itself, so
    that an element of its memory has several places, and where it is read outside of x."""
    given = positions(x.shape, x.stride(), int(x.storage_offset())).reshape(-1)
    ordered, order = given.sort()
    if bool((ordered.diff() == 0).any()):
        raise ValueError("the memory of its input overlaps itself")
    asked = positions(size, strides, offset)
    at = torch.searchsorted(ordered, asked).clamp(max=max(len(ordered) - 1, 0))
    if asked.numel() and (not len(ordered) or not torch.equal(ordered[at], asked)):
        raise ValueError("it reads outside of its input")
    return order[at].to(x.device) if asked.numel() else asked.to(x.device)


def _read(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs).reshape(-1)[settings["where"]],)


def brought_back(error: Tensor, where: Tensor, shape: torch.Size) -> Tensor:
    """Each element of an error, [shape of y], added at its place in x: [shape]."""
    inside = where >= 0
    flat = zeros(torch.Size((shape.numel(),)), error)
    return flat.index_add(0, where[inside], error[inside]).reshape(shape)


def _read_back(error: Tensor, kept: Kept) -> Tensor:
    return brought_back(error, kept.settings["where"], shape_of(kept, 0))


AS_STRIDED = Law(
    name="as_strided",
    role="reshape",
    title="strided view",
    value=r"y_j = x_{i(j)}",
    error=r"\delta_{x,i} = \sum_{i(j) = i} \delta_j",
    step=r"\sum_{i(j) = i} @d",
    source=ADJOINT,
    forward=_read,
    backward=one_to_one(_read_back),
)

STRIDED: tuple[Law, ...] = (AS_STRIDED,)
