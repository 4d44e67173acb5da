"""Laws of embedding: rows of a table, one by one or in bags.

W [V, D]: table of V rows; J: how many rows are looked up; B: bags. Indices are settings: no error goes to them.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given

SUM, MEAN, MAX = 0, 1, 2  # modes of a bag, as torch numbers them


def embedding_value(inputs: Tensors, settings: Settings) -> Tensors:
    """Law: z_j = W[i_j]. [V, D] and indices of any shape -> [*indices, D]."""
    return (given(inputs, 0)[settings["indices"]],)


def embedding_error(errors: Tensors, kept: Kept) -> Tensors:
    """Law: ∂L/∂W_v = Σ over j with i_j = v of δ_j, / how many there are if so set; 0 for the row of padding."""
    arrived = given(errors, 0)
    indices = kept.settings["indices"].flatten()
    rows = arrived.reshape(len(indices), arrived.shape[-1])
    return (_to_rows(rows, indices, _rows(kept), kept.settings),)


def _rows(kept: Kept) -> int:
    shape = kept.shapes[0]
    return given(kept.inputs, 0).shape[0] if shape is None else shape[0]


def _to_rows(errors: Tensor, indices: Tensor, count: int, settings: Settings) -> Tensor:
    """Add errors [J, D] to the rows that they came from, [V, D]; the row of padding gets none."""
    found = errors.new_zeros((count, errors.shape[-1])).index_add(0, indices, errors)
    if settings["scale_grad_by_freq"]:
        found = found / _counts(indices, count).clamp(min=1).unsqueeze(1)
    if settings["padding_idx"] >= 0:
        v = torch.arange(count, device=found.device).unsqueeze(1)
        found = torch.where(v == settings["padding_idx"], 0, found)
    return found


def _counts(indices: Tensor, count: int) -> Tensor:
    """How often each of ``count`` numbers occurs among the indices."""
    return torch.zeros(count, dtype=torch.long, device=indices.device).index_add(
        0, indices.long(), torch.ones_like(indices, dtype=torch.long)
    )


def _bags(settings: Settings) -> tuple[Tensor, int]:
    """The bag of each index, [J], and how many bags there are; empty bags are allowed."""
    offsets, indices = settings["offsets"], settings["indices"]
    count = len(offsets) - 1 if settings["include_last_offset"] else len(offsets)
    at = torch.arange(len(indices), device=indices.device, dtype=offsets.dtype)
    return torch.searchsorted(offsets[:count].contiguous(), at, right=True) - 1, count


def _sizes(bag: Tensor, count: int, counted: Tensor) -> Tensor:
    """How many indices each bag has that are no padding, [B]."""
    return torch.zeros(count, dtype=torch.long, device=bag.device).index_add(0, bag, counted.long())


def _counted(settings: Settings) -> Tensor:
    """Which of the indices are no padding, [J]."""
    found: Tensor = settings["indices"] != settings["padding_idx"]
    return found


def bag_value(inputs: Tensors, settings: Settings) -> Tensors:
    """Law: z_b = Σ, mean or largest of the rows in bag b, each times its weight in a sum; 0 for an empty bag.

    Outputs as torch's: values [B, D], the bag of each index [J], size of each bag [B] (0 in a sum, which needs none),
    and the rows that were largest [B, D] (the sizes again where there is no maximum).
    """
    weight, scale = given(inputs, 0), inputs[1]
    bag, count = _bags(settings)
    counted = _counted(settings)
    sizes = _sizes(bag, count, counted)
    rows = weight[settings["indices"]]
    if settings["mode"] == MAX:
        top, largest = _largest_rows(rows, bag, count, settings)
        return top, bag, sizes, largest
    rows = torch.where(counted.unsqueeze(1), rows if scale is None else rows * scale.unsqueeze(1), 0)
    z = rows.new_zeros((count, rows.shape[1])).index_add(0, bag, rows)
    if settings["mode"] == MEAN:
        return z / sizes.clamp(min=1).unsqueeze(1), bag, sizes, sizes
    return z, bag, torch.zeros_like(sizes), torch.zeros_like(sizes)


def _largest_rows(rows: Tensor, bag: Tensor, count: int, settings: Settings) -> tuple[Tensor, Tensor]:
    """Largest value of each bag along each column, and the table's row that it is from: the first of equal ones."""
    counted = _counted(settings).unsqueeze(1)
    to = bag.unsqueeze(1).expand(rows.shape)
    low = rows.new_full((count, rows.shape[1]), -math.inf)
    top = low.scatter_reduce(0, to, torch.where(counted, rows, -math.inf), "amax")
    at = torch.arange(len(bag), device=bag.device).unsqueeze(1)
    hit = counted & ((rows == top[bag]) | rows.isnan())
    first = torch.full_like(top, len(bag), dtype=torch.long)
    first = first.scatter_reduce(0, to, torch.where(hit, at, len(bag)), "amin")
    empty = first == len(bag)
    indices = torch.cat([settings["indices"].long(), bag.new_zeros(1)])  # an empty bag names row 0, as torch's does
    return torch.where(empty, 0, top), indices[first]


def bag_error(errors: Tensors, kept: Kept) -> Tensors:
    """Law: every row gets the error of its bag, / the bag's size in a mean, times its weight in a sum.

    In a maximum the whole error goes to the row that was largest. The error at a weight is ⟨δ_b, W[i_j]⟩.
    """
    arrived, settings = given(errors, 0), kept.settings
    if settings["mode"] == MAX:
        return (_largest_error(arrived, kept) if kept.wanted[0] else None), None
    bag, count = _bags(settings)
    counted = _counted(settings)
    if settings["mode"] == MEAN:
        arrived = arrived / _sizes(bag, count, counted).clamp(min=1).unsqueeze(1)
    of_rows = torch.where(counted.unsqueeze(1), arrived[bag], 0)  # [J, D]
    at_weight = at_scale = None
    if kept.wanted[0]:
        scale = kept.inputs[1]
        each = of_rows if scale is None else of_rows * scale.unsqueeze(1)
        at_weight = _to_rows(each, settings["indices"], _rows(kept), settings)
    if kept.wanted[1]:
        at_scale = (of_rows * given(kept.inputs, 0)[settings["indices"]]).sum(dim=1)
    return at_weight, at_scale


def _largest_error(arrived: Tensor, kept: Kept) -> Tensor:
    """Errors [B, D] to the rows [B, D] that were largest; an empty bag gives none."""
    some = given(kept.outputs, 2).unsqueeze(1) > 0
    empty = arrived.new_zeros((_rows(kept), arrived.shape[1]))
    return empty.scatter_add(0, given(kept.outputs, 3).long(), torch.where(some, arrived, 0))


def settings_of(indices: Tensor, padding_idx: int, scale_grad_by_freq: Any) -> dict[str, Any]:
    """Settings of an embedding. A row of padding below 0 means none; autograd saves it as a number of 64 bits."""
    return {
        "indices": indices,
        "padding_idx": padding_idx if padding_idx < 2**63 else -1,
        "scale_grad_by_freq": bool(scale_grad_by_freq),
    }


EMBEDDING = Law(
    name="embedding",
    role="weights",
    title="embedding",
    value=r"z_j = W_{i_j}",
    error=r"\frac{\partial L}{\partial W_v} = \sum_j \delta_{z, j} \mathbb{1}_{i_j = v}",
    step=r"\sum_j @d \mathbb{1}_{i_j = v}",
    source="Bengio and others 2003, A neural probabilistic language model",
    forward=embedding_value,
    backward=embedding_error,
)

EMBEDDING_BAG = Law(
    name="embedding_bag",
    role="weights",
    title="embedding",
    value=r"z_b = \frac{1}{n_b} \sum_{j \in b} s_j W_{i_j}",
    error=r"\frac{\partial L}{\partial W_v} = \sum_j \frac{s_j}{n_b} \delta_{z, b} \mathbb{1}_{i_j = v}, "
    r"\frac{\partial L}{\partial s_j} = \langle \delta_{z, b}, W_{i_j} \rangle",
    step=r"\sum_j @d \mathbb{1}_{i_j = v}",
    source="Joulin and others 2017, Bag of tricks for efficient text classification",
    forward=bag_value,
    backward=bag_error,
)

LAWS: tuple[Law, ...] = (EMBEDDING, EMBEDDING_BAG)
