"""Where variance and correlation come to rest in a deep network, and how fast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from .activation import Activation
from .maps import chi, chi_parallel, correlation_map, variance_map
from .quadrature import FloatArray

LOWEST_Q = 1e-24  # rms 1e-12: a signal that falls below is on its way to 0
HIGHEST_Q = 1e24
GRID_RATIO = 1.25  # between the variances in which a crossing is looked for
FLAT = 1e-12  # relative change of the variance that counts as none: ReLU + He keeps every variance
CLEAR = 1e-13  # relative change of the variance that is more than rounding
ALMOST_ONE = 1 - 1e-6  # a correlation above is taken for 1
MARGIN = 1e-9  # χ this close to 1 is 1


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where a deep network of equal layers ends, going forward, and what its error meets there.

    q: fixed point of the variance (0: the signal dies, inf: it grows without end).
    chi: squared-norm gain of the error per hop there; gain: its root. chi_parallel: slope of the variance map there.
    hops_to_lose_1000: hops in which the error's norm falls to a thousandth; inf where it does not fall.
    """

    q: float
    chi: float
    gain: float
    chi_parallel: float
    hops_to_lose_1000: float


def variance_fixed_point(act: Activation, sigma_w2: float, sigma_b2: float, q_start: float = 1.0) -> float:
    """q*: the variance to which the map leads from a starting variance.

    law: q* = σw² M2(q*) + σb², the first rest on the way from q_start in the direction in which the map moves.
    shapes, units: numbers; squared units of the pre-activation.
    at 0: 0 where the signal dies (also where it falls below 1e-24); q_start = 0 starts at the limit 0+.
    at inf/nan: inf where the variance grows past 1e24; nan for nan; a negative variance is a UserError.
    source: Poole 2016.
    """
    start = float(np.clip(q_start, LOWEST_Q, HIGHEST_Q))

    def climb(q: ArrayLike) -> FloatArray:
        return variance_map(act, sigma_w2, sigma_b2, q) - np.asarray(q, dtype=np.float64)

    first = float(climb(start))
    if np.isnan(first):
        return float("nan")
    if abs(first) <= FLAT * start:
        return start
    goal = HIGHEST_Q if first > 0 else LOWEST_Q
    steps = int(abs(np.log(goal / start)) / np.log(GRID_RATIO)) + 2
    path = np.geomspace(start, goal, steps)
    # Only a clear change of direction is a rest: rounding alone moves a critical tanh back and forth at q = 1e-16.
    crossed = np.flatnonzero(climb(path) * np.sign(first) < -CLEAR * path)
    if crossed.size == 0:
        return float("inf") if first > 0 else 0.0
    at = int(crossed[0])
    if float(climb(path[at - 1])) * np.sign(first) <= 0:
        return float(path[at - 1])
    return float(brentq(lambda q: float(climb(q)), path[at - 1], path[at], xtol=1e-300, rtol=1e-14))


def correlation_fixed_point(act: Activation, sigma_w2: float, sigma_b2: float, q: float) -> float:
    """c*: the correlation that different inputs end with.

    law: c* = c-map(c*); 1 in the ordered phase (χ <= 1), below 1 in the chaotic phase (χ > 1).
    shapes, units: numbers; q is the variance's fixed point.
    at 0: q = 0 is nan unless σb² > 0; c* = 0 for an odd φ in the chaotic phase without biases.
    at inf/nan: nan; a negative variance is a UserError.
    source: Poole 2016.
    """
    slope_at_one = float(chi(act, sigma_w2, q))
    if np.isnan(slope_at_one) or float(variance_map(act, sigma_w2, sigma_b2, q)) == 0:
        return float("nan")
    if slope_at_one <= 1 + MARGIN:
        return 1.0

    def climb(c: float) -> float:
        return float(correlation_map(act, sigma_w2, sigma_b2, q, c)) - c

    if climb(0.0) <= 1e-15:
        return 0.0
    if climb(ALMOST_ONE) >= 0:
        return 1.0
    return float(brentq(climb, 0.0, ALMOST_ONE, xtol=1e-12))


def depth_scale(slope: ArrayLike) -> FloatArray:
    """ξ: hops in which a small deviation from a fixed point falls by a factor e.

    law: ξ = -1/ln(slope); the slope is χ∥ for the variance (ξ_q), the c-map's slope at c* for correlations (ξ_c).
    shapes, units: any shape, the answer has the same; hops.
    at 0: 0; a slope >= 1 never comes back: inf; a negative slope counts by its size.
    at inf/nan: inf gives inf; nan stays nan.
    source: Schoenholz 2017; trainable where depth < about 6 ξ_c.
    """
    return _fall(np.abs(np.asarray(slope, dtype=np.float64)))


def error_depth_scale(chi_per_hop: ArrayLike) -> FloatArray:
    """ξ_∇: hops in which the error's SQUARED norm changes by a factor e; its norm takes twice as many.

    law: ξ_∇ = 1/|ln χ|.
    shapes, units: any shape, the answer has the same; hops.
    at 0: 0; χ = 1 gives inf.
    at inf/nan: inf gives 0; nan stays nan.
    source: Schoenholz 2017.
    """
    with np.errstate(divide="ignore"):
        return (1 / np.abs(np.log(np.asarray(chi_per_hop, dtype=np.float64))))[()]


def hops_to_lose(chi_per_hop: ArrayLike, factor: float = 1000.0) -> FloatArray:
    """Hops in which the error's NORM falls by a factor.

    law: L = ln(factor)/(-½ ln χ).
    shapes, units: any shape, the answer has the same; hops, not rounded.
    at 0: 0; χ >= 1 gives inf.
    at inf/nan: inf gives inf; nan stays nan.
    source: geometric series of the hop gain √χ.
    """
    return float(2 * np.log(factor)) * _fall(chi_per_hop)


def outlook(act: Activation, sigma_w2: float, sigma_b2: float = 0.0, q_start: float = 1.0) -> Outlook:
    """Outlook of a deep network with these variances in every layer.

    law: q* by `variance_fixed_point`, then χ, √χ, χ∥ at q* and the hops to lose a factor 1000.
    shapes, units: numbers; see `Outlook`.
    at 0: q* = 0 (the signal dies) reads χ at the limit q -> 0+.
    at inf/nan: q* = inf leaves χ at its value for q = 1e24; nan for nan.
    source: Schoenholz 2017.
    """
    q = variance_fixed_point(act, sigma_w2, sigma_b2, q_start)
    there = min(q, HIGHEST_Q)
    gain2 = float(chi(act, sigma_w2, there))
    return Outlook(
        q=q,
        chi=gain2,
        gain=float(np.sqrt(gain2)),
        chi_parallel=float(chi_parallel(act, sigma_w2, there)),
        hops_to_lose_1000=float(hops_to_lose(gain2)),
    )


def _fall(chi_per_hop: ArrayLike) -> FloatArray:
    """1/(-ln χ), inf from χ = 1 - 1e-9 on: a hop gain that differs from 1 by rounding loses nothing."""
    values = np.asarray(chi_per_hop, dtype=np.float64)
    falls = values < 1 - MARGIN
    with np.errstate(divide="ignore"):
        inverse = -1 / np.log(np.where(falls, values, 0.5))
    return np.where(np.isnan(values), np.nan, np.where(falls, inverse, np.inf))[()]
