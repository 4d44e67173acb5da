"""Adagrad: the gradient over the root of the sum of all its squares so far.

Letters: s sum of the squared gradients, κ decay of the learning rate; w, g, t, η, λ as in ``rule``. All tensors are
[...].
"""

from __future__ import annotations

import torch
from torch import Tensor

from .rule import Move, Settings, State, UpdateRule, equations, felt, gradient_tex

_SUM = "sum"


def _start(weight: Tensor, settings: Settings) -> State:
    return State(0, {_SUM: torch.full_like(weight, settings["initial_accumulator_value"])})


def _move(weight: Tensor, gradient: Tensor, state: State, settings: Settings) -> Move:
    """One step of Adagrad.

    Law: s_t = s + g²; w' = w − η_t g / (√s_t + ε), η_t = η / (1 + (t − 1) κ).
    Shapes: all [...]; s in the square of the gradient's units, ε in the gradient's, Δw in those of η.
    At 0: g = 0 changes nothing, and is nan where s = 0 and ε = 0.
    At inf/nan: inf / inf is nan; s keeps it for good, so an inf stops the weight where it was not lost.
    Source: Duchi, Hazan and Singer 2011.
    """
    g, t = felt(weight, gradient, settings), state.steps + 1
    total = torch.addcmul(state.kept[_SUM], g, g, value=1)
    root = total.sqrt()
    rate = settings["lr"] / (1 + (t - 1) * settings["lr_decay"])
    return Move(rate, g, State(t, {**state.kept, _SUM: total}), size=root + settings["eps"], root=root)


def _rule(settings: Settings) -> str:
    slower = settings["lr_decay"] != 0
    rate = r"\eta_t" if slower else r"\eta"
    return equations(
        rf"\Delta w = -{rate} \frac{{g_t}}{{\sqrt{{s_t}} + \epsilon}}",
        r"\eta_t = \frac{\eta}{1 + (t - 1) \kappa}" if slower else "",
        r"s_t = s_{t-1} + g_t^{2}",
        f"g_t = {gradient_tex(settings)}",
    )


ADAGRAD = UpdateRule(
    name="Adagrad",
    source="Duchi, Hazan and Singer 2011",
    settings=("lr", "lr_decay", "initial_accumulator_value", "eps", "weight_decay", "maximize"),
    rule=_rule,
    start=_start,
    move=_move,
)
