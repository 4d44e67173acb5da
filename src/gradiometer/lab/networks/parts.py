"""What blocks are put together from: weights, norms, activations, skips, and what the head reads."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gradiometer.records import UserError

from ..activations import make_activation
from ..proportions import KERNEL
from ..recipe import Recipe

SMALLEST_NORMED = {"layer": 3, "rms": 2}  # units; with fewer, nothing but signs is left and no error passes

Named = tuple[str, nn.Module]


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels [axis 1] at each position."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ChannelRMSNorm(nn.RMSNorm):
    """RMS normalisation over the channels [axis 1] at each position."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Gate(nn.Linear):
    """Weights that begin at 0 with a bias of their own, whatever the initialisation: a gate that is constant at first.

    bias_start: the bias; σ of it is the share that the gate lets through.
    """

    def __init__(self, units: int, bias_start: float) -> None:
        self.bias_start = bias_start
        super().__init__(units, units)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.constant_(self.bias, self.bias_start)


class Skip(nn.Module):
    """x + scale · branch(x)."""

    def __init__(self, branch: nn.Module, scale: float) -> None:
        super().__init__()
        self.branch, self.scale = branch, scale

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.scale * self.branch(x)
        return out


class LearnedSkip(nn.Module):
    """x + alpha · branch(x); alpha is one number, learned, 0 at first."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.alpha * self.branch(x)
        return out


class Positions(nn.Module):
    """Adds a fixed table of sines and cosines, so that attention can tell time steps apart.

    law: sin(t/10000^(2i/n)) at the even units, the cosine at the odd ones: mean square ½. Source: Vaswani 2017.
    """

    table: Tensor

    def __init__(self, n_steps: int, units: int) -> None:
        super().__init__()
        pairs = torch.arange(0, units, 2)
        angle = torch.arange(n_steps)[:, None] * torch.exp(pairs * (-math.log(10_000.0) / units))  # [time, pair]
        table = torch.stack((angle.sin(), angle.cos()), dim=-1).reshape(n_steps, -1)[:, :units]
        self.register_buffer(
            "table", table, persistent=False
        )  # [time, unit]; made, not learned: no weights file has it

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table


def chain(parts: Iterable[Named]) -> nn.Sequential:
    """Modules one after the other, by name."""
    return nn.Sequential(OrderedDict(parts))


def activated(recipe: Recipe, units: int, axes: int, number: str = "") -> list[Named]:
    """The norm (where there is one) and the activation that follow a layer. axes: positions beside the units."""
    act = make_activation(recipe.activation)
    norm = [] if recipe.norm == "none" else [(f"norm{number}", make_norm(recipe.norm, units, axes))]
    return [*norm, (f"act{number}", act)]


def make_norm(kind: str, units: int, axes: int) -> nn.Module:
    """A normalisation over a batch of [example, unit, *position], ``axes`` positions. UserError for too few units."""
    least = SMALLEST_NORMED.get(kind, 1)
    if units < least:
        raise UserError(
            f"Norm {kind} over {units} unit{'s' if units > 1 else ''} leaves only signs, and no error passes. "
            f"Use width >= {least}, or another norm."
        )
    if kind == "batch":
        return nn.BatchNorm2d(units) if axes == 2 else nn.BatchNorm1d(units)
    if kind == "layer":
        return ChannelLayerNorm(units) if axes else nn.LayerNorm(units)
    return ChannelRMSNorm(units) if axes else nn.RMSNorm(units)


def convolution(below: int, units: int, axes: int, groups: int = 1) -> nn.Module:
    """A 3-wide convolution over a circle: no border takes a part of the error away."""
    cls = nn.Conv2d if axes == 2 else nn.Conv1d
    return cls(below, units, KERNEL, padding=KERNEL // 2, padding_mode="circular", groups=groups)


def pointwise(below: int, units: int, axes: int) -> nn.Module:
    """A convolution that mixes channels at each position alone."""
    cls = nn.Conv2d if axes == 2 else nn.Conv1d
    return cls(below, units, 1)
