"""Deep & Cross networks."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ..recipe import Recipe
from .base import LabNetwork, Ports, StemRole, features


class SharedRow(nn.Linear):
    """wᵀx: one row of weights that serves every unit. As an n × n matrix 1wᵀ its fans are n and n."""

    def __init__(self, units: int) -> None:
        super().__init__(units, 1, bias=False)


class CrossV1Block(nn.Module):
    """x₀ (wᵀx) + b + x."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.linear = SharedRow(units)
        self.bias = nn.Parameter(torch.zeros(units))

    def forward(self, x: Tensor, first: Tensor) -> Tensor:
        out: Tensor = first * self.linear(x) + self.bias + x
        return out


class CrossV2Block(nn.Module):
    """x₀ ⊙ (Wx + b) + x."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.linear = nn.Linear(units, units)

    def forward(self, x: Tensor, first: Tensor) -> Tensor:
        out: Tensor = first * self.linear(x) + x
        return out


class CrossV2(LabNetwork):
    """x_{l+1} = x₀ ⊙ (W x_l + b) + x_l, x₀ the linear stem's output. No activation.

    law: gain² a hop = 1 + n Var W · E x₀²; critical sets E x₀² = 1 and n Var W = 1/L, so that all hops stay below √e.
    What reaches x₀ past the blocks is not in it.

    Hop gain: init=critical depth=12 width=64 -> 1.041 in [1.025, 1.055]
    Hop gain: init=torch depth=12 width=64 -> 1.055 in [1.036, 1.072]
    Hop gain: init=xavier depth=12 width=64 -> 1.414 in [1.351, 1.509]
    """

    stem_role: ClassVar[StemRole] = "unit"
    block: ClassVar[type[nn.Module]] = CrossV2Block

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        n = recipe.width
        blocks = nn.ModuleList(self.block(n) for _ in range(recipe.depth))
        super().__init__(nn.Linear(features(ports), n), blocks, nn.Linear(n, ports.n_out))

    def advance(self, block: nn.Module, x: Tensor, first: Tensor) -> Tensor:
        out: Tensor = block(x, first)
        return out


class CrossV1(CrossV2):
    """x_{l+1} = x₀ (wᵀ x_l) + b + x_l, x₀ the linear stem's output. No activation.

    law: as cross-v2 with W = 1wᵀ, on the average over examples; one example's gain has a wide spread, since one number
    multiplies all of its units.

    Hop gain: init=critical depth=12 width=64 -> 1.041 in [1.025, 1.055]
    Hop gain: init=torch depth=12 width=64 -> 1.055 in [1.036, 1.072]
    """

    block: ClassVar[type[nn.Module]] = CrossV1Block
