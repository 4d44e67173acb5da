"""An optimizer by hand: the rules of this package applied to parameters in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from gradiometer.records import UserError

from .rule import State, UpdateRule
from .taken import real, rule_of, rule_of_class, settings_of, state_of


@dataclass(slots=True)
class HandGroup:
    """Parameters under one rule and one set of settings; states[i] is what is remembered of parameters[i]."""

    rule: UpdateRule
    settings: dict[str, float | bool]
    parameters: list[Tensor]
    states: list[State]


class HandOptimizer:
    """What a ``torch.optim`` optimizer does, by rules that are written out.

    Built with ``HandOptimizer.of``. The optimizer of torch that it was made from is not changed, then or later.
    """

    def __init__(self, groups: list[HandGroup]) -> None:
        self.groups = groups

    @staticmethod
    def supports(cls: type) -> bool:
        """Whether the rule of this class of optimizer is written by hand."""
        return rule_of_class(cls) is not None

    @classmethod
    def of(cls, optimizer: Optimizer) -> HandOptimizer:
        """The same optimizer by hand: its groups with their settings, and a copy of what it remembers.

        UserError where no rule is written for its class.
        """
        groups = []
        for group in optimizer.param_groups:
            rule = rule_of(optimizer, group)
            settings = settings_of(rule, group)
            states = [state_of(rule, real(p.detach()), optimizer.state.get(p, {}), settings) for p in group["params"]]
            groups.append(HandGroup(rule, settings, list(group["params"]), states))
        return cls(groups)

    def follow(self, optimizer: Optimizer) -> None:
        """Take over the settings as the optimizer has them now, for instance after its schedule's step."""
        for mine, group in zip(self.groups, optimizer.param_groups, strict=True):
            mine.settings = settings_of(mine.rule, group)

    def step(self, gradients: Mapping[Tensor, Tensor | None]) -> None:
        """One step: every held parameter that has a gradient is changed in place.

        A parameter without one stays as it is and its state too; a gradient of a parameter that is not held is not
        looked at. UserError where a gradient has not the shape of its parameter; then nothing has changed.
        """
        for group in self.groups:
            for p in group.parameters:
                _fits(p, gradients.get(p))
        with torch.no_grad():
            for group in self.groups:
                for i, p in enumerate(group.parameters):
                    gradient = gradients.get(p)
                    if gradient is not None:
                        group.states[i] = _changed(group, group.states[i], p, gradient)


def _fits(p: Tensor, gradient: Tensor | None) -> None:
    if gradient is not None and gradient.shape != p.shape:
        raise UserError(
            f"A gradient has shape {tuple(gradient.shape)}, its parameter {tuple(p.shape)}. "
            "Pass each parameter its own gradient."
        )


def _changed(group: HandGroup, state: State, p: Tensor, gradient: Tensor) -> State:
    dense = gradient if gradient.layout == torch.strided else gradient.to_dense()
    weight = real(p.detach())
    new, remembered = group.rule.step(weight, real(dense.detach().to(p.dtype)), state, group.settings)
    weight.copy_(new)
    return remembered
