"""Skips beside one layer: the branch ends in its activation."""

from __future__ import annotations

import math

from torch import nn

from ..recipe import Recipe
from .base import LabNetwork, Ports, features
from .parts import LearnedSkip, Skip, activated, chain


class Residual(LabNetwork):
    """x + φ(Wx), branch scale 1. The stem is linear."""

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        n = recipe.width
        blocks = nn.ModuleList(self.block(branch(recipe), recipe) for _ in range(recipe.depth))
        super().__init__(nn.Linear(features(ports), n), blocks, nn.Linear(n, ports.n_out))

    def block(self, branch: nn.Module, recipe: Recipe) -> nn.Module:
        """A branch with its skip."""
        return Skip(branch, 1.0)


class ResidualScaled(Residual):
    """x + φ(Wx)/√L for L blocks."""

    def block(self, branch: nn.Module, recipe: Recipe) -> nn.Module:
        return Skip(branch, 1 / math.sqrt(recipe.depth))


class ReZero(Residual):
    """x + α φ(Wx), α learned from 0."""

    def block(self, branch: nn.Module, recipe: Recipe) -> nn.Module:
        return LearnedSkip(branch)


def branch(recipe: Recipe) -> nn.Module:
    """φ(norm(Wx))."""
    n = recipe.width
    return chain([("linear", nn.Linear(n, n)), *activated(recipe, n, 0)])
