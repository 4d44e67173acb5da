"""Optimizers by name."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import Optimizer

from .recipe import Recipe


def make_optimizers(network: nn.Module, recipe: Recipe) -> tuple[Optimizer, ...]:
    """The optimizers of a recipe over every parameter of a network; two where one class cannot hold them all."""
    cls = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[recipe.optimizer]
    return (cls(network.parameters(), lr=recipe.lr or 0.1),)
