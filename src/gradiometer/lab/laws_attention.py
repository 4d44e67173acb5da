"""Laws of the transformers: near-uniform attention, the error entering at the last time step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .laws_setting import INPUT, Hop, Setting, beside
from .proportions import FEED_FORWARD_RATIO

LINEAR_KAPPA = 2.0
FLAT_SCORES = 2.0  # variance of q·k/√d up to which attention counts as nearly uniform
POSITIONS_POWER = 0.5  # mean square of sines and cosines


@dataclass(frozen=True, slots=True)
class Stream:
    """What runs through the blocks. power: E x² of a unit. shared: E x_t x_s of two time steps, the same unit."""

    power: float
    shared: float


@dataclass(frozen=True, slots=True)
class Error:
    """A squared error norm, in two parts: what all time steps have in common, and the rest."""

    common: float
    rest: float

    @property
    def total(self) -> float:
        """Both."""
        return self.common + self.rest


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch at a normalised stream: what it puts out, and its squared-norm gain of the error.

    common: of the part that all time steps have in common. each: of the error of every time step.
    """

    out: Stream
    common: float
    each: float


def pre_ln(setting: Setting) -> list[Hop]:
    """(1 + χ_A/p)(1 + χ_F/p′), p the power of the stream: each branch adds to it, and the norm divides by it."""
    if not _nearly_uniform(setting):
        return []
    stream, blocks = _embedded(setting), []
    for _ in range(setting.recipe.depth):
        pairs = []
        for branch in (_attention, _feed_forward):
            found = branch(setting, stream.shared / stream.power)
            pairs.append((found, stream.power, 1.0))
            stream = Stream(stream.power + found.out.power, stream.shared + found.out.shared)
        blocks.append(pairs)
    return _walk_back(setting, blocks)[:-1]


def post_ln(setting: Setting) -> list[Hop]:
    """(1 + χ_A)/(1 + s_A) · (1 + χ_F)/(1 + s_F): `theory.post_ln_hop`, twice a block."""
    if not _nearly_uniform(setting):
        return []
    stream, blocks = _embedded(setting), []
    for _ in range(setting.recipe.depth):
        pairs = []
        for branch in (_attention, _feed_forward):
            # the first block alone reads a stream that no norm has seen; no hop passes it
            found = branch(setting, stream.shared / stream.power)
            power = stream.power + found.out.power
            pairs.append((found, 1.0, power))
            stream = Stream(1.0, (stream.shared + found.out.shared) / power)
        blocks.append(pairs)
    return _walk_back(setting, blocks)[:-1]


def _nearly_uniform(setting: Setting) -> bool:
    """Whether the law holds: with larger scores each step looks at one other, and the softmax saturates."""
    n = setting.recipe.width
    w2, b2 = setting.power("hidden", (n, n), 1.0)
    return (w2 + b2) ** 2 <= FLAT_SCORES


def _walk_back(setting: Setting, blocks: list[list[tuple[Branch, float, float]]]) -> list[Hop]:
    """From the last block to the first; (branch, power that the branch's norm divides by, power behind the skip)."""
    n, hops = setting.recipe.width, []
    error = Error(1 / setting.n_steps, 1 - 1 / setting.n_steps)
    for pairs in reversed(blocks):
        before, noise = error.total, 0.0
        for branch, inner, outer in reversed(pairs):
            added = error.common * branch.common / inner
            each = branch.each / inner
            chi = (added + error.total * each) / error.total
            noise += beside(1.0, chi, LINEAR_KAPPA, n).noise
            error = Error((error.common * (1 + each) + added) / outer, error.rest * (1 + each) / outer)
        hops.append(Hop(error.total / before, noise))
    return hops


def _embedded(setting: Setting) -> Stream:
    n = setting.recipe.width
    sigma_w2, sigma_b2 = setting.power("signal", (setting.n_in, n), INPUT.power)
    alike = POSITIONS_POWER * positions_alike(setting.n_steps, n)
    return Stream(sigma_w2 + sigma_b2 + POSITIONS_POWER, sigma_b2 + alike)


def positions_alike(n_steps: int, units: int) -> float:
    """Mean cosine of the table's rows at two different time steps; 1 where there is only one."""
    if n_steps == 1:
        return 1.0
    frequency = 10_000.0 ** (-np.arange(0, units, 2) / units)  # [pair]
    gap = np.arange(n_steps)[:, None] - np.arange(n_steps)[None, :]  # [time, time]
    cosine = np.cos(gap[..., None] * frequency).mean(axis=-1)
    return float((cosine.sum() - n_steps) / (n_steps * (n_steps - 1)))


def _attention(setting: Setting, alike: float) -> Branch:
    """Of time steps of power 1 and cosine `alike`, with scores s = q·k/√d of variance v that differ by v(1 − alike).

    law: a step's weights A have E Σ A² ≈ e^{v(1−alike)}/T; values reach the output with σo² σv². The error's common
        part passes as through uniform weights; what the scores make uneven, and the way through the scores, act on
        each step: σo² σv² (ΣA² − 1/T) + 2 σo² σv² v (1 − alike)² ΣA².
    """
    n, steps = setting.recipe.width, setting.n_steps
    w2, b2 = setting.power("hidden", (n, n), 1.0)
    out_w2 = setting.power("hidden", (n, n), 1.0)[0]
    score = (w2 + b2) * w2 * (1 - alike)
    focus = min(1.0, float(np.exp(score)) / steps)
    mixed = alike + (1 - alike) * focus
    common = alike + (1 - alike) / steps
    out = Stream(out_w2 * (w2 * mixed + b2) + b2, out_w2 * (w2 * common + b2) + b2)
    each = w2 * out_w2 * ((focus - 1 / steps) + 2 * score * (1 - alike) * focus)
    return Branch(out, w2 * out_w2, each)


def _feed_forward(setting: Setting, alike: float) -> Branch:
    """χ = σ₂² D2(q) σ₁², q = σ₁² + σb²; two steps keep E φφ of what they shared."""
    act, n = setting.act, setting.recipe.width
    inside = FEED_FORWARD_RATIO * n
    up_w2, up_b2 = setting.power("hidden", (n, inside), 1.0)
    q = up_w2 + up_b2
    power = float(act.m2(q))
    down_w2, down_b2 = setting.power("hidden", (inside, n), power)
    pair = float(act.pair_moment(q, min(1.0, (up_w2 * alike + up_b2) / q)))
    return Branch(Stream(down_w2 * power + down_b2, down_w2 * pair + down_b2), 0.0, up_w2 * down_w2 * float(act.d2(q)))
