"""RMSprop: the gradient over its root mean square, about 0 or about its own mean.

Letters: v mean of the squared gradient, ḡ mean of the gradient, α their memory, b momentum, μ its coefficient; w, g,
t, η, λ as in ``rule``. All tensors are [...].
"""

from __future__ import annotations

import torch
from torch import Tensor

from .rule import Move, Settings, State, UpdateRule, equations, felt, gradient_tex

_V, _MEAN, _BUFFER = "square_avg", "grad_avg", "momentum_buffer"


def _start(weight: Tensor, settings: Settings) -> State:
    names = [_V]
    if settings["momentum"] > 0:
        names.append(_BUFFER)
    if settings["centered"]:
        names.append(_MEAN)
    return State(0, {name: torch.zeros_like(weight) for name in names})


def _move(weight: Tensor, gradient: Tensor, state: State, settings: Settings) -> Move:
    """One step of RMSprop.

    Law: v_t = α v + (1 − α) g²; w' = w − η g / (√v_t + ε), centred √(v_t − ḡ_t²) with ḡ_t = α ḡ + (1 − α) g; with
        momentum w' = w − η b_t, b_t = μ b + g / (√v_t + ε). No bias is taken out: early steps are 1/√(1 − αᵗ) larger.
    Shapes: all [...]; v in the square of the gradient's units, ε in the gradient's, Δw in those of η.
    At 0: g = 0 from the first step on gives 0 / ε = 0, and nan where ε = 0.
    At inf/nan: inf / inf is nan. Centred and the gradient constant: v − ḡ² is all rounding in the end, nan below 0.
    Source: Tieleman and Hinton 2012 (lecture 6.5); centred: Graves 2013.
    """
    g, alpha, momentum = felt(weight, gradient, settings), settings["alpha"], settings["momentum"]
    v = torch.addcmul(state.kept[_V] * alpha, g, g, value=1 - alpha)
    kept, square = {**state.kept, _V: v}, v
    if settings["centered"]:
        kept[_MEAN] = mean = torch.lerp(state.kept[_MEAN], g, 1 - alpha)
        square = torch.addcmul(v, mean, mean, value=-1)
    root = square.sqrt()
    size = root + settings["eps"]
    if momentum > 0:
        kept[_BUFFER] = b = torch.addcdiv(state.kept[_BUFFER] * momentum, g, size)
        return Move(settings["lr"], b, State(state.steps + 1, kept), root=root)
    return Move(settings["lr"], g, State(state.steps + 1, kept), size=size, root=root)


def _rule(settings: Settings) -> str:
    centred = settings["centered"]
    root = r"\sqrt{v_t - \bar{g}_t^{2}}" if centred else r"\sqrt{v_t}"
    fraction = rf"\frac{{g_t}}{{{root} + \epsilon}}"
    update = (r"\Delta w = -\eta b_t", rf"b_t = \mu b_{{t-1}} + {fraction}")
    return equations(
        *(update if settings["momentum"] > 0 else (rf"\Delta w = -\eta {fraction}",)),
        r"v_t = \alpha v_{t-1} + (1 - \alpha) g_t^{2}",
        r"\bar{g}_t = \alpha \bar{g}_{t-1} + (1 - \alpha) g_t" if centred else "",
        f"g_t = {gradient_tex(settings)}",
    )


RMSPROP = UpdateRule(
    name="RMSprop",
    source="Tieleman and Hinton 2012, lecture 6.5; centred: Graves 2013",
    settings=("lr", "alpha", "eps", "momentum", "centered", "weight_decay", "maximize"),
    rule=_rule,
    start=_start,
    move=_move,
)
