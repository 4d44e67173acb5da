"""Laws of activations that learn a slope (PReLU) or gate one half by the other (GLU).

N batch, C channels; PReLU has one slope a channel, or one for all.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .activations_making import logistic
from .law import Kept, Law, Settings, Tensors, given, unbroadcast


def _spread(weight: Tensor, z: Tensor) -> Tensor:
    """The slopes in a shape that goes along with z [N, C, ...]; torch's kernel has them in it already."""
    if weight.dim() == z.dim() or weight.dim() == 0:
        return weight
    return weight.reshape(1, -1, *(1,) * (z.dim() - 2))


def _prelu(inputs: Tensors, settings: Settings) -> Tensors:
    z, weight = given(inputs, 0), given(inputs, 1)
    return (torch.where(z > 0, z, z * _spread(weight, z)),)


def _prelu_slope(kept: Kept) -> Tensor:
    z, weight = given(kept.inputs, 0), given(kept.inputs, 1)
    return torch.where(z > 0, torch.ones_like(z), _spread(weight, z))


def _prelu_back(errors: Tensors, kept: Kept) -> Tensors:
    delta = errors[0]
    if delta is None:
        return None, None
    to_input = delta * _prelu_slope(kept) if kept.wanted[0] else None
    if not kept.wanted[1]:
        return to_input, None
    z, weight = given(kept.inputs, 0), given(kept.inputs, 1)
    each = delta * torch.where(z > 0, torch.zeros_like(z), z)
    return to_input, unbroadcast(each, _spread(weight, z).shape).reshape(weight.shape)


PRELU = Law(
    name="prelu",
    role="activation",
    title="PReLU",
    value=r"y = z \odot \left( \mathbb{1}[z \gt 0] + a \odot \mathbb{1}[z \leq 0] \right)",
    error=r"\delta_z = \delta_y \odot \left( \mathbb{1}[z \gt 0] + a \odot \mathbb{1}[z \leq 0] \right), "
    r"\frac{\partial L}{\partial a} = \sum \delta_y \odot z \odot \mathbb{1}[z \leq 0]",
    step=r"@d \odot \mathrm{PReLU}'(z_{@v})",
    source="He, Zhang, Ren & Sun 2015, Delving deep into rectifiers",
    forward=_prelu,
    backward=_prelu_back,
    local=_prelu_slope,
)


def _halves(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    half = x.shape[dim] // 2
    return x.narrow(dim, 0, half), x.narrow(dim, half, half)


def _glu(inputs: Tensors, settings: Settings) -> Tensors:
    a, b = _halves(given(inputs, 0), settings["dim"])
    return (a * logistic(b),)


def _glu_back(errors: Tensors, kept: Kept) -> Tensors:
    delta = errors[0]
    if delta is None or not kept.wanted[0]:
        return (None,)
    a, b = _halves(given(kept.inputs, 0), kept.settings["dim"])
    gate = logistic(b)
    return (torch.cat((delta * gate, delta * a * gate * logistic(-b)), dim=kept.settings["dim"]),)


GLU = Law(
    name="glu",
    role="activation",
    title="GLU",
    value=r"y = a \odot \sigma(b), z = (a, b)",
    error=r"\delta_a = \delta_y \odot \sigma(b), \delta_b = \delta_y \odot a \odot \sigma'(b)",
    step=r"\left( @d \odot \sigma(b_{@v}), @d \odot a_{@v} \odot \sigma'(b_{@v}) \right)",
    source="Dauphin, Fan, Auli & Grangier 2017",
    forward=_glu,
    backward=_glu_back,
)

LAWS: tuple[Law, ...] = (PRELU, GLU)
