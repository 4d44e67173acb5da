"""Named initialisations, put into a network."""

from __future__ import annotations

from torch import nn

from .networks.base import LabNetwork
from .recipe import Recipe


def initialise(network: LabNetwork, recipe: Recipe) -> None:
    """Draw the weights of a network anew, by the recipe's init, from the global generator."""
    if recipe.init == "torch":
        return
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
