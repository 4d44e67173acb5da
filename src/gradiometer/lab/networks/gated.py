"""The highway network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..proportions import GATE_BIAS
from ..recipe import Recipe
from .base import LabNetwork, Ports, features
from .parts import Gate
from .residual import branch


class HighwayBlock(nn.Module):
    """T ⊙ φ(Wx) + (1 − T) ⊙ x."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.branch = branch(recipe)
        self.gate = Gate(recipe.width, GATE_BIAS)

    def forward(self, x: Tensor) -> Tensor:
        share = torch.sigmoid(self.gate(x))
        out: Tensor = share * self.branch(x) + (1 - share) * x
        return out


class Highway(LabNetwork):
    """T φ(Wx) + (1 − T) x with T = σ(W_T x + b_T). W_T begins at 0 and b_T at −2, whatever the initialisation.

    law: gain² a hop = (1 − T)² + T² χ with T = σ(−2) = .119, χ = n Var W · D2(q). The signal shrinks alike.

    Hop gain: activation=sigmoid init=torch depth=12 width=64 -> 0.881 in [0.879, 0.883]
    Hop gain: activation=relu init=he depth=12 width=64 -> 0.889 in [0.883, 0.896]
    """

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        n = recipe.width
        blocks = nn.ModuleList(HighwayBlock(recipe) for _ in range(recipe.depth))
        super().__init__(nn.Linear(features(ports), n), blocks, nn.Linear(n, ports.n_out))
