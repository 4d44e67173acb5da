"""Autograd nodes of activations, read as laws.

Some nodes keep the input, some only the result; in-place forms (``...1``) keep the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..laws import activations_exponential as exponential
from ..laws import activations_gated as gated
from ..laws import activations_linear as linear
from ..laws import activations_smooth as smooth
from ..laws.law import Applied, Law, Settings
from .reading import Reader

_NO_RANGE = 1e-6  # torch draws no slope where the two limits of RReLU are as near as this


def signed(dim: int) -> int:
    """An axis as it was written: nodes keep −1 as 2⁶⁴ − 1."""
    return dim - 2**64 if dim >= 2**63 else dim


def _from_input(law: Law, z: Tensor, settings: Settings | None = None) -> Applied:
    return Applied(law, (z,), (None,), settings or {})


def _from_result(law: Law, y: Tensor, settings: Settings | None = None) -> Applied:
    return Applied(law, (None,), (y,), settings or {})


def _input_of(law: Law, *settings: str) -> Reader:
    """A node that keeps its input and these settings under the law's names."""
    return lambda node: _from_input(law, node._saved_self, {s: getattr(node, f"_saved_{s}") for s in settings})


def _result_of(law: Law) -> Reader:
    return lambda node: _from_result(law, node._saved_result)


def _hardtanh(node: Any) -> Applied:
    low, high = node._saved_min_val, node._saved_max_val
    return _from_input(linear.hardtanh_between(low, high), node._saved_self, {"min_val": low, "max_val": high})


Parts = Callable[[Any], tuple[Law, Settings]]
"""A node's law and settings."""


def _before(parts: Parts) -> Reader:
    """A node that keeps its input."""

    def read(node: Any) -> Applied:
        law, settings = parts(node)
        return _from_input(law, node._saved_self, settings)

    return read


def _after(parts: Parts) -> Reader:
    """A node of the same in place, which keeps its result."""

    def read(node: Any) -> Applied:
        law, settings = parts(node)
        return _from_result(law, node._saved_result, settings)

    return read


def _leaky(node: Any) -> tuple[Law, Settings]:
    slope = node._saved_negative_slope
    return linear.leaky_with(slope), {"slope": slope}


def _rrelu(node: Any) -> tuple[Law, Settings]:
    lower, upper = node._saved_lower, node._saved_upper
    drawn = node._saved_training and upper - lower > _NO_RANGE
    return linear.rrelu_within(lower, upper), {"slope": node._saved_noise if drawn else (lower + upper) / 2}


def _elu(node: Any) -> tuple[Law, Settings]:
    alpha, scale, inner = node._saved_alpha, node._saved_scale, node._saved_input_scale
    return exponential.elu_with(alpha, scale, inner), {"alpha": alpha, "scale": scale, "input_scale": inner}


def _celu(node: Any) -> tuple[Law, Settings]:
    alpha = node._saved_alpha
    return exponential.celu_with(alpha), {"alpha": alpha}


def _gelu(node: Any) -> Applied:
    return _from_input(smooth.gelu_by(node._saved_approximate), node._saved_self)


def _prelu(node: Any) -> Applied:
    return Applied(gated.PRELU, (node._saved_self, node._saved_weight), (None,), {})


def _glu(node: Any) -> Applied:
    return _from_input(gated.GLU, node._saved_self, {"dim": signed(node._saved_dim)})


READERS: dict[str, Reader] = {
    "ReluBackward0": _result_of(linear.RELU),
    "HardtanhBackward0": _hardtanh,
    "LeakyReluBackward0": _before(_leaky),
    "LeakyReluBackward1": _after(_leaky),
    "RreluWithNoiseBackward0": _before(_rrelu),
    "RreluWithNoiseBackward1": _after(_rrelu),
    "PreluKernelBackward0": _prelu,
    "HardsigmoidBackward0": _input_of(linear.HARDSIGMOID),
    "HardswishBackward0": _input_of(linear.HARDSWISH),
    "ThresholdBackward0": _input_of(linear.THRESHOLD, "threshold"),
    "ThresholdBackward1": _input_of(linear.THRESHOLD, "threshold"),
    "SoftshrinkBackward0": _input_of(linear.SOFTSHRINK, "lambd"),
    "HardshrinkBackward0": _input_of(linear.HARDSHRINK, "lambd"),
    "TanhBackward0": _result_of(smooth.TANH),
    "SigmoidBackward0": _result_of(smooth.SIGMOID),
    "ErfBackward0": _input_of(smooth.ERF),
    "LogSigmoidBackward0": _input_of(smooth.LOG_SIGMOID),
    "GeluBackward0": _gelu,
    "SiluBackward0": _input_of(smooth.SILU),
    "MishBackward0": _input_of(smooth.MISH),
    "SoftplusBackward0": _input_of(smooth.SOFTPLUS, "beta", "threshold"),
    "EluBackward0": _before(_elu),
    "EluBackward1": _after(_elu),
    "CeluBackward0": _before(_celu),
    "CeluBackward1": _after(_celu),
    "GluBackward0": _glu,
}
