"""Laws of the tape's own: a copy into a tensor, and a part of a tensor that was written anew."""

from __future__ import annotations

import torch
from torch import Tensor

from .laws.law import Kept, Law, Settings, Tensors, given, unbroadcast


def _copied(inputs: Tensors, settings: Settings) -> Tensors:
    source = given(inputs, 0)
    return (source.to(settings["dtype"]).expand(settings["shape"]).clone(),)


def _copied_back(errors: Tensors, kept: Kept) -> Tensors:
    shape = kept.shapes[0]
    assert shape is not None
    return (unbroadcast(given(errors, 0), shape).to(kept.settings["source_dtype"]),)


def _part(errors: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """The errors with the geometry of the base, in memory of their own; and the written part of them, a view."""
    whole = torch.empty_strided(errors.shape, settings["stride"], dtype=errors.dtype, device=errors.device)
    part = whole.copy_(errors)
    for step in settings["way"]:
        part = step(part)
    return whole, part


def _written(inputs: Tensors, settings: Settings) -> Tensors:
    whole, part = _part(given(inputs, 0), settings)
    part.copy_(given(inputs, 1))
    return (whole,)


def _written_back(errors: Tensors, kept: Kept) -> Tensors:
    whole, part = _part(given(errors, 0), kept.settings)
    new = part.clone()
    part.zero_()
    return whole, new


COPIED = Law(
    name="copy",
    role="reshape",
    title="copy",
    value=r"y = x",
    error=r"\frac{\partial L}{\partial x} = \frac{\partial L}{\partial y}",
    step=r"@d",
    source="definition",
    forward=_copied,
    backward=_copied_back,
)
WRITTEN = Law(
    name="written part",
    role="index",
    title="written part",
    value=r"y_i = u_i, i \in S; y_i = x_i",
    error=r"\frac{\partial L}{\partial u_i} = \frac{\partial L}{\partial y_i}, i \in S; "
    r"\frac{\partial L}{\partial x_i} = 0, i \in S; \frac{\partial L}{\partial x_i} = \frac{\partial L}{\partial y_i}",
    step=r"@d",
    source="definition",
    forward=_written,
    backward=_written_back,
)
