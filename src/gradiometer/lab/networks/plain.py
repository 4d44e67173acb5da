"""The plain network, and the same with auxiliary heads."""

from __future__ import annotations

from torch import Tensor, nn

from ..recipe import Recipe
from .base import LabNetwork, Outputs, Ports, features
from .parts import activated, chain

HEAD_EVERY = 2  # blocks between auxiliary heads


class Plain(LabNetwork):
    """φ(W_L … φ(W_1 x)). The first block reads the input, so depth is the number of hidden layers."""

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        below, blocks = features(ports), nn.ModuleList()
        for _ in range(recipe.depth):
            blocks.append(chain([("linear", nn.Linear(below, recipe.width)), *activated(recipe, recipe.width, 0)]))
            below = recipe.width
        super().__init__(nn.Identity(), blocks, nn.Linear(below, ports.n_out))


class Auxiliary(Plain):
    """Plain, with a linear head after every second block: a fresh error enters there.

    In training mode the network puts out ``Outputs``, else its own output alone.
    """

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        super().__init__(recipe, ports)
        self.after = tuple(range(HEAD_EVERY - 1, recipe.depth - 1, HEAD_EVERY))  # indices of blocks
        self.heads = nn.ModuleList(nn.Linear(recipe.width, ports.n_out) for _ in self.after)

    def forward(self, x: Tensor) -> Tensor | Outputs:
        states = self.states(x)
        main: Tensor = self.head(states[-1])
        if not self.training:
            return main
        return Outputs(main, tuple(head(states[at]) for head, at in zip(self.heads, self.after, strict=True)))
