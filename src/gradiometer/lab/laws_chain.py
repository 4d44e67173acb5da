"""Laws of the networks whose blocks follow one another without a skip, and of dense connections."""

from __future__ import annotations

from itertools import pairwise

from .laws_setting import INPUT, Hop, Layer, Setting, Signal, beside, layer
from .proportions import HEAD_EVERY, KERNEL, rank_of

LINEAR_KAPPA = 2.0  # of a layer without activation


def plain(setting: Setting) -> list[Hop]:
    """χ = σw² D2(q) a hop, q by the variance map from the first layer on."""
    n, x, hops = setting.recipe.width, INPUT, []
    for at in range(setting.recipe.depth):
        fans = (setting.n_in if at == 0 else n, n)
        block = layer(setting, x, setting.power("hidden" if at else "first", fans, x.power))
        hops.append(Hop(block.chi, block.kappa / n))
        x = block.out
    return hops[1:]


def auxiliary(setting: Setting) -> list[Hop]:
    """Plain, and at every second block a head's error enters that is as large as the one at the end.

    law: e_{l−1} = χ_l e_l + 1 where a head reads block l − 1, else χ_l e_l; e_L = 1.
    """
    hops, error = plain(setting), [1.0]  # error: squared norm, last block first
    for below in range(setting.recipe.depth - 2, -1, -1):
        error.append(hops[below].gain2 * error[-1] + (1.0 if below % HEAD_EVERY == HEAD_EVERY - 1 else 0.0))
    gains = [lower / upper for upper, lower in pairwise(error)]
    return [Hop(gain2, hop.noise) for gain2, hop in zip(gains, reversed(hops), strict=True)]


def convolutional(setting: Setting) -> list[Hop]:
    """Plain with n_in = 3^axes C: over a circle every position has all of its neighbours."""
    n, around = setting.recipe.width, KERNEL**setting.axes
    x, hops = _stem(setting, around), []
    for _ in range(setting.recipe.depth):
        block = layer(setting, x, setting.power("hidden", (around * n, around * n), x.power))
        hops.append(Hop(block.chi, block.kappa / n))
        x = block.out
    return hops[1:]


def separable(setting: Setting) -> list[Hop]:
    """χ = σd² σp² D2(q): depthwise with its true fan 3^axes, pointwise with the width."""
    n, around = setting.recipe.width, KERNEL**setting.axes
    return _two_factors(setting, _stem(setting, around), (around, around), (n, n), LINEAR_KAPPA / (around * n))


def low_rank(setting: Setting) -> list[Hop]:
    """χ = σV² σU² D2(q), and a drift of −1/r in ln gain² a hop from the layer of width r."""
    n = setting.recipe.width
    rank = rank_of(n)
    return _two_factors(setting, _stem(setting, 1), (n, rank), (rank, n), LINEAR_KAPPA / rank)


def _two_factors(
    setting: Setting, x: Signal, lower: tuple[int, int], upper: tuple[int, int], noise: float
) -> list[Hop]:
    hops = []
    for _ in range(setting.recipe.depth):
        first_w2, first_b2 = setting.power("inner", lower, x.power)
        if setting.recipe.network == "low-rank":
            first_b2 = 0.0  # its lower factor has no bias
        between = Signal(first_w2 * x.power + first_b2, 0.0, first_w2 * x.spread)
        block: Layer = layer(setting, between, setting.power("hidden", upper, between.power))
        hops.append(Hop(first_w2 * block.chi, block.kappa / setting.recipe.width + noise))
        x = block.out
    return hops[1:]


def _stem(setting: Setting, around: int) -> Signal:
    fans = (around * setting.n_in, around * setting.recipe.width)
    sigma_w2, sigma_b2 = setting.power("signal", fans, INPUT.power)
    return Signal(sigma_w2 + sigma_b2, 0.0, sigma_w2)


def dense(setting: Setting) -> list[Hop]:
    """The error of all parts so far, [h_0 … h_j].

    law: with a_l = n Var W_l D2(q_l), S_L = 1 and S_j = Σ_{l>j} a_l S_l the error of h_j alone, ‖δ_j‖² = (j + 1) S_j.
        True fans and He give a_l = 1/l, so S_j = 1/(j + 1) and ‖δ_j‖² = 1: the whole is kept.
    """
    n, parts, shares = setting.recipe.width, [_stem(setting, 1)], []
    kappas = []
    for at in range(1, setting.recipe.depth + 1):
        x = Signal(*(sum(values) / at for values in zip(*(_fields(p) for p in parts), strict=True)))
        block = layer(setting, x, setting.power("hidden", (at * n, n), x.power))
        shares.append(block.chi / at)
        kappas.append(block.kappa)
        parts.append(block.out)
    error, alone = [1.0], 0.0  # last block first
    below = 1.0
    for at in range(setting.recipe.depth, 1, -1):  # from block `at` down to the one before it
        alone += shares[at - 1] * below
        error.append(at * alone)
        below = alone
    hops = []
    for (upper, lower), at in zip(pairwise(error), range(setting.recipe.depth, 1, -1), strict=True):
        kept = 0.0 if at == setting.recipe.depth else at / (at + 1)
        hops.append(beside(kept, max(lower / upper - kept, 0.0), kappas[at - 1], n))
    return hops


def _fields(x: Signal) -> tuple[float, float, float]:
    return x.power, x.mean, x.spread
