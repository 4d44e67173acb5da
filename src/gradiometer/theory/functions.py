"""The activations themselves: φ(x) - φ(0) and φ'(x) in forms that lose no digit near 0 and overflow nowhere.

Every function takes and returns float64 of one shape; inf and nan pass as IEEE 754 says unless noted. A kinked
function has its left derivative at exactly 0, which no quadrature node ever meets.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erf as _erf
from scipy.special import expit, ndtr

from .quadrature import FloatArray

LN2 = float(np.log(2.0))
GELU_CUBE = 0.044715  # of the tanh approximation, Hendrycks and Gimpel 2016
GELU_SCALE = float(np.sqrt(2 / np.pi))
SELU_SCALE = 1.0507009873554805  # Klambauer 2017
SELU_ALPHA = 1.6732632423543772


def sech2(x: FloatArray) -> FloatArray:
    """Derivative of tanh: 4 e^-2|x| / (1 + e^-2|x|)², which keeps its digits where 1 - tanh² has none."""
    decay = np.exp(-2 * np.abs(x))
    return np.asarray(4 * decay / (1 + decay) ** 2)


def erf_slope(x: FloatArray) -> FloatArray:
    """Derivative of erf: (2/√π) e^-x²."""
    return np.asarray(2 / np.sqrt(np.pi) * np.exp(-(x**2)))


def erf(x: FloatArray) -> FloatArray:
    """The error function, (2/√π) ∫₀ˣ e^-t² dt."""
    return np.asarray(_erf(x))


def half_tanh(x: FloatArray) -> FloatArray:
    """The sigmoid less a half: ½ tanh(x/2), exactly odd."""
    return np.asarray(0.5 * np.tanh(x / 2))


def sigmoid_slope(x: FloatArray) -> FloatArray:
    """Derivative of the sigmoid: ¼ sech²(x/2)."""
    return 0.25 * sech2(x / 2)


def softplus_rise(x: FloatArray) -> FloatArray:
    """Softplus less ln 2: x/2 + ln cosh(x/2), where ln cosh y = |y| + log1p(expm1(-2|y|)/2)."""
    y = np.abs(x) / 2
    return np.asarray(x / 2 + y + np.log1p(np.expm1(-2 * y) / 2))


def softplus_slope(x: FloatArray) -> FloatArray:
    """Derivative of softplus: the sigmoid."""
    return np.asarray(expit(x))


def silu(x: FloatArray) -> FloatArray:
    """x times sigmoid(x)."""
    return np.asarray(x * expit(x))


def silu_slope(x: FloatArray) -> FloatArray:
    """Derivative of SiLU: σ + x σ'."""
    return np.asarray(expit(x) + x * sigmoid_slope(x))


def mish(x: FloatArray) -> FloatArray:
    """x times tanh(softplus(x))."""
    return x * _tanh_softplus(x)


def mish_slope(x: FloatArray) -> FloatArray:
    """Derivative of Mish: tanh(sp) + x sech²(sp) σ(x) with sp = softplus(x)."""
    return np.asarray(_tanh_softplus(x) + x * sech2(np.logaddexp(0.0, x)) * expit(x))


def _tanh_softplus(x: FloatArray) -> FloatArray:
    return np.asarray(np.tanh(np.logaddexp(0.0, x)))


def softsign(x: FloatArray) -> FloatArray:
    """x / (1 + |x|)."""
    return np.asarray(x / (1 + np.abs(x)))


def softsign_slope(x: FloatArray) -> FloatArray:
    """Derivative of softsign: (1 + |x|)^-2."""
    return np.asarray((1 + np.abs(x)) ** -2.0)


def gelu(x: FloatArray) -> FloatArray:
    """x Φ(x)."""
    return np.asarray(x * ndtr(x))


def gelu_slope(x: FloatArray) -> FloatArray:
    """Derivative of GELU: Φ(x) + x ϕ(x)."""
    return np.asarray(ndtr(x) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


def gelu_tanh(x: FloatArray) -> FloatArray:
    """GELU by its tanh approximation: x σ(2u), u = √(2/π)(x + .044715 x³)."""
    return np.asarray(x * expit(2 * GELU_SCALE * (x + GELU_CUBE * x**3)))


def gelu_tanh_slope(x: FloatArray) -> FloatArray:
    """Derivative of the tanh approximation: σ(2u) + 2 x u' σ'(2u)."""
    # Beyond ±30 both terms are 1 or 0 to the last bit, and x³ times an underflowed σ' could become inf times 0.
    near = np.clip(x, -30.0, 30.0)
    u = GELU_SCALE * (near + GELU_CUBE * near**3)
    rise = GELU_SCALE * (1 + 3 * GELU_CUBE * near**2)
    return np.asarray(expit(2 * u) + 2 * near * rise * sigmoid_slope(2 * u))


def elu(x: FloatArray, alpha: float) -> FloatArray:
    """x for x > 0, α(eˣ - 1) below."""
    return np.asarray(np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0))))


def elu_slope(x: FloatArray, alpha: float) -> FloatArray:
    """Derivative of ELU: 1 for x > 0, α eˣ below."""
    return np.asarray(np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0.0))))
