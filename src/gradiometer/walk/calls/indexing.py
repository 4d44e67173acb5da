"""Calls of indices, read as laws. Indices and masks are settings."""

from __future__ import annotations

import torch
from torch import Tensor

from ..laws import indexing, indexing_writes
from .calling import Called, Caller
from .shapes_base import Arguments, Keywords, calling, calling_with_numbers, calls, named


def _chosen(args: Arguments, kwargs: Keywords) -> Called:
    """Numbers among both sides become tensors; ValueError where there are no sides."""
    found = named("condition self other", args, kwargs)
    if "other" not in found:
        raise ValueError("where with a condition alone gives places, which have no derivative")
    condition = found["condition"]
    sides = (found["self"], found["other"])
    type_of = next((s.dtype for s in sides if isinstance(s, Tensor)), torch.get_default_dtype())
    both = tuple(s if isinstance(s, Tensor) else torch.tensor(s, dtype=type_of, device=condition.device) for s in sides)
    return Called(indexing.WHERE, both, {"condition": condition})


def _scattered(args: Arguments, kwargs: Keywords) -> Called:
    """scatter writes a tensor or a number; ValueError where it adds or multiplies."""
    found = named("self dim index src reduce", args, kwargs)
    if found.get("reduce") is not None:
        raise ValueError("scatter with reduce has no derivative")
    source = found["src"] if "src" in found else found["value"]
    settings = {"dim": found["dim"], "index": found["index"]}
    if isinstance(source, Tensor):
        return Called(indexing_writes.SCATTER, (found["self"], source), settings)
    return Called(indexing_writes.SCATTER, (found["self"],), {**settings, "value": source})


def _sorted(args: Arguments, kwargs: Keywords) -> Called:
    """sort(self, dim, descending), or sort(self, *, stable, dim, descending)."""
    stable = "stable" in kwargs or (len(args) > 1 and (args[1] is None or isinstance(args[1], bool)))
    signature = "self stable dim descending" if stable and len(args) > 1 else "self dim descending"
    found = {"dim": -1, "descending": False, **named(signature, args, kwargs)}
    return Called(indexing.SORT, (found["self"],), {"dim": found["dim"], "descending": found["descending"]})


_PUT = calling(indexing_writes.INDEX_PUT, "self indices values accumulate", "self values", accumulate=False)

CALLS: dict[str, Caller] = {
    **calls("index _unsafe_index", calling(indexing.INDEX, "self indices")),
    **calls("index_select", calling(indexing.INDEX_SELECT, "self dim index")),
    **calls("gather", calling(indexing.GATHER, "self dim index")),
    **calls("take", calling(indexing.TAKE, "self index")),
    **calls("masked_select", calling(indexing.MASKED_SELECT, "self mask")),
    **calls("masked_fill", calling_with_numbers(indexing.MASKED_FILL, "self mask value", "self value")),
    **calls("where", _chosen),
    **calls("sort", _sorted),
    **calls("topk", calling(indexing.TOPK, "self k dim largest sorted", dim=-1, largest=True)),
    **calls("kthvalue", calling(indexing.KTHVALUE, "self k dim keepdim", dim=-1, keepdim=False)),
    **calls("index_put _unsafe_index_put _index_put_impl", _PUT),
    **calls("scatter", _scattered),
    **calls("scatter_add", calling(indexing_writes.SCATTER_ADD, "self dim index src", "self src")),
    **calls(
        "scatter_reduce",
        calling(indexing_writes.SCATTER_REDUCE, "self dim index src reduce", "self src", include_self=True),
    ),
    **calls("index_add", calling(indexing_writes.INDEX_ADD, "self dim index source", "self source", alpha=1)),
    **calls("index_copy", calling(indexing_writes.INDEX_COPY, "self dim index source", "self source")),
    **calls("index_fill", calling_with_numbers(indexing_writes.INDEX_FILL, "self dim index value", "self value")),
    **calls("masked_scatter", calling(indexing_writes.MASKED_SCATTER, "self mask source", "self source")),
    **calls(
        "slice_scatter",
        calling(
            indexing_writes.SLICE_SCATTER,
            "self src dim start end step",
            "self src",
            dim=0,
            start=None,
            end=None,
            step=1,
        ),
    ),
    **calls("select_scatter", calling(indexing_writes.SELECT_SCATTER, "self src dim index", "self src")),
}
