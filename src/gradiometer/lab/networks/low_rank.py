"""The low-rank network."""

from __future__ import annotations

from torch import nn

from ..recipe import Recipe
from .base import LabNetwork, Ports, features
from .parts import activated, chain

WIDTH_PER_RANK = 4


class LowRank(LabNetwork):
    """φ(U V x): V to the rank r = width/4 (at least 1), U back, no activation between. The stem is linear."""

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        n = recipe.width
        rank = max(1, n // WIDTH_PER_RANK)
        blocks = nn.ModuleList(
            chain([("down", nn.Linear(n, rank, bias=False)), ("up", nn.Linear(rank, n)), *activated(recipe, n, 0)])
            for _ in range(recipe.depth)
        )
        super().__init__(nn.Linear(features(ports), n), blocks, nn.Linear(n, ports.n_out))
