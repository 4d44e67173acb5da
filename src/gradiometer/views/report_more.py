"""Further parts of a report: the loss with its findings, units, relative updates, how each number is defined."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradiometer.quantities import REGISTRY, of
from gradiometer.records import Diagnosis, Run

from .dashboard import Judged, loss_document
from .figures import Axis, Figure, Series
from .numbers import UNICODE
from .plot import Spec
from .report import Table
from .signals import HEAT_COLUMNS, Pictures
from .wording import Verdict

LOSS_ROOM = 168  # px: higher than the slider of the dashboard, which has its ticks below it


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart with its one-sentence label and its data."""

    chart: Spec
    label: str
    table: Table


def loss_picture(run: Run, diagnosis: Diagnosis, model: str, told: Verdict) -> Drawn | None:
    """The loss over the training; a line where each finding begins, tinted from the first failure on. None unseen."""
    found = loss_document(Judged(run, diagnosis, model, -1, None, told))
    if found is None:
        return None
    chart, steps = found["chart"], found["steps"]
    layout = chart["layout"]
    places = sorted({round(steps[0] + k * (steps[1] - steps[0]) / 4) for k in range(5)})
    ticks = {"showticklabels": True, "tickvals": places, "ticktext": [UNICODE.count(p) for p in places]}
    title = {"title": {"text": "step", "font": {"size": 12, "color": "@ink-3"}, "standoff": 6}}
    layout = layout | {"height": LOSS_ROOM, "margin": layout["margin"] | {"b": 40}}
    layout["xaxis"] = layout["xaxis"] | ticks | title
    table = Table(tuple(found["table"]["head"]), tuple(tuple(row) for row in found["table"]["rows"]))
    return Drawn(chart | {"layout": layout}, found["label"], table)


def updates_figure(run: Run, shown: Pictures) -> Figure | None:
    """‖ΔW‖/‖W‖ of each layer's weights at the recorded steps, log10; None where no update was recorded."""
    model, weights = shown.profile.model, shown.profile.weights
    rows = [(label, weight) for label, weight in zip(shown.profile.labels, weights, strict=True) if weight]
    steps = run.steps(model)
    if not rows or not len(steps):
        return None
    kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), HEAT_COLUMNS)).round().astype(int))
    columns = run.columns([weight for _, weight in rows], model)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.log10(of(run, "update_ratio", model)[kept])  # [column, site]
    if not np.isfinite(size[:, columns[columns >= 0]]).any():
        return None
    series = tuple(
        Series(label, "error", "cells", tuple(float(v) for v in size[:, column]))
        for (label, _), column in zip(rows, columns, strict=True)
        if column >= 0
    )
    marks = tuple(str(s) for s in steps[kept])
    axes = (
        Axis("step", "", "steps", marks, tuple(float(s) for s in steps[kept])),
        Axis("layer", "", "sites", tuple(s.name for s in series)),
    )
    return Figure("Relative update of each layer", axes, series)


@dataclass(frozen=True, slots=True)
class Units:
    """The units of one activation: shares in percent of a bar, and in words. bar: the larger of both shares."""

    site: str
    dead: str
    saturated: str
    dead_share: float
    saturated_share: float


def units(run: Run, shown: Pictures) -> tuple[Units, ...]:
    """Dead and saturated shares of the trunk's activations where they were last measured, loss first; () where none
    was. A share that was not measured is "—"."""
    model = shown.profile.model
    frames = run.frames_of(model)
    places = [p for p in _activations(shown) if p]
    columns = run.columns(places, model)
    if not frames or not len(columns):
        return ()
    seen = [run.of(name, model) for name in ("act_dead_share", "act_saturated_share")]  # [frame, site]
    out = []
    for site, column in zip(places, columns, strict=True):
        shares = [_last(values[:, column]) if column >= 0 else math.nan for values in seen]
        if any(math.isfinite(share) for share in shares):
            words = [UNICODE.percent(share) if math.isfinite(share) else UNICODE.unknown for share in shares]
            wide = [round(100 * share, 1) if math.isfinite(share) else 0.0 for share in shares]
            out.append(Units(site, words[0], words[1], wide[0], wide[1]))
    return tuple(out)


def _last(values: NDArray[np.float64]) -> float:
    """The last number of a column [frame], nan where there is none."""
    known = values[np.isfinite(values)]
    return float(known[-1]) if len(known) else math.nan


def _activations(shown: Pictures) -> list[str]:
    """Sites of the activations on the trunk, loss first."""
    return [part.upper for hop in shown.network.hops for part in hop.parts if part.role == "activation"]


def definitions() -> list[dict[str, str]]:
    """Every derived number with unit, formula and source, from the room that computes them."""
    return [
        {"name": q.name.replace("_", " "), "unit": q.unit, "formula": q.formula, "source": q.source}
        for q in REGISTRY.values()
    ]
