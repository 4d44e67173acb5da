"""Gradient descent, with momentum, dampening and Nesterov's look ahead.

Letters: b momentum, μ its coefficient, τ dampening; w, g, t, η, λ as in ``rule``. All tensors are [...].
"""

from __future__ import annotations

import torch
from torch import Tensor

from .rule import Move, Settings, State, UpdateRule, equations, felt, gradient_tex

_BUFFER = "momentum_buffer"


def _start(weight: Tensor, settings: Settings) -> State:
    return State(0, {})  # the first step takes the gradient itself as momentum, so there is none before it


def _move(weight: Tensor, gradient: Tensor, state: State, settings: Settings) -> Move:
    """One step of gradient descent.

    Law: d = g, or b_t = μ b_{t−1} + (1 − τ) g with b_1 = g, or with Nesterov g + μ b_t; w' = w − η d.
    Shapes: all [...]; b has the gradient's units.
    At 0: g = 0 leaves −η b alone, nothing without momentum.
    At inf/nan: handed on to w, and to b for good.
    Source: Robbins and Monro 1951; Polyak 1964; Nesterov 1983, in the form of Sutskever et al. 2013 and torch.
    """
    g, momentum, lr = felt(weight, gradient, settings), settings["momentum"], settings["lr"]
    if momentum == 0:
        return Move(lr, g, State(state.steps + 1, state.kept))
    before = state.kept.get(_BUFFER)
    b = torch.add(before * momentum, g, alpha=1 - settings["dampening"]) if before is not None else g.clone()
    push = torch.add(g, b, alpha=momentum) if settings["nesterov"] else b
    return Move(lr, push, State(state.steps + 1, {**state.kept, _BUFFER: b}))


def _rule(settings: Settings) -> str:
    g = gradient_tex(settings)
    if settings["momentum"] == 0:
        return rf"\Delta w = -\eta \left( {g} \right)" if g[0] == "-" or "+" in g else rf"\Delta w = -\eta {g}"
    damped = settings["dampening"] != 0
    return equations(
        r"\Delta w = -\eta \left( g_t + \mu b_t \right)" if settings["nesterov"] else r"\Delta w = -\eta b_t",
        r"b_t = \mu b_{t-1} + " + (r"(1 - \tau) g_t" if damped else "g_t"),
        "b_1 = g_1" if damped else "",
        f"g_t = {g}",
    )


SGD = UpdateRule(
    name="SGD",
    source="Robbins and Monro 1951; momentum: Polyak 1964; ahead: Nesterov 1983, in the form of Sutskever et al. 2013",
    settings=("lr", "momentum", "dampening", "nesterov", "weight_decay", "maximize"),
    rule=_rule,
    start=_start,
    move=_move,
)
