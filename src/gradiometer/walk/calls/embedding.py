"""Calls of embedding, read as laws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..laws.embedding import EMBEDDING, EMBEDDING_BAG, SUM, settings_of
from .calling import Called, Caller

_EMBEDDING = ("weight", "indices", "padding_idx", "scale_grad_by_freq")
_BAG = (
    *("weight", "indices", "offsets", "scale_grad_by_freq", "mode", "sparse", "per_sample_weights"),
    *("include_last_offset", "padding_idx"),
)


def _embedding(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called:
    found = dict(zip(_EMBEDDING, args, strict=False), **kwargs)
    settings = settings_of(found["indices"], found.get("padding_idx", -1), found.get("scale_grad_by_freq", False))
    return Called(EMBEDDING, (found["weight"],), settings)


def _embedding_bag(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called:
    found = dict(zip(_BAG, args, strict=False), **kwargs)
    settings = settings_of(found["indices"], found.get("padding_idx", -1), found.get("scale_grad_by_freq", False))
    settings |= {"offsets": found["offsets"], "mode": found.get("mode", SUM)}
    settings["include_last_offset"] = found.get("include_last_offset", False)
    return Called(EMBEDDING_BAG, (found["weight"], found.get("per_sample_weights")), settings)


CALLS: dict[str, Caller] = {
    "aten::embedding": _embedding,
    "aten::_embedding_bag": _embedding_bag,
    "aten::_embedding_bag_forward_only": _embedding_bag,
}
