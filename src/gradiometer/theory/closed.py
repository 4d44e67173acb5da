"""Activations whose moments have a closed form that keeps its digits at every variance.

The closed forms of ELU and SELU cancel for small q (½ - 1 + ½), and tanh, sigmoid, SiLU, Mish, softplus and softsign
have none: those are integrated. Every method keeps the contract of the method that it overrides in `Activation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erf, erfc, gammainc

from .activation import Activation
from .quadrature import SMALLEST_VARIANCE, FloatArray, Function, checked_correlation, checked_variance

# tanh-sinh nodes on [0, 1], for the outer integral of the clamp
_T = np.arange(-3.4, 3.4 + 1 / 64, 1 / 32)
_UNIT: FloatArray = 1 / (1 + np.exp(-np.pi * np.sinh(_T)))
_UNIT_WEIGHTS: FloatArray = np.pi * np.cosh(_T) / (32 * (2 + 2 * np.cosh(np.pi * np.sinh(_T))))
FARTHEST = 15.0  # a Gaussian holds 1e-50 of its mass beyond
FARTHEST_CUT = 1e50  # of a cut over the rms: nothing lies beyond, and its fourth power is still a float


@dataclass(frozen=True)
class Rectifier(Activation):
    """x above zero, a·x below: linear (a = 1), ReLU (0), leaky ReLU and PReLU."""

    negative_slope: float = 0.0

    @property
    def _half_power(self) -> float:
        return (1 + self.negative_slope**2) / 2

    def m2(self, q: ArrayLike) -> FloatArray:
        """q (1 + a²)/2; contract of `Activation.m2`."""
        return (checked_variance(q) * self._half_power)[()]

    def d2(self, q: ArrayLike) -> FloatArray:
        """(1 + a²)/2 at every variance; contract of `Activation.d2`."""
        return self._everywhere(q, self._half_power)

    def m2_slope(self, q: ArrayLike) -> FloatArray:
        """(1 + a²)/2 at every variance; contract of `Activation.m2_slope`."""
        return self.d2(q)

    def kappa_forward(self, q: ArrayLike) -> FloatArray:
        """6(1 + a⁴)/(1 + a²)² - 1; contract of `Activation.kappa_forward`."""
        return self._everywhere(q, 1.5 * (1 + self.negative_slope**4) / self._half_power**2 - 1)

    def kappa_backward(self, q: ArrayLike) -> FloatArray:
        """As forward: φ and φ' have one shape; contract of `Activation.kappa_backward`."""
        return self.kappa_forward(q)

    def pair_moment(self, q: float, c: float) -> float:
        """q times the arc-cosine kernel; contract of `Activation.pair_moment`."""
        a, cosine = self.negative_slope, checked_correlation(c)
        bent = (1 - a) ** 2 / (2 * np.pi) * (np.sqrt(1 - cosine**2) - cosine * np.arccos(cosine))
        return float(checked_variance(q) * (self._half_power * cosine + bent))

    def pair_slope_moment(self, q: float, c: float) -> float:
        """a + (1 - a)²(π - θ)/2π, c = cos θ; contract of `Activation.pair_slope_moment`."""
        a, theta = self.negative_slope, np.arccos(checked_correlation(c))
        return float(self._everywhere(q, a + (1 - a) ** 2 * float(np.pi - theta) / (2 * np.pi)))

    def _rise_mean(self, q: ArrayLike) -> FloatArray:
        return ((1 - self.negative_slope) * np.sqrt(checked_variance(q) / (2 * np.pi)))[()]

    def _rise_m2(self, q: ArrayLike) -> FloatArray:
        return self.m2(q)

    def _everywhere(self, q: ArrayLike, value: float) -> FloatArray:
        return np.where(np.isnan(checked_variance(q)), np.nan, value)[()]


@dataclass(frozen=True)
class ErrorFunction(Activation):
    """erf, the activation whose every map is elementary."""

    def d2(self, q: ArrayLike) -> FloatArray:
        """(4/π)/√(1 + 4q); contract of `Activation.d2`."""
        return (4 / np.pi / np.sqrt(1 + 4 * checked_variance(q)))[()]

    def m2_slope(self, q: ArrayLike) -> FloatArray:
        """(4/π)/((1 + 2q)√(1 + 4q)); contract of `Activation.m2_slope`."""
        return self.d2(q) / (1 + 2 * checked_variance(q))[()]

    def pair_moment(self, q: float, c: float) -> float:
        """(2/π) asin(2qc/(1 + 2q)); contract of `Activation.pair_moment`."""
        variance = max(float(checked_variance(q)), SMALLEST_VARIANCE)
        return float(2 / np.pi * np.arcsin(checked_correlation(c) / (1 + 0.5 / variance)))

    def pair_slope_moment(self, q: float, c: float) -> float:
        """(4/π)/√((1 + 2q)² - 4q²c²); contract of `Activation.pair_slope_moment`."""
        variance, cosine = checked_variance(q), checked_correlation(c)
        product = (1 + 2 * variance * (1 - cosine)) * (1 + 2 * variance * (1 + cosine))
        return float(4 / np.pi / np.sqrt(product))

    def _rise_mean(self, q: ArrayLike) -> FloatArray:
        return 0 * checked_variance(q)[()]

    def _rise_m2(self, q: ArrayLike) -> FloatArray:
        # atan form of asin(2q/(1 + 2q)): both of its ends keep their digits
        variance = checked_variance(q)
        return (2 / np.pi * np.arctan2(2 * variance, np.sqrt(1 + 4 * variance)))[()]


@dataclass(frozen=True)
class Gelu(Activation):
    """x Φ(x), exact."""

    def d2(self, q: ArrayLike) -> FloatArray:
        """¼ + (1/2π)[asin(q/(1+q)) + q(3+5q)/((1+q)(1+2q)^1.5)]; contract of `Activation.d2`."""
        variance = checked_variance(q)
        share = variance / (1 + variance)
        tail = share * (3 + 5 * variance) / (1 + 2 * variance) ** 1.5
        return (0.25 + (np.arcsin(share) + tail) / (2 * np.pi))[()]

    def _rise_mean(self, q: ArrayLike) -> FloatArray:
        variance = checked_variance(q)
        return (variance / np.sqrt(2 * np.pi * (1 + variance)))[()]

    def _rise_m2(self, q: ArrayLike) -> FloatArray:
        variance = checked_variance(q)
        share = variance / (1 + variance)
        bend = np.arcsin(share) + 2 * share / np.sqrt(1 + 2 * variance)
        return (variance / 4 + variance / (2 * np.pi) * bend)[()]


@dataclass(frozen=True)
class Clamp(Activation):
    """x cut off at low <= 0 <= high: hardtanh, ReLU6."""

    low: float = -1.0
    high: float = 1.0

    def d2(self, q: ArrayLike) -> FloatArray:
        """P(low < z < high); contract of `Activation.d2`."""
        high, low = self._ends(q)
        return np.asarray((erf(high / np.sqrt(2)) + erf(low / np.sqrt(2))) / 2)[()]

    def m2_slope(self, q: ArrayLike) -> FloatArray:
        """E[z²; low < z < high]/q; contract of `Activation.m2_slope`."""
        high, low = self._ends(q)
        return np.asarray((gammainc(1.5, high**2 / 2) + gammainc(1.5, low**2 / 2)) / 2)[()]

    def pair_moment(self, q: float, c: float) -> float:
        """Outer integral of the closed conditional mean; contract of `Activation.pair_moment`."""
        cosine = checked_correlation(c)
        if not np.isfinite(checked_variance(q)) or q == 0:
            return float(0 * checked_variance(q))
        scale = float(np.sqrt(q))
        spread = scale * float(np.sqrt(1 - cosine**2))

        def integrand(g: FloatArray) -> FloatArray:
            inner = self._smoothed(cosine * scale * g, spread)
            return np.clip(scale * g, self.low, self.high) * inner

        return self._outer(integrand, scale, whole=(-FARTHEST, FARTHEST))

    def pair_slope_moment(self, q: float, c: float) -> float:
        """P(both between the cuts); contract of `Activation.pair_slope_moment`."""
        cosine = checked_correlation(c)
        if not np.isfinite(checked_variance(q)):
            return float("nan")
        scale = float(np.sqrt(max(q, SMALLEST_VARIANCE)))
        root = float(np.sqrt(2 * max(1 - cosine**2, 1e-32)))  # at |c| = 1 the inner probability is a step

        def integrand(g: FloatArray) -> FloatArray:
            upper, lower = (self.high / scale - cosine * g) / root, (self.low / scale - cosine * g) / root
            return np.asarray((erf(upper) - erf(lower)) / 2)

        return self._outer(integrand, scale, whole=(self.low / scale, self.high / scale))

    def kappa_forward(self, q: ArrayLike) -> FloatArray:
        """Incomplete fourth moment over M2²; contract of `Activation.kappa_forward`."""
        variance = np.maximum(checked_variance(q), SMALLEST_VARIANCE)
        rms = np.sqrt(self.m2(variance))
        total = np.zeros(np.shape(variance))
        for end in (self.high, -self.low):
            cut = np.minimum(end / np.sqrt(variance), FARTHEST_CUT)
            inside = 1.5 * (variance / rms**2) ** 2 * gammainc(2.5, cut**2 / 2)
            total = total + inside + np.minimum(end / rms, FARTHEST_CUT) ** 4 * erfc(cut / np.sqrt(2)) / 2
        return np.maximum(total - 1, 0.0)[()]

    def kappa_backward(self, q: ArrayLike) -> FloatArray:
        """3/D2 - 1, as φ' is 0 or 1; contract of `Activation.kappa_backward`."""
        return 3 / self.d2(q) - 1

    def _rise_mean(self, q: ArrayLike) -> FloatArray:
        variance = checked_variance(q)
        total = np.zeros(variance.shape)
        for end, sign in ((self.high, 1.0), (-self.low, -1.0)):
            cut = end / np.sqrt(np.maximum(variance, SMALLEST_VARIANCE))
            inside = np.sqrt(variance / (2 * np.pi)) * -np.expm1(-(cut**2) / 2)
            total = total + sign * (inside + end * erfc(cut / np.sqrt(2)) / 2)
        return total[()]

    def _rise_m2(self, q: ArrayLike) -> FloatArray:
        variance = checked_variance(q)
        total = np.zeros(variance.shape)
        for end in (self.high, -self.low):
            cut = end / np.sqrt(np.maximum(variance, SMALLEST_VARIANCE))
            total = total + (variance * gammainc(1.5, cut**2 / 2) + end**2 * erfc(cut / np.sqrt(2))) / 2
        return total[()]

    def _ends(self, q: ArrayLike) -> tuple[FloatArray, FloatArray]:
        scale = np.sqrt(np.maximum(checked_variance(q), SMALLEST_VARIANCE))
        return self.high / scale, -self.low / scale

    def _smoothed(self, mean: FloatArray, spread: float) -> FloatArray:
        """E clamp(N(mean, spread²)) in closed form."""
        if spread == 0:
            return np.clip(mean, self.low, self.high)
        above, beyond = (mean - self.low) / spread, (mean - self.high) / spread
        return np.asarray(self.low + spread * (_ramp(above) - _ramp(beyond)))

    def _outer(self, integrand: Function, scale: float, whole: tuple[float, float]) -> float:
        """∫ integrand(g) ϕ(g) dg over `whole`, cut where the clamp of √q g has a kink."""
        start, stop = max(whole[0], -FARTHEST), min(whole[1], FARTHEST)
        inner = [cut for cut in (self.low / scale, 0.0, self.high / scale) if start < cut < stop]
        total = 0.0
        edges = [start, *inner, stop]
        for left, right in pairwise(edges):
            g = left + (right - left) * _UNIT
            total += (right - left) * float(np.exp(-(g**2) / 2) * integrand(g) @ _UNIT_WEIGHTS)
        return total / float(np.sqrt(2 * np.pi))


def _ramp(z: FloatArray) -> FloatArray:
    """E max(z + g, 0) = z Φ(z) + ϕ(z)."""
    return np.asarray(z * erfc(-z / np.sqrt(2)) / 2 + np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))
