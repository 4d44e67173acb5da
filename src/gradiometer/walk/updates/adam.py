"""Adam, and AdamW, whose weight decay stays out of the gradient.

Letters: m mean of the gradient, v mean of its square, β₁ and β₂ their memories, m̂ and v̂ without the bias towards 0;
w, g, t, η, λ as in ``rule``. All tensors are [...].
"""

from __future__ import annotations

import torch
from torch import Tensor

from .rule import Move, Settings, State, UpdateRule, equations, felt, gradient_tex

_M, _V, _V_MAX = "exp_avg", "exp_avg_sq", "max_exp_avg_sq"
_SETTINGS = ("lr", "beta1", "beta2", "eps", "weight_decay", "amsgrad", "maximize")
_FRACTION = r"\frac{\hat{m}_t}{\sqrt{\hat{v}_t} + \epsilon}"


def _start(weight: Tensor, settings: Settings) -> State:
    names = (_M, _V, _V_MAX) if settings["amsgrad"] else (_M, _V)
    return State(0, {name: torch.zeros_like(weight) for name in names})


def _adam(weight: Tensor, gradient: Tensor, state: State, settings: Settings) -> Move:
    """One step of Adam.

    Law: m_t = β₁ m + (1 − β₁) g; v_t = β₂ v + (1 − β₂) g²; w' = w − η m̂ / (√v̂ + ε), m̂ = m_t / (1 − β₁ᵗ),
        v̂ = v_t / (1 − β₂ᵗ), with amsgrad of the largest v so far.
    Shapes: all [...]; m in the gradient's units, v in their square; Δw in those of η, so ε is in the gradient's.
    At 0: g = 0 from the first step on gives 0 / ε = 0, and nan where ε = 0.
    At inf/nan: inf / inf is nan; m and v keep it for good.
    Source: Kingma and Ba 2015; amsgrad: Reddi et al. 2018.
    """
    g = felt(weight, gradient, settings)
    t, beta1, beta2 = state.steps + 1, settings["beta1"], settings["beta2"]
    m = torch.lerp(state.kept[_M], g, 1 - beta1)
    v = torch.addcmul(state.kept[_V] * beta2, g, g, value=1 - beta2)
    kept = {**state.kept, _M: m, _V: v}
    if settings["amsgrad"]:
        kept[_V_MAX] = torch.maximum(state.kept[_V_MAX], v)
    root = kept[_V_MAX if settings["amsgrad"] else _V].sqrt() / (1 - beta2**t) ** 0.5
    rate = settings["lr"] / (1 - beta1**t)
    return Move(rate, m, State(t, kept), size=root + settings["eps"], root=root)


def _adamw(weight: Tensor, gradient: Tensor, state: State, settings: Settings) -> Move:
    """One step of AdamW.

    Law: w' = (1 − η λ) w − η m̂ / (√v̂ + ε), m̂ and v̂ as in Adam, of the gradient without any decay.
    Shapes: all [...]; units as in Adam; λ is a rate a step over η.
    At 0: g = 0 from the first step on leaves (1 − η λ) w.
    At inf/nan: as in Adam.
    Source: Loshchilov and Hutter 2019.
    """
    move = _adam(weight, gradient, state, {**settings, "weight_decay": 0.0})
    decay = settings["lr"] * settings["weight_decay"]
    return Move(move.rate, move.push, move.state, size=move.size, root=move.root, decay=decay)


def _moments(settings: Settings) -> tuple[str, ...]:
    v = r"\bar{v}" if settings["amsgrad"] else "v"
    return (
        r"\hat{m}_t = \frac{m_t}{1 - \beta_1^{t}}",
        rf"\hat{{v}}_t = \frac{{{v}_t}}{{1 - \beta_2^{{t}}}}",
        r"\bar{v}_t = \mathrm{max}(\bar{v}_{t-1},v_t)" if settings["amsgrad"] else "",
        r"m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t",
        r"v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^{2}",
    )


def _adam_rule(settings: Settings) -> str:
    return equations(rf"\Delta w = -\eta {_FRACTION}", *_moments(settings), f"g_t = {gradient_tex(settings)}")


def _adamw_rule(settings: Settings) -> str:
    decays = settings["weight_decay"] != 0
    push = rf"\left( {_FRACTION} + \lambda w \right)" if decays else _FRACTION
    g = gradient_tex({**settings, "weight_decay": 0.0})
    return equations(rf"\Delta w = -\eta {push}", *_moments(settings), f"g_t = {g}")


ADAM = UpdateRule(
    name="Adam",
    source="Kingma and Ba 2015; amsgrad: Reddi et al. 2018",
    settings=_SETTINGS,
    rule=_adam_rule,
    start=_start,
    move=_adam,
)
ADAMW = UpdateRule(
    name="AdamW",
    source="Loshchilov and Hutter 2019; amsgrad: Reddi et al. 2018",
    settings=_SETTINGS,
    rule=_adamw_rule,
    start=_start,
    move=_adamw,
)
