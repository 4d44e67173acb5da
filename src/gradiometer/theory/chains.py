"""Many hops: the expected gain of a chain of finite width, the band around it, and what else depth does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import erfinv, ndtr

from gradiometer.records import UserError

from .activation import Activation
from .closed import Clamp
from .kinds import activation
from .maps import correlation_map, gradient_correlation, variance_map
from .quadrature import FloatArray, checked_variance

STANDARD_ERRORS = 3.0  # of the band
MODEL_ERROR_PER_HOP = 0.05  # of ln gain²: what mean field itself misses a hop at usual widths
DECADES_PER_LN_GAIN2 = float(1 / (2 * np.log(10)))


@dataclass(frozen=True, slots=True)
class ErrorChain:
    """Expected error along a chain, summed from the loss; every array is [hop], loss first.

    ln_gain2: expected ln of the squared-norm gain up to and with each hop. band: half width around it in the same unit.
    """

    ln_gain2: FloatArray
    band: FloatArray

    @property
    def decades(self) -> FloatArray:
        """Expected log10 of the norm gain up to each hop."""
        return self.ln_gain2 * DECADES_PER_LN_GAIN2

    @property
    def band_decades(self) -> FloatArray:
        """Half width of the band around `decades`."""
        return self.band * DECADES_PER_LN_GAIN2


def error_chain(chi_per_hop: ArrayLike, kappa_backward: ArrayLike, widths: ArrayLike) -> ErrorChain:
    """Expected ln gain² of a chain of hops with its finite-width drift and band.

    law: mean Σ ln χ - ½ Σ κb/n, band 3 √(Σ κb/n) + .05 L.
    shapes, units: χ, κb, n broadcast to [hop], loss first; ln of a squared-norm gain.
    at 0: χ = 0 gives -inf from there on; a width of 0 gives -inf and an infinite band.
    at inf/nan: a hop of nan makes every sum after it nan.
    source: Hanin and Nica 2018.
    """
    gains, kappa, n = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(v, float)) for v in (chi_per_hop, kappa_backward, widths))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.cumsum(np.log(gains)) + finite_width_drift(kappa, n)
    return ErrorChain(ln_gain2=expected, band=finite_width_band(kappa, n))


def finite_width_drift(kappa: ArrayLike, widths: ArrayLike) -> FloatArray:
    """Shift of the expected ln of a squared norm by finite width, up to and with each hop.

    law: -½ Σ κ/n; κb for the error, κf for the signal, 5 for both with ReLU, 2 for linear layers.
    shapes, units: κ and n broadcast to [hop], the answer is [hop]; ln of a squared norm.
    at 0: κ = 0 gives 0; a width of 0 gives -inf.
    at inf/nan: infinite widths give 0; nan passes on.
    source: Hanin and Nica 2018.
    """
    return -_noise(kappa, widths) / 2


def finite_width_band(kappa: ArrayLike, widths: ArrayLike) -> FloatArray:
    """Half width of the band in which one random draw of a chain lies, up to and with each hop.

    law: 3 √(Σ κ/n) + .05 · (number of hops); the variance of ln gain² is Σ κ/n.
    shapes, units: κ and n broadcast to [hop], the answer is [hop]; ln of a squared norm (decades: / (2 ln 10)).
    at 0: κ = 0 leaves the .05 a hop; a width of 0 gives inf.
    at inf/nan: infinite widths leave the .05 a hop; nan passes on.
    source: Hanin and Nica 2018; the .05 is this package's allowance for mean field's own error.
    """
    noise = _noise(kappa, widths)
    return STANDARD_ERRORS * np.sqrt(noise) + MODEL_ERROR_PER_HOP * np.arange(1, noise.size + 1)


def _noise(kappa: ArrayLike, widths: ArrayLike) -> FloatArray:
    strength, n = np.broadcast_arrays(
        np.atleast_1d(np.asarray(kappa, dtype=np.float64)), np.atleast_1d(np.asarray(widths, dtype=np.float64))
    )
    if bool(np.any(strength < 0)) or bool(np.any(n < 0)):
        raise UserError("theory: a kappa or a width is negative. Give values >= 0.")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.cumsum(strength / n))


def low_rank_drift(rank: ArrayLike) -> FloatArray:
    """Extra drift of ln gain² a hop whose weights are a product U V of that rank.

    law: -1/r (a linear layer of width r, κ = 2).
    shapes, units: any shape, the answer has the same; ln of a squared norm.
    at 0: -inf.
    at inf/nan: inf gives 0, nan passes.
    source: Hanin and Nica 2018 with κ = 2.
    """
    with np.errstate(divide="ignore"):
        return (-1 / np.asarray(rank, dtype=np.float64))[()]


def born_dead_probability(width: int, depth: int) -> float:
    """Upper bound of the chance that a random ReLU network is constant from the start.

    law: 1 - (1 - 2^-n)^L: some layer has all of its units off.
    shapes, units: numbers; probability.
    at 0: width 0 gives 1 for depth > 0; depth 0 gives 0.
    at inf/nan: negative numbers are a UserError.
    source: Lu 2019.
    """
    if width < 0 or depth < 0:
        raise UserError(f"theory: width {width}, depth {depth}. Give numbers >= 0.")
    if depth == 0:
        return 0.0
    with np.errstate(divide="ignore"):
        return float(-np.expm1(depth * np.log1p(-(2.0**-width))))


def saturation_probability(act: Activation, q: ArrayLike, level: float = 0.97) -> FloatArray:
    """Share of units that sit in the flat ends of a bounded activation.

    law: P(|φ(z)| > level · sup|φ|) for odd φ; P(φ outside (1 - level, level)) for the sigmoid, centred or not.
    shapes, units: q any shape, the answer has the same; probability; level in (½, 1).
    at 0: 0.
    at inf/nan: nan; a level outside (½, 1) is a UserError; nan for an activation that has no two flat ends.
    source: quantile of the normal distribution; hardtanh counts from its own cut on (|z| > 1).
    """
    if not 0.5 < level < 1:
        raise UserError(f"theory: level is {level:g}. Give a share of the range in (0.5, 1).")
    variance = checked_variance(q)
    edge = _saturation_edge(act, level)
    with np.errstate(divide="ignore"):
        return np.asarray(2 * ndtr(-edge / np.sqrt(variance)))[()]


def _saturation_edge(act: Activation, level: float) -> float:
    if isinstance(act, Clamp):
        return act.high if act.low == -act.high else float("nan")
    edges = {
        "tanh": np.arctanh(level),
        "erf": erfinv(level),
        "softsign": level / (1 - level),
        "sigmoid": np.log(level / (1 - level)),
        "centred_sigmoid": np.log(level / (1 - level)),
    }
    return float(edges.get(act.kind, np.nan))


def shattering_curve(act: Activation, sigma: tuple[float, float], depth: int, c_input: float = 0.0) -> FloatArray:
    """Cosine between the errors of two inputs, by the number of hops that the errors have walked.

    law: Π E φ'φ'/D2 along the c-map, sigma = (σw², σb²), at the variance that q = 1 leads to hop by hop.
    shapes, units: [hop], the first is one hop; pure number.
    at 0: depth 0 gives an empty array.
    at inf/nan: nan from the hop on at which the variance is 0 or infinite.
    source: Balduzzi 2017 for the question, c-map of Poole 2016 for the answer (ReLU + He: falls like L^-3).
    """
    sigma_w2, sigma_b2 = sigma
    q, c = 1.0, c_input
    factors: FloatArray = np.empty(depth)  # [hop]
    for hop in range(depth):
        factors[hop] = float(gradient_correlation(act, q, c))
        c = float(correlation_map(act, sigma_w2, sigma_b2, q, c))
        q = float(variance_map(act, sigma_w2, sigma_b2, q))
    return np.asarray(np.cumprod(factors), dtype=np.float64)


def spectrum_variance(act: Activation, q: float, depth: int, weights: Literal["gaussian", "orthogonal"]) -> float:
    """Variance over mean² of the squared singular values of a critical network's Jacobian.

    law: L (E φ'⁴/D2² - 1 - s₁), s₁ = -1 for Gaussian and 0 for orthogonal weights; 0 is dynamical isometry.
    shapes, units: numbers; pure number.
    at 0: depth 0 gives 0; q = 0 is the limit q -> 0+.
    at inf/nan: nan; another name of weights is a UserError.
    source: Pennington 2017.
    """
    if weights not in ("gaussian", "orthogonal"):
        raise UserError(f"theory: weights is {weights!r}. Give 'gaussian' or 'orthogonal'.")
    spread = (float(act.kappa_backward(q)) + 1) / 3
    return depth * (spread if weights == "gaussian" else spread - 1)


def tailored_slope(depth: int, correlation: float = 0.9) -> float:
    """Negative slope of the leaky ReLU with which orthogonal inputs end a network at a chosen correlation.

    law: a such that the c-map of leaky(a), applied `depth` times to 0, gives `correlation`; the output is then
        multiplied by √(2/(1 + a²)).
    shapes, units: numbers; a in [0, 1].
    at 0: 0 where the network is so shallow that plain ReLU stays below; a correlation of 0 gives 1 (linear).
    at inf/nan: a depth < 1 or a correlation outside [0, 1) is a UserError.
    source: Zhang 2022 (TAT).
    """
    if depth < 1 or not 0 <= correlation < 1:
        raise UserError(f"theory: depth {depth}, correlation {correlation:g}. Give depth >= 1, correlation in [0, 1).")

    def excess(slope: float) -> float:
        act = activation("leaky_relu", negative_slope=slope)
        c = 0.0
        for _ in range(depth):
            c = float(correlation_map(act, 1.0, 0.0, 1.0, c))
        return c - correlation

    if excess(0.0) <= 0:
        return 0.0
    return float(brentq(excess, 0.0, 1.0, xtol=1e-12)) if correlation > 0 else 1.0
