"""Laws of gradients that are differentiated again, as a penalty on a gradient asks for.

z: what an activation was given, o: what it gave, g: the error that arrived there when the gradient was made. Of a
convolution: x, W, and its own error e.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .activations_making import logistic
from .convolution import convolution_error, convolution_value
from .law import Kept, Law, Settings, Tensors, given
from .shapes_base import DEFINITION, handed_on

Of = Callable[[Tensor, Settings], Tensor]
_SPREAD = math.sqrt(2 / math.pi)
_CUBE = 0.044715  # of the tanh form of GELU


@dataclass(frozen=True, slots=True)
class Row:
    """The slope of one activation, and the slope of that, both of what was kept: its input z, or its output o."""

    name: str
    title: str
    mark: str
    first: Of
    second: Of
    value: str
    change: str
    of: str = "z"


def _step(z: Tensor, inside: Tensor) -> Tensor:
    return inside.to(z.dtype)


def _flat(z: Tensor, settings: Settings) -> Tensor:
    return torch.zeros_like(z)


def _leaky(z: Tensor, settings: Settings) -> Tensor:
    return torch.where(z > 0, torch.ones_like(z), torch.full_like(z, settings["negative_slope"]))


def _softplus(z: Tensor, settings: Settings) -> Tensor:
    steep = settings["beta"] * z
    return torch.where(steep > settings["threshold"], torch.ones_like(z), logistic(steep))


def _softplus_change(z: Tensor, settings: Settings) -> Tensor:
    steep = settings["beta"] * z
    s = logistic(steep)
    return torch.where(steep > settings["threshold"], torch.zeros_like(z), settings["beta"] * s * (1 - s))


def _elu(z: Tensor, settings: Settings) -> Tensor:
    scale, alpha, inner = settings["scale"], settings["alpha"], settings["input_scale"]
    low = torch.exp(z.clamp(max=0) * inner) * (scale * alpha) if not settings["is_result"] else z + scale * alpha
    return torch.where(z > 0, torch.full_like(z, scale), low * inner)


def _elu_change(z: Tensor, settings: Settings) -> Tensor:
    scale, alpha, inner = settings["scale"], settings["alpha"], settings["input_scale"]
    low = torch.full_like(z, inner)
    if not settings["is_result"]:
        low = torch.exp(z.clamp(max=0) * inner) * (scale * alpha * inner * inner)
    return torch.where(z > 0, torch.zeros_like(z), low)


def _bell(z: Tensor) -> Tensor:
    return torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _inner(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """tanh(u) of GELU's tanh form, u', u''."""
    return torch.tanh(_SPREAD * (z + _CUBE * z**3)), _SPREAD * (1 + 3 * _CUBE * z * z), _SPREAD * 6 * _CUBE * z


def _gelu(z: Tensor, settings: Settings) -> Tensor:
    if settings["approximate"] == "none":
        return torch.erfc(-z / math.sqrt(2)) / 2 + z * _bell(z)
    t, up, _ = _inner(z)
    return (1 + t) / 2 + z / 2 * (1 - t * t) * up


def _gelu_change(z: Tensor, settings: Settings) -> Tensor:
    if settings["approximate"] == "none":
        return (2 - z * z) * _bell(z)
    t, up, bend = _inner(z)
    return (1 - t * t) * (up + z / 2 * (bend - 2 * t * up * up))


def _between(z: Tensor, settings: Settings) -> Tensor:
    return _step(z, (z > settings["min_val"]) & (z < settings["max_val"]))


ROWS: tuple[Row, ...] = (
    Row(
        "tanh_slope",
        "slope of tanh",
        r"\tanh'",
        lambda o, settings: 1 - o * o,
        lambda o, settings: -2 * o,
        r"\left( 1 - o \odot o \right)",
        r"\left( -2 o \right)",
        "o",
    ),
    Row(
        "sigmoid_slope",
        "slope of a sigmoid",
        r"\sigma'",
        lambda o, settings: o * (1 - o),
        lambda o, settings: 1 - 2 * o,
        r"o \odot \left( 1 - o \right)",
        r"\left( 1 - 2 o \right)",
        "o",
    ),
    Row(
        "threshold_slope",
        "slope of ReLU",
        r"\mathrm{ReLU}'",
        lambda z, settings: _step(z, z > settings["threshold"]),
        _flat,
        r"\mathbb{1}[z \gt t]",
        "0",
    ),
    Row(
        "leaky_relu_slope",
        "slope of LeakyReLU",
        r"\varphi'",
        _leaky,
        _flat,
        r"\left( \mathbb{1}[z \gt 0] + s \mathbb{1}[z \leq 0] \right)",
        "0",
    ),
    Row(
        "hardtanh_slope",
        "slope of a hard tanh",
        r"\varphi'",
        _between,
        _flat,
        r"\mathbb{1}[z_{-} \lt z \lt z_{+}]",
        "0",
    ),
    Row(
        "softplus_slope",
        "slope of softplus",
        r"\varphi'",
        _softplus,
        _softplus_change,
        r"\sigma(\beta z)",
        r"\beta \sigma(\beta z) \odot \left( 1 - \sigma(\beta z) \right)",
    ),
    Row("elu_slope", "slope of ELU", r"\varphi'", _elu, _elu_change, r"\varphi'(z)", r"\varphi''(z)"),
    Row("gelu_slope", "slope of GELU", r"\mathrm{GELU}'", _gelu, _gelu_change, r"\varphi'(z)", r"\varphi''(z)"),
)


def _law(row: Row) -> Law:
    """y = φ' ⊙ g: to g the error goes by the slope, to what was kept by the slope of the slope."""

    def forward(inputs: Tensors, settings: Settings) -> Tensors:
        return (given(inputs, 0) * row.first(given(inputs, 1), settings),)

    def backward(errors: Tensors, kept: Kept) -> Tensors:
        error = errors[0]
        if error is None:
            return None, None
        at = given(kept.inputs, 1)

        def to_kept() -> Tensor:
            change = row.second(at, kept.settings)
            return change if row.second is _flat else error * given(kept.inputs, 0) * change

        return handed_on(kept, lambda: error * row.first(at, kept.settings), to_kept)

    change = rf"{row.change} \odot g \odot \delta" if row.second is not _flat else "0"
    return Law(
        name=row.name,
        role="activation",
        title=row.title,
        value=rf"y = {row.value} \odot g",
        error=rf"\delta_g = {row.value} \odot \delta, \delta_{row.of} = {change}",
        step=rf"@d \odot {row.mark}(z_{{@v}})",
        source=DEFINITION,
        forward=forward,
        backward=backward,
    )


def _convolution_error(inputs: Tensors, settings: Settings) -> Tensors:
    e, x, weight = (given(inputs, i) for i in range(3))
    kept = Kept((x, weight, None), (None,), (x.shape, weight.shape, None), settings, (True, True, True))
    return convolution_error((e,), kept)


def _convolution_error_back(errors: Tensors, kept: Kept) -> Tensors:
    """The error of a convolution is linear in e, in x and in W, so each gets what the other two send it."""
    if all(d is None for d in errors):
        return (None,) * 3
    e, x, weight = (given(kept.inputs, i) for i in range(3))
    at_x, at_weight, at_bias = errors
    shapes = (x.shape, weight.shape, None)

    def sent(wide: Tensor | None, kernel: Tensor | None, wanted: tuple[bool, bool]) -> Tensors:
        return convolution_error((e,), Kept((wide, kernel, None), (None,), shapes, kept.settings, (*wanted, False)))

    def to_error() -> Tensor:
        total = torch.zeros_like(e)
        for moved, kernel in ((at_x, weight), (x, at_weight)):
            if moved is not None and kernel is not None:
                total = total + given(convolution_value((moved, kernel, None), kept.settings), 0)
        return total if at_bias is None else total + at_bias.reshape(-1, *[1] * (e.dim() - 2))

    def to_input() -> Tensor:
        return torch.zeros_like(x) if at_weight is None else given(sent(None, at_weight, (True, False)), 0)

    def to_weight() -> Tensor:
        return torch.zeros_like(weight) if at_x is None else given(sent(at_x, None, (False, True)), 1)

    return handed_on(kept, to_error, to_input, to_weight)


CONVOLUTION_ERROR = Law(
    name="convolution_error",
    role="product",
    title="error of a convolution",
    value=r"\delta_x = W^{\top} \ast e, \delta_W = e \ast x, \delta_b = \sum e",
    error=r"\delta_e = W \ast \delta + \delta_W \ast x + \delta_b, "
    r"\delta_x = \delta_W^{\top} \ast e, \frac{\partial L}{\partial W} = e \ast \delta",
    step=r"W_{@u} \ast @d",
    source=DEFINITION,
    forward=_convolution_error,
    backward=_convolution_error_back,
)
SLOPES = {row.name: _law(row) for row in ROWS}

LAWS: tuple[Law, ...] = (*SLOPES.values(), CONVOLUTION_ERROR)
