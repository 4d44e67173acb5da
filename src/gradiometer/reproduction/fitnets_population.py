"""Many small networks trained at once: each member has weights, batches and a learning rate of its own.

Every product of matrices is one product for all members, so that a population costs little more than a network.
Shapes: M member, B example, N layer below, K layer above.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from .measure import seeded

BATCH = 64
BETA_MEAN, BETA_SQUARE, EPSILON = 0.9, 0.999, 1e-8  # torch.optim.Adam's own


@dataclass(frozen=True, slots=True)
class Member:
    """One network of a population: seed of its weights and batches, and its learning rate."""

    seed: int
    lr: float


class Dense:
    """ReLU layers and a linear head, for every member. Weights N(0, 2/n), no bias at first; head U(±1/√n)."""

    def __init__(self, widths: Sequence[int], members: Sequence[Member]) -> None:
        generators = [seeded(member.seed) for member in members]
        self.weights: list[Tensor] = []  # each [M, N, K]
        self.biases: list[Tensor] = []  # each [M, 1, K]
        for place, (below, above) in enumerate(pairwise(widths)):
            head = place == len(widths) - 2
            drawn = [_head(below, above, g) if head else _he(below, above, g) for g in generators]
            self.weights.append(torch.stack(drawn).requires_grad_())
            self.biases.append(torch.zeros(len(members), 1, above).requires_grad_())

    @property
    def depth(self) -> int:
        """Hidden layers."""
        return len(self.weights) - 1

    def parameters(self, upto: int | None = None) -> list[Tensor]:
        """Of the first ``upto`` layers, or of all."""
        return [*self.weights[:upto], *self.biases[:upto]]

    def state(self, x: Tensor, upto: int, masks: Sequence[Tensor] = ()) -> Tensor:
        """What hidden layer ``upto`` puts out [M, B, K]; masks: what each layer's units are multiplied by."""
        for place in range(upto):
            x = torch.relu(torch.baddbmm(self.biases[place], x, self.weights[place]))
            x = x * masks[place] if masks else x
        return x

    def logits(self, x: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """[M, B, class]."""
        return torch.baddbmm(self.biases[-1], self.state(x, self.depth, masks), self.weights[-1])


def _he(below: int, above: int, generator: torch.Generator) -> Tensor:
    return torch.randn(below, above, generator=generator) * math.sqrt(2 / below)


def _head(below: int, above: int, generator: torch.Generator) -> Tensor:
    return (torch.rand(below, above, generator=generator) * 2 - 1) / math.sqrt(below)


class Adam:
    """Adam (Kingma and Ba 2015) with one learning rate a member; decay: added to the gradient, times the weight."""

    def __init__(self, parameters: Sequence[Tensor], members: Sequence[Member], decay: float = 0.0) -> None:
        self.parameters, self.decay, self.steps = list(parameters), decay, 0
        self.rates = torch.tensor([member.lr for member in members])[:, None, None]
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def step(self, loss: Tensor) -> None:
        """One update of every member. loss: the sum over the members, so that each gets its own gradient."""
        gradients = torch.autograd.grad(loss, self.parameters)
        self.steps += 1
        rates = self.rates * math.sqrt(1 - BETA_SQUARE**self.steps) / (1 - BETA_MEAN**self.steps)
        epsilon = EPSILON * math.sqrt(1 - BETA_SQUARE**self.steps)
        with torch.no_grad():
            for p, g, mean, square in zip(self.parameters, gradients, self.means, self.squares, strict=True):
                gradient = g + self.decay * p if self.decay else g
                mean.lerp_(gradient, 1 - BETA_MEAN)
                square.mul_(BETA_SQUARE).addcmul_(gradient, gradient, value=1 - BETA_SQUARE)
                p.sub_(rates * mean / (square.sqrt() + epsilon))


def batches(members: Sequence[Member], stream: int, steps: int, size: int) -> Iterator[Tensor]:
    """Rows of a split [M, B] for each step; every member draws from a generator of its own seed and stream."""
    generators = [seeded(1000 * (member.seed + 1) + stream) for member in members]
    for _ in range(steps):
        yield torch.stack([torch.randint(size, (BATCH,), generator=g) for g in generators])


def masks_of(generators: Sequence[torch.Generator], width: int, layers: int, dropped: float) -> list[Tensor]:
    """Inverted dropout of ``layers`` hidden layers, each [M, B, width]."""
    drawn = [torch.stack([torch.rand(BATCH, width, generator=g) for g in generators]) for _ in range(layers)]
    return [(share >= dropped).float() / (1 - dropped) for share in drawn]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over examples, sum over members. logits [M, B, class], targets [M, B]."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / targets.shape[1]


def soft_cross_entropy(logits: Tensor, told: Tensor, temperature: float) -> Tensor:
    """T² times the cross-entropy of both softened outputs, mean over examples, sum over members (Hinton 2015)."""
    shares = torch.softmax(told / temperature, dim=-1)
    each = -(shares * torch.log_softmax(logits / temperature, dim=-1)).sum(dim=-1)
    return temperature**2 * each.mean(dim=1).sum()


def wrong(network: Dense, inputs: Tensor, targets: Tensor) -> list[float]:
    """Percent of a split that each member gets wrong."""
    with torch.no_grad():
        answers = network.logits(inputs.expand(len(network.weights[0]), -1, -1)).argmax(dim=-1)
    return [100 * float(share) for share in (answers != targets).double().mean(dim=1)]
