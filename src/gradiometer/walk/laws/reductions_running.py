"""Laws of products, of running sums and products, and of a weight taken apart into length and direction.

x: the input, y: the output; along the axis of settings dim, x_1, x_2, ... stand one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given
from .shapes_base import DEFINITION, Back, one_to_one, only, shape_of

SALIMANS = "Salimans and Kingma 2016, Weight normalization, equations 2 and 3"


def _in_type(x: Tensor, settings: Settings) -> Tensor:
    return x if settings.get("dtype") is None else x.to(settings["dtype"])


def _product(inputs: Tensors, settings: Settings) -> Tensors:
    x = _in_type(only(inputs), settings)
    dim = settings.get("dim")
    return (x.prod() if dim is None or x.dim() == 0 else x.prod(dim=dim, keepdim=settings.get("keepdim", False)),)


def before(x: Tensor, dim: int) -> Tensor:
    """∏ x_j over j < i, at every i: 1 at the first."""
    ones = torch.ones_like(x.narrow(dim, 0, 1))
    return torch.cat((ones, x.narrow(dim, 0, x.shape[dim] - 1)), dim).cumprod(dim)


def others(x: Tensor, dim: int) -> Tensor:
    """∏ x_j over j ≠ i, at every i; right where elements are 0."""
    return before(x, dim) * before(x.flip(dim), dim).flip(dim) if x.numel() else x


def _product_back(error: Tensor, kept: Kept) -> Tensor:
    x = given(kept.inputs, 0).to(error.dtype)
    dim = kept.settings.get("dim")
    if dim is None or x.dim() == 0:
        return error * others(x.reshape(-1), 0).reshape(x.shape)
    each = error if kept.settings.get("keepdim", False) else error.unsqueeze(dim)
    return each * others(x, dim)


def _running_sum(inputs: Tensors, settings: Settings) -> Tensors:
    return (_in_type(only(inputs), settings).cumsum(settings["dim"]),)


def _running_sum_back(error: Tensor, kept: Kept) -> Tensor:
    dim = kept.settings["dim"]
    return error.flip(dim).cumsum(dim).flip(dim) if error.dim() else error


def _running_product(inputs: Tensors, settings: Settings) -> Tensors:
    return (_in_type(only(inputs), settings).cumprod(settings["dim"]),)


def _running_product_back(error: Tensor, kept: Kept) -> Tensor:
    """Law: δx_i = (∏ x_j over j < i) r_i, r_i = δ_i + x_{i+1} r_{i+1}. It never divides, so zeros do no harm."""
    x, dim = given(kept.inputs, 0).to(error.dtype), kept.settings["dim"]
    if x.dim() == 0 or x.numel() == 0:
        return error
    errors, values = error.unbind(dim), x.unbind(dim)
    later = [errors[-1]]
    for own, following in zip(errors[-2::-1], values[:0:-1], strict=True):
        later.append(own + following * later[-1])
    return before(x, dim) * torch.stack(later[::-1], dim)


def _running_log_of_sum(inputs: Tensors, settings: Settings) -> Tensors:
    x, dim = only(inputs), settings["dim"]
    if x.dim() == 0 or x.numel() == 0:
        return (x.clone(),)
    table = _pairs(x, x, dim)  # x_j where j ≤ i, −inf elsewhere
    top = table.amax(dim=-1, keepdim=True)
    top = torch.where(torch.isfinite(top), top, torch.zeros_like(top))
    return ((torch.log(torch.exp(table - top).sum(dim=-1)) + top.squeeze(-1)).movedim(-1, dim),)


def _pairs(of: Tensor, like: Tensor, dim: int) -> Tensor:
    """[.., i, j]: element j of the axis where j ≤ i, −inf elsewhere."""
    row = of.movedim(dim, -1).unsqueeze(-2)
    count = row.shape[-1]
    earlier = torch.ones(count, count, dtype=torch.bool, device=like.device).tril()
    return torch.where(earlier, row, torch.full((), -torch.inf, dtype=of.dtype, device=of.device))


def _running_log_of_sum_back(error: Tensor, kept: Kept) -> Tensor:
    x, y, dim = given(kept.inputs, 0), given(kept.outputs, 0), kept.settings["dim"]
    if x.dim() == 0 or x.numel() == 0:
        return error
    table = _pairs(x, x, dim)
    ends = y.movedim(dim, -1).unsqueeze(-1)
    share = torch.where(torch.isinf(table), torch.zeros_like(table), torch.exp(table - ends))
    return (share * error.movedim(dim, -1).unsqueeze(-1)).sum(dim=-2).movedim(-1, dim)


def _other_axes(shape: Sequence[int], dim: int) -> tuple[int, ...]:
    return tuple(i for i in range(len(shape)) if i != dim % len(shape))


def _lengths(v: Tensor, dim: int) -> Tensor:
    """‖v‖ of every slice along ``dim``, with all axes kept."""
    return torch.sqrt((v * v).sum(dim=_other_axes(v.shape, dim), keepdim=True))


def _weight(inputs: Tensors, settings: Settings) -> Tensors:
    v, g = given(inputs, 0), given(inputs, 1)
    length = _lengths(v, settings["dim"])
    return v * (g / length), length


def _weight_back(errors: Tensors, kept: Kept) -> Tensors:
    error = errors[0]
    if error is None:
        return (None,) * len(kept.wanted)
    v, g = given(kept.inputs, 0), given(kept.inputs, 1)
    length = kept.outputs[1] if kept.outputs[1] is not None else _lengths(v, kept.settings["dim"])
    unit = v / length
    along = (error * unit).sum(dim=_other_axes(v.shape, kept.settings["dim"]), keepdim=True)
    at_v = g / length * (error - unit * along) if kept.wanted[0] else None
    return at_v, along.reshape(shape_of(kept, 1)) if kept.wanted[1] else None


def _law(name: str, texts: tuple[str, str, str, str], forward: Callable[..., Tensors], back: Back) -> Law:
    """texts: title, value, error, step."""
    title, value, error, step = texts
    return Law(name, "reduction", title, value, error, step, DEFINITION, forward, one_to_one(back))


PROD = _law(
    "prod",
    (
        "product",
        r"y = x_1 \cdot x_2 \cdot \ldots",
        r"\delta_{x,i} = \frac{\partial y}{\partial x_i} \delta",
        r"\frac{\partial y}{\partial x} \odot @d",
    ),
    _product,
    _product_back,
)
CUMSUM = _law(
    "cumsum",
    (
        "running sum",
        r"y_i = \sum_{j \leq i} x_j",
        r"\delta_{x,i} = \sum_{j \geq i} \delta_j",
        r"\sum_{j \geq i} @d",
    ),
    _running_sum,
    _running_sum_back,
)
CUMPROD = _law(
    "cumprod",
    (
        "running product",
        r"y_i = x_1 \cdot \ldots \cdot x_i",
        r"\delta_{x,i} = y_{i - 1} r_i; r_i = \delta_i + x_{i + 1} r_{i + 1}",
        r"J^{\top} @d",
    ),
    _running_product,
    _running_product_back,
)
LOGCUMSUMEXP = _law(
    "logcumsumexp",
    (
        "running log of summed exponentials",
        r"y_i = \operatorname{ln}\left(\sum_{j \leq i} e^{x_j}\right)",
        r"\delta_{x,i} = \sum_{j \geq i} e^{x_i - y_j} \delta_j",
        r"\sum_{j \geq i} e^{x_i - y_j} @d",
    ),
    _running_log_of_sum,
    _running_log_of_sum_back,
)
WEIGHT_NORM = Law(
    name="weight_norm",
    role="norm",
    title="weight norm",
    value=r"W = \frac{g}{\| v \|} v",
    error=r"\delta_g = \frac{1}{\| v \|} \langle \delta, v \rangle; "
    r"\delta_v = \frac{g}{\| v \|} \left(\delta - \delta_g \frac{v}{\| v \|}\right)",
    step=r"\frac{g}{\| v \|} \left(@d - \delta_g \frac{v}{\| v \|}\right)",
    source=SALIMANS,
    forward=_weight,
    backward=_weight_back,
)

RUNNING: tuple[Law, ...] = (PROD, CUMSUM, CUMPROD, LOGCUMSUMEXP, WEIGHT_NORM)
