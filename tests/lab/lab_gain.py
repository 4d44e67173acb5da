"""The hop gain of a reference network in plain autograd: hooks of torch, no room of Gradiometer that measures."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import torch
from torch import Tensor, nn

from gradiometer.lab import Recipe
from gradiometer.lab.networks.base import LabNetwork, Outputs
from gradiometer.lab.networks.build import Ports, build_network

EXAMPLES, N_OUT, STEPS, POSITIONS = 32, 10, 8, 8
Build = Callable[[Recipe, Ports], LabNetwork]
SEQUENCES = ("rnn", "gru", "lstm", "transformer-pre", "transformer-post")
GRIDS = ("cnn", "separable")


def shape_of(recipe: Recipe) -> tuple[int, ...]:
    """An example with as many numbers (channels, features) as the network is wide."""
    if recipe.network in SEQUENCES:
        return (recipe.length or STEPS, recipe.width)
    return (recipe.width, POSITIONS) if recipe.network in GRIDS else (recipe.width,)


def measured_gain(
    recipe: Recipe, draws: int, shape: tuple[int, ...] | None = None, build: Build = build_network
) -> float:
    """Geometric mean over seeds 0, 1, ... of what one hop keeps of the error's norm, in float64."""
    given = shape or shape_of(recipe)
    logs = []
    for seed in range(draws):
        network = build(msgspec.structs.replace(recipe, seed=seed), Ports(given, N_OUT)).double()
        numbers = torch.Generator().manual_seed(1000 + seed)
        x = torch.randn(EXAMPLES, *given, generator=numbers, dtype=torch.float64)
        over = _over_time if recipe.network in ("rnn", "gru", "lstm") else _over_blocks
        logs.append(over(network, x, numbers))
    return math.exp(sum(logs) / len(logs))


def _over_blocks(network: LabNetwork, x: Tensor, numbers: torch.Generator) -> float:
    """ln of the gain a block: random errors enter at every output of the network."""
    seen: dict[int, Tensor] = {}
    handles = [
        block.register_forward_hook(lambda module, args, out, at=at: seen.update({at: out}))
        for at, block in enumerate(network.blocks)
    ]
    out = network(x)
    for handle in handles:
        handle.remove()
    outputs = (out.main, *out.auxiliary) if isinstance(out, Outputs) else (out,)
    loss = sum((o * torch.randn(o.shape, generator=numbers, dtype=o.dtype)).sum() for o in outputs)
    lower, upper = torch.autograd.grad(loss, (seen[0], seen[len(seen) - 1]))
    return math.log(float(lower.norm() / upper.norm())) / (len(seen) - 1)


def _over_time(network: LabNetwork, x: Tensor, numbers: torch.Generator) -> float:
    """ln of the gain a time step of the last layer: a random error enters at the last state (lstm: cell)."""
    for block in network.blocks[:-1]:
        x = block(x)
    layer = next(m for m in network.blocks[-1].modules() if isinstance(m, nn.RNNBase))
    start = torch.zeros(1, len(x), layer.hidden_size, dtype=x.dtype, requires_grad=True)
    if isinstance(layer, nn.LSTM):
        _, (_, end) = layer(x, (torch.zeros_like(start), start))
    else:
        _, end = layer(x, start)
    error = torch.randn(end.shape, generator=numbers, dtype=x.dtype)
    (lower,) = torch.autograd.grad((end * error).sum(), start)
    return math.log(float(lower.norm() / error.norm())) / x.shape[1]
