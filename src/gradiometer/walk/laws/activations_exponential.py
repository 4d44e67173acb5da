"""Laws of ELU and its kin: a line above 0, an exponential below."""

from __future__ import annotations

import torch
from torch import Tensor

from .activations_making import Told, above, bounded, elementwise
from .law import Kept, Law, Settings, given

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def _elu(z: Tensor, settings: Settings) -> Tensor:
    scale, low = settings.get("scale", 1), settings["alpha"] * settings.get("scale", 1)
    below = torch.expm1(z.clamp(max=0) * settings.get("input_scale", 1)) * low
    return torch.where(z > 0, z * scale, below)


def _elu_slope(kept: Kept) -> Tensor:
    """By the input e^z; where it was not kept by the output, which is α (e^z − 1) below 0: for α > 0 only."""
    s = kept.settings
    scale, inner = s.get("scale", 1), s.get("input_scale", 1)
    z, low = kept.inputs[0], s["alpha"] * s.get("scale", 1)
    if z is not None:
        below = torch.exp(z.clamp(max=0) * inner) * (low * inner)
    else:
        below = (given(kept.outputs, 0) + low) * inner
    return torch.where(above(kept), torch.full_like(below, scale), below)


ELU = elementwise(
    Told(
        "elu",
        "ELU",
        r"s \left( z \mathbb{1}[z \gt 0] + \alpha (e^{c z} - 1) \mathbb{1}[z \leq 0] \right)",
        r"s \left( \mathbb{1}[z \gt 0] + \alpha c e^{c z} \mathbb{1}[z \leq 0] \right)",
        "Clevert, Unterthiner & Hochreiter 2016",
        r"\mathrm{ELU}'",
    ),
    _elu,
    _elu_slope,
    1.0,
)

SELU = elementwise(
    Told(
        "selu",
        "SELU",
        r"s \left( z \mathbb{1}[z \gt 0] + \alpha (e^z - 1) \mathbb{1}[z \leq 0] \right)",
        r"s \left( \mathbb{1}[z \gt 0] + \alpha e^z \mathbb{1}[z \leq 0] \right)",
        "Klambauer et al. 2017, Self-normalizing neural networks",
        r"\mathrm{SELU}'",
    ),
    _elu,
    _elu_slope,
    SELU_ALPHA * SELU_SCALE,
)


def elu_with(alpha: float, scale: float, input_scale: float) -> Law:
    """ELU with these settings and the bound that goes with them; with the numbers of SELU it is called so."""
    if (alpha, scale, input_scale) == (SELU_ALPHA, SELU_SCALE, 1):
        return SELU
    return bounded(ELU, float(max(abs(scale), abs(scale * alpha * input_scale))))


def _celu(z: Tensor, settings: Settings) -> Tensor:
    below = torch.expm1(z.clamp(max=0) / settings["alpha"]) * settings["alpha"]
    return torch.where(z > 0, z, below)


def _celu_slope(kept: Kept) -> Tensor:
    z, alpha = kept.inputs[0], kept.settings["alpha"]
    below = torch.exp(z.clamp(max=0) / alpha) if z is not None else given(kept.outputs, 0) / alpha + 1
    return torch.where(above(kept), torch.ones_like(below), below)


CELU = elementwise(
    Told(
        "celu",
        "CELU",
        r"z \mathbb{1}[z \gt 0] + \alpha (e^{z / \alpha} - 1) \mathbb{1}[z \leq 0]",
        r"\left( \mathbb{1}[z \gt 0] + e^{z / \alpha} \mathbb{1}[z \leq 0] \right)",
        "Barron 2017, Continuously differentiable exponential linear units",
        r"\mathrm{CELU}'",
    ),
    _celu,
    _celu_slope,
    1.0,
)


def celu_with(alpha: float) -> Law:
    """CELU with this α; below 0 its slope has no bound."""
    return bounded(CELU, 1.0 if alpha > 0 else None)


LAWS: tuple[Law, ...] = (ELU, SELU, CELU)
