"""Plain networks, data and trainings of the experiments, written in torch alone: what is judged is not built by lab."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradiometer.lab import Recipe, Split, load_task

from .experiment import Order
from .measure import classified, seeded

M = TypeVar("M", bound=nn.Module)
Activation = Callable[[], nn.Module]
Draw = Callable[[nn.Linear, torch.Generator], None]
"""Gives one layer its weights and biases."""

LAST_STEPS = 20  # the loss at the end of a training is the mean over these: one batch alone is too noisy


def blank(kind: type[M], *args: Any, **options: Any) -> M:
    """A layer whose parameters are not set yet: torch would draw them from the global generator."""
    layer: M = nn.utils.skip_init(kind, *args, **options)  # type: ignore[no-untyped-call]
    return layer


def dense_network(widths: Sequence[int], activation: Activation) -> nn.Sequential:
    """layer1, act1, layer2, act2, ..., head, to be drawn; ``widths`` from the input to the output."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (below, above) in enumerate(pairwise(widths[:-1]), start=1):
        parts[f"layer{number}"] = blank(nn.Linear, below, above)
        parts[f"act{number}"] = activation()
    parts["head"] = blank(nn.Linear, widths[-2], widths[-1])
    return nn.Sequential(parts)


def drawn(network: nn.Sequential, draw: Draw, seed: int) -> nn.Sequential:
    """The same network with every linear layer drawn by ``draw``, in order, from one generator."""
    generator = seeded(seed)
    with torch.no_grad():
        for module in network:
            if isinstance(module, nn.Linear):
                draw(module, generator)
    return network


def normal_draw(weight_power: float, bias_power: float = 0.0) -> Draw:
    """Weights N(0, weight_power/fan-in), biases N(0, bias_power)."""

    def draw(layer: nn.Linear, generator: torch.Generator) -> None:
        layer.weight.normal_(0, (weight_power / layer.in_features) ** 0.5, generator=generator)
        layer.bias.normal_(0, bias_power**0.5, generator=generator)

    return draw


def xavier_draw(layer: nn.Linear, generator: torch.Generator) -> None:
    """Weights N(0, 2/(fan-in + fan-out)), no bias."""
    layer.weight.normal_(0, (2 / (layer.in_features + layer.out_features)) ** 0.5, generator=generator)
    layer.bias.zero_()


def standard_draw(layer: nn.Linear, generator: torch.Generator) -> None:
    """Weights U(±1/√fan-in), no bias: the "standard" initialisation of Glorot 2010."""
    bound = layer.in_features**-0.5
    layer.weight.uniform_(-bound, bound, generator=generator)
    layer.bias.zero_()


def torch_draw(layer: nn.Linear, generator: torch.Generator) -> None:
    """Weights and biases U(±1/√fan-in): the default of torch.nn.Linear."""
    standard_draw(layer, generator)
    bound = layer.in_features**-0.5
    layer.bias.uniform_(-bound, bound, generator=generator)


def layer_sites(depth: int) -> tuple[str, ...]:
    """Pre-activations of a dense network, loss first."""
    return tuple(f"layer{number}" for number in range(depth, 0, -1))


def digits() -> Split:
    """The training split of the digits, one mean and one scale for all pixels: [example, 64]."""
    return load_task(Recipe(task="digits")).train


def pixels() -> Split:
    """The training split of the digits as pixels in [0, 1]: [example, 64]."""
    split = load_task(Recipe(task="digits", standardise=False)).train
    return dataclasses.replace(split, inputs=split.inputs / split.inputs.max())


def batch_of(split: Split, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """``size`` different examples of a split, and their classes."""
    rows = torch.randperm(len(split), generator=seeded(seed))[:size]
    return split.inputs[rows], split.targets[rows]


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a network trains: optimizer steps, examples a step, and the seed of the batches."""

    steps: int
    batch: int
    seed: int


def train_losses(
    network: nn.Module, optimizer: Optimizer, budget: Budget, each_step: Callable[[int], None] = lambda step: None
) -> list[float]:
    """Cross-entropy on the digits before each step. ``each_step(i)`` is called after the i-th step (0 first)."""
    split, generator = digits(), seeded(budget.seed)
    losses = []
    for step in range(budget.steps):
        rows = torch.randint(len(split), (budget.batch,), generator=generator)
        optimizer.zero_grad()
        loss = classified(network, (split.inputs[rows], split.targets[rows]))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
        each_step(step)
    return losses


def last_loss(losses: Sequence[float]) -> float:
    """Mean loss of the last LAST_STEPS steps; nan where the training diverged."""
    kept = losses[-LAST_STEPS:]
    return sum(kept) / len(kept)


def alone(order: Order) -> Order:
    """The same order without worker processes: for sweeps that take less time than workers take to start."""
    return dataclasses.replace(order, processes=1)
