"""The network of the playground: layers of one width whose variances, skip and norm are set by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..activations import make_activation
from .base import LabNetwork, Ports, StemRole, features
from .parts import Named, Skip, chain, make_norm


@dataclass(frozen=True, slots=True)
class Layers:
    """depth: layers of weights, the stem counted. skip: factor of each branch beside the stream, 0 for no stream.
    weight, bias: variances, that of a weight times its fan-in. norm: right before each activation."""

    depth: int
    width: int
    activation: str
    weight: float
    bias: float
    skip: float = 0.0
    norm: str = "none"


class Playing(LabNetwork):
    """W_L φ(… φ(W_1 x)), then φ and a linear head; with a skip x + α W φ(x) after the first layer.

    The head is N(0, 1/n) without bias. law: gain² a hop = σw² D2(q), with a skip 1 + α² σw² D2(q); behind a norm
    divided by the variance that the norm divides by.
    """

    stem_role: ClassVar[StemRole] = "pre"

    def __init__(self, layers: Layers, ports: Ports) -> None:
        n = layers.width
        blocks = nn.ModuleList(self._block(layers) for _ in range(layers.depth - 1))
        super().__init__(nn.Linear(features(ports), n), blocks, nn.Linear(n, ports.n_out))
        self.top = chain(_entry(layers))
        self.layers = layers

    def _block(self, layers: Layers) -> nn.Module:
        branch = chain([*_entry(layers), ("linear", nn.Linear(layers.width, layers.width))])
        return Skip(branch, layers.skip) if layers.skip else branch

    def pool(self, x: Tensor) -> Tensor:
        """What enters the head: the last layer behind its activation."""
        out: Tensor = self.top(x)
        return out

    def stations(self) -> tuple[str, ...]:
        """The modules at whose outputs the error is read, the top layer first: what enters each activation, behind its
        norm; with a skip the stream."""
        names = ["stem", *(f"blocks.{i}" for i in range(len(self.blocks)))]
        if not self.layers.skip:
            behind = [*(f"blocks.{i}" for i in range(len(self.blocks))), "top"]
            plain = [names[0], *(f"{name}.linear" for name in names[1:])]
            names = plain if self.layers.norm == "none" else [f"{name}.norm" for name in behind]
        return tuple(reversed(names))


def playing_network(layers: Layers, ports: Ports, seed: int) -> Playing:
    """The network, drawn with a seed; the global generator stays as it was. UserError where its input is no vector."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Playing(layers, ports)
        for module in network.modules():
            if isinstance(module, nn.Linear) and module is not network.head:
                nn.init.normal_(module.weight, 0.0, math.sqrt(layers.weight / module.in_features))
                nn.init.normal_(module.bias, 0.0, math.sqrt(layers.bias))
        nn.init.normal_(network.head.weight, 0.0, 1 / math.sqrt(layers.width))  # type: ignore[arg-type]
        nn.init.zeros_(network.head.bias)  # type: ignore[arg-type]
    return network


def _entry(layers: Layers) -> list[Named]:
    norm = [] if layers.norm == "none" else [("norm", make_norm(layers.norm, layers.width, 0))]
    return [*norm, ("act", make_activation(layers.activation))]
