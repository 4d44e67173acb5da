"""Derived numbers by name: unit, formula, source, and the function of a run that computes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..records import Run, UserError
from . import learning, trunk

Compute = Callable[[Run, str | None], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A derived number. axes: the axes of what ``compute`` returns."""

    name: str
    unit: str
    formula: str
    source: str
    compute: Compute
    axes: str = "[frame, site]"


def _stat(name: str) -> Compute:
    return lambda run, model: run.of(name, model)


ALL: tuple[Quantity, ...] = (
    Quantity("gain", "1", "‖δ lower‖ / ‖δ upper‖", "DESIGN, gain", trunk.gain, "[frame, hop]"),
    Quantity(
        "gain_decades", "decades", "log10(‖δ lower‖ / ‖δ upper‖)", "DESIGN, gain", trunk.gain_decades, "[frame, hop]"
    ),
    Quantity(
        "forward_gain", "1", "rms(x upper) / rms(x lower)", "theory, forward map", trunk.forward_gain, "[frame, hop]"
    ),
    Quantity(
        "error_decades", "decades", "log10(‖δ‖ / ‖δ head‖)", "DESIGN, profile", trunk.error_decades, "[frame, station]"
    ),
    Quantity("theory_gain", "1", "√(n Var W · D2(q)), norms, skips", "mean field", trunk.theory_gain, "[frame, hop]"),
    Quantity(
        "band_decades",
        "decades",
        "(3 √(κ Σ 1/n) + .05 L) / 2 ln 10",
        "Hanin, Nica 2018",
        trunk.band,
        "[frame, station]",
    ),
    Quantity("elasticity", "1", "‖x‖‖∂L/∂x‖ / L₊, ‖W‖‖∇W‖ / L₊", "DESIGN, elasticity", learning.elasticity),
    Quantity("update_ratio", "1/step", "‖ΔW‖ / ‖W‖", "CS231n", learning.update_ratio),
    Quantity("learning_time", "steps", "‖W‖ / ‖ΔW‖", "DESIGN, learning time", learning.learning_time),
    Quantity("saturated_share", "share", "units in the flat parts", "measured", _stat("act_saturated_share")),
    Quantity("dead_share", "share", "units ≤ 0 for the whole batch", "measured", _stat("act_dead_share")),
    Quantity("input_similarity", "1", "mean cosine of different inputs", "measured", _stat("act_similarity")),
    Quantity(
        "effective_rank", "share", "exp entropy of the Gram spectrum / examples", "measured", _stat("act_rank_share")
    ),
)
REGISTRY: dict[str, Quantity] = {q.name: q for q in ALL}


def quantity(name: str) -> Quantity:
    """The quantity called ``name``. UserError where there is none."""
    if name not in REGISTRY:
        raise UserError(f"No quantity {name!r}. Quantities: {', '.join(REGISTRY)}.")
    return REGISTRY[name]


def of(run: Run, name: str, model: str | None = None) -> NDArray[np.float64]:
    """A derived number of a model at every recorded frame; its axes are ``quantity(name).axes``."""
    return quantity(name).compute(run, model)
