"""The weight variance of each layer under the critical recipe of the activation that really follows it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from .. import theory
from ..quantities.laws import activation_law
from ..records import Scalar
from .layers import Layer
from .tracing import GATE, OUTPUT, WEIGHTS, Trace

Kind = tuple[str, tuple[tuple[str, Scalar], ...]]
"""An activation by kind and settings."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where an activation is critical. sigma_w2, sigma_b2, q: as in ``theory.Critical``; out: E φ² there."""

    sigma_w2: float
    sigma_b2: float
    q: float
    out: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """Variances of one layer's weights and biases; bias None leaves the biases.

    role: in words, for the user. because: why the layer is kept, "" where it is drawn.
    """

    layer: Layer
    weight: float = math.nan
    bias: float | None = 0.0
    role: str = ""
    because: str = ""


@cache
def point_of(kind: Kind) -> Point | None:
    """The critical point that holds in a deep network; None where there is none or the activation is not known.

    law: the stable point at q = 1; else the double-critical one (GELU, SiLU, Mish); else the one without biases (the
        sigmoid: σw² = 103, q = 45.6). For the centred sigmoid that of tanh, carried over by σ(x) − ½ = ½ tanh(x/2):
        σw² × 16, σb² × 4, q × 4.
    shapes, units: see `Point`.
    at 0: a point at q = 0 is passed over, since data of any size leave it.
    at inf/nan: None (softplus comes near χ = 1 only as q grows without end).
    source: theory of Schoenholz 2017 and Roberts and Yaida 2022; gain per hop within 1 % over 40 layers of width 128.
    """
    name, settings = kind
    act = activation_law(name, dict(settings))
    if act is None:
        return None
    if name == "centred_sigmoid":
        line = theory.critical_at_bias(theory.activation("tanh"), 0.05)
        assert line is not None
        return Point(16 * line.sigma_w2, 4 * line.sigma_b2, 4 * line.q, float(act.m2(4 * line.q)))
    at_one = theory.critical_point(act)
    others = (theory.double_critical(act), theory.critical_at_bias(act, 0.0))
    candidates = (at_one if at_one is not None and at_one.stable else None, *others)
    found = next((c for c in candidates if c is not None and c.q > 0), None)
    if found is None:
        return None
    bias = found.sigma_b2 if found.sigma_b2 > ROUNDING * found.q else 0.0
    return Point(found.sigma_w2, bias, found.q, float(act.m2(found.q)))


@cache
def point_without_bias(kind: Kind) -> Point | None:
    """The same for a layer that has no bias, where the recipe wants one: nearly critical, at a q that σw² alone keeps.

    law: σw² = q/M2(q), χ = q D2(q)/M2(q), at the q of a few (0.1, that of the recipe, 10) where χ is nearest to 1.
        tanh: q = 0.1, gain 1.004 a hop.
    shapes, units: see `Point`.
    at 0, at inf/nan: as `point_of`.
    source: the variance map of Poole 2016 at a fixed point.
    """
    point, act = point_of(kind), activation_law(kind[0], dict(kind[1]))
    if point is None or act is None or point.sigma_b2 == 0:
        return point
    q = min((*UNBIASED_Q, point.q), key=lambda q: abs(math.log(q * float(act.d2(q)) / float(act.m2(q)))))
    out = float(act.m2(q))
    return Point(q / out, 0.0, q, out)


ROUNDING = 1e-6  # a bias variance below this share of q is what rounding leaves of 0
UNBIASED_Q = (0.1, 10.0)  # smaller would be nearer to critical for tanh, and no nonlinearity


def wanted(trace: Trace, layers: list[Layer], exchanged: Mapping[str, Kind]) -> list[Wanted]:
    """What the critical recipe wants of each layer. exchanged: kinds of activations that are about to be exchanged.

    law: between activations (1/D2(q), σb²); a first layer ((q − σb²)/E x², σb²) with E x² of the batch; before another
        layer (1, 0); before the output (1/E x², 0), x as an activation gives it. All by the true fan-in.
    Layers are kept where what follows is not known: a gate, attention, an activation without a law, or two kinds.
    """
    kinds = {key: exchanged.get(key, (a.kind, tuple(sorted(a.args.items())))) for key, a in trace.activations.items()}
    return [_wanted(layer, trace, kinds) for layer in layers]


def _wanted(layer: Layer, trace: Trace, kinds: Mapping[str, Kind]) -> Wanted:
    follows = trace.follows.get(layer.path)
    if follows is None:
        return Wanted(layer, because="not called by this batch")
    acts = {kinds[f] for f in follows if f in kinds}
    others = {f for f in follows if f not in kinds and f not in (OUTPUT, WEIGHTS)}
    if any(GATE in trace.activations[f].feeds for f in follows if f in kinds):
        return Wanted(layer, because="drives a gate")
    if others:
        return Wanted(layer, because=f"its output goes into {', '.join(sorted(o.strip('()') for o in others))}")
    if len(acts) > 1:
        return Wanted(layer, because=f"{' and '.join(sorted(k for k, _ in acts))} both follow")
    power, reads = _input_power(layer.path, trace, kinds)
    if not acts:
        return _unactivated(layer, follows, power)
    (kind,) = acts
    point = point_of(kind) if layer.has_bias else point_without_bias(kind)
    if point is None:
        return Wanted(layer, because=f"{kind[0]} follows, for which there is no critical variance")
    if reads == "act":
        return Wanted(layer, point.sigma_w2 / layer.fan_in, point.sigma_b2, f"before {kind[0]}")
    if not 0 < power < math.inf:
        return Wanted(layer, because=f"its input has a mean square of {power:g}")
    first = (point.q - point.sigma_b2) / power / layer.fan_in
    return Wanted(layer, first, point.sigma_b2, f"first, E x² = {power:.3g}, before {kind[0]}")


def _unactivated(layer: Layer, follows: set[str], power: float) -> Wanted:
    """A layer before another layer, or before the output."""
    if OUTPUT in follows or not follows:
        if not 0 < power < math.inf:
            return Wanted(layer, because=f"its input has a mean square of {power:g}")
        return Wanted(layer, 1 / power / layer.fan_in, 0.0, "output")
    return Wanted(layer, 1 / layer.fan_in, 0.0, "before another layer")


def _input_power(path: str, trace: Trace, kinds: Mapping[str, Kind]) -> tuple[float, str]:
    """(E x² of what a layer reads once the others have been drawn, what kind of signal that is).

    Behind activations it is E φ² at their point, whatever the weights are now; behind another layer, which keeps the
    power, that of what it reads; else as measured.
    """
    seen: set[str] = set()
    while path not in seen:
        seen.add(path)
        labels = trace.reads.get(path, set())
        points = [point_of(kinds[name]) for source, name in labels if source == "act" and name in kinds]
        if points:
            known = [p.out for p in points if p is not None]
            return (sum(known) / len(known) if known else trace.power.get(path, math.nan)), "act"
        below = [name for source, name in labels if source == "layer"]
        if not below or any(source in ("input", "norm", "other") for source, _ in labels):
            break
        path = below[0]
    return trace.power.get(path, math.nan), "data"
