"""Skips beside one layer: the branch ends in its activation."""

from __future__ import annotations

import math

from torch import nn

from ..recipe import Recipe
from .base import LabNetwork, Ports, features
from .parts import LearnedSkip, Skip, activated, chain


class Residual(LabNetwork):
    """x + φ(Wx), branch scale 1. The stem is linear.

    law: gain² a hop = 1 + χ, χ = n Var W · D2(q) of the branch. Where E φ″ is not 0 (ReLU), the stream's mean
    piles up and the error turns to its direction: that lifts the gain by an order of depth/width, which the band holds.

    Hop gain: activation=relu init=he depth=12 width=256 -> 1.414 in [1.376, 1.461]
    Hop gain: activation=relu init=torch depth=12 width=64 -> 1.080 in [1.064, 1.116]
    Hop gain: activation=sigmoid init=torch depth=12 width=64 -> 1.006 in [1.000, 1.011]
    """

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        n = recipe.width
        blocks = nn.ModuleList(self.block(branch(recipe), recipe) for _ in range(recipe.depth))
        super().__init__(nn.Linear(features(ports), n), blocks, nn.Linear(n, ports.n_out))

    def block(self, branch: nn.Module, recipe: Recipe) -> nn.Module:
        """A branch with its skip."""
        return Skip(branch, 1.0)


class ResidualScaled(Residual):
    """x + φ(Wx)/√L for L blocks.

    law: gain² a hop = 1 + χ/L; in all below e^χ.

    Hop gain: activation=relu init=he depth=12 width=64 -> 1.041 in [1.029, 1.063]
    Hop gain: activation=sigmoid init=torch depth=12 width=64 -> 1.001 in [0.998, 1.003]
    """

    def block(self, branch: nn.Module, recipe: Recipe) -> nn.Module:
        return Skip(branch, 1 / math.sqrt(recipe.depth))


class ReZero(Residual):
    """x + α φ(Wx), α learned from 0.

    law: gain 1, exactly, whatever the branch, until α has moved.

    Hop gain: activation=relu init=he depth=12 width=64 -> 1.000 in [0.999, 1.001]
    Hop gain: activation=sigmoid init=torch depth=12 width=64 -> 1.000 in [0.999, 1.001]
    """

    def block(self, branch: nn.Module, recipe: Recipe) -> nn.Module:
        return LearnedSkip(branch)


def branch(recipe: Recipe) -> nn.Module:
    """φ(norm(Wx))."""
    n = recipe.width
    return chain([("linear", nn.Linear(n, n)), *activated(recipe, n, 0)])
