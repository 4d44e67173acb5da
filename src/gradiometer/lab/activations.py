"""Activations by name, as modules."""

from __future__ import annotations

from torch import nn

_MODULES: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def make_activation(kind: str) -> nn.Module:
    """A fresh module of that activation."""
    return _MODULES[kind]()
