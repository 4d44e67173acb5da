"""Laws of activations that are linear in pieces, and of hardswish.

At a kink the slope is the one that torch takes: at 0, ReLU has 0 and a leaky ReLU its slope below.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .activations_making import Told, above, bounded, elementwise
from .law import Kept, Law, Settings, given


def _unless(closed: Tensor, like: Tensor) -> Tensor:
    """0 where closed, else 1, in the dtype of ``like``; nan closes nothing."""
    return (~closed).to(like.dtype)


def _relu(z: Tensor, settings: Settings) -> Tensor:
    return torch.where(z <= 0, torch.zeros_like(z), z)  # nan stays nan


def _relu_slope(kept: Kept) -> Tensor:
    y = kept.outputs[0] if kept.outputs[0] is not None else given(kept.inputs, 0)
    return _unless(y <= 0, y)


RELU = elementwise(
    Told(
        "relu",
        "ReLU",
        r"\mathrm{max}(0, z)",
        r"\mathbb{1}[z \gt 0]",
        "Nair & Hinton 2010",
        r"\mathrm{ReLU}'",
    ),
    _relu,
    _relu_slope,
    1.0,
)


def _clipped(z: Tensor, low: float, high: float) -> Tensor:
    return torch.where(z > high, torch.full_like(z, high), torch.where(z < low, torch.full_like(z, low), z))


def _inside(z: Tensor, low: float, high: float) -> Tensor:
    """1 strictly between the limits, else 0."""
    return _unless((z <= low) | (z >= high), z)


RELU6 = elementwise(
    Told(
        "relu6",
        "ReLU6",
        r"\mathrm{min}(\mathrm{max}(0, z), 6)",
        r"\mathbb{1}[0 \lt z \lt 6]",
        "Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10",
        r"\mathrm{ReLU6}'",
    ),
    lambda z, settings: _clipped(z, 0, 6),
    lambda kept: _inside(given(kept.inputs, 0), 0, 6),
    1.0,
)

HARDTANH = elementwise(
    Told(
        "hardtanh",
        "hard tanh",
        r"\mathrm{min}(\mathrm{max}(z_{-}, z), z_{+})",
        r"\mathbb{1}[z_{-} \lt z \lt z_{+}]",
        "Collobert 2004, Large scale machine learning",
    ),
    lambda z, settings: _clipped(z, settings["min_val"], settings["max_val"]),
    lambda kept: _inside(given(kept.inputs, 0), kept.settings["min_val"], kept.settings["max_val"]),
    1.0,
)


def hardtanh_between(low: float, high: float) -> Law:
    """Hard tanh with these limits; with 0 and 6 it is called ReLU6."""
    return RELU6 if (low, high) == (0, 6) else HARDTANH


def _leaky(z: Tensor, settings: Settings) -> Tensor:
    return torch.where(z > 0, z, z * settings["slope"])


def _leaky_slope(kept: Kept) -> Tensor:
    over = above(kept)
    z = kept.inputs[0] if kept.inputs[0] is not None else given(kept.outputs, 0)
    return torch.where(over, torch.ones_like(z), torch.ones_like(z) * kept.settings["slope"])


LEAKY_RELU = elementwise(
    Told(
        "leaky_relu",
        "leaky ReLU",
        r"z \odot \left( \mathbb{1}[z \gt 0] + s \mathbb{1}[z \leq 0] \right)",
        r"\left( \mathbb{1}[z \gt 0] + s \mathbb{1}[z \leq 0] \right)",
        "Maas, Hannun & Ng 2013",
    ),
    _leaky,
    _leaky_slope,
    1.0,
)

RRELU = elementwise(
    Told(
        "rrelu",
        "RReLU",
        r"z \odot \left( \mathbb{1}[z \gt 0] + s \odot \mathbb{1}[z \leq 0] \right)",
        r"\left( \mathbb{1}[z \gt 0] + s \odot \mathbb{1}[z \leq 0] \right)",
        "Xu, Wang, Chen & Li 2015, Empirical evaluation of rectified activations",
    ),
    _leaky,
    _leaky_slope,
    1.0,
)


def leaky_with(slope: float) -> Law:
    """Leaky ReLU with this slope below 0, and the bound that goes with it."""
    return bounded(LEAKY_RELU, max(1.0, abs(slope)))


def rrelu_within(lower: float, upper: float) -> Law:
    """Randomised ReLU with slopes between these two, and the bound that goes with them."""
    return bounded(RRELU, max(1.0, abs(lower), abs(upper)))


HARDSIGMOID = elementwise(
    Told(
        "hardsigmoid",
        "hard sigmoid",
        r"\mathrm{min}(\mathrm{max}(0, z + 3), 6) / 6",
        r"\frac{1}{6} \mathbb{1}[-3 \lt z \lt 3]",
        "Courbariaux, Bengio & David 2015, with slope 1/6",
    ),
    lambda z, settings: _clipped(z + 3, 0, 6) / 6,
    lambda kept: _inside(given(kept.inputs, 0), -3, 3) / 6,
    1 / 6,
)


def _hardswish_slope(kept: Kept) -> Tensor:
    z = given(kept.inputs, 0)
    rising = torch.where(z < 3, z / 3 + 0.5, torch.ones_like(z))
    return torch.where(z <= -3, torch.zeros_like(z), rising)


HARDSWISH = elementwise(
    Told(
        "hardswish",
        "hard swish",
        r"z \odot \mathrm{min}(\mathrm{max}(0, z + 3), 6) / 6",
        r"\left( \left( \frac{z}{3} + \frac{1}{2} \right) \mathbb{1}[-3 \lt z \lt 3] + \mathbb{1}[z \geq 3] \right)",
        "Howard et al. 2019, Searching for MobileNetV3",
    ),
    lambda z, settings: z * (_clipped(z + 3, 0, 6) / 6),
    _hardswish_slope,
    1.5,  # just below z = 3
)


def _over(kept: Kept) -> Tensor:
    z = given(kept.inputs, 0)
    below: Tensor = z <= kept.settings["threshold"]
    return _unless(below, z)


THRESHOLD = elementwise(
    Told(
        "threshold",
        "threshold",
        r"z \odot \mathbb{1}[z \gt t] + v \mathbb{1}[z \leq t]",
        r"\mathbb{1}[z \gt t]",
        "definition",
    ),
    lambda z, settings: torch.where(z <= settings["threshold"], torch.full_like(z, settings["value"]), z),
    _over,
    1.0,
)


def _outside(kept: Kept) -> Tensor:
    z = given(kept.inputs, 0)
    inner: Tensor = z.abs() <= kept.settings["lambd"]
    return _unless(inner, z)


def _softshrink(z: Tensor, settings: Settings) -> Tensor:
    return torch.where(z.abs() <= settings["lambd"], torch.zeros_like(z), z - torch.sign(z) * settings["lambd"])


SOFTSHRINK = elementwise(
    Told(
        "softshrink",
        "soft shrink",
        r"\left( z - \lambda \operatorname{sign}(z) \right) \odot \mathbb{1}[|z| \gt \lambda]",
        r"\mathbb{1}[|z| \gt \lambda]",
        "Donoho & Johnstone 1994",
    ),
    _softshrink,
    _outside,
    1.0,
)

HARDSHRINK = elementwise(
    Told(
        "hardshrink",
        "hard shrink",
        r"z \odot \mathbb{1}[|z| \gt \lambda]",
        r"\mathbb{1}[|z| \gt \lambda]",
        "Donoho & Johnstone 1994",
    ),
    lambda z, settings: torch.where(z.abs() <= settings["lambd"], torch.zeros_like(z), z),
    _outside,
    1.0,
)

LAWS: tuple[Law, ...] = (
    RELU,
    RELU6,
    HARDTANH,
    LEAKY_RELU,
    RRELU,
    HARDSIGMOID,
    HARDSWISH,
    THRESHOLD,
    SOFTSHRINK,
    HARDSHRINK,
)
