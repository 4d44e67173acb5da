"""Autograd nodes of indices, read as laws. Indices and masks are settings."""

from __future__ import annotations

from ..laws import indexing, indexing_writes
from .reading import Reader
from .shapes_base import nodes, reading

_ALONG = {"settings": "dim keepdim", "outputs": "- indices"}

READERS: dict[str, Reader] = {
    **nodes("Index0 UnsafeIndex0", reading(indexing.INDEX, "indices")),
    **nodes("IndexSelect0", reading(indexing.INDEX_SELECT, "dim index")),
    **nodes("Gather0", reading(indexing.GATHER, "dim index")),
    **nodes("Take0", reading(indexing.TAKE, "index")),
    **nodes("MaskedSelect0", reading(indexing.MASKED_SELECT, "mask", inputs="self")),
    **nodes("MaskedFill0", reading(indexing.MASKED_FILL, "mask")),
    **nodes("MaskedFill1", reading(indexing.MASKED_FILL, "mask", inputs="- -")),
    **nodes("Where0", reading(indexing.WHERE, "condition", inputs="- -")),
    **nodes("Sort0 Sort1", reading(indexing.SORT, "dim", outputs="- indices")),
    **nodes("Topk0", reading(indexing.TOPK, "dim", outputs="- indices")),
    **nodes("Kthvalue0", reading(indexing.KTHVALUE, **_ALONG)),
    **nodes("Median1 Nanmedian1", reading(indexing.MEDIAN_ALONG, **_ALONG)),
    **nodes(
        "IndexPut0 UnsafeIndexPut0 IndexPutImpl0",
        reading(indexing_writes.INDEX_PUT, "indices accumulate", inputs="- -"),
    ),
    **nodes("Scatter0", reading(indexing_writes.SCATTER, "dim index", inputs="- -")),
    **nodes("Scatter1", reading(indexing_writes.SCATTER, "dim index")),
    **nodes("ScatterAdd0", reading(indexing_writes.SCATTER_ADD, "dim index", inputs="- -")),
    **nodes(
        "ScatterReduce0",
        reading(indexing_writes.SCATTER_REDUCE, "dim index reduce include_self", inputs="self src", outputs="result"),
    ),
    **nodes("IndexAdd0", reading(indexing_writes.INDEX_ADD, "dim index alpha", inputs="- source")),
    **nodes("IndexCopy0", reading(indexing_writes.INDEX_COPY, "dim index", inputs="- source")),
    **nodes("IndexFill0", reading(indexing_writes.INDEX_FILL, "dim index")),
    **nodes("IndexFill1", reading(indexing_writes.INDEX_FILL, "dim index", inputs="- -")),
    **nodes("MaskedScatter0", reading(indexing_writes.MASKED_SCATTER, "mask", inputs="- -")),
    **nodes("SliceScatter0", reading(indexing_writes.SLICE_SCATTER, "dim start end step", inputs="- -")),
    **nodes("SelectScatter0", reading(indexing_writes.SELECT_SCATTER, "dim index", inputs="- -")),
}
