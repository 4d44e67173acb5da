"""The gain of one hop, by what the hop is made of.

`*_gain` is a gain of the error's NORM, ‖δ lower‖/‖δ upper‖. `*_hop` and `*_total` are SQUARED-norm gains, like χ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from gradiometer.records import UserError

from .activation import Activation
from .maps import checked_power, chi
from .quadrature import FloatArray

STEEPEST_X: FloatArray = np.linspace(-40.0, 40.0, 80_001)  # every known φ' has its extreme within


def weights_gain(n_units_below: ArrayLike, weight_variance: ArrayLike) -> FloatArray:
    """Norm gain of a layer of random weights alone, whatever its number of units above.

    law: √(n Var W), n the fan-in (convolution: k² C_in/groups, away from the borders).
    shapes, units: broadcast; pure number.
    at 0: 0.
    at inf/nan: inf and nan pass; a negative argument is a UserError.
    source: He 2015.
    """
    n, variance = np.asarray(n_units_below, dtype=np.float64), np.asarray(weight_variance, dtype=np.float64)
    if bool(np.any(n < 0)) or bool(np.any(variance < 0)):
        raise UserError("theory: a number of units or a weight variance is negative. Give values >= 0.")
    return np.sqrt(n * variance)[()]


def hop_gain(act: Activation, n_units_below: ArrayLike, weight_variance: ArrayLike, q: ArrayLike) -> FloatArray:
    """Norm gain of the hop from a pre-activation to the one below: weights, then the activation's derivative.

    law: √(n Var W · D2(q)), total norms over batch and units, so the number of units above does not matter.
    shapes, units: n: fan-in of the upper weights; q: variance of the lower pre-activation; broadcast; pure number.
    at 0: Var W = 0 gives 0; q = 0 is the limit q -> 0+.
    at inf/nan: nan where q is not finite; a negative argument is a UserError.
    source: Schoenholz 2017 for any widths.
    """
    return weights_gain(n_units_below, weight_variance) * np.sqrt(act.d2(q))


def residual_gain(chi_branch: ArrayLike, alpha: ArrayLike = 1.0, n_blocks: ArrayLike = 1) -> FloatArray:
    """Norm gain of residual blocks x + α F(x) whose branch is random and independent.

    law: (1 + α² χ_F)^(L/2); with α = 1/√L it stays below √e.
    shapes, units: χ_F squared-norm gain of the branch, broadcast; pure number.
    at 0: α = 0 (ReZero, SkipInit) gives exactly 1.
    at inf/nan: inf and nan pass; a negative χ_F is a UserError.
    source: Yang and Schoenholz 2017; Zhang 2019 (Fixup), Bachlechner 2020 (ReZero).
    """
    branch = _positive("chi_branch", chi_branch)
    return np.power(1 + np.square(np.asarray(alpha, dtype=np.float64)) * branch, np.asarray(n_blocks) / 2)[()]


def highway_gain(gate: ArrayLike, chi_branch: ArrayLike) -> FloatArray:
    """Norm gain of a highway block T·H(x) + (1 - T)·x with a nearly constant gate.

    law: √((1 - T)² + T² χ_H); the forward signal shrinks alike, so judge by elasticity.
    shapes, units: gate in [0, 1], broadcast; pure number.
    at 0: T = 0 gives 1.
    at inf/nan: nan passes; a gate outside [0, 1] is a UserError.
    source: Srivastava 2015; T = σ(b_T), `forget_gain` gives 1 - T from -b_T.
    """
    opening = _share("gate", gate)
    return np.sqrt((1 - opening) ** 2 + opening**2 * _positive("chi_branch", chi_branch))[()]


def forget_gain(forget_bias: ArrayLike) -> FloatArray:
    """Norm gain of an LSTM's cell per time step at its initialisation.

    law: f = σ(b_f).
    shapes, units: any shape, the answer has the same; pure number.
    at 0: b_f = 0 gives ½.
    at inf/nan: inf gives 1, -inf gives 0, nan stays nan.
    source: Gers 2000, Jozefowicz 2015.
    """
    return np.asarray(expit(np.asarray(forget_bias, dtype=np.float64)))[()]


def recurrent_limit(act: Activation) -> float:
    """Largest singular value of the recurrent weights below which the error must vanish over time.

    law: 1/sup|φ'|; σmax(W) below it suffices to vanish, a spectral radius above it is needed to explode.
    shapes, units: no number in, pure number out.
    at 0: never: every known φ has a slope somewhere.
    at inf/nan: never.
    source: Pascanu 2013. The supremum is taken over |x| <= 40.
    """
    return float(1 / np.max(np.abs(act.derivative(STEEPEST_X))))


def dropout_variance_map(act: Activation, sigma: tuple[float, float], q: ArrayLike, keep: float) -> FloatArray:
    """Pre-activation variance of the next layer behind inverted dropout.

    law: q' = σw² M2(q)/p + σb², sigma = (σw², σb²).
    shapes, units: q any shape, the answer has the same; squared units of the pre-activation.
    at 0: keep = 0 is a UserError.
    at inf/nan: nan; a keep outside (0, 1] is a UserError.
    source: Schoenholz 2017, section 5.
    """
    sigma_w2, sigma_b2 = sigma
    return checked_power("sigma_w2", sigma_w2) * act.m2(q) / _keep(keep) + checked_power("sigma_b2", sigma_b2)


def dropout_hop(act: Activation, sigma_w2: float, q: ArrayLike, keep: float) -> FloatArray:
    """Squared-norm gain of a hop through inverted dropout.

    law: σw² D2(q)/p; ReLU is critical at σw² = 2p. Two passes of one input never meet again: c* < 1 always.
    shapes, units: q any shape, the answer has the same; pure number.
    at 0: keep = 0 is a UserError.
    at inf/nan: nan; a keep outside (0, 1] is a UserError.
    source: Schoenholz 2017, section 5.
    """
    return chi(act, sigma_w2, q) / _keep(keep)


def bn_hop(act: Activation) -> float:
    """Squared-norm gain of a hop weights - batch norm - activation, for a large batch and any weight variance.

    law: D2(1)/Var φ(1), at least 1 for every φ, equal to 1 only for a linear one (ReLU: π/(π - 1)).
    shapes, units: no number in, pure number out; the first hop behind the loss differs.
    at 0: no q: the norm sets it to 1.
    at inf/nan: never.
    source: Yang 2019 (ReLU); Gaussian Poincaré inequality for the bound.
    """
    return float(act.d2(1.0) / act.variance(1.0))


def ln_hop(act: Activation) -> float:
    """Squared-norm gain of a hop weights - layer norm (or RMS norm) - activation, no biases, any weight variance.

    law: D2(1)/M2(1); ReLU 1, tanh 1.178, sigmoid .153 (its mean eats the variance).
    shapes, units: no number in, pure number out.
    at 0: no q: the norm sets it to 1.
    at inf/nan: never.
    source: variance map of Poole 2016 with q held at 1.
    """
    return float(act.d2(1.0) / act.m2(1.0))


def pre_ln_total(q_first: float, growth: float, block: ArrayLike, n_blocks: int) -> FloatArray:
    """Squared-norm gain from the output of a pre-norm residual stack back to a block.

    law: (q₀ + L s)/(q₀ + l s): each branch adds s to the variance and the norm divides by what has piled up.
    shapes, units: block l any shape, 0 at the input; q₀ and s in one unit; pure number.
    at 0: q₀ = 0 with block 0 is inf.
    at inf/nan: nan passes; negative q₀ or s is a UserError.
    source: Xiong 2020, De and Smith 2020 (q₀ = 0: L/l).
    """
    start, step = checked_power("q_first", q_first), checked_power("growth", growth)
    with np.errstate(divide="ignore", invalid="ignore"):
        return ((start + n_blocks * step) / (start + np.asarray(block, dtype=np.float64) * step))[()]


def post_ln_hop(chi_branch: ArrayLike, branch_power: ArrayLike) -> FloatArray:
    """Squared-norm gain of a post-norm residual block, norm(x + F(x)) with E x² = 1.

    law: (1 + χ_F)/(1 + s), s = E F²; 1 for a homogeneous branch, below 1 where attention averages (χ_F < s).
    shapes, units: broadcast; pure number.
    at 0: both 0 give 1.
    at inf/nan: nan passes; a negative argument is a UserError.
    source: Xiong 2020.
    """
    return ((1 + _positive("chi_branch", chi_branch)) / (1 + _positive("branch_power", branch_power)))[()]


def dense_total(layer: ArrayLike) -> FloatArray:
    """Squared error norm at layer j of a densely connected He-initialised ReLU stack, over that at its end.

    law: 1/(j + 1): it rises toward the input, since every later layer reads the early ones.
    shapes, units: layer j >= 0 any shape, 0 at the input; pure number.
    at 0: 1.
    at inf/nan: inf gives 0, nan passes.
    source: mean field of the concatenation with weight variance 2 over the true fan.
    """
    return (1 / (_positive("layer", layer) + 1))[()]


def cross_hop(sigma_w2: ArrayLike) -> FloatArray:
    """Squared-norm gain of a cross layer x₀ ⊙ (W x + b) + x with E x₀² = 1.

    law: 1 + σw²; take σw² = 1/L.
    shapes, units: any shape, the answer has the same; pure number.
    at 0: 1.
    at inf/nan: inf and nan pass; a negative σw² is a UserError.
    source: Wang 2021 (DCN v2), as a residual branch of gain σw².
    """
    return (1 + _positive("sigma_w2", sigma_w2))[()]


def _positive(name: str, value: ArrayLike) -> FloatArray:
    values = np.asarray(value, dtype=np.float64)
    if bool(np.any(values < 0)):
        raise UserError(f"theory: {name} has a negative value ({float(np.nanmin(values)):g}). Give values >= 0.")
    return values


def _share(name: str, value: ArrayLike) -> FloatArray:
    values = _positive(name, value)
    if bool(np.any(values > 1)):
        raise UserError(f"theory: {name} is {float(np.nanmax(values)):g}. Give values in [0, 1].")
    return values


def _keep(keep: float) -> float:
    if not 0 < keep <= 1:
        raise UserError(f"theory: keep is {keep:g}. Give the kept share, in (0, 1].")
    return float(keep)
