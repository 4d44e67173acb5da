"""How the parameters move: how far over the run, in which directions, and what stands between gradient and step."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..quantities import median, medians
from ..records import ModuleSeen
from .memory import remembered
from .reading import Reading

Array = NDArray[np.float64]


def trained(reading: Reading) -> tuple[str, ...]:
    """Names of the weights [matrix or more] that an optimizer holds and that want a gradient, trunk or not."""
    return tuple(p.name for p in reading.network.params if p.owned and p.requires_grad and len(p.shape) > 1)


def columns(reading: Reading, stat: str, names: tuple[str, ...]) -> Array:
    """A statistic of the named sites, [frame, site]."""
    return np.stack([reading.at(stat, n) for n in names], axis=1) if names else np.full((len(reading.steps), 0), np.nan)


@remembered
def update_ratios(reading: Reading) -> Array:
    """‖ΔW‖/‖W‖ of every trained weight, [frame, weight]; nan where unknown or where W is 0."""
    names = trained(reading)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = columns(reading, "update_norm", names) / columns(reading, "weight_norm", names)
    return np.where(np.isfinite(ratio), ratio, np.nan)


@remembered
def travel(reading: Reading) -> float:
    """How far a weight can have moved over the whole run, in its own size: median over weights of steps · ‖ΔW‖/‖W‖.

    Law: ‖W_T − W_0‖ ≤ Σ ‖ΔW_t‖; the sum is taken from the recorded frames, each standing for the steps up to the
    next. 1 where every step shares one direction and the weight has moved by its own size. 0 where nothing moves; nan
    unknown. Source: learning time, theory 5.2.
    """
    ratios = update_ratios(reading)
    if not len(ratios) or not ratios.shape[1]:
        return math.nan
    stands_for = np.diff(np.append(reading.steps, max(reading.last_step, int(reading.steps[-1])) + 1))
    known = np.isfinite(ratios).any(axis=1)
    if not known.any():
        return math.nan
    filled = np.where(np.isfinite(ratios), ratios, medians(ratios[known])[None, :])
    return median(np.sum(filled * stands_for[:, None], axis=0))


def turn(reading: Reading) -> float:
    """Median cosine between gradients of consecutive steps, over weights: 1 steady, 0 noise, −1 to and fro."""
    return median(columns(reading, "grad_turn", trained(reading)).ravel())


@remembered
def clipped(reading: Reading) -> Array:
    """‖∇ as the optimizer got it‖ / ‖∇ at the end of backward‖ over all parameters, [frame]; nan unknown."""
    used, raw = reading.of("grad_norm"), reading.of("grad_norm_raw")
    both = np.isfinite(used) & np.isfinite(raw)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = _norm(used, both) / _norm(raw, both)
    return np.where(both.any(axis=1), ratio, np.nan)


def _norm(values: Array, where: NDArray[np.bool_]) -> Array:
    kept = np.where(where, values, 0.0)
    largest = np.maximum(kept.max(axis=1, initial=0.0), 1e-300)
    return np.asarray(largest * np.sqrt(np.square(kept / largest[:, None]).sum(axis=1)))


def weight_variance(reading: Reading, module: ModuleSeen) -> float:
    """fan_in · mean square of a layer's weights in the first frame: 2 for He, 1 for Xavier, 1/3 for torch's default.

    nan for a module without weights, for an embedding, and where the weight was not measured. Source: He 2015.
    """
    param = next((p for p in reading.network.params if p.name == module.weight), None)
    if module.role != "weights" or module.fan_in <= 0 or param is None or module.kind == "embedding":
        return math.nan
    norm = median(reading.at("weight_norm", param.name)[reading.initial])
    return module.fan_in * norm**2 / max(param.numel, 1)
