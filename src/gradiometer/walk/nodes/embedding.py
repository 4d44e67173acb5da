"""Autograd nodes of embedding, read as laws."""

from __future__ import annotations

from typing import Any

from ..laws.embedding import EMBEDDING, EMBEDDING_BAG, settings_of
from ..laws.law import Applied
from .reading import Reader


def _embedding(node: Any) -> Applied:
    """The table itself is not saved: its shape is that of the edge."""
    settings = settings_of(node._saved_indices, node._saved_padding_idx, node._saved_scale_grad_by_freq)
    return Applied(EMBEDDING, (None,), (None,), settings)


def _embedding_bag(node: Any) -> Applied:
    """Whether the last offset is only an end is not saved: it is where there is one more than there are bags."""
    settings = settings_of(node._saved_indices, node._saved_padding_idx, node._saved_scale_grad_by_freq)
    settings |= {"offsets": node._saved_offsets, "mode": node._saved_mode}
    settings["include_last_offset"] = len(node._saved_offsets) > node._input_metadata[0].shape[0]
    inputs = (node._saved_weight, node._saved_per_sample_weights)
    return Applied(EMBEDDING_BAG, inputs, (None, None, node._saved_result2, node._saved_result3), settings)


READERS: dict[str, Reader] = {"EmbeddingBackward0": _embedding, "EmbeddingBagBackward0": _embedding_bag}
