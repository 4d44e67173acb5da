"""The densely connected network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..recipe import Recipe
from .base import LabNetwork, Ports, features
from .parts import activated, chain


class DenseBlock(nn.Module):
    """[x, φ(Wx)]: what came, and beside it what this block makes of it."""

    def __init__(self, below: int, recipe: Recipe) -> None:
        super().__init__()
        self.branch = chain([("linear", nn.Linear(below, recipe.width)), *activated(recipe, recipe.width, 0)])

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.branch(x)), dim=1)


class DenseEnd(DenseBlock):
    """φ(Wx) alone: the last block, which the head reads."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.branch(x)
        return out


class Dense(LabNetwork):
    """h_l = φ(W [h_0 … h_{l−1}]), h_0 the stem's output. A block puts out all parts so far, the last only its own.

    law: the error of one part is ‖δ_j‖² = 1/(j + 1) of that at the end with He and true fans, and that of all j + 1
    parts, which is what a block puts out, is kept whole: gain 1. In general S_j = Σ_{l>j} n Var W_l D2(q_l) S_l.

    Hop gain: activation=relu init=he depth=12 width=64 -> 1.000 in [0.969, 1.024]
    Hop gain: activation=sigmoid init=torch depth=12 width=64 -> 0.773 in [0.763, 0.782]
    """

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        n = recipe.width
        kinds = [DenseBlock] * (recipe.depth - 1) + [DenseEnd]
        blocks = nn.ModuleList(kind(n * (at + 1), recipe) for at, kind in enumerate(kinds))
        super().__init__(nn.Linear(features(ports), n), blocks, nn.Linear(n, ports.n_out))
