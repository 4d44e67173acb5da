"""Laws of smooth activations."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .activations_making import Told, elementwise, log_one_plus_exp, logistic, result
from .law import Kept, Law, Settings, Tensors, given

_HALF_NORMAL = math.sqrt(2 / math.pi)
_CUBE = 0.044715  # of the tanh form of GELU

# sup |φ'|, where it is no closed form: found to 40 digits at the root of φ''
_GELU_TANH_LARGEST = 1.1289930686587717  # at z = 1.41850400879
_SILU_LARGEST = 1.099839320128867  # at z = 2.39935728052
_MISH_LARGEST = 1.088498161251728  # at z = 1.49057117949


def _tanh(z: Tensor, settings: Settings) -> Tensor:
    return torch.tanh(z)


TANH = elementwise(
    Told(
        "tanh", "tanh", r"\tanh(z)", r"\left( 1 - y \odot y \right)", "LeCun et al. 1998, Efficient backprop", r"\tanh'"
    ),
    _tanh,
    lambda kept: 1 - result(kept, _tanh) ** 2,
    1.0,
)


def _sigmoid(z: Tensor, settings: Settings) -> Tensor:
    return logistic(z)


def _sigmoid_slope(kept: Kept) -> Tensor:
    y = result(kept, _sigmoid)
    return y * (1 - y)


SIGMOID = elementwise(
    Told(
        "sigmoid",
        "sigmoid",
        r"\sigma(z)",
        r"\sigma(z) \odot \left( 1 - \sigma(z) \right)",
        "Rumelhart, Hinton & Williams 1986",
        r"\sigma'",
    ),
    _sigmoid,
    _sigmoid_slope,
    0.25,
)

CENTRED_SIGMOID = elementwise(
    Told(
        "centred_sigmoid",
        "centred sigmoid",
        r"\frac{1}{2} \tanh(z / 2)",
        r"\left( \frac{1}{4} - y \odot y \right)",
        "definition: sigmoid less one half",
    ),
    lambda z, settings: torch.tanh(z / 2) / 2,
    lambda kept: logistic(given(kept.inputs, 0)) * logistic(-given(kept.inputs, 0)),
    0.25,
)

ERF = elementwise(
    Told(
        "erf",
        "erf",
        r"\operatorname{erf}(z)",
        r"\frac{2}{\sqrt{\pi}} \operatorname{exp}(-z \odot z)",
        "definition",
        r"\operatorname{erf}'",
    ),
    lambda z, settings: torch.erf(z),
    lambda kept: 2 / math.sqrt(math.pi) * torch.exp(-(given(kept.inputs, 0) ** 2)),
    2 / math.sqrt(math.pi),
)


def _log_sigmoid(inputs: Tensors, settings: Settings) -> Tensors:
    """Two outputs, as torch's operation has them: the value and e^−|z|."""
    z = given(inputs, 0)
    small = torch.exp(-z.abs())
    return z.clamp(max=0) - torch.log1p(small), small


def _log_sigmoid_back(errors: Tensors, kept: Kept) -> Tensors:
    if errors[0] is None or not kept.wanted[0]:
        return (None,)
    return (errors[0] * logistic(-given(kept.inputs, 0)),)


LOG_SIGMOID = Law(
    name="log_sigmoid",
    role="activation",
    title="log sigmoid",
    value=r"y = \operatorname{log} \sigma(z)",
    error=r"\delta_z = \delta_y \odot \sigma(-z)",
    step=r"@d \odot \varphi'(z_{@v})",
    source="definition",
    forward=_log_sigmoid,
    backward=_log_sigmoid_back,
    local=lambda kept: logistic(-given(kept.inputs, 0)),
    largest=1.0,
)


def _normal_share(z: Tensor) -> Tensor:
    """Φ(z), the share of a normal variable below z; by erfc, which keeps its digits far below 0."""
    beyond: Tensor = torch.special.erfc(z * -math.sqrt(0.5))
    return beyond / 2


def _gelu_slope(kept: Kept) -> Tensor:
    z = given(kept.inputs, 0)
    return _normal_share(z) + z * torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)


GELU = elementwise(
    Told(
        "gelu",
        "GELU",
        r"z \odot \Phi(z)",
        r"\left( \Phi(z) + \frac{1}{\sqrt{2 \pi}} z \odot e^{-z^2 / 2} \right)",
        "Hendrycks & Gimpel 2016",
        r"\mathrm{GELU}'",
    ),
    lambda z, settings: z * _normal_share(z),
    _gelu_slope,
    (1 + math.erf(1)) / 2 + math.exp(-1) / math.sqrt(math.pi),  # at z = √2, where φ'' is 0
)


def _gelu_tanh_slope(kept: Kept) -> Tensor:
    z = given(kept.inputs, 0)
    t = torch.tanh(_HALF_NORMAL * (z + _CUBE * z**3))
    return (1 + t) / 2 + z / 2 * (1 - t * t) * _HALF_NORMAL * (1 + 3 * _CUBE * z * z)


GELU_TANH = elementwise(
    Told(
        "gelu_tanh",
        "GELU",
        r"\frac{z}{2} \odot (1 + t), t = \tanh \left( \sqrt{2 / \pi} (z + 0.044715 z^3) \right)",
        r"\left( \frac{1 + t}{2} + \frac{z}{2} \odot (1 - t^2) \odot \sqrt{2 / \pi} (1 + 0.134145 z^2) \right)",
        "Hendrycks & Gimpel 2016",
        r"\mathrm{GELU}'",
    ),
    lambda z, settings: z / 2 * (1 + torch.tanh(_HALF_NORMAL * (z + _CUBE * z**3))),
    _gelu_tanh_slope,
    _GELU_TANH_LARGEST,
)


def gelu_by(approximate: str) -> Law:
    """GELU by torch's word for its form: ``none`` or ``tanh``."""
    return GELU_TANH if approximate == "tanh" else GELU


def _silu_slope(kept: Kept) -> Tensor:
    z = given(kept.inputs, 0)
    return logistic(z) * (1 + z * logistic(-z))


SILU = elementwise(
    Told(
        "silu",
        "SiLU",
        r"z \odot \sigma(z)",
        r"\sigma(z) \odot \left( 1 + z \odot \sigma(-z) \right)",
        "Elfwing, Uchibe & Doya 2018",
        r"\mathrm{SiLU}'",
    ),
    lambda z, settings: z * logistic(z),
    _silu_slope,
    _SILU_LARGEST,
)


def _mish_slope(kept: Kept) -> Tensor:
    z = given(kept.inputs, 0)
    t = torch.tanh(log_one_plus_exp(z))
    return t + z * logistic(z) * (1 - t * t)


MISH = elementwise(
    Told(
        "mish",
        "Mish",
        r"z \odot t, t = \tanh(\operatorname{log}(1 + e^z))",
        r"\left( t + z \odot \sigma(z) \odot (1 - t^2) \right)",
        "Misra 2019",
        r"\mathrm{Mish}'",
    ),
    lambda z, settings: z * torch.tanh(log_one_plus_exp(z)),
    _mish_slope,
    _MISH_LARGEST,
)


def _softplus(z: Tensor, settings: Settings) -> Tensor:
    steep = z * settings["beta"]
    return torch.where(steep > settings["threshold"], z, log_one_plus_exp(steep) / settings["beta"])


def _softplus_slope(kept: Kept) -> Tensor:
    steep = given(kept.inputs, 0) * kept.settings["beta"]
    return torch.where(steep > kept.settings["threshold"], torch.ones_like(steep), logistic(steep))


SOFTPLUS = elementwise(
    Told(
        "softplus",
        "softplus",
        r"\frac{1}{\beta} \operatorname{log}(1 + e^{\beta z})",
        r"\sigma(\beta z)",
        "Dugas et al. 2001",
    ),
    _softplus,
    _softplus_slope,
    1.0,
)

SOFTSIGN = elementwise(
    Told(
        "softsign",
        "softsign",
        r"\frac{z}{1 + |z|}",
        r"\frac{1}{(1 + |z|)^2}",
        "Bergstra et al. 2009, Quadratic polynomials learn better image features",
    ),
    lambda z, settings: z / (1 + z.abs()),
    lambda kept: (1 + given(kept.inputs, 0).abs()) ** -2,
    1.0,
)

TANHSHRINK = elementwise(
    Told("tanhshrink", "tanh shrink", r"z - \tanh(z)", r"\tanh(z) \odot \tanh(z)", "definition"),
    lambda z, settings: z - torch.tanh(z),
    lambda kept: torch.tanh(given(kept.inputs, 0)) ** 2,
    1.0,
)

LAWS: tuple[Law, ...] = (
    TANH,
    SIGMOID,
    CENTRED_SIGMOID,
    ERF,
    LOG_SIGMOID,
    GELU,
    GELU_TANH,
    SILU,
    MISH,
    SOFTPLUS,
    SOFTSIGN,
    TANHSHRINK,
)
