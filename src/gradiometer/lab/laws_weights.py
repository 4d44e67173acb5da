"""Which variance an initialisation gives to which weights: the one source for drawing them and for the laws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gradiometer import theory
from gradiometer.records import UserError

from .laws_critical import critical_recipe

WeightRole = Literal["first", "signal", "pre", "unit", "hidden", "inner", "cross", "drive", "head"]
"""What weights do in a network.

first: read the input, an activation follows. signal, pre, unit: a linear stem (see ``LabNetwork``). hidden: between
activations. inner: the lower factor of a product of two. cross: of a cross layer. drive: from below into a recurrence.
head: to the outputs.
"""


@dataclass(frozen=True, slots=True)
class Weights:
    """One layer of weights: its role, its true fans, and E x² of what it reads."""

    role: WeightRole
    fan_in: int
    fan_out: int
    input_power: float = 1.0


@dataclass(frozen=True, slots=True)
class Draw:
    """Variances of one entry of the weights, and of the biases."""

    weight: float
    bias: float


def draw(init: str, activation: str, depth: int, weights: Weights) -> Draw:
    """Var W and Var b of a layer under an initialisation.

    law: `theory.init_variance` and `init_bias_variance` with true fans; critical: see `critical_power`; lsuv:
        Var W = 1/(fan-in · E x²), no biases.
    shapes, units: see `Weights`; squared units of the weights.
    at 0: inputs of power 0 are a ZeroDivisionError where the draw reads them (critical, lsuv).
    at inf/nan: inf gives weights of 0; an initialisation without a variance law (article) is a UserError.
    source: theory of each name.
    """
    n = weights.fan_in
    if init == "critical":
        sigma_w2, sigma_b2 = critical_power(activation, depth, weights)
        return Draw(sigma_w2 / n, sigma_b2)
    if init == "lsuv":
        return Draw(1 / (n * weights.input_power), 0.0)
    return Draw(theory.init_variance(init, n, weights.fan_out), theory.init_bias_variance(init, n))


def critical_power(activation: str, depth: int, weights: Weights) -> tuple[float, float]:
    """(σw², σb²) of a layer under the critical initialisation.

    law: hidden (1/D2, σb²) at the critical point; a first layer ((q − σb²)/E x², σb²), so that the data enter at q; a
        stem gives M2(q) (signal), q (pre) or 1 (unit); an inner factor (1, 0); a cross layer (1/L, 0); the drive of a
        recurrence (σb²/E x², 0): the input stands where the recipe has its bias, or (1/E x², 0) where it has none; a
        head (1/M2(q), 0).
    shapes, units: see `Weights`; σw² = fan-in · Var W.
    at 0: inputs of power 0 are a ZeroDivisionError.
    at inf/nan: inputs of power inf give weights of 0; an activation without a point is a UserError.
    source: theory of `critical_recipe`; 1/L of a cross layer keeps its total below e.
    """
    role = weights.role
    if role == "cross":
        return 1 / depth, 0.0
    if role == "unit":
        return 1 / weights.input_power, 0.0
    point = critical_recipe(activation)
    if point is None:
        raise UserError(f"Activation {activation} has no critical point. Use another initialisation.")
    act = theory.activation(activation)
    out = float(act.m2(point.q))
    table = {
        "hidden": lambda: (point.sigma_w2, point.sigma_b2),
        "first": lambda: ((point.q - point.sigma_b2) / weights.input_power, point.sigma_b2),
        "pre": lambda: ((point.q - point.sigma_b2) / weights.input_power, point.sigma_b2),
        "signal": lambda: (out / weights.input_power, 0.0),
        "inner": lambda: (1.0, 0.0),
        "drive": lambda: ((point.sigma_b2 or 1.0) / weights.input_power, 0.0),
        "head": lambda: (1 / out, 0.0),
    }
    return table[role]()


def state_power(activation: str) -> float:
    """E h² of a recurrent layer's state at the critical point, which the next layer reads; 1 where there is none.

    law: M2(q*).
    shapes, units: a name in, squared units of φ out.
    at 0: never.
    at inf/nan: never.
    source: theory of `critical_recipe`.
    """
    point = critical_recipe(activation)
    return 1.0 if point is None else float(theory.activation(activation).m2(point.q))
