"""Activations to try: each law on given numbers, and torch's own operation on the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from dense_checks import Case, draw
from torch import Tensor

from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws import activations_exponential as exponential
from gradiometer.walk.laws.law import Law

Z = 3 * draw(5, 6)  # kinks, saturation and the tails are all in it
SELU = {"alpha": exponential.SELU_ALPHA, "scale": exponential.SELU_SCALE, "input_scale": 1}
STEEP = {"alpha": 0.7, "scale": 1.3, "input_scale": 2.1}


def law(name: str) -> Law:
    return LAWS[name]


def one(name: str, reference: Callable[[Tensor], Any], z: Tensor = Z, **settings: Any) -> Case:
    return Case(law(name), (z,), settings, reference)


def noisy(z: Tensor) -> Tensor:
    """Slopes below 0 as RReLU draws them in training: between the two limits, 1 above 0."""
    slopes = 0.1 + 0.3 * torch.rand(z.shape, generator=torch.Generator().manual_seed(3), dtype=z.dtype)
    return torch.where(z > 0, torch.ones_like(z), slopes)


CASES = {
    "relu": one("relu", F.relu),
    "relu-turned": one("relu", F.relu, draw(6, 5).T),
    "relu6": one("relu6", F.relu6, 4 * Z),
    "hardtanh": one("hardtanh", lambda z: F.hardtanh(z, -0.5, 2.0), min_val=-0.5, max_val=2.0),
    "leaky": one("leaky_relu", lambda z: F.leaky_relu(z, 0.2), slope=0.2),
    "leaky-turned-up": one("leaky_relu", lambda z: F.leaky_relu(z, -1.5), slope=-1.5),
    "rrelu-eval": one("rrelu", lambda z: F.rrelu(z, 0.1, 0.4), slope=0.25),
    "rrelu-training": one("rrelu", lambda z: z * noisy(Z), slope=noisy(Z)),
    "hardsigmoid": one("hardsigmoid", lambda z: F.relu6(z + 3) / 6),
    "hardswish": one("hardswish", F.hardswish),
    "threshold": one("threshold", lambda z: F.threshold(z, 0.3, -2.0), threshold=0.3, value=-2.0),
    "softshrink": one("softshrink", lambda z: F.softshrink(z, 0.8), lambd=0.8),
    "hardshrink": one("hardshrink", lambda z: F.hardshrink(z, 0.8), lambd=0.8),
    "tanh": one("tanh", torch.tanh),
    "tanh-no-example": one("tanh", torch.tanh, draw(0, 4)),
    "tanh-one-number": one("tanh", torch.tanh, draw()),
    "sigmoid": one("sigmoid", torch.sigmoid),
    "centred_sigmoid": one("centred_sigmoid", lambda z: torch.sigmoid(z) - 0.5),
    "erf": one("erf", torch.erf),
    "log_sigmoid": one("log_sigmoid", F.logsigmoid),
    "gelu": one("gelu", F.gelu),
    "gelu_tanh": one("gelu_tanh", lambda z: F.gelu(z, approximate="tanh")),
    "silu": one("silu", F.silu),
    "mish": one("mish", F.mish),
    "softplus": one("softplus", F.softplus, beta=1, threshold=20),
    "softplus-steep": one("softplus", lambda z: F.softplus(z, 3.0, 5.0), beta=3.0, threshold=5.0),
    "softsign": one("softsign", F.softsign),
    "tanhshrink": one("tanhshrink", F.tanhshrink),
    "elu": one("elu", F.elu, alpha=1.0),
    "elu-all": one("elu", lambda z: torch.ops.aten.elu(z, 0.7, 1.3, 2.1), **STEEP),
    "selu": one("selu", F.selu, **SELU),
    "celu": one("celu", lambda z: F.celu(z, 0.5), alpha=0.5),
    "celu-below": one("celu", lambda z: F.celu(z, -2.0), alpha=-2.0),
    "prelu": Case(law("prelu"), (Z, draw(6)), {}, F.prelu),
    "prelu-one-slope": Case(law("prelu"), (Z, draw(1)), {}, F.prelu),
    "prelu-images": Case(law("prelu"), (draw(2, 3, 4, 4), draw(3)), {}, F.prelu),
    "prelu-one-example": Case(law("prelu"), (draw(5), draw(1)), {}, F.prelu),
    "prelu-kernel": Case(law("prelu"), (draw(2, 3, 4), draw(1, 3, 1)), {}, torch.ops.aten._prelu_kernel),
    "glu": one("glu", F.glu, dim=-1),
    "glu-channels": one("glu", lambda z: F.glu(z, 1), draw(2, 4, 3), dim=1),
}
PLAIN = {name: case for name, case in CASES.items() if case.law.local is not None}
