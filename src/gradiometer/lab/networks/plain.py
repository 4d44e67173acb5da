"""The plain network, and the same with auxiliary heads."""

from __future__ import annotations

from torch import Tensor, nn

from ..proportions import HEAD_EVERY
from ..recipe import Recipe
from .base import LabNetwork, Outputs, Ports, features
from .parts import activated, chain


class Plain(LabNetwork):
    """φ(W_L … φ(W_1 x)). The first block reads the input, so depth is the number of hidden layers.

    law: gain² a hop = n Var W · D2(q); behind a norm D2(1)/Var φ(1) (batch) or D2(1)/M2(1) (layer, rms), without bias.

    Hop gain: activation=relu init=torch depth=12 width=64 -> 0.408 in [0.373, 0.430]
    Hop gain: activation=sigmoid init=torch depth=12 width=64 -> 0.141 in [0.132, 0.148]
    Hop gain: activation=relu init=he depth=12 width=64 -> 1.000 in [0.914, 1.052]
    Hop gain: activation=tanh init=xavier depth=12 width=64 -> 0.911 in [0.854, 0.955]
    Hop gain: activation=tanh init=critical depth=12 width=64 -> 1.000 in [0.924, 1.051]
    Hop gain: activation=gelu init=critical depth=12 width=64 -> 1.000 in [0.912, 1.053]
    Hop gain: activation=sigmoid init=critical depth=12 width=64 -> 1.000 in [0.865, 1.049]
    Hop gain: activation=tanh init=lsuv depth=12 width=64 -> 1.085 in [1.002, 1.141]
    Hop gain: activation=relu init=he norm=batch depth=12 width=64 -> 1.211 in [1.107, 1.275]
    Hop gain: activation=relu init=he norm=layer depth=12 width=64 -> 1.000 in [0.914, 1.052]
    """

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        below, blocks = features(ports), nn.ModuleList()
        for _ in range(recipe.depth):
            blocks.append(chain([("linear", nn.Linear(below, recipe.width)), *activated(recipe, recipe.width, 0)]))
            below = recipe.width
        super().__init__(nn.Identity(), blocks, nn.Linear(below, ports.n_out))


class Auxiliary(Plain):
    """Plain, with a linear head after every second block: a fresh error enters there.

    In training mode the network puts out ``Outputs``, else its own output alone.

    law: e_{l−1} = χ e_l + 1 where a head reads block l − 1, else χ e_l, with e = 1 at the last block: no block is
    further than one hop from a head, so the error never falls below what that one hop leaves. All heads' errors are
    taken to be as large.

    Hop gain: activation=sigmoid init=torch depth=12 width=64 -> 0.837 in [0.786, 0.877]
    Hop gain: activation=relu init=he depth=12 width=64 -> 1.085 in [0.991, 1.142]
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
