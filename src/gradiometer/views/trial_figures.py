"""The curves of a trial as data: the script's own loss without a cure and with the best one, over paired seeds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gradiometer.records import Outcome, TrialResult

from .figures import Axis, Figure, Series
from .trial_words import best_arm

PLACES = 48  # steps at which the curves are shown
MOST_ARMS = 2  # beside no cure


def curves_figure(result: TrialResult) -> Figure | None:
    """Median over the seeds of the trial, with the lowest and the highest as a band; None where no curve is known.

    Shown are no cure and the best arm; where none helps, the arms with the largest effect. A run that diverged ends
    where it ended: from there on it is no part of the median.
    """
    none = next((a.name for a in result.spec.arms if a.role == "none"), "")
    best = best_arm(result)
    by_effect = sorted((v for v in result.verdicts if v.pairs), key=lambda v: -v.effect)
    shown = [best.arm] if best is not None else [v.arm for v in by_effect[:MOST_ARMS]]
    found = {name: _curves(list(result.of(name).values())) for name in (none, *shown)}
    steps = max((curve[-1, 0] for curves in found.values() for curve in curves), default=0.0)
    if not found[none] or steps < 1 or len(found) < 2:
        return None
    places = np.unique(np.round(np.linspace(0, steps, PLACES))).astype(np.float64)
    series = tuple(_series(name, curves, places, none) for name, curves in found.items() if curves)
    axes = (
        Axis("step", "", "steps", values=tuple(float(p) for p in places)),
        Axis("loss that the script sees", "", "linear"),
    )
    return Figure(f"Training without a cure and with {' and '.join(shown)}: median over seeds", axes, series)


def _curves(outcomes: list[Outcome]) -> list[NDArray[np.float64]]:
    return [np.array(o.curve, dtype=np.float64) for o in outcomes if len(o.curve) > 1]


def _series(name: str, curves: list[NDArray[np.float64]], places: NDArray[np.float64], none: str) -> Series:
    at = np.array([np.interp(places, c[:, 0], c[:, 1], right=np.nan) for c in curves])  # [seed, place]
    at[~np.isfinite(at)] = np.nan
    known = np.isfinite(at).any(axis=0)
    middle, low, high = (np.full(len(places), np.nan) for _ in range(3))
    middle[known] = np.nanmedian(at[:, known], axis=0)
    low[known], high[known] = np.nanmin(at[:, known], axis=0), np.nanmax(at[:, known], axis=0)
    label, role = ("no cure", "neutral") if name == none else (name, "healthy")
    values = [tuple(float(x) for x in row) for row in (middle, low, high)]
    return Series(label, role, "line", *values)
