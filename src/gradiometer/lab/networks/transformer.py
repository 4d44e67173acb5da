"""Transformers: attention and feed-forward in turn, with LayerNorm before or behind."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ..activations import make_activation
from ..proportions import FEED_FORWARD_RATIO
from ..recipe import Recipe
from .base import LabNetwork, Ports, steps
from .parts import Positions, chain, make_norm

MOST_HEADS = 4


class Attention(nn.Module):
    """Every time step reads every other: [example, time, unit] in and out."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.n_heads = next(heads for heads in range(MOST_HEADS, 0, -1) if units % heads == 0)
        self.query, self.key, self.value, self.out = (nn.Linear(units, units) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (self._split(part(x)) for part in (self.query, self.key, self.value))
        mixed = F.scaled_dot_product_attention(q, k, v)  # [example, head, time, unit of the head]
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.n_heads, -1).transpose(1, 2)


def feed_forward(recipe: Recipe) -> nn.Module:
    """W₂φ(W₁x), four times as wide inside."""
    n = recipe.width
    up, down = nn.Linear(n, FEED_FORWARD_RATIO * n), nn.Linear(FEED_FORWARD_RATIO * n, n)
    return chain([("up", up), ("act", make_activation(recipe.activation)), ("down", down)])


class PreNormed(nn.Module):
    """x + branch(LayerNorm x)."""

    def __init__(self, branch: nn.Module, units: int) -> None:
        super().__init__()
        self.norm, self.branch = make_norm("layer", units, 0), branch

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.branch(self.norm(x))
        return out


class PostNormed(PreNormed):
    """LayerNorm(x + branch(x))."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x + self.branch(x))
        return out


class TransformerPost(LabNetwork):
    """Post-LN. The stem is linear and adds positions; the head reads the last time step.

    law: gain² a block = (1 + χ_A)/(1 + s_A) · (1 + χ_F)/(1 + s_F). The feed-forward part has χ_F ≈ s_F; attention
    averages, so that what it adds to the signal, s_A = σ_o² σ_v² (ρ + (1 − ρ)/T), grows with the likeness ρ of the time
    steps, but an error that enters at one of T steps comes back through it with 1/T: the gain is below 1. Scores are
    taken to be small (σ_q² σ_k² ≤ 2).

    Hop gain: activation=relu init=torch depth=6 width=64 length=8 -> 0.969 in [0.929, 1.009]
    Hop gain: activation=relu init=xavier depth=6 width=64 length=24 -> 0.840 in [0.786, 0.889]
    Hop gain: activation=relu init=normal_0.02 depth=6 width=64 length=8 -> 1.000 in [0.972, 1.028]
    """

    normed: ClassVar[type[PreNormed]] = PostNormed

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        n_steps, below = steps(ports)
        n = recipe.width
        stem = chain([("linear", nn.Linear(below, n)), ("positions", Positions(n_steps, n))])
        blocks = nn.ModuleList(self.block(recipe) for _ in range(recipe.depth))
        super().__init__(stem, blocks, nn.Linear(n, ports.n_out))

    def block(self, recipe: Recipe) -> nn.Module:
        """Attention, then the feed-forward part."""
        n = recipe.width
        branches = (("attention", Attention(n)), ("feed_forward", feed_forward(recipe)))
        return chain((name, self.normed(branch, n)) for name, branch in branches)

    def pool(self, x: Tensor) -> Tensor:
        return x[:, -1]


class TransformerPre(TransformerPost):
    """Pre-LN. As post-LN, but the head reads the last time step through a LayerNorm.

    law: gain² a block = (1 + χ_A/p)(1 + χ_F/p′), p the power of the stream, to which each branch adds: the later the
    block, the nearer to 1.

    Hop gain: activation=relu init=torch depth=6 width=64 length=8 -> 1.029 in [0.988, 1.070]
    Hop gain: activation=gelu init=xavier depth=6 width=64 length=8 -> 1.082 in [1.029, 1.133]
    """

    normed: ClassVar[type[PreNormed]] = PreNormed

    def __init__(self, recipe: Recipe, ports: Ports) -> None:
        super().__init__(recipe, ports)
        self.norm = make_norm("layer", recipe.width, 0)

    def pool(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x[:, -1])
        return out
