"""Autograd nodes of convolution, read as laws."""

from __future__ import annotations

from typing import Any

from ..laws.convolution import CONVOLUTION
from ..laws.law import Applied
from .reading import Reader


def settings_of(node: Any) -> dict[str, Any]:
    """What a node of a convolution has saved, beside its tensors."""
    return {
        "stride": tuple(node._saved_stride),
        "padding": tuple(node._saved_padding),
        "dilation": tuple(node._saved_dilation),
        "transposed": node._saved_transposed,
        "output_padding": tuple(node._saved_output_padding),
        "groups": node._saved_groups,
    }


def _convolution(node: Any) -> Applied:
    return Applied(CONVOLUTION, (node._saved_input, node._saved_weight, None), (None,), settings_of(node))


def _mkldnn_convolution(node: Any) -> Applied:
    settings = {
        "stride": tuple(node._saved_stride),
        "padding": tuple(node._saved_padding),
        "dilation": tuple(node._saved_dilation),
        "transposed": False,
        "output_padding": (0,),
        "groups": node._saved_groups,
    }
    return Applied(CONVOLUTION, (node._saved_self, node._saved_weight, None), (None,), settings)


READERS: dict[str, Reader] = {
    "ConvolutionBackward0": _convolution,
    "ConvolutionBackward1": _convolution,  # of torch._convolution
    "MkldnnConvolutionBackward0": _mkldnn_convolution,
}
