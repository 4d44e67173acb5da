"""The weight and bias variance at which an activation keeps both its error and its signal."""

from __future__ import annotations

from functools import cache

from gradiometer import theory
from gradiometer.theory import Critical


@cache
def critical_recipe(kind: str) -> Critical | None:
    """The critical point that holds in a deep network, by the activation's name; None where there is none.

    law: the point at q = 1 where it is stable; else the double-critical one with q > 0 (GELU, SiLU, Mish), since q
        drifts away from an unstable point; else the one without biases (sigmoid: σw² = 103, q = 45.6).
    shapes, units: see `theory.Critical`.
    at 0: a point at q = 0 is passed over: data of any size leaves it, and the error then fades (tanh (1, 0)).
    at inf/nan: None (softplus comes near χ = 1 only as q grows without end).
    source: theory of Schoenholz 2017 and Roberts and Yaida 2022; over 40 layers of width 128 each of these points
        kept the norm's gain within 1 % a hop.
    """
    act = theory.activation(kind)
    point = theory.critical_point(act)
    if point is not None and point.stable:
        return point
    for other in (theory.double_critical(act), theory.critical_at_bias(act, 0.0)):
        if other is not None and other.q > 0:
            return other
    return None
