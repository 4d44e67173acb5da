"""Laws of powers, and of other functions of two operands: x log y, log(eᵃ + eᵇ), angles and lengths.

Inputs are broadcast. Where one operand is a number, the law has one input, and settings hold the number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .arithmetic_base import Rule, several
from .law import Kept, Law, Settings, Tensors, given
from .shapes_base import DEFINITION, one_to_one, only


def _power(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs) ** settings["exponent"],)


def _power_slope(kept: Kept) -> Tensor:
    z, n = given(kept.inputs, 0), kept.settings["exponent"]
    return torch.zeros_like(z) if n == 0 else n * z ** (n - 1)


def _powers(inputs: Tensors, settings: Settings) -> Tensors:
    return (given(inputs, 0) ** given(inputs, 1),)


def _powers_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    def at_base() -> Tensor:
        a, n = given(kept.inputs, 0), given(kept.inputs, 1)
        slope = n * a ** (n - 1)
        return error * torch.where(n == 0, torch.zeros_like(slope), slope)

    return at_base, lambda: error * _growth(given(kept.inputs, 0), given(kept.inputs, 1))


def _exponential(inputs: Tensors, settings: Settings) -> Tensors:
    return (torch.pow(settings["base"], only(inputs)),)


def _exponential_slope(kept: Kept) -> Tensor:
    n = given(kept.inputs, 0)
    return _growth(torch.as_tensor(kept.settings["base"], dtype=n.dtype, device=n.device), n)


def _growth(a: Tensor, n: Tensor) -> Tensor:
    """d aⁿ / dn = aⁿ ln a; 0 where a = 0 and n ≥ 0."""
    slope = a**n * torch.log(a)
    return torch.where((a == 0) & (n >= 0), torch.zeros_like(slope), slope)


def pair(inputs: Tensors, settings: Settings) -> tuple[Any, Any]:
    """Both operands; the one that is a number stands in settings ``first`` or ``second``."""
    if settings.get("first") is not None:
        return settings["first"], only(inputs)
    if settings.get("second") is not None:
        return only(inputs), settings["second"]
    return given(inputs, 0), given(inputs, 1)


def _x_log_y(x: Any, y: Any) -> Tensor:
    """x ln y; 0 where x = 0, unless y is nan."""
    log: Tensor = torch.log(y) if isinstance(y, Tensor) else torch.tensor(math.log(y), dtype=x.dtype, device=x.device)
    made = x * log
    empty = torch.as_tensor(x == 0) & ~torch.isnan(torch.as_tensor(y))
    return torch.where(empty, torch.zeros_like(made), made)


def _xlogy(inputs: Tensors, settings: Settings) -> Tensors:
    return (_x_log_y(*pair(inputs, settings)),)


def _xlogy_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    x, y = pair(kept.inputs, kept.settings)

    def at_x() -> Tensor:
        made = _x_log_y(error, y)
        return torch.where((x == 0) & torch.as_tensor(y <= 0), torch.zeros_like(made), made)

    if kept.settings.get("first") is not None:
        return (lambda: error * x / y,)
    return at_x, lambda: error * x / y


def _logaddexp(inputs: Tensors, settings: Settings) -> Tensors:
    a, b = given(inputs, 0), given(inputs, 1)
    top = torch.maximum(a, b)
    far = torch.where(a == b, torch.zeros_like(top), -(a - b).abs())  # two equal infinities differ by nothing
    return (top + torch.log1p(torch.exp(far)),)


def _logaddexp_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    a, b = given(kept.inputs, 0), given(kept.inputs, 1)
    return lambda: error / (1 + torch.exp(b - a)), lambda: error / (1 + torch.exp(a - b))


def _angle(inputs: Tensors, settings: Settings) -> Tensors:
    return (torch.atan2(given(inputs, 0), given(inputs, 1)),)


def _angle_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    a, b = given(kept.inputs, 0), given(kept.inputs, 1)
    square = a * a + b * b
    scaled = torch.where(square == 0, torch.zeros_like(error), error / square)
    return lambda: scaled * b, lambda: -scaled * a


def _length(inputs: Tensors, settings: Settings) -> Tensors:
    return (torch.hypot(given(inputs, 0), given(inputs, 1)),)


def _length_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    y = torch.hypot(given(kept.inputs, 0), given(kept.inputs, 1))
    return lambda: error * (given(kept.inputs, 0) / y), lambda: error * (given(kept.inputs, 1) / y)


def _elementwise(
    name: str, texts: tuple[str, str, str], forward: Callable[..., Tensors], local: Callable[[Kept], Tensor]
) -> Law:
    """texts: title, TeX of value and of slope, with ``#`` for z."""
    title, value, slope = texts
    return Law(
        name=name,
        role="activation",
        title=title,
        value=f"y = {value.replace('#', 'z')}",
        error=rf"\delta_z = {slope.replace('#', 'z')} \odot \delta",
        step=rf"@d \odot {slope.replace('#', 'z_{@v}')}",
        source=DEFINITION,
        forward=forward,
        backward=one_to_one(lambda error, kept: error * local(kept)),
        local=local,
    )


def _of_two(name: str, texts: tuple[str, str, str, str], forward: Callable[..., Tensors], rule: Rule) -> Law:
    """texts: title, value, error, step."""
    title, value, error, step = texts
    return Law(name, "activation", title, value, error, step, DEFINITION, forward, several(rule))


POWER = _elementwise("power", ("power", "#^n", "n #^{n - 1}"), _power, _power_slope)
EXPONENTIAL = _elementwise(
    "exponential",
    ("exponential", "c^{#}", r"\operatorname{ln}(c) c^{#}"),
    _exponential,
    _exponential_slope,
)
POWERS_OF = _of_two(
    "powers",
    (
        "power",
        "y = a^b",
        r"\delta_a = b \odot a^{b - 1} \odot \delta; \delta_b = a^b \odot \operatorname{ln}(a) \odot \delta",
        r"b \odot a^{b - 1} \odot @d",
    ),
    _powers,
    _powers_back,
)
XLOGY = _of_two(
    "xlogy",
    (
        "x log y",
        r"y = a \odot \operatorname{ln}(b)",
        r"\delta_a = \operatorname{ln}(b) \odot \delta; \delta_b = \frac{a}{b} \odot \delta",
        r"\operatorname{ln}(b) \odot @d",
    ),
    _xlogy,
    _xlogy_back,
)
LOGADDEXP = _of_two(
    "logaddexp",
    (
        "log of summed exponentials",
        r"y = \operatorname{ln}(e^a + e^b)",
        r"\delta_a = \frac{e^a}{e^a + e^b} \odot \delta; \delta_b = \frac{e^b}{e^a + e^b} \odot \delta",
        r"\frac{e^a}{e^a + e^b} \odot @d",
    ),
    _logaddexp,
    _logaddexp_back,
)
ATAN2 = _of_two(
    "atan2",
    (
        "angle",
        r"y = \operatorname{arctan}\left(\frac{a}{b}\right)",
        r"\delta_a = \frac{b}{a^2 + b^2} \odot \delta; \delta_b = -\frac{a}{a^2 + b^2} \odot \delta",
        r"\frac{b}{a^2 + b^2} \odot @d",
    ),
    _angle,
    _angle_back,
)
HYPOT = _of_two(
    "hypot",
    (
        "length",
        r"y = \sqrt{a^2 + b^2}",
        r"\delta_a = \frac{a}{y} \odot \delta; \delta_b = \frac{b}{y} \odot \delta",
        r"\frac{a}{y} \odot @d",
    ),
    _length,
    _length_back,
)

POWERS: tuple[Law, ...] = (POWER, EXPONENTIAL, POWERS_OF, XLOGY, LOGADDEXP, ATAN2, HYPOT)
