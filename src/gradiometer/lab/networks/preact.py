"""Skips beside two layers that begin with an activation: the stream itself passes none."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import nn

from ..recipe import Recipe
from .base import LabNetwork, Ports, StemRole, features
from .parts import LearnedSkip, Skip, activated, chain


class PreAct(LabNetwork):
    """x + W₂φ(W₁φ(x)), branch scale 1. The stem is linear; the head reads the stream as it is.

    law: gain² a hop = 1 + σ₂² D2(q) σ₁² D2(p), p = E x², q the variance inside the branch, σ² = n Var W. With norms the
    branch's share falls as the stream grows: divided by p.

    Hop gain: activation=relu init=he depth=12 width=64 -> 1.414 in [1.326, 1.468]
    Hop gain: activation=sigmoid init=torch depth=12 width=64 -> 1.000 in [0.998, 1.002]
    Hop gain: activation=relu init=he norm=batch depth=12 width=64 -> 1.129 in [1.093, 1.156]
    """

    stem_role: ClassVar[StemRole] = "pre"

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        n = recipe.width
        blocks = nn.ModuleList(self.block(branch(recipe), recipe) for _ in range(recipe.depth))
        super().__init__(nn.Linear(features(ports), n), blocks, nn.Linear(n, ports.n_out))

    def block(self, branch: nn.Module, recipe: Recipe) -> nn.Module:
        """A branch with its skip."""
        return Skip(branch, 1.0)


class PreActScaled(PreAct):
    """x + W₂φ(W₁φ(x))/√L for L blocks.

    law: gain² a hop = 1 + χ/L, χ as in preact.

    Hop gain: activation=relu init=he depth=12 width=64 -> 1.041 in [1.024, 1.055]
    Hop gain: activation=sigmoid init=torch depth=12 width=64 -> 1.000 in [0.999, 1.001]
    """

    def block(self, branch: nn.Module, recipe: Recipe) -> nn.Module:
        return Skip(branch, 1 / math.sqrt(recipe.depth))


class SkipInit(PreAct):
    """x + α W₂φ(W₁φ(x)), α learned from 0.

    law: gain 1, exactly, until α has moved.

    Hop gain: activation=relu init=he depth=12 width=64 -> 1.000 in [0.999, 1.001]
    Hop gain: activation=sigmoid init=torch depth=12 width=64 -> 1.000 in [0.999, 1.001]
    """

    def block(self, branch: nn.Module, recipe: Recipe) -> nn.Module:
        return LearnedSkip(branch)


def branch(recipe: Recipe) -> nn.Module:
    """W₂φ(norm(W₁φ(norm(x))))."""
    n = recipe.width
    lower = [*activated(recipe, n, 0, "1"), ("linear1", nn.Linear(n, n))]
    return chain([*lower, *activated(recipe, n, 0, "2"), ("linear2", nn.Linear(n, n))])
