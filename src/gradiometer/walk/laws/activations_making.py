"""How a law of an elementwise activation is made, and the two functions that many of them share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given

Value = Callable[[Tensor, Settings], Tensor]
Slope = Callable[[Kept], Tensor]


@dataclass(frozen=True, slots=True)
class Told:
    """What a page tells of an activation. value: TeX of φ(z); slope: TeX of φ'(z); mark: TeX of φ' as a name."""

    name: str
    title: str
    value: str
    slope: str
    source: str
    mark: str = r"\varphi'"


def elementwise(told: Told, value: Value, slope: Slope, largest: float | None) -> Law:
    """The law y = φ(z), δ_z = δ_y ⊙ φ'(z).

    slope gives φ'(z) from what was kept: from the input, or where only that was kept, from the output.
    """

    def forward(inputs: Tensors, settings: Settings) -> Tensors:
        return (value(given(inputs, 0), settings),)

    def backward(errors: Tensors, kept: Kept) -> Tensors:
        if errors[0] is None or not kept.wanted[0]:
            return (None,)
        return (errors[0] * slope(kept),)

    return Law(
        name=told.name,
        role="activation",
        title=told.title,
        value=f"y = {told.value}",
        error=rf"\delta_z = \delta_y \odot {told.slope}",
        step=rf"@d \odot {told.mark}(z_{{@v}})",
        source=told.source,
        forward=forward,
        backward=backward,
        local=slope,
        largest=largest,
    )


def bounded(law: Law, largest: float | None) -> Law:
    """The same law with the bound on its slope that the settings at hand give."""
    return law if law.largest == largest else dataclasses.replace(law, largest=largest)


def result(kept: Kept, value: Value) -> Tensor:
    """The output, made again from the input where it was not kept."""
    found = kept.outputs[0] if kept.outputs else None
    return found if found is not None else value(given(kept.inputs, 0), kept.settings)


def above(kept: Kept) -> Tensor:
    """Where z > 0, read from the output where the input was not kept: for laws that keep the sign."""
    z = kept.inputs[0]
    return (z if z is not None else given(kept.outputs, 0)) > 0


def logistic(z: Tensor) -> Tensor:
    """σ(z) = 1 / (1 + e^−z). It is 0 at −inf and 1 at inf: no power of e above 1 is taken. nan stays nan."""
    small = torch.exp(-z.abs())
    return torch.where(z >= 0, 1 / (1 + small), small / (1 + small))


def log_one_plus_exp(z: Tensor) -> Tensor:
    """log(1 + e^z), without a power of e above 1: z itself where z is large, e^z where it is very negative."""
    return z.clamp(min=0) + torch.log1p(torch.exp(-z.abs()))
