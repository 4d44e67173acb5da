"""Networks that read grids: plain convolutions, and depthwise separable ones."""

from __future__ import annotations

import math

from torch import Tensor, nn

from ..recipe import Recipe
from .base import LabNetwork, Ports, channels
from .parts import Named, activated, chain, convolution, pointwise


class Cnn(LabNetwork):
    """Plain, of 3-wide convolutions. Padding is circular: a border of zeros would cost the error some percent a hop.

    The stem is a convolution to the width; the head reads every position.
    """

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        below, axes = channels(ports)
        n = recipe.width
        blocks = (chain([*self.weights(n, axes), *activated(recipe, n, axes)]) for _ in range(recipe.depth))
        head = nn.Linear(n * math.prod(ports.shape[1:]), ports.n_out)
        super().__init__(convolution(below, n, axes), nn.ModuleList(blocks), head)

    def pool(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def weights(self, units: int, axes: int) -> list[Named]:
        """The weights of one block."""
        return [("conv", convolution(units, units, axes))]


class Separable(Cnn):
    """Depthwise, then pointwise convolution, no activation between."""

    def weights(self, units: int, axes: int) -> list[Named]:
        return [
            ("depthwise", convolution(units, units, axes, groups=units)),
            ("pointwise", pointwise(units, units, axes)),
        ]
