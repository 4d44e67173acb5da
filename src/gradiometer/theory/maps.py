"""How one dense layer changes variance, correlation and error.

z = Wx + b with x = φ(z below), σw² = n Var W for n units below, σb² = Var b.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from gradiometer.records import UserError

from .activation import Activation
from .quadrature import FloatArray, checked_variance


def checked_power(name: str, value: float) -> float:
    """A variance parameter as a float, or a UserError that names it.

    law: identity on [0, inf).
    shapes, units: a number.
    at 0: 0.
    at inf/nan: nan stays nan, inf stays inf; a negative value is a UserError.
    source: convention of this package.
    """
    if value < 0:
        raise UserError(f"theory: {name} is {value:g}. A variance is >= 0.")
    return float(value)


def variance_map(act: Activation, sigma_w2: float, sigma_b2: float, q: ArrayLike) -> FloatArray:
    """Pre-activation variance of the next layer.

    law: q' = σw² M2(q) + σb².
    shapes, units: q any shape, the answer has the same; squared units of the pre-activation.
    at 0: q = 0 gives σw² φ(0)² + σb².
    at inf/nan: nan; a negative variance is a UserError.
    source: Poole 2016.
    """
    return checked_power("sigma_w2", sigma_w2) * act.m2(q) + checked_power("sigma_b2", sigma_b2)


def chi(act: Activation, sigma_w2: float, q: ArrayLike) -> FloatArray:
    """χ: SQUARED-norm gain of the error over one hop of a network with fan-in scaling; the norm gain is its root.

    law: χ = σw² D2(q).
    shapes, units: q any shape, the answer has the same; pure number.
    at 0: q = 0 is the limit q -> 0+.
    at inf/nan: nan; a negative variance is a UserError.
    source: Schoenholz 2017.
    """
    return checked_power("sigma_w2", sigma_w2) * act.d2(q)


def chi_parallel(act: Activation, sigma_w2: float, q: ArrayLike) -> FloatArray:
    """χ∥: slope of the variance map; below 1 the variance comes back to its fixed point.

    law: χ∥ = σw² dM2/dq.
    shapes, units: q any shape, the answer has the same; pure number.
    at 0: q = 0 is the limit q -> 0+.
    at inf/nan: nan; a negative variance is a UserError.
    source: Schoenholz 2017 (χ_q* there, χ∥ in Roberts and Yaida 2022).
    """
    return checked_power("sigma_w2", sigma_w2) * act.m2_slope(q)


def correlation_map(act: Activation, sigma_w2: float, sigma_b2: float, q: float, c: ArrayLike) -> FloatArray:
    """Correlation of two inputs in the next layer, at a variance that stays (the c-map).

    law: c' = (σw² E φ(z1)φ(z2) + σb²)/(σw² M2(q) + σb²).
    shapes, units: q a number, c any shape, the answer has the shape of c; pure number.
    at 0: where the next variance is 0 nothing is left to correlate: nan. c = 0 gives the shared mean's correlation.
    at inf/nan: nan; |c| > 1 or a negative variance is a UserError.
    source: Poole 2016.
    """
    following = float(variance_map(act, sigma_w2, sigma_b2, q))
    if following == 0:
        return np.full(np.shape(c), np.nan)[()]
    moment = _over(c, lambda each: act.pair_moment(q, each))
    # Rounding alone must not carry a cosine past 1.
    return np.clip((sigma_w2 * moment + sigma_b2) / following, -1.0, 1.0)[()]


def correlation_slope(act: Activation, sigma_w2: float, q: float, c: ArrayLike) -> FloatArray:
    """Slope of the c-map: how a small difference between two inputs grows; χ at c = 1.

    law: dc'/dc = σw² E φ'(z1)φ'(z2), at the fixed point q* of the variance.
    shapes, units: q a number, c any shape, the answer has the shape of c; pure number.
    at 0: q = 0 is the limit q -> 0+; c = 0 gives σw² (E φ')².
    at inf/nan: nan; |c| > 1 or a negative variance is a UserError.
    source: Poole 2016, Schoenholz 2017.
    """
    return checked_power("sigma_w2", sigma_w2) * _over(c, lambda each: act.pair_slope_moment(q, each))


def gradient_correlation(act: Activation, q: float, c: ArrayLike) -> FloatArray:
    """Cosine that one hop leaves between the errors of two inputs whose pre-activations have correlation c.

    law: E φ'(z1)φ'(z2)/D2(q); ReLU: 1 - θ/π with c = cos θ. The product over the hops is the shattering curve.
    shapes, units: q a number, c any shape, the answer has the shape of c; pure number.
    at 0: q = 0 is the limit q -> 0+; c = 0 gives (E φ')²/D2.
    at inf/nan: nan; |c| > 1 or a negative variance is a UserError.
    source: Balduzzi 2017; the product over a moving c follows the mean field of Poole 2016.
    """
    return _over(c, lambda each: act.pair_slope_moment(q, each)) / act.d2(checked_variance(q))


def _over(c: ArrayLike, one: Callable[[float], float]) -> FloatArray:
    values = np.asarray(c, dtype=np.float64)
    return np.array([one(float(each)) for each in values.reshape(-1)]).reshape(values.shape)[()]
