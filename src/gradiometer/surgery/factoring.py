"""Layers whose weights become a product of two factors. Everything here is plain PyTorch: its source goes into patches.

The module stays the same object; its class becomes a subclass that can be imported, so that copies and pickles work.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .steps import plain


class LowRankLinear(nn.Linear):
    """y = U (V x) + b: a linear layer whose weights U V have a low rank.

    U: gm_up [out, rank]; V: gm_down [rank, in]. ``weight`` is their product, to be read.
    """

    gm_up: Any
    gm_down: Any

    @property
    def weight(self) -> Any:  # type: ignore[override]
        """U V."""
        return self.gm_up @ self.gm_down

    def forward(self, input: Tensor) -> Tensor:
        """U (V x) + b."""
        out: Tensor = F.linear(F.linear(input, self.gm_down), self.gm_up, self.bias)
        return out


def separate(layer: Any, conv: Any, x: Tensor) -> Any:
    """A depthwise, then a pointwise convolution with the stride and padding of a layer."""
    padding = layer.padding
    if layer.padding_mode != "zeros":
        x = F.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode)
        padding = 0
    x = conv(x, layer.gm_down, None, layer.stride, padding, layer.dilation, layer.in_channels)
    return conv(x, layer.gm_up, layer.bias)


class SeparableConv1d(nn.Conv1d):
    """A depthwise, then a pointwise convolution. gm_down: [in, 1, k]; gm_up: [out, in, 1]."""

    gm_up: Any
    gm_down: Any

    @property
    def weight(self) -> Any:  # type: ignore[override]
        """The weights of the convolution that both make together."""
        return self.gm_up * self.gm_down.transpose(0, 1)

    def forward(self, input: Tensor) -> Tensor:
        """Depthwise, then pointwise."""
        out: Tensor = separate(self, F.conv1d, input)
        return out


class SeparableConv2d(nn.Conv2d):
    """A depthwise, then a pointwise convolution. gm_down: [in, 1, k, k]; gm_up: [out, in, 1, 1]."""

    gm_up: Any
    gm_down: Any

    @property
    def weight(self) -> Any:  # type: ignore[override]
        """The weights of the convolution that both make together."""
        return self.gm_up * self.gm_down.transpose(0, 1)

    def forward(self, input: Tensor) -> Tensor:
        """Depthwise, then pointwise."""
        out: Tensor = separate(self, F.conv2d, input)
        return out


def nearest_factors(weight: Tensor, up: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
    """(U, V) of these shapes whose product is nearest to ``weight`` in the sum of squares: from its singular values.

    Of a convolution, each input channel by itself, with one singular value.
    """
    if weight.dim() == 2:
        rows, rank = weight.double(), down.shape[0]
    else:
        rows, rank = weight.double().flatten(2).transpose(0, 1), 1  # [in, out, k]
    left, size, right = torch.linalg.svd(rows, full_matrices=False)
    left = left[..., :rank] * size[..., None, :rank].sqrt()
    right = right[..., :rank, :] * size[..., :rank, None].sqrt()
    if weight.dim() > 2:
        left = left.squeeze(-1).T
    return left.reshape(up.shape).to(up), right.reshape(down.shape).to(down)


def take_full_weight(module: Any, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Let a checkpoint from before the change load: the factors become the nearest ones to its weights."""
    full = state.pop(f"{prefix}weight", None)
    if full is not None:
        state[f"{prefix}gm_up"], state[f"{prefix}gm_down"] = nearest_factors(full, module.gm_up, module.gm_down)


def factor(layer: Any, cls: Any, up: Tensor, down: Tensor, optimizers: Any) -> None:
    """Put two factors in the place of a layer's weights: in the module, and in the group of each optimizer."""
    old = layer._parameters.pop("weight")
    layer.__class__ = cls
    fresh = [nn.Parameter(part.to(old.device, old.dtype), old.requires_grad) for part in (up, down)]
    layer.register_parameter("gm_up", fresh[0])
    layer.register_parameter("gm_down", fresh[1])
    layer.register_load_state_dict_pre_hook(take_full_weight)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for at in [i for i, p in enumerate(group["params"]) if p is old]:
                group["params"][at : at + 1] = fresh
        optimizer.state.pop(old, None)


def factor_linear(
    model: nn.Module, path: str, rank: int, power: float, weights: str, generator: Any, optimizers: Any = ()
) -> None:
    """Give a linear layer weights of a low rank. weights: ``draw`` them, or the nearest ones to its own, ``svd``.

    power: n Var W that drawn weights have: V of variance 1/n, U of power/rank.
    """
    layer: Any = model.get_submodule(path)
    up, down = torch.empty(layer.out_features, rank), torch.empty(rank, layer.in_features)
    if weights == "svd":
        up, down = nearest_factors(layer.weight.detach(), up.to(layer.weight), down.to(layer.weight))
    else:
        down.normal_(0.0, layer.in_features**-0.5, generator=generator)
        up.normal_(0.0, (power / rank) ** 0.5, generator=generator)
    factor(layer, LowRankLinear, up, down, optimizers)


def factor_conv(model: nn.Module, path: str, power: float, weights: str, generator: Any, optimizers: Any = ()) -> None:
    """Make a convolution depthwise separable. weights: ``draw`` them, or the nearest ones to its own, ``svd``.

    power: k² C Var W that drawn weights have: depthwise of variance 1/k², pointwise of power/C.
    """
    layer: Any = model.get_submodule(path)
    ones = [1] * len(layer.kernel_size)
    down = torch.empty(layer.in_channels, 1, *layer.kernel_size)
    up = torch.empty(layer.out_channels, layer.in_channels, *ones)
    if weights == "svd":
        up, down = nearest_factors(layer.weight.detach(), up.to(layer.weight), down.to(layer.weight))
    else:
        down.normal_(0.0, down[0].numel() ** -0.5, generator=generator)
        up.normal_(0.0, (power / layer.in_channels) ** 0.5, generator=generator)
    factor(layer, SeparableConv1d if len(ones) == 1 else SeparableConv2d, up, down, optimizers)


ANY = ("from typing import Any",)
plain(LowRankLinear, imports=ANY)
plain(separate, imports=ANY)
plain(SeparableConv1d, separate, imports=ANY)
plain(SeparableConv2d, separate, imports=ANY)
plain(nearest_factors)
plain(take_full_weight, nearest_factors, imports=ANY)
plain(factor, take_full_weight, imports=ANY)
plain(factor_linear, LowRankLinear, nearest_factors, factor, imports=ANY)
plain(factor_conv, SeparableConv1d, SeparableConv2d, nearest_factors, factor, imports=ANY)
