"""Targets for the tests of losses, and how the loss of one pass is seen."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from measurement_nets import recorded
from torch import Tensor, nn

from gradiometer.records import LossSeen, Run

Loss = Callable[[Tensor], Tensor]
N = 120


def net(outputs: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, outputs))


X = torch.linspace(-1, 1, N * 6).view(N, 6).sin()


def loss_run(loss: Loss, outputs: int = 3) -> Run:
    model = net(outputs)
    return recorded(model, lambda _: loss(model(X)).backward())


def seen_in(loss: Loss, outputs: int = 3) -> LossSeen:
    (seen,) = loss_run(loss, outputs).losses
    return seen


CLASSES = torch.tensor([0] * 60 + [1] * 40 + [2] * 20)
ONE_HOT = F.one_hot(CLASSES, 3).float()
SHARES = torch.stack([torch.linspace(0.2, 0.6, N), torch.full((N,), 0.3), torch.linspace(0.5, 0.1, N)], 1)
BITS = (torch.arange(N) % 4 == 0).float().unsqueeze(1)
SIGNS = 2 * BITS - 1
REALS = torch.linspace(0, 2, N).unsqueeze(1)
WIDE = torch.cat([REALS, REALS**2, -3 * REALS], 1)
COUNTS = (torch.arange(N) % 5).float().unsqueeze(1)
AT = torch.arange(N)
ENTROPY = -sum(p * math.log(p) for p in (1 / 2, 1 / 3, 1 / 6))
HALF_BITS = 0.5623351  # entropy of one in four


def squared(d: Tensor) -> Tensor:
    return (d * d).mean()


def bce_by_hand(p: Tensor, y: Tensor = BITS) -> Tensor:
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()
