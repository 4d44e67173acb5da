"""Laws of choices between values: limits, the larger, the smaller. The error goes to what was chosen.

Inputs are broadcast. On a limit, the value gets the error; of two equal values each gets half of it, as in torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .arithmetic_base import Rule, several
from .law import Kept, Law, Settings, Tensors, given
from .shapes_base import DEFINITION, one_to_one, only


def _limit(y: Tensor, low: Any, high: Any) -> Tensor:
    """First up to the lower limit, then down to the upper; nan stays."""
    if low is not None:
        y = torch.where(y < low, low, y)
    return torch.where(y > high, high, y) if high is not None else y


def _clamped(inputs: Tensors, settings: Settings) -> Tensors:
    return (_limit(only(inputs), settings.get("min"), settings.get("max")),)


def _inside(x: Tensor, low: Any, high: Any) -> Tensor:
    inside = torch.ones_like(x, dtype=torch.bool)
    if low is not None:
        inside = inside & (x >= low)
    return inside & (x <= high) if high is not None else inside


def _within(kept: Kept) -> Tensor:
    return _inside(given(kept.inputs, 0), kept.settings.get("min"), kept.settings.get("max"))


def _clamped_slope(kept: Kept) -> Tensor:
    return _within(kept).to(given(kept.inputs, 0).dtype)


def _between(inputs: Tensors, settings: Settings) -> Tensors:
    low, high = inputs[1], inputs[2]
    return (_limit(given(inputs, 0), low, high),)


def _between_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    x, low, high = given(kept.inputs, 0), kept.inputs[1], kept.inputs[2]

    def at_low() -> Tensor:
        raised = x < given(kept.inputs, 1)
        return where(raised if high is None else raised & (given(kept.inputs, 1) < high), error)

    def at_high() -> Tensor:
        cut = x > given(kept.inputs, 2)
        return where(cut if low is None else cut | (given(kept.inputs, 2) < low), error)

    return lambda: where(_inside(x, low, high), error), at_low, at_high


def _raised(inputs: Tensors, settings: Settings) -> Tensors:
    return (_limit(given(inputs, 0), given(inputs, 1), None),)


def _lowered(inputs: Tensors, settings: Settings) -> Tensors:
    return (_limit(given(inputs, 0), None, given(inputs, 1)),)


def _raised_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    x, low = given(kept.inputs, 0), given(kept.inputs, 1)
    return lambda: where(x >= low, error), lambda: where(x < low, error)


def _lowered_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    x, high = given(kept.inputs, 0), given(kept.inputs, 1)
    return lambda: where(x <= high, error), lambda: where(x > high, error)


def where(mask: Tensor, error: Tensor) -> Tensor:
    """The error where the mask is set, zero elsewhere: a nan that was not chosen is not handed on."""
    return torch.where(mask, error, torch.zeros_like(error))


def _larger(inputs: Tensors, settings: Settings) -> Tensors:
    return (torch.maximum(given(inputs, 0), given(inputs, 1)),)


def _smaller(inputs: Tensors, settings: Settings) -> Tensors:
    return (torch.minimum(given(inputs, 0), given(inputs, 1)),)


Wins = Callable[[Tensor, Tensor], Tensor]


def _won(wins: Wins) -> Rule:
    """The error of the winner; half of it where both are equal."""

    def rule(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
        a, b = given(kept.inputs, 0), given(kept.inputs, 1)
        shared = torch.where(a == b, error / 2, error)
        return lambda: where(~wins(b, a), shared), lambda: where(~wins(a, b), shared)

    return rule


def _larger_number(inputs: Tensors, settings: Settings) -> Tensors:
    return (torch.fmax(given(inputs, 0), given(inputs, 1)),)


def _smaller_number(inputs: Tensors, settings: Settings) -> Tensors:
    return (torch.fmin(given(inputs, 0), given(inputs, 1)),)


def _first_won(at_least: Wins) -> Rule:
    """The error of the winner, of the first where both are equal; a nan never wins over a number."""

    def rule(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
        a, b = given(kept.inputs, 0), given(kept.inputs, 1)
        first = at_least(a, b) | torch.isnan(b)
        return lambda: where(first, error), lambda: where(~first, error)

    return rule


CLAMP = Law(
    name="clamp",
    role="activation",
    title="limits",
    value=r"y = \operatorname{min}(\operatorname{max}(z, l), h)",
    error=r"\delta_z = \mathbb{1}_{l \leq z \leq h} \odot \delta",
    step=r"@d \odot \mathbb{1}_{l \leq z_{@v} \leq h}",
    source="definition; slope 1 on the limits, as in torch",
    forward=_clamped,
    backward=one_to_one(lambda error, kept: where(_within(kept), error)),
    local=_clamped_slope,
    largest=1.0,
)
CLAMP_BETWEEN = Law(
    name="clamp_between",
    role="activation",
    title="limits",
    value=r"y = \operatorname{min}(\operatorname{max}(z, l), h)",
    error=r"\delta_z = \mathbb{1}_{l \leq z \leq h} \odot \delta; "
    r"\delta_l = \mathbb{1}_{z \lt l \lt h} \odot \delta; \delta_h = \mathbb{1}_{z \gt h} \odot \delta",
    step=r"@d \odot \mathbb{1}_{l \leq z_{@v} \leq h}",
    source="definition; slope 1 on the limits, as in torch",
    forward=_between,
    backward=several(_between_back),
    largest=1.0,
)


def _winner(name: str, texts: tuple[str, str, str], forward: Callable[..., Tensors], rule: Rule, ties: str) -> Law:
    """texts: title, function, sign of winning."""
    title, function, sign = texts
    won = rf"\mathbb{{1}}_{{a {sign} b}}"
    return Law(
        name=name,
        role="activation",
        title=title,
        value=rf"y = \operatorname{{{function}}}(a, b)",
        error=rf"\delta_a = {won} \odot \delta; \delta_b = (1 - {won}) \odot \delta",
        step=rf"{won} \odot @d",
        source=f"{DEFINITION}; {ties}, as in torch",
        forward=forward,
        backward=several(rule),
        largest=1.0,
    )


_HALVES = "equal values share the error"
_FIRST = "of equal values the first gets the error"
MAXIMUM = _winner("maximum", ("larger", "max", r"\gt"), _larger, _won(torch.gt), _HALVES)
MINIMUM = _winner("minimum", ("smaller", "min", r"\lt"), _smaller, _won(torch.lt), _HALVES)
CLAMP_MIN = _winner("clamp_min", ("lower limit", "max", r"\geq"), _raised, _raised_back, _FIRST)
CLAMP_MAX = _winner("clamp_max", ("upper limit", "min", r"\leq"), _lowered, _lowered_back, _FIRST)
FMAX = _winner("fmax", ("larger", "max", r"\geq"), _larger_number, _first_won(torch.ge), _FIRST)
FMIN = _winner("fmin", ("smaller", "min", r"\leq"), _smaller_number, _first_won(torch.le), _FIRST)

CHOICES: tuple[Law, ...] = (CLAMP, CLAMP_BETWEEN, CLAMP_MIN, CLAMP_MAX, MAXIMUM, MINIMUM, FMAX, FMIN)
