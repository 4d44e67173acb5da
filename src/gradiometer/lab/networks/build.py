"""From a recipe to a network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ..activations import make_activation
from ..init import initialise
from ..recipe import Recipe
from .base import LabNetwork


@dataclass(frozen=True, slots=True)
class Ports:
    """What a task demands of a network. shape: of one example in the network's form, without the batch axis."""

    shape: tuple[int, ...]
    n_out: int


def build_network(recipe: Recipe, ports: Ports) -> LabNetwork:
    """The network of a recipe, drawn with its seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = _plain(recipe, ports)
        initialise(network, recipe)
    return network


def _plain(recipe: Recipe, ports: Ports) -> LabNetwork:
    blocks, below = nn.ModuleList(), ports.shape[0]
    for _ in range(recipe.depth):
        norm = [nn.BatchNorm1d(recipe.width)] if recipe.norm == "batch" else []
        blocks.append(nn.Sequential(nn.Linear(below, recipe.width), *norm, make_activation(recipe.activation)))
        below = recipe.width
    return LabNetwork(nn.Identity(), blocks, nn.Linear(below, ports.n_out))
