"""Autograd nodes of pooling, read as laws."""

from __future__ import annotations

from typing import Any

from ..laws import pooling
from ..laws.law import Applied
from .reading import Reader


def _max_pool(axes: int) -> Reader:
    """Which place of a window was the largest is saved, counted through the pooled axes."""

    def read(node: Any) -> Applied:
        settings = {
            "axes": axes,
            "kernel_size": tuple(node._saved_kernel_size),
            "stride": tuple(node._saved_stride),
            "padding": tuple(node._saved_padding),
            "dilation": tuple(node._saved_dilation),
            "ceil_mode": node._saved_ceil_mode,
        }
        return Applied(pooling.MAX_POOL, (node._saved_self,), (None, node._saved_result1), settings)

    return read


def _avg_pool(axes: int) -> Reader:
    def read(node: Any) -> Applied:
        settings = {
            "axes": axes,
            "kernel_size": tuple(node._saved_kernel_size),
            "stride": tuple(node._saved_stride),
            "padding": tuple(node._saved_padding),
            "ceil_mode": node._saved_ceil_mode,
            "count_include_pad": node._saved_count_include_pad,
            "divisor_override": node._saved_divisor_override,
        }
        return Applied(pooling.AVG_POOL, (node._saved_self,), (None,), settings)

    return read


def _adaptive_max_pool(axes: int) -> Reader:
    def read(node: Any) -> Applied:
        place = node._saved_result1
        settings = {"axes": axes, "size": tuple(place.shape[-axes:])}
        return Applied(pooling.ADAPTIVE_MAX_POOL, (node._saved_self,), (None, place), settings)

    return read


def _adaptive_avg_pool(axes: int) -> Reader:
    """How many windows there are is not saved: it is the shape of what the node has made."""

    def read(node: Any) -> Applied:
        settings = {"axes": axes, "size": tuple(node._input_metadata[0].shape[-axes:])}
        return Applied(pooling.ADAPTIVE_AVG_POOL, (node._saved_self,), (None,), settings)

    return read


READERS: dict[str, Reader] = {
    "MaxPool2DWithIndicesBackward0": _max_pool(2),
    "MaxPool3DWithIndicesBackward0": _max_pool(3),
    "AvgPool2DBackward0": _avg_pool(2),
    "AvgPool3DBackward0": _avg_pool(3),
    "AdaptiveMaxPool2DBackward0": _adaptive_max_pool(2),
    "AdaptiveMaxPool3DBackward0": _adaptive_max_pool(3),
    "AdaptiveAvgPool2DBackward0": _adaptive_avg_pool(2),
    "AdaptiveAvgPool3DBackward0": _adaptive_avg_pool(3),
}
