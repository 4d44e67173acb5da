"""Laws of arithmetic between tensors: sums, products, quotients, and mixtures of them.

Inputs are broadcast, and an error is summed back to the shape of its input. Where the second operand is a number, the
law has one input, and settings ``other`` holds the number. a, b: the inputs, y: the output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .arithmetic_base import Rule, nothing, second, several, times
from .arithmetic_choices import CHOICES
from .arithmetic_powers import POWERS
from .arithmetic_unary import UNARY
from .law import Kept, Law, Settings, Tensors, given
from .shapes_base import DEFINITION, only, shape_of, zeros


def _sum(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs) + times(second(inputs, settings), settings["alpha"]),)


def _sum_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    return lambda: error, lambda: times(error, kept.settings["alpha"])


def _difference(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs) - times(second(inputs, settings), settings["alpha"]),)


def _difference_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    return lambda: error, lambda: times(-error, kept.settings["alpha"])


def _reverse(inputs: Tensors, settings: Settings) -> Tensors:
    return (second(inputs, settings) - times(only(inputs), settings["alpha"]),)


def _reverse_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    return lambda: times(-error, kept.settings["alpha"]), lambda: error


def _product(inputs: Tensors, settings: Settings) -> Tensors:
    return (given(inputs, 0) * given(inputs, 1),)


def _product_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    return lambda: error * given(kept.inputs, 1), lambda: error * given(kept.inputs, 0)


def _scaled(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs) * settings["other"],)


def _scaled_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    return (lambda: (error * kept.settings["other"]).to(error.dtype),)


def _scale(kept: Kept) -> Tensor:
    c, x = kept.settings["other"], kept.inputs[0]
    number: Tensor = c if isinstance(c, Tensor) else torch.tensor(c, dtype=x.dtype if x is not None else None)
    return number.expand(shape_of(kept, 0))


def _quotient(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs) / second(inputs, settings),)


def _quotient_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    b = second(kept.inputs, kept.settings)
    return lambda: (error / b).to(error.dtype), lambda: -error * (given(kept.inputs, 0) / b) / b


def _rounded(inputs: Tensors, settings: Settings) -> Tensors:
    y = only(inputs) / second(inputs, settings)
    return (y.floor() if settings["rounding_mode"] == "floor" else y.trunc(),)


def _remainder(rounded: Callable[[Tensor], Tensor]) -> tuple[Callable[..., Tensors], Rule]:
    """a − b r(a/b), with r the rounding; its slope along b is −r(a/b)."""

    def forward(inputs: Tensors, settings: Settings) -> Tensors:
        a, b = given(inputs, 0), given(inputs, 1)
        return (torch.fmod(a, b) if rounded is torch.trunc else torch.remainder(a, b),)

    def rule(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
        return lambda: error, lambda: -error * rounded(given(kept.inputs, 0) / given(kept.inputs, 1))

    return forward, rule


def _mixed(inputs: Tensors, settings: Settings) -> Tensors:
    a, b = given(inputs, 0), given(inputs, 1)
    return (a + _weight(inputs, settings) * (b - a),)


def _weight(inputs: Tensors, settings: Settings) -> Any:
    return inputs[2] if len(inputs) > 2 else settings["weight"]


def _mixed_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    w = _weight(kept.inputs, kept.settings)
    return (
        lambda: error * (1 - w),
        lambda: error * w,
        lambda: error * (given(kept.inputs, 1) - given(kept.inputs, 0)),
    )


def _product_added(inputs: Tensors, settings: Settings) -> Tensors:
    return (given(inputs, 0) + times(given(inputs, 1) * given(inputs, 2), settings["value"]),)


def _product_added_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    scaled: Tensor = times(error, kept.settings["value"])
    return lambda: error, lambda: scaled * given(kept.inputs, 2), lambda: scaled * given(kept.inputs, 1)


def _quotient_added(inputs: Tensors, settings: Settings) -> Tensors:
    return (given(inputs, 0) + times(given(inputs, 1) / given(inputs, 2), settings["value"]),)


def _quotient_added_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    scaled: Tensor = times(error, kept.settings["value"])

    def at_divisor() -> Tensor:
        b = given(kept.inputs, 2)
        return -scaled * (given(kept.inputs, 1) / b) / b

    return lambda: error, lambda: scaled / given(kept.inputs, 2), at_divisor


def _copied(inputs: Tensors, settings: Settings) -> Tensors:
    x = given(inputs, 0)
    return (given(inputs, 1).to(dtype=x.dtype, device=x.device).expand(x.shape).clone(),)


def _copied_back(error: Tensor, kept: Kept) -> tuple[Callable[[], Tensor], ...]:
    return lambda: zeros(shape_of(kept, 0), error), lambda: error


def _filled(inputs: Tensors, settings: Settings) -> Tensors:
    x = only(inputs)
    value = inputs[1] if len(inputs) > 1 else None
    if value is None:
        return (torch.full_like(x, settings["value"]),)
    return (value.to(dtype=x.dtype, device=x.device).expand(x.shape).clone(),)


def _law(name: str, texts: tuple[str, str, str, str, str], forward: Callable[..., Tensors], rule: Rule) -> Law:
    """texts: role, title, value, error, step."""
    role, title, value, error, step = texts
    return Law(name, role, title, value, error, step, DEFINITION, forward, several(rule))


ADD = _law(
    "add",
    ("sum", "sum", r"y = a + \alpha b", r"\delta_a = \delta; \delta_b = \alpha \delta", "@d"),
    _sum,
    _sum_back,
)
SUBTRACT = _law(
    "subtract",
    ("sum", "difference", r"y = a - \alpha b", r"\delta_a = \delta; \delta_b = -\alpha \delta", "@d"),
    _difference,
    _difference_back,
)
SUBTRACT_FROM = _law(
    "subtract_from",
    ("sum", "difference", r"y = b - \alpha a", r"\delta_a = -\alpha \delta; \delta_b = \delta", "-@d"),
    _reverse,
    _reverse_back,
)
MULTIPLY = _law(
    "multiply",
    (
        "product",
        "product",
        r"y = a \odot b",
        r"\delta_a = b \odot \delta; \delta_b = a \odot \delta",
        r"b \odot @d",
    ),
    _product,
    _product_back,
)
SCALE = Law(
    name="scale",
    role="product",
    title="scale",
    value=r"y = c x",
    error=r"\delta_x = c \delta",
    step=r"c @d",
    source=DEFINITION,
    forward=_scaled,
    backward=several(_scaled_back),
    local=_scale,
)
DIVIDE = _law(
    "divide",
    (
        "product",
        "quotient",
        r"y = \frac{a}{b}",
        r"\delta_a = \frac{\delta}{b}; \delta_b = -\frac{a}{b^2} \odot \delta",
        r"\frac{@d}{b}",
    ),
    _quotient,
    _quotient_back,
)
DIVIDE_ROUNDED = Law(
    name="divide_rounded",
    role="product",
    title="rounded quotient",
    value=r"y = \mathrm{round}\left(\frac{a}{b}\right)",
    error=r"\delta_a = 0; \delta_b = 0",
    step="0",
    source=DEFINITION,
    forward=_rounded,
    backward=nothing,
)
_REMAINDER = (
    "activation",
    "remainder",
    r"y = a - b \odot \mathrm{round}\left(\frac{a}{b}\right)",
    r"\delta_a = \delta; \delta_b = -\mathrm{round}\left(\frac{a}{b}\right) \odot \delta",
    "@d",
)
REMAINDER_BY = _law("remainder_by", _REMAINDER, *_remainder(torch.floor))
FMOD_BY = _law("fmod_by", _REMAINDER, *_remainder(torch.trunc))
LERP = _law(
    "lerp",
    (
        "sum",
        "mixture",
        r"y = (1 - w) \odot a + w \odot b",
        r"\delta_a = (1 - w) \odot \delta; \delta_b = w \odot \delta; \delta_w = (b - a) \odot \delta",
        r"(1 - w) \odot @d",
    ),
    _mixed,
    _mixed_back,
)
ADDCMUL = _law(
    "addcmul",
    (
        "sum",
        "sum",
        r"y = x + c a \odot b",
        r"\delta_x = \delta; \delta_a = c b \odot \delta; \delta_b = c a \odot \delta",
        "@d",
    ),
    _product_added,
    _product_added_back,
)
ADDCDIV = _law(
    "addcdiv",
    (
        "sum",
        "sum",
        r"y = x + c \frac{a}{b}",
        r"\delta_x = \delta; \delta_a = \frac{c}{b} \odot \delta; \delta_b = -\frac{c a}{b^2} \odot \delta",
        "@d",
    ),
    _quotient_added,
    _quotient_added_back,
)
COPY = _law(
    "copy",
    ("reshape", "copy", r"y = s", r"\delta_x = 0; \delta_s = \delta", "@d"),
    _copied,
    _copied_back,
)
FILL = _law(
    "fill",
    ("reshape", "constant", r"y_i = c", r"\delta_x = 0; \delta_c = \sum_i \delta_i", r"\sum_i @d"),
    _filled,
    _copied_back,
)

LAWS: tuple[Law, ...] = (
    ADD,
    SUBTRACT,
    SUBTRACT_FROM,
    MULTIPLY,
    SCALE,
    DIVIDE,
    DIVIDE_ROUNDED,
    REMAINDER_BY,
    FMOD_BY,
    LERP,
    ADDCMUL,
    ADDCDIV,
    COPY,
    FILL,
    *UNARY,
    *POWERS,
    *CHOICES,
)
