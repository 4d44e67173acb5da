"""Weights drawn anew, by their standard deviation. Everything here is plain PyTorch: its source goes into patches."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .steps import plain


def set_weight(layer: Any, fresh: Tensor) -> None:
    """Give a layer other weights in place. Under a parametrization (weight_norm) what it is made of is set."""
    with torch.no_grad():
        if "weight" in getattr(layer, "parametrizations", {}):
            layer.weight = fresh.to(layer.weight)
        else:
            layer.weight.copy_(fresh)


def fill(fresh: Tensor, groups: int, shape: str, std: float, generator: torch.Generator) -> Tensor:
    """Random weights [out, in, *kernel], in place, see ``draw_layer``."""
    if shape == "normal":
        fresh.normal_(0.0, std, generator=generator)
    elif shape == "uniform":
        fresh.uniform_(-(3**0.5) * std, 3**0.5 * std, generator=generator)
    else:
        for part in fresh.chunk(groups):
            flat = torch.empty(len(part), part[0].numel())
            nn.init.orthogonal_(flat, gain=std * max(flat.shape) ** 0.5, generator=generator)
            part.copy_(flat.view_as(part))
    return fresh


def draw_parameter(
    model: nn.Module, place: Any, shape: str, std: float, bias_std: float | None, generator: torch.Generator
) -> None:
    """The same for a weight that lies in no layer. place: (its name, whether it has [in, out], its groups, the name of
    its bias or "")."""
    name, turned, groups, bias = place
    own = dict(model.named_parameters())
    weight = own[name].detach()
    faced = weight.t() if turned else weight
    faced.copy_(fill(torch.empty(faced.shape), groups, shape, std, generator))
    if bias and bias_std is not None:
        own[bias].detach().copy_(torch.empty(own[bias].shape).normal_(0.0, bias_std, generator=generator))


def draw_layer(
    model: nn.Module, path: str, shape: str, std: float, bias_std: float | None, generator: torch.Generator
) -> None:
    """Fresh weights of standard deviation ``std`` (shape: normal, uniform, orthogonal), biases of ``bias_std``.

    A bias_std of None leaves the biases; 0 sets them to 0. Orthogonal: rows, or columns where they are fewer, at right
    angles to each other, each group of a convolution by itself. Drawn on the CPU in float32, then cast.
    """
    layer: Any = model.get_submodule(path)
    set_weight(layer, fill(torch.empty(layer.weight.shape), getattr(layer, "groups", 1), shape, std, generator))
    if layer.bias is not None and bias_std is not None:
        with torch.no_grad():
            layer.bias.copy_(torch.empty(layer.bias.shape).normal_(0.0, bias_std, generator=generator))


def redraw_units(model: nn.Module, path: str, units: tuple[int, ...], std: float, generator: torch.Generator) -> None:
    """Fresh incoming weights, normal, for some units (rows; of a transposed convolution columns); their bias 0."""
    layer: Any = model.get_submodule(path)
    fresh, rows = layer.weight.detach().clone(), list(units)
    turned = fresh.transpose(0, 1) if getattr(layer, "transposed", False) else fresh
    turned[rows] = torch.empty(turned[rows].shape).normal_(0.0, std, generator=generator).to(fresh)
    set_weight(layer, fresh)
    set_bias(model, path, units, tuple(0.0 for _ in units))


def set_bias(model: nn.Module, path: str, units: tuple[int, ...], values: tuple[float, ...]) -> None:
    """Biases of some units, where the layer has biases."""
    layer: Any = model.get_submodule(path)
    if layer.bias is not None:
        with torch.no_grad():
            layer.bias[list(units)] = torch.tensor(values).to(layer.bias)


plain(set_weight, imports=("from typing import Any",))
plain(fill)
plain(draw_layer, set_weight, fill)
plain(draw_parameter, fill, imports=("from typing import Any",))
plain(set_bias, imports=("from typing import Any",))
plain(redraw_units, set_weight, set_bias)
