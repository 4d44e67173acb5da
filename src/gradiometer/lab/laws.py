"""The hop gain of every reference network in closed form, from its recipe alone. No torch here.

A network's hop gain is the geometric mean, over its blocks, of ‖error at the output of blocks[0]‖ over ‖error at the
output of blocks[-1]‖: what one block keeps of the error's norm. Of a recurrent network it is what one time step keeps,
from the last state (lstm: cell) of the last layer back to its first. Inputs are taken to be independent numbers of mean
0 and variance 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradiometer.records import UserError
from gradiometer.theory.chains import MODEL_ERROR_PER_HOP, STANDARD_ERRORS

from . import laws_attention, laws_chain, laws_skip, laws_time
from .laws_setting import Hop, Setting
from .menu_networks import NETWORKS
from .recipe import Recipe
from .refusals import refusal

DEFAULT_STEPS = 8  # of a sequence whose length the recipe leaves to the task
EXACT = frozenset({"rezero", "skipinit"})
LIFT_ERROR = 1 / 3  # of the lift, which is the first order of a growing direction
ROUNDING = 1e-3  # of ln gain²: three digits are stated

_LAWS: dict[str, Callable[[Setting], list[Hop]]] = {
    "plain": laws_chain.plain,
    "cnn": laws_chain.convolutional,
    "residual": laws_skip.residual,
    "residual-scaled": laws_skip.residual_scaled,
    "preact": laws_skip.preact,
    "preact-scaled": laws_skip.preact_scaled,
    "rezero": laws_skip.exact,
    "skipinit": laws_skip.exact,
    "highway": laws_skip.highway,
    "dense": laws_chain.dense,
    "cross-v1": laws_skip.cross_v1,
    "cross-v2": laws_skip.cross,
    "separable": laws_chain.separable,
    "low-rank": laws_chain.low_rank,
    "auxiliary": laws_chain.auxiliary,
    "rnn": laws_time.rnn,
    "gru": laws_time.gru,
    "lstm": laws_time.lstm,
    "transformer-pre": laws_attention.pre_ln,
    "transformer-post": laws_attention.post_ln,
}


@dataclass(frozen=True, slots=True)
class Law:
    """A network's hop gain as theory has it.

    gain: of the error's norm a hop, for infinite width. noise: variance that finite width gives to ln gain² of one
    draw, a hop. lift: what else it adds to ln gain², of order depth/width. hops: how many. allowance: what the law
    itself may miss, of ln gain² a hop: .05 of what goes through weights, and a third of the lift. All nan without a
    law.
    """

    gain: float
    noise: float
    lift: float
    hops: int
    allowance: float = math.nan

    def band(self, draws: int) -> tuple[float, float]:
        """Where the gain lies, taken over that many draws of the network.

        law: ln gain² a hop = 2 ln gain + lift − ½ noise ± (3 √(noise/(hops · draws)) + allowance), ln taken before
            the mean over draws.
        shapes, units: norm gains.
        at 0: a gain of 0 gives (0, 0).
        at inf/nan: nan without a law.
        source: Hanin and Nica 2018; 3 standard errors and the allowance of theory.finite_width_band.
        """
        if not self.hops:
            return math.nan, math.nan
        half = STANDARD_ERRORS * math.sqrt(self.noise / (self.hops * draws)) + self.allowance
        low, high = ((self.lift - self.noise / 2 + sign * half) / 2 for sign in (-1, 1))
        return self.gain * math.exp(low), self.gain * math.exp(high)


NO_LAW = Law(math.nan, math.nan, math.nan, 0)


def hop_law(recipe: Recipe, shape: tuple[int, ...] | None = None) -> Law:
    """The law of a recipe's network. shape: of one example in the network's form; without it: vectors of as many
    numbers as the width, grids (width, 8), sequences (length or 8, width).

    nan where theory has no law: depth 1 (no hop; recurrent networks hop over time), init article (weights of one sign),
    gru and lstm above depth 1, cross-v1 with a large gain, transformers whose attention is far from uniform.
    UserError where the recipe's choices exclude each other.
    """
    told = refusal(recipe.network, recipe.activation, recipe.init, recipe.norm)
    if told:
        raise UserError(told)
    setting = _setting(recipe, shape)
    if recipe.init == "article" and recipe.network not in EXACT:
        return NO_LAW
    hops = _LAWS[recipe.network](setting)
    if not hops:
        return NO_LAW
    with np.errstate(divide="ignore"):
        log = float(np.mean(np.log([hop.gain2 for hop in hops])))
    noise, lift = (float(np.mean([getattr(hop, name) for hop in hops])) for name in ("noise", "lift"))
    drawn = float(np.mean([hop.drawn for hop in hops]))
    allowance = MODEL_ERROR_PER_HOP * drawn + LIFT_ERROR * abs(lift) + ROUNDING
    return Law(math.exp(log / 2), noise, lift, len(hops), allowance)


def stated_gain(recipe: Recipe, shape: tuple[int, ...] | None = None) -> float:
    """The hop gain of a recipe's network in closed form, nan where theory has no law.

    law: √ of the geometric mean of the hops' squared gains, infinite width; each network's formula stands in its
        docstring and in the manual.
    shapes, units: see `hop_law`; gain of the error's norm.
    at 0: weights of variance 0 give 0, skips then 1.
    at inf/nan: nan without a law.
    source: theory of each network.
    """
    return hop_law(recipe, shape).gain


def default_shape(recipe: Recipe) -> tuple[int, ...]:
    """The shape of an example that a law takes where none is given."""
    form = NETWORKS[recipe.network].forms[0]
    steps = recipe.length or DEFAULT_STEPS
    shapes = {"vector": (recipe.width,), "grid": (recipe.width, DEFAULT_STEPS), "sequence": (steps, recipe.width)}
    return shapes[form]


def _setting(recipe: Recipe, shape: tuple[int, ...] | None) -> Setting:
    given = default_shape(recipe) if shape is None else shape
    if NETWORKS[recipe.network].forms[0] == "sequence":
        return Setting(recipe, n_in=given[1], n_steps=given[0], axes=0)
    return Setting(recipe, n_in=given[0], n_steps=1, axes=len(given) - 1)
