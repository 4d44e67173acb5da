"""Which factor of a hop takes the error: the one furthest below its critical value.

The factors' gains are measured apart, never by division. Where no weight variance up to four makes the activation
critical, the activation is guilty whatever the weights are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..catalog import Context
from ..quantities import median
from ..quantities.laws import critical_recipe, reachable
from ..records import Hop, Part, Scalar
from . import limits
from .reading import Reading

Factor = Literal["weights", "activation", "recurrent", "block", "other"]
Window = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Guilt:
    """The guilty factor of one hop. site: where it stands; gains: of the weights and of the activation."""

    hop: int
    factor: Factor
    kind: str
    site: str
    gain: float
    weights_gain: float = math.nan
    activation_gain: float = math.nan
    below_activation: str = ""  # site before the activation
    args: dict[str, Scalar] = field(default_factory=dict)
    curable: bool = True  # some weight variance up to four makes the activation critical


def curable_by_weights(part: Part) -> bool:
    """True where some weight variance up to four makes the activation critical, or where it has no law."""
    return reachable(part.kind, tuple(sorted(part.args.items())), limits.CRITICAL_VARIANCE_MAX.value)


def part_gain(reading: Reading, parts: Sequence[Part], window: Window) -> float:
    """Product of the parts' median gains in a window; nan where there are none."""
    if not parts:
        return math.nan
    return math.prod(reading.between("err_norm", p.upper, p.lower, window) for p in parts)


def guilt_of(reading: Reading, index: int, window: Window) -> Guilt:
    """The guilty factor of one hop of the trunk in a window of frames."""
    hop = reading.network.hops[index]
    gain = reading.between("err_norm", hop.upper, hop.lower, window)
    roles = {p.role for p in hop.parts}
    if "recurrent" in roles:
        return Guilt(index, "recurrent", "", hop.upper, gain)
    if hop.skip or "block" in roles or "attention" in roles:
        return Guilt(index, "block", "", hop.upper, gain)
    weights = [p for p in hop.parts if p.role == "weights"]
    acts = [p for p in hop.parts if p.role == "activation"]
    w, a = part_gain(reading, weights, window), part_gain(reading, acts, window)
    factor = _factor(hop, w, a)
    rest = [p for p in hop.parts if p.role in ("pool", "other", "dropout")]
    if part_gain(reading, rest, window) < min(x for x in (w, a, 1.0) if x == x):
        factor = "other"  # neither weights nor activation: an average over positions, an operation without a law
    chosen = {"activation": acts, "other": rest}.get(factor, weights) or list(hop.parts)
    named = rest if factor == "other" else acts
    kind, args = (named[0].kind, named[0].args) if named else ("", {})
    site = chosen[0].upper if chosen else hop.upper
    curable = not acts or curable_by_weights(acts[0])
    return Guilt(index, factor, kind, site, gain, w, a, acts[0].lower if acts else "", args, curable)


def _factor(hop: Hop, weights_gain: float, activation_gain: float) -> Factor:
    acts = [p for p in hop.parts if p.role == "activation"]
    weights = [p for p in hop.parts if p.role == "weights"]
    if not acts:
        return "weights" if weights else "other"
    if not weights or any(p.role == "norm" for p in hop.parts):
        return "activation"  # a normalisation takes the weights' scale out
    if not curable_by_weights(acts[0]):
        return "activation"
    recipe = critical_recipe(acts[0].kind, tuple(sorted(acts[0].args.items())))
    if recipe is None:
        return "activation" if activation_gain < weights_gain else "weights"
    variance = recipe[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        weights_left = float(np.log(weights_gain)) - 0.5 * math.log(variance)
        activation_left = float(np.log(activation_gain)) + 0.5 * math.log(variance)  # D2 = 1/σw² at the point
    return "activation" if activation_left < weights_left else "weights"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The guilty hops of a stretch that share the leading factor, and how much of the loss each factor took."""

    factor: Factor
    kind: str
    hops: tuple[Guilt, ...]
    shares: dict[Factor, float]

    @property
    def sites(self) -> tuple[str, ...]:
        """Guilty sites, loss first."""
        return tuple(g.site for g in self.hops)

    @property
    def curable(self) -> bool:
        """True where some weight variance up to four makes the activation critical."""
        return all(g.curable for g in self.hops)

    @property
    def gain(self) -> float:
        """Median gain of the guilty hops."""
        return median([g.gain for g in self.hops])


def judge(reading: Reading, hops: Sequence[int], window: Window) -> Verdict | None:
    """The factor that took most of the error over the given hops, None where there are none."""
    found = [guilt_of(reading, i, window) for i in hops]
    if not found:
        return None
    loss: dict[tuple[Factor, str], float] = {}
    for g in found:
        key = (g.factor, g.kind if g.factor == "activation" else "")
        loss[key] = loss.get(key, 0.0) + abs(math.log10(max(g.gain, 1e-30)) if g.gain == g.gain else 0.0)
    factor, kind = max(loss, key=lambda k: loss[k])
    same = tuple(g for g in found if g.factor == factor and (factor != "activation" or g.kind == kind))
    total = sum(loss.values()) or 1.0
    shares: dict[Factor, float] = {}
    for (f, _), size in loss.items():
        shares[f] = shares.get(f, 0.0) + size / total
    kinds = [g.kind for g in same]
    return Verdict(factor, max(kinds, key=kinds.count), same, shares)


def context_of(reading: Reading, verdict: Verdict, window: Window) -> Context:
    """What the catalog must know of the stretch."""
    q = []
    for g in verdict.hops:
        with np.errstate(divide="ignore", invalid="ignore"):
            square = reading.at("act_norm", g.below_activation)[window] ** 2
            q.append(median(square / reading.at("act_numel", g.below_activation)[window]))
    optimizer = reading.optimizer
    return Context(
        activation=verdict.kind,
        activation_args=dict(verdict.hops[0].args),
        gain_before=verdict.gain,
        hops=len(verdict.hops),
        sigma_w2=median([g.weights_gain**2 for g in verdict.hops]),
        q=median(q),
        rate=reading.rate,
        optimizer=optimizer.cls if optimizer else "",
    )
