"""Laws of the networks whose blocks hand on what they read: residual, highway, cross."""

from __future__ import annotations

import math

from scipy.special import expit

from gradiometer import theory

from .laws_setting import INPUT, Hop, Setting, Signal, beside, layer, normed
from .proportions import GATE_BIAS

HIGHWAY_GATE = float(expit(GATE_BIAS))  # the share that a gate lets through at first
V1_TOTAL_LIMIT = math.exp(3.0)
UNIT_KAPPA = 8.0  # of x₀ ⊙ W with Gaussian x₀: 3 E x₀⁴/(E x₀²)² − 1


def exact(setting: Setting) -> list[Hop]:
    """ReZero, SkipInit: the branch is multiplied by 0, so every hop is the identity."""
    return [Hop(1.0, 0.0, 0.0)] * (setting.recipe.depth - 1)


def residual(setting: Setting) -> list[Hop]:
    """1 + χ: `theory.residual_gain`², χ = σw² D2(q) of the branch, q by what has piled up in the stream."""
    return _post_activation(setting, 1.0, 1.0)


def residual_scaled(setting: Setting) -> list[Hop]:
    """1 + χ/L."""
    return _post_activation(setting, 1.0, setting.recipe.depth**-0.5)


def highway(setting: Setting) -> list[Hop]:
    """(1 − T)² + T² χ, T = σ(−2)."""
    return _post_activation(setting, 1 - HIGHWAY_GATE, HIGHWAY_GATE)


def _post_activation(setting: Setting, kept: float, scale: float) -> list[Hop]:
    """kept · x + scale · φ(norm(Wx)): means of one sign pile up beside the variance."""
    n, hops = setting.recipe.width, []
    sigma_w2, sigma_b2 = setting.power("signal", (setting.n_in, n), INPUT.power)
    x = Signal(sigma_w2 + sigma_b2, 0.0, sigma_w2)
    for _ in range(setting.recipe.depth):
        block = layer(setting, x, setting.power("hidden", (n, n), x.power))
        chi, out = scale**2 * block.chi, block.out
        hops.append(beside(kept**2, chi, block.kappa, n))
        power = kept**2 * x.power + scale**2 * out.power + 2 * kept * scale * x.mean * out.mean
        x = Signal(power, kept * x.mean + scale * out.mean, kept**2 * x.spread + scale**2 * out.spread)
    return hops[1:]


def preact(setting: Setting) -> list[Hop]:
    """1 + σ₂² D2(q) · σ₁² D2(p): two layers a branch, p of a stream of mean 0 that grows by what each branch adds."""
    return _pre_activation(setting, 1.0)


def preact_scaled(setting: Setting) -> list[Hop]:
    """As preact, the branch's gain² divided by L."""
    return _pre_activation(setting, setting.recipe.depth**-0.5)


def _pre_activation(setting: Setting, scale: float) -> list[Hop]:
    """x + scale · W₂φ(norm(W₁φ(norm x)))."""
    act, n, hops = setting.act, setting.recipe.width, []
    sigma_w2, sigma_b2 = setting.power("pre", (setting.n_in, n), INPUT.power)
    x = Signal(sigma_w2 + sigma_b2, 0.0, sigma_w2)
    for _ in range(setting.recipe.depth):
        q, divisor = normed(setting, x)
        inner = Signal(float(act.m2(q)), 0.0, float(act.variance(q)))
        upper = layer(setting, inner, setting.power("hidden", (n, n), inner.power))
        out_w2, out_b2 = setting.power("hidden", (n, n), upper.out.power)
        chi = scale**2 * out_w2 * upper.chi * float(act.d2(q)) / divisor
        kappa = upper.kappa + float(act.kappa_backward(q))
        hops.append(beside(1.0, chi, kappa, n))
        added = out_w2 * upper.out.power + out_b2
        x = Signal(x.power + scale**2 * added, 0.0, x.spread + scale**2 * out_w2 * upper.out.spread)
    return hops[1:]


def cross_v1(setting: Setting) -> list[Hop]:
    """1 + σw² E x₀² as in v2, an expectation over examples: wᵀx multiplies all units of an example alike.

    No law where the total gain² is above e³: then few examples carry the expectation, and no batch shows it.
    """
    hops = cross(setting)
    return hops if math.prod(hop.gain2 for hop in hops) <= V1_TOTAL_LIMIT else []


def cross(setting: Setting) -> list[Hop]:
    """1 + σw² E x₀²: `theory.cross_hop`."""
    n, depth = setting.recipe.width, setting.recipe.depth
    stem_w2, stem_b2 = setting.power("unit", (setting.n_in, n), INPUT.power)
    x0, hops, power = stem_w2 + stem_b2, [], stem_w2 + stem_b2
    for _ in range(depth):
        sigma_w2, sigma_b2 = setting.power("cross", (n, n), power)
        gain2 = float(theory.cross_hop(sigma_w2 * x0))
        hops.append(beside(1.0, gain2 - 1, UNIT_KAPPA, n))
        power = power * gain2 + x0 * sigma_b2
    return hops[1:]
