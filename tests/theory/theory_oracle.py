"""Foreign oracles: every activation in the standard library's arithmetic, and scipy's adaptive quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from scipy.integrate import quad

Scalar = Callable[[float], float]

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def normal_cdf(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def normal_pdf(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def sech2(x: float) -> float:
    return 0.0 if abs(x) > 350 else 1 / math.cosh(x) ** 2


def mish_slope(x: float) -> float:
    s = softplus(x)
    return math.tanh(s) + x * sech2(s) * sigmoid(x)


def leaky(a: float) -> tuple[Scalar, Scalar]:
    return (lambda x: x if x > 0 else a * x), (lambda x: 1.0 if x > 0 else a)


def elu(alpha: float, scale: float) -> tuple[Scalar, Scalar]:
    return (
        lambda x: scale * (x if x > 0 else alpha * math.expm1(x)),
        lambda x: scale * (1.0 if x > 0 else alpha * math.exp(x)),
    )


# kind -> φ, φ', kinks
PLAIN: dict[str, tuple[Scalar, Scalar, tuple[float, ...]]] = {
    "linear": (lambda x: x, lambda x: 1.0, ()),
    "relu": (*leaky(0.0), (0.0,)),
    "leaky_relu": (*leaky(0.01), (0.0,)),
    "prelu": (*leaky(0.25), (0.0,)),
    "tanh": (math.tanh, sech2, ()),
    "erf": (math.erf, lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x), ()),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * sigmoid(-x), ()),
    "centred_sigmoid": (lambda x: math.tanh(x / 2) / 2, lambda x: sigmoid(x) * sigmoid(-x), ()),
    "hardtanh": (lambda x: max(-1.0, min(1.0, x)), lambda x: float(-1 < x < 1), (-1.0, 1.0)),
    "relu6": (lambda x: max(0.0, min(6.0, x)), lambda x: float(0 < x < 6), (0.0, 6.0)),
    "elu": (*elu(1.0, 1.0), (0.0,)),
    "selu": (*elu(SELU_ALPHA, SELU_SCALE), (0.0,)),
    "gelu": (lambda x: x * normal_cdf(x), lambda x: normal_cdf(x) + x * normal_pdf(x), ()),
    "silu": (lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x)), ()),
    "mish": (lambda x: x * math.tanh(softplus(x)), mish_slope, ()),
    "softplus": (softplus, sigmoid, ()),
    "softsign": (lambda x: x / (1 + abs(x)), lambda x: (1 + abs(x)) ** -2, (0.0,)),
}


def expectation(f: Scalar, q: float, kinks: tuple[float, ...] = ()) -> float:
    """E f(√q g) by adaptive quadrature on panels that resolve the Gaussian, the function and its kinks."""
    s = math.sqrt(q)
    scales = {sign * x / s for sign in (-1, 1) for x in (0, 1, 4, 16)} | {k / s for k in kinks}
    cuts = sorted({-12.0, -4.0, 0.0, 4.0, 12.0} | {c for c in scales if abs(c) < 12})
    total = 0.0
    for left, right in pairwise(cuts):
        value, _ = quad(lambda g: f(s * g) * normal_pdf(g), left, right, epsabs=1e-300, epsrel=1e-10, limit=100)
        total += value
    return total


def moments(kind: str, q: float) -> dict[str, float]:
    """Every moment of `Activation`, from its definition."""
    value, slope, kinks = PLAIN[kind]
    m2 = expectation(lambda x: value(x) ** 2, q, kinks)
    d2 = expectation(lambda x: slope(x) ** 2, q, kinks)
    mean = expectation(value, q, kinks)
    origin = value(0.0)
    rise = expectation(lambda x: value(x) - origin, q, kinks)
    return {
        "mean": mean,
        "m2": m2,
        "d2": d2,
        "variance": expectation(lambda x: (value(x) - origin) ** 2, q, kinks) - rise**2,
        "m2_slope": expectation(lambda x: x * value(x) * slope(x), q, kinks) / q,
        "kappa_forward": expectation(lambda x: value(x) ** 4, q, kinks) / m2**2 - 1,
        "kappa_backward": 3 * expectation(lambda x: slope(x) ** 4, q, kinks) / d2**2 - 1,
    }
