"""Calls of pooling, read as laws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..laws import pooling
from ..laws.law import Law
from .calling import Called, Caller

_MAX = ("self", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
_AVG = ("self", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")


def _several(setting: Any) -> tuple[int, ...]:
    """A setting that may be given as one number for all axes."""
    return (setting,) if isinstance(setting, int) else tuple(setting)


def _max_pool(axes: int) -> Caller:
    def read(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called:
        found = dict(zip(_MAX, args, strict=False), **kwargs)
        settings = {
            "axes": axes,
            "kernel_size": _several(found["kernel_size"]),
            "stride": _several(found.get("stride", ())),
            "padding": _several(found.get("padding", 0)),
            "dilation": _several(found.get("dilation", 1)),
            "ceil_mode": found.get("ceil_mode", False),
        }
        return Called(pooling.MAX_POOL, (found["self"],), settings)

    return read


def _avg_pool(axes: int) -> Caller:
    def read(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called:
        found = dict(zip(_AVG, args, strict=False), **kwargs)
        settings = {
            "axes": axes,
            "kernel_size": _several(found["kernel_size"]),
            "stride": _several(found.get("stride", ())),
            "padding": _several(found.get("padding", 0)),
            "ceil_mode": found.get("ceil_mode", False),
            "count_include_pad": found.get("count_include_pad", True),
            "divisor_override": found.get("divisor_override"),
        }
        return Called(pooling.AVG_POOL, (found["self"],), settings)

    return read


def _adaptive_pool(law: Law, axes: int) -> Caller:
    def read(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called:
        found = dict(zip(("self", "output_size"), args, strict=False), **kwargs)
        size = _several(found["output_size"])
        return Called(law, (found["self"],), {"axes": axes, "size": size * axes if len(size) == 1 else size})

    return read


CALLS: dict[str, Caller] = {
    "aten::max_pool2d_with_indices": _max_pool(2),
    "aten::max_pool3d_with_indices": _max_pool(3),
    "aten::avg_pool2d": _avg_pool(2),
    "aten::avg_pool3d": _avg_pool(3),
    "aten::adaptive_max_pool2d": _adaptive_pool(pooling.ADAPTIVE_MAX_POOL, 2),
    "aten::adaptive_max_pool3d": _adaptive_pool(pooling.ADAPTIVE_MAX_POOL, 3),
    "aten::_adaptive_avg_pool2d": _adaptive_pool(pooling.ADAPTIVE_AVG_POOL, 2),
    "aten::_adaptive_avg_pool3d": _adaptive_pool(pooling.ADAPTIVE_AVG_POOL, 3),
}
