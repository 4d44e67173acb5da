"""Gaussian expectations of one variable and of a correlated pair, accurate over thirty orders of magnitude of variance.

Gauss-Hermite nodes sit at the scale of the Gaussian; an activation bends at its own scale. For a variance of 1e4 a
sigmoid is a step between two nodes. The rules here are spaced evenly in the logarithm of |x| instead, so both
scales are always resolved, and each half line is integrated apart, so a kink at zero costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradiometer.records import UserError

FloatArray = NDArray[np.float64]
Function = Callable[[FloatArray], FloatArray]

LOG_STEP = (
    0.125  # the integrand is analytic for |Im t| < pi/4: the trapezoid rule errs by exp(-2 pi (pi/4) / h) = 1e-17
)
LOWEST = -40.0  # e^-40 = 4e-18 of the mass of a constant lies below
HIGHEST = 3.0  # exp(-e^6 / 2) = 1e-88 of the mass lies above
SMALLEST_VARIANCE = 1e-300  # stands for the limit q -> 0+; below it s^2 would underflow
LARGEST_VARIANCE = 1e150  # its square is still a float; a signal beyond has overflowed in all but name
CHUNK = 256  # rows of nodes held at once: 256 * 345 float64 = 0.7 MB a temporary

_T = np.arange(LOWEST, HIGHEST + LOG_STEP / 2, LOG_STEP)
GAUSS_NODES: FloatArray = np.exp(_T)  # [node], positive half line
GAUSS_WEIGHTS: FloatArray = np.exp(_T - GAUSS_NODES**2 / 2) * (LOG_STEP / np.sqrt(2 * np.pi))  # [node]


def checked_variance(q: ArrayLike) -> FloatArray:
    """The variance as float64; nan where it is nan, infinite or beyond 1e150.

    law: identity on [0, 1e150].
    shapes, units: any shape, squared units of the pre-activation.
    at 0: 0.
    at inf/nan: nan (no Gaussian has an infinite variance); a negative variance is a UserError.
    source: convention of this package.
    """
    values = np.asarray(q, dtype=np.float64)
    if bool(np.any(values < 0)):
        raise UserError(f"theory: the variance q is negative ({float(np.nanmin(values)):g}). Give E z², which is >= 0.")
    return np.where(values <= LARGEST_VARIANCE, values, np.nan)


def expect(function: Function, q: ArrayLike) -> FloatArray:
    """E f(z) for z ~ N(0, q).

    law: ∫ f(√q g) exp(-g²/2)/√(2π) dg, trapezoid rule in ln|g| on both half lines.
    shapes, units: q any shape, the answer has the same; f must take any shape and be smooth away from 0.
    at 0: the limit q -> 0+, one-sided where f has a kink at 0.
    at inf/nan: nan; a negative q is a UserError. Twelve digits up to q = 1e12; the expectation of a bump, which
        falls like 1/√q, keeps five at 1e24 and reads 0 from about 1e36 on.
    source: trapezoid rule for analytic functions (Trefethen and Weideman 2014).
    """
    return _integrate(lambda x, _g, _size: np.asarray(function(x) + function(-x)), q)


def expect_with_g(function: Function, q: ArrayLike) -> FloatArray:
    """E g f(√q g) for g ~ N(0, 1).

    law: ∫₀^∞ g (f(√q g) - f(-√q g)) exp(-g²/2)/√(2π) dg, as in `expect`.
    shapes, units: q any shape, the answer has the same.
    at 0: the limit q -> 0+.
    at inf/nan: nan; a negative q is a UserError.
    source: as `expect`.
    """
    return _integrate(lambda x, g, _size: np.asarray(g * (function(x) - function(-x))), q)


def expect_fourth(function: Function, q: ArrayLike, size: ArrayLike) -> FloatArray:
    """E (f(z) / size)⁴ for z ~ N(0, q).

    law: as `expect`; the size divides first, so that a fourth power neither overflows nor vanishes.
    shapes, units: q and size of one shape, the answer too; size in units of f.
    at 0: q = 0 is the limit q -> 0+; size = 0 gives nan or inf.
    at inf/nan: nan; a negative q is a UserError.
    source: as `expect`.
    """

    def integrand(x: FloatArray, _g: FloatArray, unit: FloatArray) -> FloatArray:
        return np.asarray((function(x) / unit) ** 4 + (function(-x) / unit) ** 4)

    return _integrate(integrand, q, size)


def _integrate(
    integrand: Callable[[FloatArray, FloatArray, FloatArray], FloatArray], q: ArrayLike, size: ArrayLike = 1.0
) -> FloatArray:
    variance = checked_variance(q)
    rows = variance.reshape(-1)
    sizes = np.broadcast_to(np.asarray(size, dtype=np.float64), variance.shape).reshape(-1)
    out = np.full(rows.shape, np.nan)
    finite = np.flatnonzero(np.isfinite(rows))
    # A variance near the largest float overflows φ², and ends as inf or nan: that is its meaning, not an accident.
    with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
        for chunk in np.array_split(finite, max(1, -(-finite.size // CHUNK))):
            scale = np.sqrt(np.maximum(rows[chunk], SMALLEST_VARIANCE))[:, None]
            x = scale * GAUSS_NODES  # [row, node]
            out[chunk] = integrand(x, GAUSS_NODES, sizes[chunk][:, None]) @ GAUSS_WEIGHTS
    return out.reshape(variance.shape)[()]


# The pair rule: z1 = s r cos θ, z2 = s r cos(θ - α), c = cos α. The radius carries the scale (even in ln r), the angle
# is cut where a coordinate changes its sign, and tanh-sinh nodes crowd at the cuts, where a saturated φ jumps.
RADIUS_STEP = 0.125
RADIUS_LOWEST = -20.0  # weight r dr: e^-40 of the mass lies below
ANGLE_STEP = 1 / 16
ANGLE_LAST = 3.4  # tanh-sinh nodes reach e^-47 from the ends

_R = np.arange(RADIUS_LOWEST, HIGHEST + RADIUS_STEP / 2, RADIUS_STEP)
RADIUS_NODES: FloatArray = np.exp(_R)
RADIUS_WEIGHTS: FloatArray = np.exp(2 * _R - RADIUS_NODES**2 / 2) * (RADIUS_STEP / (2 * np.pi))
_A = np.arange(-ANGLE_LAST, ANGLE_LAST + ANGLE_STEP / 2, ANGLE_STEP)
UNIT_FROM_LEFT: FloatArray = 1 / (1 + np.exp(-np.pi * np.sinh(_A)))  # [angle], node in (0, 1)
UNIT_FROM_RIGHT: FloatArray = 1 / (1 + np.exp(np.pi * np.sinh(_A)))  # 1 - node, without cancellation
UNIT_WEIGHTS: FloatArray = np.pi * np.cosh(_A) * UNIT_FROM_LEFT * UNIT_FROM_RIGHT * ANGLE_STEP


def checked_correlation(c: float) -> float:
    """The correlation as a float in [-1, 1], with rounding past the ends cut off.

    law: identity.
    shapes, units: a number, none.
    at 0: 0.
    at inf/nan: inf is a UserError, as is anything beyond ±(1 + 1e-9); nan stays nan.
    source: Cauchy-Schwarz.
    """
    if abs(c) > 1 + 1e-9:
        raise UserError(f"theory: the correlation is {c:g}. It must lie in [-1, 1].")
    return float(np.clip(c, -1.0, 1.0))


def expect_pair(function: Function, q: float, c: float) -> float:
    """E f(z1) f(z2) for two N(0, q) variables of correlation c.

    law: ∫∫ f(s r cos θ) f(s r cos(θ-α)) r exp(-r²/2)/2π dr dθ with c = cos α.
    shapes, units: numbers in, a number out; f smooth away from 0.
    at 0: q = 0 is the limit q -> 0+; c = 0 factorises into E f · E f.
    at inf/nan: nan; a negative q or |c| > 1 is a UserError.
    source: polar coordinates, tanh-sinh in the angle (Takahasi and Mori 1974).
    """
    variance, cosine = float(checked_variance(q)), checked_correlation(c)
    if not (np.isfinite(variance) and np.isfinite(cosine)):
        return float("nan")
    alpha = float(np.arccos(cosine))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        radius = np.sqrt(max(variance, SMALLEST_VARIANCE)) * RADIUS_NODES[:, None]  # [radius, 1]
        total = 0.0
        for first, second, width in _sectors(alpha):
            u, v = radius * first, radius * second  # [radius, angle]
            both = function(u) * function(v) + function(-u) * function(-v)
            total += float(RADIUS_WEIGHTS @ both @ UNIT_WEIGHTS) * width
    return total


def _sectors(alpha: float) -> tuple[tuple[FloatArray, FloatArray, float], ...]:
    """Direction cosines of both coordinates over the two sectors of a half turn, each measured from its cuts."""
    same, opposite = np.pi - alpha, alpha
    # Same sign: from u's zero (the left end) to v's zero (the right end). Opposite sign: u > 0 > v.
    # A distance d from the cut of a coordinate gives it the cosine sin d; distances are exact at either end.
    u_same, v_same = np.sin(same * UNIT_FROM_LEFT), np.sin(same * UNIT_FROM_RIGHT)
    u_opposite, v_opposite = np.sin(opposite * UNIT_FROM_LEFT), -np.sin(opposite * UNIT_FROM_RIGHT)
    return (u_same, v_same, same), (u_opposite, v_opposite, opposite)
