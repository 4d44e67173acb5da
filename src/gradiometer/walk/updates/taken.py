"""What is taken over from an optimizer of torch: its rule, its settings, and what it remembers."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from gradiometer.records import UserError

from .adagrad import ADAGRAD
from .adam import ADAM, ADAMW
from .rmsprop import RMSPROP
from .rule import Settings, State, UpdateRule
from .sgd import SGD

_CLASSES: dict[type, UpdateRule] = {
    torch.optim.SGD: SGD,
    torch.optim.Adam: ADAM,
    torch.optim.AdamW: ADAMW,
    torch.optim.RMSprop: RMSPROP,
    torch.optim.Adagrad: ADAGRAD,
}


def rule_of_class(cls: type) -> UpdateRule | None:
    """The rule that a class of optimizer follows; None where none is written for it.

    A subclass follows its parent's as long as it has no ``step`` of its own.
    """
    for base in cls.__mro__:
        if base in _CLASSES:
            return _CLASSES[base] if _step(cls) is _step(base) else None
    return None


def _step(cls: type) -> object:
    return inspect.unwrap(cls.step)  # type: ignore[attr-defined]  # torch wraps it in each class that is used


def rule_of(optimizer: Optimizer, group: Mapping[str, Any]) -> UpdateRule:
    """The rule that an optimizer follows in one of its groups. UserError where none is written by hand."""
    found = rule_of_class(type(optimizer))
    if found is None:
        written = ", ".join(rule.name for rule in _CLASSES.values())
        raise UserError(f"{type(optimizer).__name__} has no update written by hand. Written by hand: {written}.")
    if found in (ADAM, ADAMW) and "decoupled_weight_decay" in group:
        return ADAMW if group["decoupled_weight_decay"] else ADAM  # torch goes by the group, not by the class
    return found


def settings_of(rule: UpdateRule, group: Mapping[str, Any]) -> dict[str, float | bool]:
    """The settings of a group as the rule takes them: numbers, betas apart."""
    values = dict(group)
    if "betas" in group:
        values["beta1"], values["beta2"] = group["betas"]
    return {name: _plain(values[name]) for name in rule.settings}


def _plain(value: Any) -> float | bool:
    return value if isinstance(value, bool) else float(value)


def state_of(rule: UpdateRule, weight: Tensor, remembered: Mapping[str, Any], settings: Settings) -> State:
    """A copy of what torch's optimizer remembers of a parameter, in the weight's dtype; the start where it has none."""
    start = rule.start(weight, settings)
    kept = {
        name: real(value.detach()).to(weight.dtype, copy=True)
        for name, value in remembered.items()
        if name != "step" and isinstance(value, Tensor)
    }
    return State(int(remembered.get("step", 0)), {**start.kept, **kept})


def real(x: Tensor) -> Tensor:
    """A complex tensor as pairs of real numbers [..., 2], as torch's optimizers see it; others as they are."""
    return torch.view_as_real(x) if x.is_complex() else x
