"""Activations by name, as modules."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Erf(nn.Module):
    """The error function."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.erf(x)


class CentredSigmoid(nn.Module):
    """σ(x) − ½: the sigmoid without the mean that eats the next layer's variance."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * torch.tanh(0.5 * x)  # the difference itself rounds a small x to 0


_MODULES: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,  # one learned slope a module, .25 at first
    "tanh": nn.Tanh,
    "erf": Erf,
    "sigmoid": nn.Sigmoid,
    "centred_sigmoid": CentredSigmoid,
    "hardtanh": nn.Hardtanh,
    "relu6": nn.ReLU6,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
}


def make_activation(kind: str) -> nn.Module:
    """A fresh module of that activation. KeyError for a name that the menu does not have."""
    return _MODULES[kind]()
