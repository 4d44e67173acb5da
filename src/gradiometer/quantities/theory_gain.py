"""What mean-field theory says about a hop, from what was measured at its ends: a prediction beside the measurement.

Every law here speaks of networks at initialisation: Gaussian weights of mean zero that do not yet know the data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import theory
from ..records import Hop, Network, Part, Run
from ..theory import Activation
from .laws import activation_law

GAUSSIAN_BACKWARD_KURTOSIS = 2.0  # κ of a linear hop (theory: Hanin and Nica), where no activation is known
MEAN_SHARE_LIMIT = 0.1  # share of E W² that a non-zero mean may hold before the zero-mean law is off
HOMOGENEOUS = frozenset({"linear", "relu", "leaky_relu", "prelu"})  # φ(ax) = a φ(x): f = χ on a branch
PRESERVING_ROLES = frozenset({"reshape"})
BATCH_NORMS = frozenset({"batchnorm", "batchnorm1d", "batchnorm2d", "batchnorm3d", "syncbatchnorm"})
FEATURE_NORMS = frozenset({"layernorm", "rmsnorm"})


@dataclass(frozen=True, slots=True)
class Moment:
    """The statistics of one recorded frame, by site name: what the laws of a hop read."""

    network: Network
    columns: dict[str, int]
    act_norm: np.ndarray  # [site]
    act_numel: np.ndarray  # [site]
    weight_norm: np.ndarray  # [site]
    weight_mean: np.ndarray  # [site]

    def at(self, values: np.ndarray, site: str | None) -> float:
        """The value at a site, nan where the site is unknown."""
        column = self.columns.get(site or "", -1)
        return float(values[column]) if column >= 0 else math.nan

    def mean_square(self, site: str) -> float:
        """q = E x² at a site; nan where it was not measured."""
        numel = self.at(self.act_numel, site)
        return self.at(self.act_norm, site) ** 2 / numel if numel > 0 else math.nan


def moment(run: Run, model: str | None, frame: int) -> Moment:
    """The statistics that the laws need at one recorded frame (its index)."""
    columns = {s.name: i for i, s in enumerate(run.sites(model))}
    stats = [run.of(s, model)[frame] for s in ("act_norm", "act_numel", "weight_norm", "weight_mean")]
    return Moment(run.network(model), columns, *stats)


def known_activation(part: Part) -> Activation | None:
    """The theory of an activation, None where there is no law for it."""
    return activation_law(part.kind, part.args)


def hop_activation(hop: Hop) -> Activation | None:
    """The one activation inside a hop that has a law, else None."""
    parts = [p for p in hop.parts if p.role == "activation"]
    return known_activation(parts[0]) if len(parts) == 1 else None


def weight_variance(now: Moment, part: Part) -> float:
    """Var W of a part from ‖W‖ and its mean; nan where unknown or where the mean is too large for the law."""
    param = next((p for p in now.network.params if p.name == part.weight), None)
    if param is None or not param.numel:
        return math.nan
    second = now.at(now.weight_norm, part.weight) ** 2 / param.numel
    mean = now.at(now.weight_mean, part.weight)
    mean_square = mean * mean if math.isfinite(mean) else 0.0
    # a sample mean of iid weights has E mean² = Var/numel, and it acts on all fan_in inputs at once
    if mean_square > MEAN_SHARE_LIMIT * second + 9.0 * second / param.numel:
        return math.nan
    return second - mean_square


def weights_gain(now: Moment, part: Part) -> float:
    """√(n_in Var W): norm gain of the error through a weight matrix of mean zero; nan where unknown."""
    if part.kind == "embedding" or part.fan_in <= 0:
        return math.nan
    variance = weight_variance(now, part)
    return float(theory.weights_gain(part.fan_in, variance)) if variance >= 0 else math.nan


def activation_gain(now: Moment, part: Part) -> float:
    """√D2(q) at the q measured before the activation; nan without a law or without q."""
    act, q = known_activation(part), now.mean_square(part.lower)
    return math.sqrt(float(act.d2(q))) if act is not None and q > 0 else math.nan


def norm_gain(now: Moment, part: Part, hop: Hop, below: Hop | None) -> float:
    """Norm gain through a normalisation on pre-activations, affine part at one; nan elsewhere.

    LayerNorm and RMSNorm divide by √q: gain 1/√q. BatchNorm divides by the spread over the batch,
    Var z = q · Var φ / M2 of the activation below (which stands behind a normalisation, at q = 1): that is
    1/√q · √(bn_hop/ln_hop). A norm behind an activation has no law here, since its mean is not zero.
    """
    index = hop.parts.index(part)
    feeder = hop.parts[index + 1] if index + 1 < len(hop.parts) else None
    if feeder is not None and feeder.role == "activation":
        return math.nan
    q = now.mean_square(part.lower)
    if not q > 0:
        return math.nan
    if part.kind in FEATURE_NORMS:
        return 1.0 / math.sqrt(q)
    act = hop_activation(below) if below is not None else None
    if part.kind not in BATCH_NORMS or act is None:
        return math.nan
    return math.sqrt(float(theory.bn_hop(act)) / float(theory.ln_hop(act)) / q)


def dropout_gain(part: Part) -> float:
    """√(1/keep): a kept unit's error is scaled by 1/keep and a share ``keep`` of the units is kept."""
    p = part.args.get("p", 0.0)
    drop = float(p) if isinstance(p, int | float) else math.nan
    return 1.0 / math.sqrt(1.0 - drop) if 0 <= drop < 1 else math.nan


def residual_gain(now: Moment, hop: Hop) -> float:
    """‖x upper‖/‖x lower‖: a homogeneous branch without normalisation passes both ways alike; nan elsewhere.

    Elsewhere: where a concatenation adds units, and where the branch ends in an activation, whose mean adds to that of
    the stream on the way forward alone (a branch that adds nothing yet, as in ReZero, is 1 all the same).
    """
    block = next((p for p in hop.parts if p.role == "block"), None)
    if block is None or len(hop.parts) != 1:
        return math.nan
    inside = [m for m in now.network.modules if m.path.startswith(block.path + ".")]
    weights = [m for m in inside if m.role == "weights"]
    others = [m for m in inside if m.role not in ("weights", "block", "reshape")]
    if not weights or not all(m.role == "activation" and m.kind in HOMOGENEOUS for m in others):
        return math.nan
    if now.at(now.act_numel, hop.upper) != now.at(now.act_numel, hop.lower):
        return math.nan
    lower = now.at(now.act_norm, hop.lower)
    ratio = now.at(now.act_norm, hop.upper) / lower if lower > 0 else math.nan
    ends_in_weights = next(m.role for m in reversed(inside) if m.role in ("weights", "activation")) == "weights"
    return ratio if ends_in_weights or ratio == 1 else math.nan


def part_gain(now: Moment, part: Part, hop: Hop, below: Hop | None) -> float:
    """Predicted norm gain of one part; nan where theory has no law."""
    if part.role == "weights":
        return weights_gain(now, part)
    if part.role == "activation":
        return activation_gain(now, part)
    if part.role == "norm":
        return norm_gain(now, part, hop, below)
    if part.role == "dropout":
        return dropout_gain(part)
    return 1.0 if part.role in PRESERVING_ROLES else math.nan


def hop_gains(now: Moment, hops: Sequence[Hop]) -> np.ndarray:
    """Predicted norm gain of every hop [hop]; nan where a part of it has no law."""
    gains = np.full(len(hops), np.nan)
    for i, hop in enumerate(hops):
        below = hops[i + 1] if i + 1 < len(hops) else None
        if hop.spine or hop.joins or not hop.parts:
            continue
        if hop.skip:
            gains[i] = residual_gain(now, hop)
        else:
            gains[i] = math.prod(part_gain(now, part, hop, below) for part in hop.parts)
    return gains


def band_decades(now: Moment, hops: Sequence[Hop]) -> np.ndarray:
    """Three standard errors of the cumulated log-gain from finite width, in decades of the norm, [station].

    Law: Var ln gain² = κb Σ 1/n_l, band = (3 √(κb Σ 1/n) + .05 L) / (2 ln 10). Unit: decades. At 0 hops: 0.
    Unknown widths add nothing but the .05 a hop. Source: Hanin and Nica 2018, general κ.
    """
    kappas, widths = [], []
    for hop in hops:
        act = hop_activation(hop)
        act_part = next((p for p in hop.parts if p.role == "activation"), None)
        q = now.mean_square(act_part.lower) if act_part is not None else math.nan
        kappas.append(float(act.kappa_backward(q)) if act is not None and q > 0 else GAUSSIAN_BACKWARD_KURTOSIS)
        widths.append(next((float(p.units) for p in reversed(hop.parts) if p.units > 0), math.inf))
    if not hops:
        return np.zeros(1)
    band = theory.finite_width_band(kappas, widths) / (2.0 * math.log(10.0))
    return np.concatenate(([0.0], band))
