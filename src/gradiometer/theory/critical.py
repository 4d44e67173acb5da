"""Weight and bias variances at which the error neither fades nor grows, and whether an activation has any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from .activation import Activation
from .maps import checked_power
from .quadrature import FloatArray

ROUNDING = 1e-10  # of σb² and of a slope: what twelve digits of D2 leave
SEARCH_Q: FloatArray = np.geomspace(1e-8, 1e6, 561)  # [grid], 40 variances a decade
REACHABLE_Q_MAX = 100.0  # rms 10: no standardised input and no sane layer drives pre-activations further
ZOOMS = 4  # each narrows the best variance thirtyfold
CRITICAL_MARGIN = 1e-6  # sup χ within this of 1 counts as critical: the supremum of tanh is a limit at q = 0


@dataclass(frozen=True, slots=True)
class Critical:
    """A critical point: with these variances and q at `q`, χ = 1.

    sigma_w2: Var W times fan-in. sigma_b2: variance of the biases. q: pre-activation variance that stays; the first
    layer must be set so that the data enter at q. chi_parallel: slope of the variance map there.
    """

    sigma_w2: float
    sigma_b2: float
    q: float
    chi_parallel: float

    @property
    def stable(self) -> bool:
        """False where the variance drifts away from q (χ∥ > 1), as for GELU, SiLU and Mish at q = 1."""
        return self.chi_parallel <= 1 + ROUNDING


def critical_bias(act: Activation, q: ArrayLike) -> FloatArray:
    """σb² that keeps the variance at q while χ = 1; negative where no bias can.

    law: σb² = q - M2(q)/D2(q).
    shapes, units: q any shape, the answer has the same; squared units of the pre-activation.
    at 0: -φ(0)²/D2(0); -inf where D2 is 0.
    at inf/nan: nan; a negative q is a UserError.
    source: χ = 1 put into the variance map of Poole 2016.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(q, dtype=np.float64) - act.m2(q) / act.d2(q)


def critical_point(act: Activation, q: float = 1.0) -> Critical | None:
    """The recipe (σw², σb²) that is critical at a chosen variance, or None where none exists.

    law: σw² = 1/D2(q), σb² = q - M2(q)/D2(q), which must not be negative.
    shapes, units: a number in; see `Critical`.
    at 0: q = 0 is the limit q -> 0+ (tanh: (1, 0)); None where φ(0) is not 0.
    at inf/nan: None; a negative q is a UserError.
    source: Schoenholz 2017, solved for any φ. Prefer `double_critical` where the point is not stable.
    """
    d2, bias = float(act.d2(q)), float(critical_bias(act, q))
    if not np.isfinite(bias) or not d2 > 0 or bias < -ROUNDING * max(q, float(act.m2(q))):
        return None
    # What rounding leaves of an exact 0 (ReLU, linear) is no bias.
    noise = ROUNDING * q
    return Critical(1 / d2, bias if bias > noise else 0.0, float(q), float(act.m2_slope(q)) / d2)


def critical_at_bias(act: Activation, sigma_b2: float) -> Critical | None:
    """The critical point of a given bias variance: the edge of chaos as a line, or None where there is none.

    law: the smallest q with q - M2(q)/D2(q) = σb², then σw² = 1/D2(q).
    shapes, units: a number in; see `Critical`.
    at 0: σb² = 0 gives q = 0 where the line starts there (tanh (1, 0)), q = 1 where every q will do (ReLU (2, 0)).
    at inf/nan: None; a negative σb² is a UserError.
    source: Schoenholz 2017. Searched for 1e-8 <= q <= 1e6.
    """
    wanted = checked_power("sigma_b2", sigma_b2)
    if not np.isfinite(wanted):
        return None
    excess = critical_bias(act, SEARCH_Q) - wanted  # [grid]
    if wanted == 0 and bool(np.all(np.abs(excess) <= ROUNDING * SEARCH_Q)):
        return critical_point(act, 1.0)
    if wanted == 0 and act.offset == 0 and excess[0] >= -ROUNDING * SEARCH_Q[0]:
        return critical_point(act, 0.0)
    crossed = np.flatnonzero((excess[:-1] < 0) & (excess[1:] >= 0))
    if crossed.size == 0:
        return None
    at = int(crossed[0])
    q = brentq(lambda x: float(critical_bias(act, x)) - wanted, SEARCH_Q[at], SEARCH_Q[at + 1], xtol=1e-15, rtol=1e-13)
    d2 = float(act.d2(q))
    return Critical(1 / d2, wanted, float(q), float(act.m2_slope(q)) / d2)


def double_critical(act: Activation) -> Critical | None:
    """The point where neither the error nor the variance drifts: χ = χ∥ = 1, or None where there is none.

    law: D2(q) = dM2/dq(q) with σw² = 1/D2(q) and σb² = q - M2(q)/D2(q) >= 0.
    shapes, units: no number in; see `Critical`.
    at 0: q = 0 where the smooth or kinked φ has φ(0) = 0 and no other point (tanh (1, 0)); q = 1 where every q will
        do (ReLU (2, 0)).
    at inf/nan: None where the only point is at infinity.
    source: Roberts and Yaida 2022. Searched for 1e-8 <= q <= 1e6.
    """
    lead = act.d2(SEARCH_Q) - act.m2_slope(SEARCH_Q)  # [grid]
    if bool(np.all(np.abs(lead) <= ROUNDING)):
        return critical_point(act, 1.0)
    # At small q both sides meet at φ'(0)²; a sign that is only rounding there is no crossing.
    clear = np.abs(lead) > ROUNDING
    crossed = np.flatnonzero((lead[:-1] * lead[1:] < 0) & clear[:-1] & clear[1:])
    for at in crossed:
        q = brentq(lambda x: float(act.d2(x) - act.m2_slope(x)), SEARCH_Q[at], SEARCH_Q[at + 1], rtol=1e-13)
        point = critical_point(act, float(q))
        if point is not None:
            return point
    return critical_point(act, 0.0) if act.offset == 0 else None


def max_gain(act: Activation, sigma_w2_max: float = 4.0, q_max: float = REACHABLE_Q_MAX) -> float:
    """Best norm gain per hop at any stable fixed point that a bounded weight variance can have.

    law: sup over 0 < q <= q_max of √(min(σw²max, q/M2(q), 1/M2'(q)) D2(q)); q is a fixed point of some σb² >= 0 exactly
        while σw² <= q/M2(q), and a stable one while χ∥ = σw² M2'(q) <= 1.
    shapes, units: numbers; norm gain.
    at 0: σw²max = 0 gives 0.
    at inf/nan: σw²max = inf leaves the fixed points as the only bound; nan for nan; a negative bound is a UserError.
    source: maps of Poole 2016 and Schoenholz 2017.
    """
    bound = checked_power("sigma_w2_max", sigma_w2_max)

    def reached(q: FloatArray) -> FloatArray:
        allowed = np.minimum(np.minimum(bound, q / act.m2(q)), 1 / act.m2_slope(q))
        return np.asarray(allowed * act.d2(q))

    best, grid = 0.0, np.geomspace(SEARCH_Q[0], q_max, 201)  # [grid]
    for _ in range(ZOOMS):  # the best point is often a corner where two bounds meet
        gains2 = reached(grid)
        at = int(np.argmax(gains2))
        best = float(gains2[at])
        if not np.isfinite(best):
            return float("nan")
        grid = np.geomspace(grid[max(at - 1, 0)], grid[min(at + 1, grid.size - 1)], 61)
    if act.offset == 0:  # the limit q -> 0+, where q/M2 = 1/M2'
        best = max(best, min(bound, 1 / float(act.m2_slope(0.0))) * float(act.d2(0.0)))
    return float(np.sqrt(best))


def critical_within(act: Activation, sigma_w2_max: float = 4.0, q_max: float = REACHABLE_Q_MAX) -> bool:
    """Whether some weight variance up to a bound makes this activation critical; if not, the activation is guilty.

    law: max_gain >= 1 (to 1e-6).
    shapes, units: numbers in, a truth out.
    at 0: σw²max = 0 gives False.
    at inf/nan: nan gives False.
    source: as `max_gain`: only rests with q <= q_max that attract count. Sigmoid, centred sigmoid and softplus fail
        at 4; softplus nears 1 only as q -> inf.
    """
    return max_gain(act, sigma_w2_max, q_max) ** 2 >= 1 - CRITICAL_MARGIN
