"""Calls of activations, read as laws. Each reading has the signature of torch's operation, defaults included."""

from __future__ import annotations

from collections.abc import Callable

from torch import Generator, Tensor

from gradiometer.records.errors import ModelError

from ..laws import activations_exponential as exponential
from ..laws import activations_gated as gated
from ..laws import activations_linear as linear
from ..laws import activations_smooth as smooth
from ..laws.law import Law
from .calling import Called, Caller


def by_signature(read: Callable[..., Called]) -> Caller:
    """A reading that has the signature of torch's operation."""
    return lambda args, kwargs: read(*args, **kwargs)


def _plain(law: Law) -> Callable[..., Called]:
    return lambda z: Called(law, (z,), {})


def _hardtanh(z: Tensor, min_val: float = -1, max_val: float = 1) -> Called:
    return Called(linear.hardtanh_between(min_val, max_val), (z,), {"min_val": min_val, "max_val": max_val})


def _leaky_relu(z: Tensor, negative_slope: float = 0.01) -> Called:
    return Called(linear.leaky_with(negative_slope), (z,), {"slope": negative_slope})


def _rrelu(
    z: Tensor,
    noise: Tensor,
    lower: float = 0.125,
    upper: float = 1 / 3,
    training: bool = False,
    generator: Generator | None = None,
) -> Called:
    if training:
        raise ModelError(
            "RReLU in training draws its slopes inside torch, so it cannot be computed by hand. "
            "Use eval(), or LeakyReLU."
        )
    return Called(linear.rrelu_within(lower, upper), (z,), {"slope": (lower + upper) / 2})


def _threshold(z: Tensor, threshold: float, value: float) -> Called:
    return Called(linear.THRESHOLD, (z,), {"threshold": threshold, "value": value})


def _softshrink(z: Tensor, lambd: float = 0.5) -> Called:
    return Called(linear.SOFTSHRINK, (z,), {"lambd": lambd})


def _hardshrink(z: Tensor, lambd: float = 0.5) -> Called:
    return Called(linear.HARDSHRINK, (z,), {"lambd": lambd})


def _elu(z: Tensor, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Called:
    settings = {"alpha": alpha, "scale": scale, "input_scale": input_scale}
    return Called(exponential.elu_with(alpha, scale, input_scale), (z,), settings)


def _celu(z: Tensor, alpha: float = 1.0) -> Called:
    return Called(exponential.celu_with(alpha), (z,), {"alpha": alpha})


def _gelu(z: Tensor, *, approximate: str = "none") -> Called:
    return Called(smooth.gelu_by(approximate), (z,), {})


def _softplus(z: Tensor, beta: float = 1, threshold: float = 20) -> Called:
    return Called(smooth.SOFTPLUS, (z,), {"beta": beta, "threshold": threshold})


def _prelu(z: Tensor, weight: Tensor) -> Called:
    return Called(gated.PRELU, (z, weight), {})


def _glu(z: Tensor, dim: int = -1) -> Called:
    return Called(gated.GLU, (z,), {"dim": dim})


_READINGS: dict[str, Callable[..., Called]] = {
    "aten::relu": _plain(linear.RELU),
    "aten::hardtanh": _hardtanh,
    "aten::leaky_relu": _leaky_relu,
    "aten::rrelu_with_noise": _rrelu,
    "aten::hardsigmoid": _plain(linear.HARDSIGMOID),
    "aten::hardswish": _plain(linear.HARDSWISH),
    "aten::threshold": _threshold,
    "aten::softshrink": _softshrink,
    "aten::hardshrink": _hardshrink,
    "aten::tanh": _plain(smooth.TANH),
    "aten::sigmoid": _plain(smooth.SIGMOID),
    "aten::erf": _plain(smooth.ERF),
    "aten::log_sigmoid_forward": _plain(smooth.LOG_SIGMOID),
    "aten::gelu": _gelu,
    "aten::silu": _plain(smooth.SILU),
    "aten::mish": _plain(smooth.MISH),
    "aten::softplus": _softplus,
    "aten::elu": _elu,
    "aten::celu": _celu,
    "aten::_prelu_kernel": _prelu,
    "aten::glu": _glu,
}

CALLS: dict[str, Caller] = {name: by_signature(read) for name, read in _READINGS.items()}
