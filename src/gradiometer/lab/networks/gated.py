"""The highway network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..recipe import Recipe
from .base import LabNetwork, Ports, features
from .parts import Gate
from .residual import branch

GATE_BIAS = -2.0  # Srivastava 2015 recommends a negative one; σ(−2) = .119


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
    """T φ(Wx) + (1 − T) x with T = σ(W_T x + b_T). W_T begins at 0 and b_T at −2, whatever the initialisation."""

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        n = recipe.width
        blocks = nn.ModuleList(HighwayBlock(recipe) for _ in range(recipe.depth))
        super().__init__(nn.Linear(features(ports), n), blocks, nn.Linear(n, ports.n_out))
