"""Calls of convolution, read as laws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..laws.convolution import CONVOLUTION
from .calling import Called, Caller

_CONVOLUTION = ("input", "weight", "bias", "stride", "padding", "dilation", "transposed", "output_padding", "groups")
_MKLDNN = ("input", "weight", "bias", "padding", "stride", "dilation", "groups")


def _convolution(names: tuple[str, ...]) -> Callable[[tuple[Any, ...], Mapping[str, Any]], Called]:
    """A convolution whose arguments stand in this order; further ones only choose a kernel of the machine."""

    def read(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called:
        found = dict(zip(names, args, strict=False), **kwargs)
        signal = found["self"] if "self" in found else found["input"]
        settings = {
            "stride": tuple(found["stride"]),
            "padding": tuple(found["padding"]),
            "dilation": tuple(found["dilation"]),
            "transposed": found.get("transposed", False),
            "output_padding": tuple(found.get("output_padding", (0,))),
            "groups": found["groups"],
        }
        return Called(CONVOLUTION, (signal, found["weight"], found.get("bias")), settings)

    return read


CALLS: dict[str, Caller] = {
    "aten::convolution": _convolution(_CONVOLUTION),
    "aten::_convolution": _convolution(_CONVOLUTION),
    "aten::mkldnn_convolution": _convolution(_MKLDNN),
}
