"""Laws of reductions: many numbers become one.

x: the input, y: the output; i runs over what is reduced, n is how many that are. settings dim: an axis, several, or
None or () for all; keepdim: whether a reduced axis stays, with length 1. Types narrower than float32 are summed in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given
from .reductions_base import count_of, spread, sum_of
from .reductions_distances import DISTANCES
from .reductions_extremes import EXTREMES, extreme_of
from .reductions_running import RUNNING
from .shapes_base import DEFINITION, axes, one_to_one, only, shape_of, zeros


def _wide(x: Tensor, dtype: torch.dtype | None) -> Tensor:
    """The type in which a mean is summed: at least float32."""
    x = x if dtype is None else x.to(dtype)
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _plain_sum(x: Tensor, settings: Settings) -> Tensor:
    """Σ x_i in the type of x."""
    return sum_of(x, {**settings, "dtype": None})


def _sum(inputs: Tensors, settings: Settings) -> Tensors:
    return (sum_of(only(inputs), settings),)


def _sum_back(error: Tensor, kept: Kept) -> Tensor:
    return spread(error, shape_of(kept, 0), kept.settings)


def _nansum(inputs: Tensors, settings: Settings) -> Tensors:
    x = only(inputs)
    return _sum((torch.where(torch.isnan(x), torch.zeros_like(x), x),), settings)


def _nansum_back(error: Tensor, kept: Kept) -> Tensor:
    x = given(kept.inputs, 0)
    each = spread(error, x.shape, kept.settings)
    return torch.where(torch.isnan(x), torch.zeros_like(each), each)


def _mean(inputs: Tensors, settings: Settings) -> Tensors:
    x = only(inputs)
    dtype = settings.get("dtype") or x.dtype
    return (mean_of(_wide(x, dtype), settings).to(dtype),)


def mean_of(x: Tensor, settings: Settings) -> Tensor:
    """Law: Σ x_i / n. nan where n = 0."""
    n = count_of(x.shape, settings.get("dim"))
    total = _plain_sum(x, settings)
    return total / n if n else total * math.nan


def _mean_back(error: Tensor, kept: Kept) -> Tensor:
    shape = shape_of(kept, 0)
    return spread(error, shape, kept.settings) / max(1, count_of(shape, kept.settings.get("dim")))


def _degrees(shape: torch.Size, settings: Settings) -> float:
    """n − correction, not below 0. The correction is 1 where none is given."""
    correction = settings.get("correction")
    return max(0.0, count_of(shape, settings.get("dim")) - (1 if correction is None else correction))


def _centred(x: Tensor, settings: Settings) -> Tensor:
    return x - mean_of(x, {**settings, "keepdim": True})


def variance_of(x: Tensor, settings: Settings) -> Tensor:
    """Law: Σ (x_i − x̄)² / (n − correction). nan or inf where n does not exceed the correction."""
    degrees = _degrees(x.shape, settings)
    squares = _plain_sum(_centred(x, settings) ** 2, settings)
    return squares / degrees if degrees else squares / torch.zeros_like(squares)


def _variance_errors(error: Tensor, x: Tensor, settings: Settings) -> Tensor:
    """2 (x − x̄) δ / (n − correction)."""
    degrees = _degrees(x.shape, settings)
    return spread(error, x.shape, settings) * _centred(x, settings) * (2 / degrees if degrees else math.inf)


def _variance(inputs: Tensors, settings: Settings) -> Tensors:
    x = only(inputs)
    return (variance_of(_wide(x, None), settings).to(x.dtype),)


def _variance_back(error: Tensor, kept: Kept) -> Tensor:
    return _variance_errors(error, given(kept.inputs, 0), kept.settings)


def _deviation(inputs: Tensors, settings: Settings) -> Tensors:
    x = only(inputs)
    return (variance_of(_wide(x, None), settings).sqrt().to(x.dtype),)


def _halved(error: Tensor, kept: Kept) -> Tensor:
    """The error of a standard deviation as one of the variance: δ / 2y; 0 where y = 0."""
    y = given(kept.outputs, 0)
    return torch.where(y == 0, torch.zeros_like(error), error / (2 * y))


def _deviation_back(error: Tensor, kept: Kept) -> Tensor:
    return _variance_errors(_halved(error, kept), given(kept.inputs, 0), kept.settings)


def _with_mean(forward: Callable[[Tensors, Settings], Tensors]) -> Callable[[Tensors, Settings], Tensors]:
    return lambda inputs, settings: (*forward(inputs, settings), *_mean(inputs, {**settings, "dtype": None}))


def _with_mean_back(to_variance: Callable[[Tensor, Kept], Tensor]) -> Callable[[Tensors, Kept], Tensors]:
    def backward(errors: Tensors, kept: Kept) -> Tensors:
        at_spread, at_mean = errors[0], errors[1]
        found: Tensor | None = None
        if at_mean is not None:
            found = _mean_back(at_mean, kept)
        if at_spread is not None:
            own = _variance_errors(to_variance(at_spread, kept), given(kept.inputs, 0), kept.settings)
            found = own if found is None else found + own
        return (found,)

    return backward


def _log_of_sum(inputs: Tensors, settings: Settings) -> Tensors:
    x = only(inputs)
    kept_axes = {**settings, "keepdim": True}
    top = extreme_of(x, kept_axes, "amax")
    top = torch.where(torch.isfinite(top), top, torch.zeros_like(top))
    y = torch.log(_plain_sum(torch.exp(x - top), kept_axes)) + top
    return (y if settings.get("keepdim", False) else y.squeeze(axes(settings.get("dim"), x.dim())),)


def _log_of_sum_back(error: Tensor, kept: Kept) -> Tensor:
    x = given(kept.inputs, 0)
    y = spread(given(kept.outputs, 0), x.shape, kept.settings)
    far = torch.where(torch.isinf(y) & (x == y), torch.zeros_like(x), x - y)
    return spread(error, x.shape, kept.settings) * torch.exp(far)


def _norm(inputs: Tensors, settings: Settings) -> Tensors:
    x = only(inputs)
    x = x if settings.get("dtype") is None else x.to(settings["dtype"])
    order = float(_order(settings))
    size = x.abs()
    if math.isinf(order):
        return (extreme_of(size, settings, "amax" if order > 0 else "amin"),)
    if order == 0:
        return (_plain_sum((x != 0).to(x.dtype), settings),)
    if order == 1:
        return (_plain_sum(size, settings),)
    if order == 2:
        return (torch.sqrt(_plain_sum(x * x, settings)),)
    return (_plain_sum(size**order, settings) ** (1 / order),)


def _order(settings: Settings) -> float:
    order: float = 2 if settings.get("ord") is None else settings["ord"]
    return order


def _norm_back(error: Tensor, kept: Kept) -> Tensor:
    x = given(kept.inputs, 0)
    order = float(_order(kept.settings))
    if order == 0:
        return zeros(x.shape, error)
    x = x.to(error.dtype)
    y = spread(given(kept.outputs, 0), x.shape, kept.settings)
    each = spread(error, x.shape, kept.settings) * torch.sign(x)
    if math.isinf(order):
        ties = (x.abs() == y).to(x.dtype)
        return each * ties / spread(_plain_sum(ties, kept.settings), x.shape, kept.settings)
    share = torch.where((y == 0) | (x == 0), torch.zeros_like(x), x.abs() / y)
    return torch.where(share == 0, torch.zeros_like(x), each * share ** (order - 1)) if order != 1 else each


def _trace(inputs: Tensors, settings: Settings) -> Tensors:
    return (only(inputs).diagonal().sum(),)


def _trace_back(error: Tensor, kept: Kept) -> Tensor:
    whole = zeros(shape_of(kept, 0), error)
    whole.diagonal().copy_(error)
    return whole


def _law(name: str, texts: tuple[str, str, str, str], forward: Callable[..., Tensors], back: Any) -> Law:
    """texts: title, value, error, step."""
    title, value, error, step = texts
    return Law(name, "reduction", title, value, error, step, DEFINITION, forward, back)


_VARIANCE = r"\frac{2}{n - c} (x_i - \bar{x}) \delta"
_DEVIATION = r"\frac{1}{n - c} \frac{x_i - \bar{x}}{y} \delta"

SUM = _law("sum", ("sum", r"y = \sum_i x_i", r"\delta_{x,i} = \delta", "@d"), _sum, one_to_one(_sum_back))
NANSUM = _law(
    "nansum",
    ("sum", r"y = \sum_i \mathrm{finite}(x_i)", r"\delta_{x,i} = \delta", "@d"),
    _nansum,
    one_to_one(_nansum_back),
)
MEAN = _law(
    "mean",
    ("mean", r"y = \frac{1}{n} \sum_i x_i", r"\delta_{x,i} = \frac{1}{n} \delta", r"\frac{1}{n} @d"),
    _mean,
    one_to_one(_mean_back),
)
VAR = _law(
    "var",
    (
        "variance",
        r"y = \frac{1}{n - c} \sum_i (x_i - \bar{x})^2",
        rf"\delta_{{x,i}} = {_VARIANCE}",
        r"\frac{2}{n - c} (x - \bar{x}) \odot @d",
    ),
    _variance,
    one_to_one(_variance_back),
)
STD = _law(
    "std",
    (
        "standard deviation",
        r"y = \sqrt{\frac{1}{n - c} \sum_i (x_i - \bar{x})^2}",
        rf"\delta_{{x,i}} = {_DEVIATION}",
        r"\frac{1}{n - c} \frac{x - \bar{x}}{y} \odot @d",
    ),
    _deviation,
    one_to_one(_deviation_back),
)
VAR_MEAN = _law(
    "var_mean",
    (
        "variance and mean",
        r"y_1 = \frac{1}{n - c} \sum_i (x_i - \bar{x})^2, y_2 = \bar{x}",
        r"\delta_{x,i} = \frac{2}{n - c} (x_i - \bar{x}) \delta_1 + \frac{1}{n} \delta_2",
        r"\frac{2}{n - c} (x - \bar{x}) \odot @d + \frac{1}{n} @d",
    ),
    _with_mean(_variance),
    _with_mean_back(lambda error, kept: error),
)
STD_MEAN = _law(
    "std_mean",
    (
        "standard deviation and mean",
        r"y_1 = \sqrt{\frac{1}{n - c} \sum_i (x_i - \bar{x})^2}, y_2 = \bar{x}",
        r"\delta_{x,i} = \frac{1}{n - c} \frac{x_i - \bar{x}}{y_1} \delta_1 + \frac{1}{n} \delta_2",
        r"\frac{1}{n - c} \frac{x - \bar{x}}{y_1} \odot @d + \frac{1}{n} @d",
    ),
    _with_mean(_deviation),
    _with_mean_back(_halved),
)
LOGSUMEXP = _law(
    "logsumexp",
    (
        "log of summed exponentials",
        r"y = \operatorname{ln}\left(\sum_i e^{x_i}\right)",
        r"\delta_{x,i} = e^{x_i - y} \delta",
        r"e^{x - y} \odot @d",
    ),
    _log_of_sum,
    one_to_one(_log_of_sum_back),
)
NORM = _law(
    "norm",
    (
        "norm",
        r"y = \left(\sum_i \| x_i \|^p\right)^{1/p}",
        r"\delta_{x,i} = \operatorname{sgn}(x_i) \left(\frac{\| x_i \|}{y}\right)^{p - 1} \delta",
        r"\operatorname{sgn}(x) \left(\frac{\| x \|}{y}\right)^{p - 1} \odot @d",
    ),
    _norm,
    one_to_one(_norm_back),
)
TRACE = _law(
    "trace",
    ("trace", r"y = \sum_i x_{i i}", r"\delta_x = \delta \operatorname{diag}(1)", r"@d \operatorname{diag}(1)"),
    _trace,
    one_to_one(_trace_back),
)

LAWS: tuple[Law, ...] = (
    *(SUM, NANSUM, MEAN, VAR, STD, VAR_MEAN, STD_MEAN, LOGSUMEXP, NORM, TRACE),
    *EXTREMES,
    *RUNNING,
    *DISTANCES,
)
