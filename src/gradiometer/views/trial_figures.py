"""The pictures of a trial as data: training losses over paired seeds, effects of each pair, the error's way back."""

from __future__ import annotations

import math
from statistics import median

import numpy as np
from numpy.typing import NDArray

from gradiometer.records import Outcome, TrialResult

from .figures import Axis, Figure, Mark, Series
from .trial_words import best_arm, none_arm, predicted_decades

PLACES = 48  # steps at which the curves are shown
MOST_ARMS = 2  # beside no cure
LOSS = "loss that the script sees"


def curves_figure(result: TrialResult) -> Figure | None:
    """Median over the seeds of the trial, with the lowest and the highest as a band; None where no curve is known.

    Shown are the best arm and what it is compared with; where none helps, no cure and the arms with the largest effect.
    A run that diverged ends where it ended: from there on it is no part of the median.
    """
    best = best_arm(result)
    none = none_arm(result) if best is None else _partner(result, best.arm)
    by_effect = sorted((v for v in result.verdicts if v.pairs), key=lambda v: -v.effect)
    shown = [best.arm] if best is not None else [v.arm for v in by_effect[:MOST_ARMS]]
    found = {name: _curves(list(result.of(name).values())) for name in (none, *shown)}
    steps = max((curve[-1, 0] for curves in found.values() for curve in curves), default=0.0)
    if not found[none] or steps < 1 or len(found) < 2:
        return None
    places = _places(steps)
    series = tuple(
        _series(_label(result, name), "neutral" if name == none else "healthy", curves, places)
        for name, curves in found.items()
        if curves
    )
    axes = (Axis("step", "", "steps", values=tuple(float(p) for p in places)), Axis(LOSS, "", "linear"))
    return Figure(f"Training {_without(result, none)} and with {' and '.join(shown)}: median over seeds", axes, series)


def paired_figure(result: TrialResult, arm: str) -> Figure | None:
    """Every seed of an arm beside the same seed of what it is compared with; None where either has no curve.

    That comes first, role neutral. A run that diverged ends where it ended: nan from there on.
    """
    none = _partner(result, arm)
    sides = [(s, o, role) for a, role in ((none, "neutral"), (arm, "ink")) for s, o in sorted(result.of(a).items())]
    curves = [(s, o.arm, np.array(o.curve, dtype=np.float64), role) for s, o, role in sides if len(o.curve) > 1]
    steps = max((curve[-1, 0] for _, _, curve, _ in curves), default=0.0)
    if steps < 1 or len({name for _, name, _, _ in curves}) < 2:
        return None
    places = _places(steps)
    series = tuple(
        Series(f"{_label(result, name)}, seed {seed}", role, "line", _row(_at(curve, places)))
        for seed, name, curve, role in curves
    )
    axes = (Axis("step", "", "steps", values=_row(places)), Axis(LOSS, "", "linear"))
    words = f"every seed beside the same seed {_without(result, none)}"
    return Figure(f"Training with {arm}, {words}", axes, series)


def mechanism_figure(result: TrialResult) -> Figure | None:
    """Change of the error over the trunk, arm by arm: before the cure (the sham's), right after it, and by theory.

    After: median over the seeds with the lowest and the highest. None where nothing was measured.
    """
    arms = [a for a in result.spec.arms if a.role in ("cure", "ablation", "random") and _measured(result, a.name)]
    if not arms:
        return None
    sham = next((a.name for a in result.spec.arms if a.role == "sham"), "")
    before = _measured(result, sham)
    known = [_measured(result, a.name) for a in arms]
    series = [
        Series("after the cure", "error", "dots", *(tuple(f(found) for found in known) for f in (median, min, max))),
        Series("predicted", "theory", "dashed", tuple(predicted_decades(result, a.name) for a in arms)),
    ]
    if before:
        series.insert(0, Series("before", "error", "hollow", (median(before),) * len(arms)))
    words = [Mark("word", i, i, "zero") for i, found in enumerate(known) if math.isinf(median(found))]
    axes = (
        Axis("arm", "", "categories", labels=tuple(a.name for a in arms)),
        Axis("change of the error from the loss to the input", "decades", "decades"),
    )
    limit = Mark("limit", 0.0, 0.0, "every hop passes it on whole")
    title = "Change of the error on its way from the loss to the input, before and after each cure"
    drawn = tuple(s for s in series if any(math.isfinite(v) for v in s.values))
    return Figure(title, axes, drawn, (limit, *words))


def _partner(result: TrialResult, name: str) -> str:
    """The arm without a cure that an arm is compared with."""
    arm = next((a for a in result.spec.arms if a.name == name), None)
    return none_arm(result) if arm is None else result.spec.partner_of(arm)


def _label(result: TrialResult, name: str) -> str:
    return "no cure" if name == none_arm(result) else name


def _without(result: TrialResult, partner: str) -> str:
    return "without a cure" if partner == none_arm(result) else f"at {partner}"


def _measured(result: TrialResult, arm: str) -> list[float]:
    """The mechanism of an arm, seed by seed, without what is unknown."""
    name = result.spec.mechanism
    found = [o.mechanism.get(name, math.nan) for o in result.outcomes if o.arm == arm and o.stage == "trial"]
    return [x for x in found if not math.isnan(x)]


def _places(steps: float) -> NDArray[np.float64]:
    return np.unique(np.round(np.linspace(0, steps, PLACES))).astype(np.float64)


def _row(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def _at(curve: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """A curve at the places, nan before its first and after its last step, and where it is not finite."""
    found: NDArray[np.float64] = np.interp(places, curve[:, 0], curve[:, 1], left=np.nan, right=np.nan)
    found[~np.isfinite(found)] = np.nan
    return found


def _curves(outcomes: list[Outcome]) -> list[NDArray[np.float64]]:
    return [np.array(o.curve, dtype=np.float64) for o in outcomes if len(o.curve) > 1]


def _series(label: str, role: str, curves: list[NDArray[np.float64]], places: NDArray[np.float64]) -> Series:
    at = np.array([np.interp(places, c[:, 0], c[:, 1], right=np.nan) for c in curves])  # [seed, place]
    at[~np.isfinite(at)] = np.nan
    known = np.isfinite(at).any(axis=0)
    middle, low, high = (np.full(len(places), np.nan) for _ in range(3))
    middle[known] = np.nanmedian(at[:, known], axis=0)
    low[known], high[known] = np.nanmin(at[:, known], axis=0), np.nanmax(at[:, known], axis=0)
    values = [tuple(float(x) for x in row) for row in (middle, low, high)]
    return Series(label, role, "line", *values)
