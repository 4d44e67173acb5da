"""Autograd nodes of gradients that are differentiated again, read as laws."""

from __future__ import annotations

from typing import Any

from ..laws import slopes
from ..laws.law import Applied
from .convolution import settings_of
from .reading import Reader
from .shapes_base import reading


def _slope(name: str, settings: str = "", kept: str = "self") -> Reader:
    return reading(slopes.SLOPES[name], settings, f"grad_output {kept}")


def _convolution(node: Any) -> Applied:
    inputs = (node._saved_grad_output, node._saved_input, node._saved_weight)
    return Applied(slopes.CONVOLUTION_ERROR, inputs, (None,) * 3, settings_of(node))


READERS: dict[str, Reader] = {
    "TanhBackwardBackward0": _slope("tanh_slope", kept="output"),
    "SigmoidBackwardBackward0": _slope("sigmoid_slope", kept="output"),
    "ThresholdBackwardBackward0": reading(slopes.SLOPES["threshold_slope"], "threshold", "- self"),
    "LeakyReluBackwardBackward0": reading(slopes.SLOPES["leaky_relu_slope"], "negative_slope", "- self"),
    "HardtanhBackwardBackward0": reading(slopes.SLOPES["hardtanh_slope"], "min_val max_val", "- self"),
    "SoftplusBackwardBackward0": _slope("softplus_slope", "beta threshold"),
    "EluBackwardBackward0": _slope("elu_slope", "alpha scale input_scale is_result", "self_or_result"),
    "GeluBackwardBackward0": _slope("gelu_slope", "approximate"),
    "ConvolutionBackwardBackward0": _convolution,
}
