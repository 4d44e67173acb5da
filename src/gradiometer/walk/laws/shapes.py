"""Laws of shapes: the same numbers in another order or form, tensors put together and taken apart.

Every one of them is linear, so its error goes back the way the value came. x: the input, y: the output. Where a law has
several inputs or outputs, the i-th is x_i or y_i.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, unbroadcast
from .shapes_base import ADJOINT, DEFINITION, key_at, one_to_one, only, shape_of, zeros
from .shapes_parts import PARTS
from .shapes_resample import RESAMPLED
from .shapes_sampled import SAMPLED
from .shapes_strided import STRIDED
from .shapes_windows import WINDOWS


def _reshaped(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs).reshape(settings["size"]),)


def _shaped_back(error: Tensor, kept: Kept) -> Tensor:
    return error.reshape(shape_of(kept, 0))


def _permuted(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs).permute(settings["dims"]),)


def _permuted_back(error: Tensor, kept: Kept) -> Tensor:
    dims = [d % error.dim() for d in kept.settings["dims"]] if error.dim() else []
    return error.permute(sorted(range(len(dims)), key=dims.__getitem__))


def _expanded(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs).expand(settings["size"]),)


def _expanded_back(error: Tensor, kept: Kept) -> Tensor:
    return unbroadcast(error, shape_of(kept, 0))


def _same(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs).clone(),)


def _same_back(error: Tensor, kept: Kept) -> Tensor:
    return error


def _cast(inputs: Tensors, settings: Settings) -> Tensors:
    x = only(inputs)
    return (x.to(dtype=settings.get("dtype") or x.dtype, device=settings.get("device") or x.device),)


def _cast_back(error: Tensor, kept: Kept) -> Tensor:
    x, settings = kept.inputs[0], kept.settings
    dtype, device = (x.dtype, x.device) if x is not None else (settings["from_dtype"], settings["from_device"])
    real = error.is_complex() and not dtype.is_complex  # only the real part was made from this input
    return (error.real if real else error).to(dtype=dtype, device=device)


def _all_the_same(inputs: Tensors, settings: Settings) -> Tensors:
    return tuple(x.clone() if x is not None else None for x in inputs)


def _all_the_same_back(errors: Tensors, kept: Kept) -> Tensors:
    return tuple(e if wanted else None for e, wanted in zip(errors, kept.wanted, strict=True))


def _stopped(errors: Tensors, kept: Kept) -> Tensors:
    return (None,) * len(kept.wanted)


def _present(inputs: Tensors) -> list[Tensor]:
    return [x for x in inputs if x is not None]


def _joined(inputs: Tensors, settings: Settings) -> Tensors:
    return (torch.cat(_present(inputs), settings["dim"]),)


def starts_of(lengths: list[int | None], total: int) -> list[int | None]:
    """Where each of several parts of a line of ``total`` begins; None where unknown lengths stand on both sides."""
    starts: list[int | None] = [0]
    for length in lengths[:-1]:
        at = starts[-1]
        starts.append(at + length if at is not None and length is not None else None)
    end: int | None = total
    for i in range(len(lengths) - 1, -1, -1):
        length = lengths[i]
        end = end - length if end is not None and length is not None else None
        starts[i] = end if starts[i] is None else starts[i]
    return starts


def _joined_back(errors: Tensors, kept: Kept) -> Tensors:
    error = errors[0]
    found: list[Tensor | None] = [None] * len(kept.wanted)
    if error is None:
        return tuple(found)
    dim = kept.settings["dim"] % error.dim()
    # an empty vector may stand in a row of tensors of any shape
    lengths = [None if s is None else (s[dim] if len(s) == error.dim() else 0) for s in kept.shapes]
    starts = kept.settings.get("starts") or starts_of(lengths, error.shape[dim])
    for i, (wanted, start, length) in enumerate(zip(kept.wanted, starts, lengths, strict=True)):
        if not wanted or length is None:
            continue
        if start is None:
            raise ValueError(f"where input {i} begins in the concatenation was not kept")
        part = error.narrow(dim, start, length)
        found[i] = part if len(shape_of(kept, i)) == error.dim() else part.reshape(-1)[:0]
    return tuple(found)


def _stacked(inputs: Tensors, settings: Settings) -> Tensors:
    dim = settings["dim"]
    return (torch.cat([x.unsqueeze(dim) for x in _present(inputs)], dim),)


def _stacked_back(errors: Tensors, kept: Kept) -> Tensors:
    error, dim = errors[0], kept.settings["dim"]
    if error is None:
        return (None,) * len(kept.wanted)
    return tuple(error.select(dim, i) if wanted else None for i, wanted in enumerate(kept.wanted))


def _split(inputs: Tensors, settings: Settings) -> Tensors:
    return tuple(torch.split(only(inputs), settings["size"], settings["dim"]))


def _split_back(errors: Tensors, kept: Kept) -> Tensors:
    arrived = next((e for e in errors if e is not None), None)
    if arrived is None:
        return (None,)
    shape, dim, size = shape_of(kept, 0), kept.settings["dim"], kept.settings["size"]
    dim = dim % len(shape)
    whole = zeros(shape, arrived)
    at = 0
    for i, error in enumerate(errors):
        length = min(size, shape[dim] - at) if isinstance(size, int) else size[i]
        if error is not None:
            whole[key_at(dim, slice(at, at + length), len(shape))] = error
        at += length
    return (whole,)


def _unbound(inputs: Tensors, settings: Settings) -> Tensors:
    return tuple(only(inputs).unbind(settings["dim"]))


def _unbound_back(errors: Tensors, kept: Kept) -> Tensors:
    arrived = next((e for e in errors if e is not None), None)
    if arrived is None:
        return (None,)
    whole = zeros(shape_of(kept, 0), arrived)
    for i, error in enumerate(errors):
        if error is not None:
            whole.select(kept.settings["dim"], i).copy_(error)
    return (whole,)


RESHAPE = Law(
    name="reshape",
    role="reshape",
    title="reshape",
    value=r"y = \mathrm{reshape}(x)",
    error=r"\delta_x = \mathrm{reshape}(\delta)",
    step=r"\mathrm{reshape}(@d)",
    source=ADJOINT,
    forward=_reshaped,
    backward=one_to_one(_shaped_back),
)
PERMUTE = Law(
    name="permute",
    role="reshape",
    title="permute",
    value=r"y = \Pi x",
    error=r"\delta_x = \Pi^{\top} \delta",
    step=r"\Pi^{\top} @d",
    source=ADJOINT,
    forward=_permuted,
    backward=one_to_one(_permuted_back),
)
EXPAND = Law(
    name="expand",
    role="reshape",
    title="expand",
    value=r"y_{r i} = x_i",
    error=r"\delta_{x,i} = \sum_r \delta_{r i}",
    step=r"\sum_r @d",
    source=ADJOINT,
    forward=_expanded,
    backward=one_to_one(_expanded_back),
)
CLONE = Law(
    name="clone",
    role="reshape",
    title="copy",
    value=r"y = x",
    error=r"\delta_x = \delta",
    step=r"@d",
    source=DEFINITION,
    forward=_same,
    backward=one_to_one(_same_back),
)
IDENTITY = Law(
    name="identity",
    role="reshape",
    title="identity",
    value=r"y_i = x_i",
    error=r"\delta_{x,i} = \delta_i",
    step="@d",
    source=DEFINITION,
    forward=_all_the_same,
    backward=_all_the_same_back,
)
CAST = Law(
    name="cast",
    role="reshape",
    title="cast",
    value=r"y = \mathrm{round}(x)",
    error=r"\delta_x = \delta",
    step=r"@d",
    source="definition; that rounding to another type has slope 1 is a convention",
    forward=_cast,
    backward=one_to_one(_cast_back),
)
DETACH = Law(
    name="detach",
    role="reshape",
    title="detach",
    value=r"y = x",
    error=r"\delta_x = 0",
    step=r"0",
    source="definition: a constant from here on",
    forward=_same,
    backward=_stopped,
)
CAT = Law(
    name="cat",
    role="reshape",
    title="concatenation",
    value=r"y = (x_1, x_2, \ldots)",
    error=r"(\delta_1, \delta_2, \ldots) = \delta",
    step=r"\mathrm{part}(@d)",
    source=ADJOINT,
    forward=_joined,
    backward=_joined_back,
)
STACK = Law(
    name="stack",
    role="reshape",
    title="stack",
    value=r"y_i = x_i",
    error=r"\delta_{x_i} = \delta_i",
    step=r"\mathrm{part}(@d)",
    source=ADJOINT,
    forward=_stacked,
    backward=_stacked_back,
)
SPLIT = Law(
    name="split",
    role="reshape",
    title="split",
    value=r"(y_1, y_2, \ldots) = x",
    error=r"\delta_x = (\delta_1, \delta_2, \ldots)",
    step=r"\mathrm{join}(@d)",
    source=ADJOINT,
    forward=_split,
    backward=_split_back,
)
UNBIND = Law(
    name="unbind",
    role="reshape",
    title="unbind",
    value=r"y_i = x_i",
    error=r"\delta_{x,i} = \delta_i",
    step=r"\mathrm{join}(@d)",
    source=ADJOINT,
    forward=_unbound,
    backward=_unbound_back,
)

LAWS: tuple[Law, ...] = (
    *(RESHAPE, PERMUTE, EXPAND, CLONE, IDENTITY, CAST, DETACH, CAT, STACK, SPLIT, UNBIND),
    *PARTS,
    *RESAMPLED,
    *WINDOWS,
    *STRIDED,
    *SAMPLED,
)
