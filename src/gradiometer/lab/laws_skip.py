"""Laws of the networks whose blocks hand on what they read: residual, highway, cross."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Block:
    """kept · x + branch(x): the hop without lift, the branch's bend, and the signal that it reads."""

    hop: Hop
    bend: float
    kept: float
    x: Signal


def _post_activation(setting: Setting, kept: float, scale: float) -> list[Hop]:
    """kept · x + scale · φ(norm(Wx)): means of one sign pile up beside the variance."""
    n, blocks = setting.recipe.width, []
    sigma_w2, sigma_b2 = setting.power("signal", (setting.n_in, n), INPUT.power)
    x = Signal(sigma_w2 + sigma_b2, 0.0, sigma_w2)
    for _ in range(setting.recipe.depth):
        inner = layer(setting, x, setting.power("hidden", (n, n), x.power))
        hop = beside(kept**2, scale**2 * inner.chi, inner.kappa, n)
        blocks.append(Block(hop, scale * inner.bend, kept, x))
        out = inner.out
        power = kept**2 * x.power + scale**2 * out.power + 2 * kept * scale * x.mean * out.mean
        x = Signal(power, kept * x.mean + scale * out.mean, kept**2 * x.spread + scale**2 * out.spread)
    return _lifted(blocks[1:], n)


def _lifted(blocks: list[Block], n: int) -> list[Hop]:
    """The hops with what the mean Jacobian adds: the error turns to where the stream's mean points, and grows there.

    law: δ′ = kept δ + (bend/n)(1·δ) x + noise; U = E(1·δ)² and C = E(1·δ)(x̃·δ)/n with x̃ = x − mean, walked from the
        last block down beside E = ‖δ‖². Without bend (odd φ) no lift.
    """
    hops, error, u, c = [], 1.0, 1.0, 0.0
    varying = 0.0  # E x̃² of the block above
    for block in reversed(blocks):
        x, kept, bend = block.x, block.kept, block.bend
        spread = max(x.power - x.mean**2, 0.0)
        c *= kept * spread / varying if varying > 0 else 0.0
        extra = 2 * kept * bend * (x.mean * u + c) + bend**2 * x.power * u
        along = kept + bend * x.mean
        noise = (block.hop.gain2 - kept**2) * error
        lower = block.hop.gain2 * error + extra / n
        hops.append(dataclasses.replace(block.hop, lift=math.log(lower / error / block.hop.gain2)))
        c, u, error, varying = along * (kept * c + bend * spread * u), along**2 * u + noise, lower, spread
    return hops[::-1]


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
    # the same x₀ stands in every block, so an example whose x₀ is large gains at all of them: variance 2/n of its power
    lifts = [(depth - 1) * hop.drawn**2 / n for hop in hops]
    return [dataclasses.replace(hop, lift=lift) for hop, lift in zip(hops, lifts, strict=True)][1:]
