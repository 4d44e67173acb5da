"""What the laws of the reference networks share: the setting, signals, and a layer of weights with its activation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from gradiometer import theory
from gradiometer.theory import Activation
from gradiometer.theory.quadrature import expect_with_g

from .laws_weights import WeightRole, Weights, draw
from .recipe import Recipe


@dataclass(frozen=True)
class Setting:
    """A recipe beside the data that its network reads: E x² = 1, mean 0, examples and numbers independent.

    n_in: numbers of an example, channels of a grid, or features of a time step. n_steps: time steps of a sequence.
    axes: of a grid.
    """

    recipe: Recipe
    n_in: int
    n_steps: int
    axes: int

    @cached_property
    def act(self) -> Activation:
        """The activation's moments."""
        return theory.activation(self.recipe.activation)

    def power(self, role: WeightRole, fans: tuple[int, int], input_power: float) -> tuple[float, float]:
        """(σw², σb²) of a layer with those fans (in, out) that reads numbers of that mean square."""
        variances = draw(self.recipe.init, self.recipe.activation, self.recipe.depth, Weights(role, *fans, input_power))
        return fans[0] * variances.weight, variances.bias


@dataclass(frozen=True, slots=True)
class Hop:
    """One block's expected squared-norm gain of the error, and the variance of its ln that finite width brings.

    drawn: share of the gain that goes through weights; the rest is handed on as it is, and no theory errs about it.
    lift: what else finite width adds to ln gain², of order depth/width.
    """

    gain2: float
    noise: float
    drawn: float = 1.0
    lift: float = 0.0


@dataclass(frozen=True, slots=True)
class Signal:
    """Units of random sign: mean square, mean over the units, and mean over the units of the variance over a batch."""

    power: float
    mean: float
    spread: float


INPUT = Signal(1.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Layer:
    """Weights, norm and activation: its output, the squared-norm gain χ of the error through it, and κ of its noise.

    bend: σw² E φ″(q): the mean Jacobian over the weights is (bend/n) 1xᵀ, by Stein's lemma; taken for 0 behind a norm.
    """

    out: Signal
    chi: float
    kappa: float
    bend: float


def layer(setting: Setting, x: Signal, sigma: tuple[float, float]) -> Layer:
    """φ(norm(Wx + b)) with sigma = (σw², σb²).

    law: χ = σw² D2(q) without a norm, q = σw² E x² + σb²; else q = 1, and χ is divided by what the norm divides by:
        the power of z (layer, rms), or its spread over the batch (batch), which the bias does not touch.
    shapes, units: numbers.
    at 0: weights of 0 give χ = 0; behind a norm a division by 0 is inf or nan.
    at inf/nan: nan.
    source: Schoenholz 2017, Yang 2019; see theory.ln_hop and theory.bn_hop, which these are at σb = 0.
    """
    act, (sigma_w2, sigma_b2) = setting.act, sigma
    q, divisor = normed(setting, Signal(sigma_w2 * x.power + sigma_b2, 0.0, sigma_w2 * x.spread))
    chi = sigma_w2 * float(act.d2(q)) / divisor
    out = Signal(float(act.m2(q)), float(act.mean(q)), float(act.variance(q)))
    bend = sigma_w2 * float(expect_with_g(act.slope, q)) / math.sqrt(q) if setting.recipe.norm == "none" else 0.0
    return Layer(out, chi, float(act.kappa_backward(q)), bend)


def normed(setting: Setting, z: Signal) -> tuple[float, float]:
    """(variance behind the recipe's norm, what the norm divides the squared error by)."""
    if setting.recipe.norm == "none":
        return z.power, 1.0
    return 1.0, z.spread if setting.recipe.norm == "batch" else z.power


def beside(kept: float, chi: float, kappa: float, width: int) -> Hop:
    """The hop √kept δ + B δ for a random branch B of gain² χ and noise κ.

    law: gain² kept + χ; noise (χ² κ + 4 kept χ)/(kept + χ)²/n: the branch's own, and that of its product with what is
        kept.
    shapes, units: numbers.
    at 0: χ = 0 gives no noise; kept = 0 gives κ/n.
    at inf/nan: nan.
    source: first order in 1/n; the 4 is the variance of 2 δ·Bδ over ‖δ‖⁴ χ/n.
    """
    total = kept + chi
    return Hop(total, (chi**2 * kappa + 4 * kept * chi) / total**2 / width, chi / total)
