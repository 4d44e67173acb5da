"""The low-rank network."""

from __future__ import annotations

from torch import nn

from ..proportions import rank_of
from ..recipe import Recipe
from .base import LabNetwork, Ports, features
from .parts import activated, chain


class LowRank(LabNetwork):
    """φ(U V x): V to the rank r = width/4 (at least 1), U back, no activation between. The stem is linear.

    law: gain² a hop = n Var V · r Var U · D2(q), and a drift of −1/r in its logarithm beside that of the width.

    Hop gain: activation=relu init=torch depth=12 width=64 -> 0.236 in [0.203, 0.247]
    Hop gain: activation=relu init=he depth=12 width=64 -> 1.414 in [1.219, 1.482]
    Hop gain: activation=relu init=critical depth=12 width=128 -> 1.000 in [0.903, 1.053]
    """

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        n, rank = recipe.width, rank_of(recipe.width)
        blocks = nn.ModuleList(
            chain([("down", nn.Linear(n, rank, bias=False)), ("up", nn.Linear(rank, n)), *activated(recipe, n, 0)])
            for _ in range(recipe.depth)
        )
        super().__init__(nn.Linear(features(ports), n), blocks, nn.Linear(n, ports.n_out))
