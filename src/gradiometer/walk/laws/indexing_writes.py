"""Laws of writing: new values at some places of a tensor, put in its elements' stead or added to them.

inputs: x, whose copy is written into, and s, what is written (missing where a number is). y: the output. m: 1 where
something is written, 0 elsewhere. Where two values are written to one place, either may stay, and both get its error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given, unbroadcast
from .shapes_base import DEFINITION, common_shape, handed_on, only, shape_of, zeros
from .shapes_parts import select_key, slice_key

Write = Callable[[Tensor, Tensor, Settings], Tensor]
"""(tensor, values, settings) -> a new tensor with the values written into it."""
Read = Callable[[Tensor, Kept], Tensor]
"""(error, kept) -> the error at what was written."""


def key_of(indices: Sequence[Tensor | None]) -> tuple[Any, ...]:
    """What stands between square brackets: None among ``indices`` stands for a whole axis."""
    return tuple(slice(None) if i is None else i for i in indices)


def _put(x: Tensor, s: Tensor, settings: Settings) -> Tensor:
    made: Tensor = torch.ops.aten.index_put(x, list(settings["indices"]), s.to(x.dtype), settings["accumulate"])
    return made


def _put_back(error: Tensor, kept: Kept) -> Tensor:
    return error[key_of(kept.settings["indices"])]


def _scattered(x: Tensor, s: Tensor, settings: Settings) -> Tensor:
    index = settings["index"]
    return x.scatter(settings["dim"], index, s.expand(index.shape) if s.dim() == 0 else s)


def _added(x: Tensor, s: Tensor, settings: Settings) -> Tensor:
    return x.scatter_add(settings["dim"], settings["index"], s)


def _gathered(error: Tensor, kept: Kept) -> Tensor:
    return error.gather(kept.settings["dim"], kept.settings["index"])


def _rows_added(x: Tensor, s: Tensor, settings: Settings) -> Tensor:
    return x.index_add(settings["dim"], settings["index"], s, alpha=settings["alpha"])


def _rows_copied(x: Tensor, s: Tensor, settings: Settings) -> Tensor:
    return x.index_copy(settings["dim"], settings["index"], s)


def _rows_filled(x: Tensor, s: Tensor, settings: Settings) -> Tensor:
    return x.index_fill(settings["dim"], settings["index"], s.to(x.dtype))


def _rows(error: Tensor, kept: Kept) -> Tensor:
    alpha: float = kept.settings.get("alpha", 1)
    return error.index_select(kept.settings["dim"], kept.settings["index"]) * alpha


def _filled_rows(error: Tensor, kept: Kept) -> Tensor:
    """Every place counts once, however often it was filled."""
    empty = torch.zeros_like(error, dtype=torch.bool)
    filled = empty.index_fill(kept.settings["dim"], kept.settings["index"], True)
    return torch.where(filled, error, torch.zeros_like(error))


def _places(mask: Tensor) -> Tensor:
    """Which element of a stream stands where the mask is set: 0, 1, 2, ... over its elements, last axis first."""
    return (mask.reshape(-1).long().cumsum(dim=0) - 1).clamp(min=0)


def _streamed(x: Tensor, s: Tensor, settings: Settings) -> Tensor:
    """The first elements of s, one after the other, where the mask is set."""
    full = common_shape(x.shape, settings["mask"].shape)
    mask = settings["mask"].expand(full)
    if s.numel() == 0:
        return x.expand(full).clone()
    values = s.reshape(-1)[_places(mask).clamp(max=s.numel() - 1)]
    return torch.where(mask, values.reshape(full), x)


def _streamed_back(error: Tensor, kept: Kept) -> Tensor:
    shape = shape_of(kept, 1)
    mask = kept.settings["mask"].expand(error.shape)
    arrived = torch.where(mask, error, torch.zeros_like(error)).reshape(-1)
    stream = zeros(torch.Size((arrived.numel(),)), error).index_add(0, _places(mask), arrived)
    count = min(shape.numel(), stream.numel())
    flat = zeros(torch.Size((shape.numel(),)), error)
    flat[:count] = stream[:count]
    return flat.reshape(shape)


def _masked(x: Tensor, s: Tensor, settings: Settings) -> Tensor:
    return torch.where(settings["mask"], s, x)


Key = Callable[[Settings, int], tuple[Any, ...]]


def _part(key: Key) -> tuple[Write, Read]:
    def write(x: Tensor, s: Tensor, settings: Settings) -> Tensor:
        whole = x.clone()
        whole[key(settings, x.dim())] = s
        return whole

    return write, lambda error, kept: error[key(kept.settings, error.dim())]


def _value(inputs: Tensors, settings: Settings) -> Tensor:
    """What is written: the second input, or the number of the settings."""
    x = only(inputs)
    s = inputs[1] if len(inputs) > 1 else None
    return s if s is not None else torch.tensor(settings["value"], dtype=x.dtype, device=x.device)


def _written(write: Write, read: Read, erase: Write | None) -> tuple[Callable[..., Tensors], Callable[..., Tensors]]:
    """Forward and backward. erase: how a value is put in place of what stood there; None where values are added."""

    def forward(inputs: Tensors, settings: Settings) -> Tensors:
        return (write(only(inputs), _value(inputs, settings), settings),)

    def backward(errors: Tensors, kept: Kept) -> Tensors:
        error = errors[0]
        if error is None:
            return (None,) * len(kept.wanted)
        nothing = torch.zeros((), dtype=error.dtype, device=error.device)
        keeps = erase is None or kept.settings.get("accumulate", False)
        return handed_on(
            kept,
            lambda: error if keeps or erase is None else erase(error, nothing, kept.settings),
            lambda: _to_shape(read(error, kept), shape_of(kept, 1)),
        )

    return forward, backward


def _to_shape(error: Tensor, shape: torch.Size) -> Tensor:
    """Summed over broadcast axes; a vector of one element may be written as a number, and a number as a vector."""
    return error.reshape(shape) if error.numel() == shape.numel() else unbroadcast(error, shape)


def _reduced(inputs: Tensors, settings: Settings) -> Tensors:
    x, s = only(inputs), given(inputs, 1)
    dim, index, reduce = settings["dim"], settings["index"], settings["reduce"]
    start = x if settings["include_self"] else x.scatter(dim, index, _neutral(x, reduce))
    if reduce == "sum":
        return (start.scatter_add(dim, index, s),)
    if reduce == "mean":
        return (start.scatter_add(dim, index, s) / _counts(x, s, settings),)
    return (start.scatter_reduce(dim, index, s, reduce),)


def _neutral(x: Tensor, reduce: str) -> float:
    extreme = torch.finfo(x.dtype).max
    return {"sum": 0.0, "mean": 0.0, "prod": 1.0, "amax": -extreme, "amin": extreme}[reduce]


def _counts(x: Tensor, s: Tensor, settings: Settings) -> Tensor:
    """How many values meet at each place of x; 1 where none was written."""
    ones = torch.ones_like(x)
    dim, index = settings["dim"], settings["index"]
    start = ones if settings["include_self"] else ones.scatter(dim, index, 0.0)
    return start.scatter_add(dim, index, torch.ones_like(s))


def _other_factors(x: Tensor, s: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """The product of all others that meet at one place, for each of x and of s; right where factors are 0."""
    dim, index = settings["dim"], settings["index"]
    alone = torch.ones_like(x) if settings["include_self"] else torch.ones_like(x).scatter(dim, index, 0.0)
    own = torch.where(alone == 0, torch.ones_like(x), x)  # x, where it has a part in the product
    product = torch.where(own == 0, torch.ones_like(own), own)
    product = product.scatter_reduce(dim, index, torch.where(s == 0, torch.ones_like(s), s), "prod")
    empty = (own == 0).to(x.dtype).scatter_add(dim, index, (s == 0).to(s.dtype))  # how many factors are 0

    def others(factor: Tensor, product: Tensor, empty: Tensor) -> Tensor:
        nothing = torch.zeros_like(product)
        at_zero = torch.where(empty == 1, product, nothing)
        safe = torch.where(factor == 0, torch.ones_like(factor), factor)
        return torch.where(factor == 0, at_zero, torch.where(empty == 0, product / safe, nothing))

    at_s = others(s, product.gather(dim, index), empty.gather(dim, index))
    return alone * others(own, product, empty), at_s


def _reduced_back(errors: Tensors, kept: Kept) -> Tensors:
    error, settings = errors[0], kept.settings
    if error is None:
        return (None,) * len(kept.wanted)
    x, s = given(kept.inputs, 0), given(kept.inputs, 1)
    dim, index, reduce = settings["dim"], settings["index"], settings["reduce"]
    if reduce == "prod":
        by_x, by_s = _other_factors(x, s, settings)
        whole = error
        return handed_on(kept, lambda: whole * by_x, lambda: whole.gather(dim, index) * by_s)
    at_x, at_s = torch.ones_like(error), torch.ones_like(s)
    if reduce in ("amax", "amin"):
        y = given(kept.outputs, 0)
        at_x, at_s = (x == y).to(error.dtype), (s == y.gather(dim, index)).to(error.dtype)
    if not settings["include_self"]:
        at_x = at_x.scatter(dim, index, 0.0)
    if reduce != "sum":  # what meets at one place shares its error
        error = error / at_x.scatter_add(dim, index, at_s).clamp(min=1)
    return handed_on(kept, lambda: error * at_x, lambda: error.gather(dim, index) * at_s)


_Pair = tuple[Callable[..., Tensors], Callable[..., Tensors]]


_REPLACED = (
    r"y = (1 - m) \odot x + \Pi^{\top} s",
    r"\delta_x = (1 - m) \odot \delta; \delta_s = \Pi \delta",
    r"(1 - m) \odot @d",
)
_ADDED_TO = (r"y = x + \Pi^{\top} s", r"\delta_x = \delta; \delta_s = \Pi \delta", "@d")
"""Value, error and step where values are written in the stead of others, and where they are added to them."""


def _writing(name: str, title: str, texts: tuple[str, str, str], pair: _Pair) -> Law:
    return Law(name, "index", title, *texts, DEFINITION, *pair)


INDEX_PUT = _writing("index_put", "written part", _REPLACED, _written(_put, _put_back, _put))
SCATTER = _writing("scatter", "scatter", _REPLACED, _written(_scattered, _gathered, _scattered))
SCATTER_ADD = _writing("scatter_add", "scatter", _ADDED_TO, _written(_added, _gathered, None))
INDEX_ADD = _writing("index_add", "added rows", _ADDED_TO, _written(_rows_added, _rows, None))
INDEX_COPY = _writing("index_copy", "written rows", _REPLACED, _written(_rows_copied, _rows, _rows_filled))
INDEX_FILL = _writing("index_fill", "filled rows", _REPLACED, _written(_rows_filled, _filled_rows, _rows_filled))
MASKED_SCATTER = _writing("masked_scatter", "written part", _REPLACED, _written(_streamed, _streamed_back, _masked))
SLICE_SCATTER = _writing("slice_scatter", "written part", _REPLACED, _written(*_part(slice_key), _part(slice_key)[0]))
SELECT_SCATTER = _writing(
    "select_scatter", "written part", _REPLACED, _written(*_part(select_key), _part(select_key)[0])
)
SCATTER_REDUCE = Law(
    name="scatter_reduce",
    role="index",
    title="scatter",
    value=r"y_j = \operatorname{reduce}(x_j, s_i: k_i = j)",
    error=r"\delta_{s,i} = \frac{\partial y_{k_i}}{\partial s_i} \delta_{k_i}",
    step=r"\frac{\partial y}{\partial s} @d",
    source="definition of sum, mean, product, largest and smallest; equal extremes share the error",
    forward=_reduced,
    backward=_reduced_back,
)

WRITES: tuple[Law, ...] = (
    INDEX_PUT,
    SCATTER,
    SCATTER_ADD,
    INDEX_ADD,
    INDEX_COPY,
    INDEX_FILL,
    MASKED_SCATTER,
    SLICE_SCATTER,
    SELECT_SCATTER,
    SCATTER_REDUCE,
)
