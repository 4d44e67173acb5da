"""Laws of picking: elements by index, by mask, by order; x: the input, y: the output.

Indices and masks are settings: no error goes to them. Π picks: one row for each element of y, with a single 1 where
that element stood in x; picked twice, an element gets both errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .indexing_writes import WRITES, key_of
from .law import Kept, Law, Settings, Tensors, given, unbroadcast
from .shapes_base import ADJOINT, DEFINITION, common_shape, handed_on, one_to_one, only, shape_of, zeros


def _indexed(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs)[key_of(settings["indices"])],)


def _indexed_back(error: Tensor, kept: Kept) -> Tensor:
    return added_at(zeros(shape_of(kept, 0), error), kept.settings["indices"], error)


def added_at(whole: Tensor, indices: Sequence[Tensor | None], values: Tensor) -> Tensor:
    """``whole`` plus ``values`` where the indices point; what points to one place twice is added twice."""
    made: Tensor = torch.ops.aten.index_put(whole, list(indices), values, True)
    return made


def _rows(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs).index_select(settings["dim"], settings["index"]),)


def _rows_back(error: Tensor, kept: Kept) -> Tensor:
    shape, index = shape_of(kept, 0), kept.settings["index"].reshape(-1)
    return zeros(shape, error).index_add(kept.settings["dim"], index, error) if shape else error.sum()


def _gathered(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs).gather(settings["dim"], settings["index"]),)


def _gathered_back(error: Tensor, kept: Kept) -> Tensor:
    return zeros(shape_of(kept, 0), error).scatter_add(kept.settings["dim"], kept.settings["index"], error)


def _taken(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs).reshape(-1)[settings["index"]],)


def _taken_back(error: Tensor, kept: Kept) -> Tensor:
    shape = shape_of(kept, 0)
    flat = zeros(torch.Size((shape.numel(),)), error)
    return added_at(flat, [kept.settings["index"]], error).reshape(shape)


def _selected(inputs: Tensors, settings: Settings) -> Tensors:
    x, mask = only(inputs), settings["mask"]
    full = common_shape(x.shape, mask.shape)
    return (x.expand(full)[mask.expand(full)],)


def _selected_back(error: Tensor, kept: Kept) -> Tensor:
    shape, mask = shape_of(kept, 0), kept.settings["mask"]
    full = common_shape(shape, mask.shape)
    whole = zeros(full, error)
    whole[mask.expand(full)] = error
    return unbroadcast(whole, shape)


def _filled(inputs: Tensors, settings: Settings) -> Tensors:
    x = only(inputs)
    value = inputs[1] if len(inputs) > 1 else None
    if value is None:
        value = torch.tensor(settings["value"], dtype=x.dtype, device=x.device)
    return (torch.where(settings["mask"], value.to(x.dtype), x),)


def _filled_back(errors: Tensors, kept: Kept) -> Tensors:
    error, mask = errors[0], kept.settings["mask"]
    if error is None:
        return (None,) * len(kept.wanted)
    nothing = torch.zeros_like(error)
    return handed_on(kept, lambda: torch.where(mask, nothing, error), lambda: torch.where(mask, error, nothing))


def _chosen(inputs: Tensors, settings: Settings) -> Tensors:
    return (torch.where(settings["condition"], given(inputs, 0), given(inputs, 1)),)


def _chosen_back(errors: Tensors, kept: Kept) -> Tensors:
    error, condition = errors[0], kept.settings["condition"]
    if error is None:
        return (None,) * len(kept.wanted)
    nothing = torch.zeros_like(error)
    return handed_on(
        kept, lambda: torch.where(condition, error, nothing), lambda: torch.where(condition, nothing, error)
    )


Order = Callable[[Tensor, Settings], Tensor]
"""(x, settings) -> indices along an axis, with the axis kept."""


def _sorted(x: Tensor, settings: Settings) -> Tensor:
    return x.argsort(dim=settings["dim"], descending=settings["descending"], stable=True)


def _largest(x: Tensor, settings: Settings) -> Tensor:
    order = x.argsort(dim=settings["dim"], descending=settings["largest"], stable=True)
    return order if x.dim() == 0 else order.narrow(settings["dim"], 0, settings["k"])


def _kth(x: Tensor, settings: Settings) -> Tensor:
    order = x.argsort(dim=settings["dim"], stable=True)
    return order if x.dim() == 0 else order.narrow(settings["dim"], settings["k"] - 1, 1)


def _median(x: Tensor, settings: Settings) -> Tensor:
    middle = (x.shape[settings["dim"]] + 1) // 2 if x.dim() else 1
    return _kth(x, {**settings, "k": middle})


def picked(order: Order) -> tuple[Callable[[Tensors, Settings], Tensors], Callable[[Tensors, Kept], Tensors]]:
    """Forward (values, indices) and backward of elements that are picked along an axis by their order.

    Where settings has keepdim and it is False, the axis, now of length 1, is taken away.
    """

    def forward(inputs: Tensors, settings: Settings) -> Tensors:
        x = only(inputs)
        index = order(x, settings)
        values = x.gather(settings["dim"], index)
        if settings.get("keepdim", True):
            return values, index
        return values.squeeze(settings["dim"]), index.squeeze(settings["dim"])

    def rule(error: Tensor, kept: Kept) -> Tensor:
        dim, index, shape = kept.settings["dim"], given(kept.outputs, 1), shape_of(kept, 0)
        if shape and not kept.settings.get("keepdim", True):
            index, error = index.unsqueeze(dim), error.unsqueeze(dim)
        return zeros(shape, error).scatter_add(dim, index, error)

    return forward, one_to_one(rule)


def _law(name: str, title: str, value: str, error: str, source: str = ADJOINT) -> Callable[..., Law]:
    """The texts of a law of role index; forward and backward are still to be given."""

    def made(forward: Callable[..., Tensors], backward: Callable[..., Tensors]) -> Law:
        step = error.partition("= ")[2].partition(";")[0].replace(r"\delta", "@d")
        return Law(name, "index", title, value, error, step, source, forward, backward)

    return made


_PICKED = (r"y = \Pi x", r"\delta_x = \Pi^{\top} \delta")

INDEX = _law("index", "index", *_PICKED)(_indexed, one_to_one(_indexed_back))
INDEX_SELECT = _law("index_select", "picked rows", *_PICKED)(_rows, one_to_one(_rows_back))
GATHER = _law("gather", "gather", *_PICKED)(_gathered, one_to_one(_gathered_back))
TAKE = _law("take", "take", *_PICKED)(_taken, one_to_one(_taken_back))
MASKED_SELECT = _law("masked_select", "selection", *_PICKED)(_selected, one_to_one(_selected_back))
MASKED_FILL = _law(
    "masked_fill",
    "mask",
    r"y = (1 - m) \odot x + m c",
    r"\delta_x = (1 - m) \odot \delta; \delta_c = \sum_i m_i \delta_i",
    DEFINITION,
)(_filled, _filled_back)
WHERE = _law(
    "where",
    "choice",
    r"y = m \odot a + (1 - m) \odot b",
    r"\delta_a = m \odot \delta; \delta_b = (1 - m) \odot \delta",
    DEFINITION,
)(_chosen, _chosen_back)
SORT = _law("sort", "sort", *_PICKED)(*picked(_sorted))
TOPK = _law("topk", "top k", *_PICKED)(*picked(_largest))
KTHVALUE = _law("kthvalue", "k-th value", *_PICKED)(*picked(_kth))
MEDIAN_ALONG = _law("median_along", "median", *_PICKED)(*picked(_median))

LAWS: tuple[Law, ...] = (
    INDEX,
    INDEX_SELECT,
    GATHER,
    TAKE,
    MASKED_SELECT,
    MASKED_FILL,
    WHERE,
    SORT,
    TOPK,
    KTHVALUE,
    MEDIAN_ALONG,
    *WRITES,
)
