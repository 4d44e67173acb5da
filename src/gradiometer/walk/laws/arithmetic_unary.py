"""Laws of elementwise functions: one table of values and slopes. z: the input, y = φ(z), error: φ'(z) ⊙ δ.

A slope is made from the input or from the output, whichever torch keeps. Where the function has a kink or a step, the
slope there is torch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given
from .shapes_base import DEFINITION, one_to_one, only, shape_of

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Row:
    """One function. slope: φ' of the input or of the output, as ``of`` says.

    value, derivative: TeX of φ and φ' at z, where ``#`` stands for z; a φ' that begins with a minus or is a sum stands
    in brackets. largest: sup |φ'|.
    """

    name: str
    title: str
    value: str
    derivative: str
    function: Function
    slope: Function
    of: Literal["input", "output"] = "input"
    largest: float | None = None


@dataclass(frozen=True, slots=True)
class Straight:
    """One function of the same slope everywhere, as far as it has one. function: (z, settings) -> y."""

    name: str
    title: str
    value: str
    function: Callable[[Tensor, Settings], Tensor]
    slope: float
    role: str = "activation"


ROWS: tuple[Row, ...] = (
    Row("abs", "absolute value", r"\| # \|", r"\operatorname{sgn}(#)", torch.abs, torch.sign, largest=1.0),
    Row("exp", "exponential", "e^{#}", "e^{#}", torch.exp, lambda y: y, "output"),
    Row(
        "exp2", "power of two", "2^{#}", r"\operatorname{ln}(2) 2^{#}", torch.exp2, lambda y: y * math.log(2), "output"
    ),
    Row("expm1", "exponential minus one", "e^{#} - 1", "e^{#}", torch.expm1, lambda y: y + 1, "output"),
    Row("log", "logarithm", r"\operatorname{ln}(#)", r"\frac{1}{#}", torch.log, lambda z: 1 / z),
    Row(
        "log2",
        "logarithm to base two",
        r"\frac{\operatorname{ln}(#)}{\operatorname{ln}(2)}",
        r"\frac{1}{# \operatorname{ln}(2)}",
        torch.log2,
        lambda z: 1 / (z * math.log(2)),
    ),
    Row(
        "log10",
        "logarithm to base ten",
        r"\frac{\operatorname{ln}(#)}{\operatorname{ln}(10)}",
        r"\frac{1}{# \operatorname{ln}(10)}",
        torch.log10,
        lambda z: 1 / (z * math.log(10)),
    ),
    Row("log1p", "logarithm", r"\operatorname{ln}(1 + #)", r"\frac{1}{1 + #}", torch.log1p, lambda z: 1 / (1 + z)),
    Row("sqrt", "square root", r"\sqrt{#}", r"\frac{1}{2 \sqrt{#}}", torch.sqrt, lambda y: 1 / (2 * y), "output"),
    Row(
        "rsqrt",
        "inverse square root",
        r"\frac{1}{\sqrt{#}}",
        r"\left(-\frac{1}{2 #^{3/2}}\right)",
        torch.rsqrt,
        lambda y: -0.5 * y**3,
        "output",
    ),
    Row(
        "reciprocal",
        "reciprocal",
        r"\frac{1}{#}",
        r"\left(-\frac{1}{#^2}\right)",
        torch.reciprocal,
        lambda y: -y * y,
        "output",
    ),
    Row("sin", "sine", r"\operatorname{sin}(#)", r"\operatorname{cos}(#)", torch.sin, torch.cos, largest=1.0),
    Row(
        "cos",
        "cosine",
        r"\operatorname{cos}(#)",
        r"\left(-\operatorname{sin}(#)\right)",
        torch.cos,
        lambda z: -torch.sin(z),
        largest=1.0,
    ),
    Row(
        "tan",
        "tangent",
        r"\operatorname{tan}(#)",
        r"\left(1 + \operatorname{tan}(#)^2\right)",
        torch.tan,
        lambda y: 1 + y * y,
        "output",
    ),
    Row(
        "asin",
        "arc sine",
        r"\operatorname{arcsin}(#)",
        r"\frac{1}{\sqrt{1 - #^2}}",
        torch.asin,
        lambda z: (1 - z * z).rsqrt(),
    ),
    Row(
        "acos",
        "arc cosine",
        r"\operatorname{arccos}(#)",
        r"\left(-\frac{1}{\sqrt{1 - #^2}}\right)",
        torch.acos,
        lambda z: -(1 - z * z).rsqrt(),
    ),
    Row(
        "atan",
        "arc tangent",
        r"\operatorname{arctan}(#)",
        r"\frac{1}{1 + #^2}",
        torch.atan,
        lambda z: 1 / (1 + z * z),
        largest=1.0,
    ),
    Row("sinh", "hyperbolic sine", r"\operatorname{sinh}(#)", r"\operatorname{cosh}(#)", torch.sinh, torch.cosh),
    Row("cosh", "hyperbolic cosine", r"\operatorname{cosh}(#)", r"\operatorname{sinh}(#)", torch.cosh, torch.sinh),
    Row(
        "asinh",
        "area sine",
        r"\operatorname{arsinh}(#)",
        r"\frac{1}{\sqrt{#^2 + 1}}",
        torch.asinh,
        lambda z: (z * z + 1).rsqrt(),
        largest=1.0,
    ),
    Row(
        "acosh",
        "area cosine",
        r"\operatorname{arcosh}(#)",
        r"\frac{1}{\sqrt{#^2 - 1}}",
        torch.acosh,
        lambda z: (z * z - 1).rsqrt(),
    ),
    Row(
        "atanh",
        "area tangent",
        r"\operatorname{artanh}(#)",
        r"\frac{1}{1 - #^2}",
        torch.atanh,
        lambda z: 1 / (1 - z * z),
    ),
    Row(
        "lgamma",
        "logarithm of gamma",
        r"\operatorname{ln}(\Gamma(#))",
        r"\psi(#)",
        torch.lgamma,
        torch.digamma,
    ),
    Row(
        "digamma",
        "digamma",
        r"\psi(#)",
        r"\psi'(#)",
        torch.digamma,
        lambda z: torch.polygamma(1, z),
    ),
    Row(
        "erfc",
        "complementary error function",
        r"1 - \operatorname{erf}(#)",
        r"\left(-\frac{2}{\sqrt{\pi}} e^{-#^2}\right)",
        torch.erfc,
        lambda z: -2 / math.sqrt(math.pi) * torch.exp(-z * z),
        largest=2 / math.sqrt(math.pi),
    ),
    Row(
        "erfinv",
        "inverse error function",
        r"\operatorname{erf}^{-1}(#)",
        r"\frac{\sqrt{\pi}}{2} e^{\operatorname{erf}^{-1}(#)^2}",
        torch.erfinv,
        lambda z: math.sqrt(math.pi) / 2 * torch.exp(torch.erfinv(z) ** 2),
    ),
)

STRAIGHT: tuple[Straight, ...] = (
    Straight("neg", "minus", "-#", lambda z, settings: torch.neg(z), -1.0, "product"),
    Straight("sign", "sign", r"\operatorname{sgn}(#)", lambda z, settings: torch.sign(z), 0.0),
    Straight("floor", "floor", r"\mathrm{floor}(#)", lambda z, settings: torch.floor(z), 0.0),
    Straight("ceil", "ceiling", r"\mathrm{ceil}(#)", lambda z, settings: torch.ceil(z), 0.0),
    Straight("trunc", "truncation", r"\mathrm{trunc}(#)", lambda z, settings: torch.trunc(z), 0.0),
    Straight(
        "round",
        "rounding",
        r"\mathrm{round}(#)",
        lambda z, settings: torch.round(z, decimals=settings["decimals"]),
        0.0,
    ),
    Straight("frac", "fractional part", r"# - \mathrm{trunc}(#)", lambda z, settings: torch.frac(z), 1.0),
    Straight("fmod", "remainder", r"\mathrm{fmod}(#, c)", lambda z, settings: torch.fmod(z, settings["other"]), 1.0),
    Straight(
        "remainder", "remainder", r"\mathrm{mod}(#, c)", lambda z, settings: torch.remainder(z, settings["other"]), 1.0
    ),
)


def _curved_law(row: Row) -> Law:
    """The law of a row whose slope changes with z."""

    def forward(inputs: Tensors, settings: Settings) -> Tensors:
        return (row.function(only(inputs)),)

    def local(kept: Kept) -> Tensor:
        if row.of == "input":
            return row.slope(given(kept.inputs, 0))
        y = kept.outputs[0]
        return row.slope(y if y is not None else row.function(given(kept.inputs, 0)))

    return _law(row.name, (row.title, row.value, row.derivative), forward, local, row.largest)


def _straight_law(row: Straight) -> Law:
    """The law of a row whose slope is a number: it needs neither the input nor the output."""

    def forward(inputs: Tensors, settings: Settings) -> Tensors:
        return (row.function(only(inputs), settings),)

    def local(kept: Kept) -> Tensor:
        x = kept.inputs[0]
        slope = torch.tensor(row.slope, dtype=x.dtype if x is not None else None)
        return slope.to(x.device if x is not None else "cpu").expand(shape_of(kept, 0))

    derivative = f"{row.slope:g}"
    law = _law(row.name, (row.title, row.value, derivative), forward, local, abs(row.slope))
    step = {-1.0: "-@d", 0.0: "0", 1.0: "@d"}[row.slope]
    error = rf"\delta_z = {step.replace('@d', DELTA)}"
    return replace(law, role=row.role, error=error, step=step, backward=one_to_one(lambda e, kept: e * row.slope))


DELTA = r"\delta"


def _law(
    name: str,
    texts: tuple[str, str, str],
    forward: Callable[[Tensors, Settings], Tensors],
    local: Callable[[Kept], Tensor],
    largest: float | None = None,
) -> Law:
    """texts: title, TeX of value and of slope, with ``#`` for z."""
    title, value, derivative = texts
    at_station = derivative.replace("#", "z_{@v}")
    return Law(
        name=name,
        role="activation",
        title=title,
        value=f"y = {value.replace('#', 'z')}",
        error=rf"\delta_z = {derivative.replace('#', 'z')} \odot \delta",
        step=rf"@d \odot {at_station}",
        source=DEFINITION,
        forward=forward,
        backward=one_to_one(lambda error, kept: error * local(kept)),
        local=local,
        largest=largest,
    )


def _finite(inputs: Tensors, settings: Settings) -> Tensors:
    z = only(inputs)
    ends = torch.finfo(z.dtype)
    low = settings["neginf"] if settings["neginf"] is not None else ends.min
    high = settings["posinf"] if settings["posinf"] is not None else ends.max
    y = torch.where(torch.isnan(z), torch.full_like(z, settings["nan"] or 0.0), z)
    y = torch.where(z == math.inf, torch.full_like(z, high), y)
    return (torch.where(z == -math.inf, torch.full_like(z, low), y),)


def _is_finite(kept: Kept) -> Tensor:
    z = given(kept.inputs, 0)
    return torch.isfinite(z).to(z.dtype)


def _log_odds(inputs: Tensors, settings: Settings) -> Tensors:
    z, edge = only(inputs), settings["eps"]
    if edge is not None:
        z = z.clamp(edge, 1 - edge)
    return (torch.log(z / (1 - z)),)


def _log_odds_slope(kept: Kept) -> Tensor:
    z, edge = given(kept.inputs, 0), kept.settings["eps"]
    low, high = (edge, 1 - edge) if edge is not None else (0.0, 1.0)
    outside = torch.full_like(z, math.nan if edge is None else 0.0)
    return torch.where((z < low) | (z > high), outside, 1 / (z * (1 - z)))


CURVED_LAWS = {row.name: _curved_law(row) for row in ROWS}
STRAIGHT_LAWS = {row.name: _straight_law(row) for row in STRAIGHT}
NAN_TO_NUM = _law(
    "nan_to_num", ("finite part", r"\mathrm{finite}(#)", r"\mathbb{1}_{\| # \| \lt \infty}"), _finite, _is_finite, 1.0
)
LOGIT = _law(
    "logit",
    ("log odds", r"\operatorname{ln}\left(\frac{#}{1 - #}\right)", r"\frac{1}{# (1 - #)}"),
    _log_odds,
    _log_odds_slope,
)

UNARY: tuple[Law, ...] = (*CURVED_LAWS.values(), *STRAIGHT_LAWS.values(), NAN_TO_NUM, LOGIT)
