"""The exact numbers of a picture, for its CSV file and for reading it by keyboard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dashboard_loss import thinned
from .figures import Figure
from .numbers import clean
from .plot import Spec
from .plot_trial import FOREST_CURVES, FOREST_MEAN
from .signals import Pictures
from .trial_forest import ForestRow

DIGITS = 7
"""Significant digits: what float32 holds; a statistic is not known better."""


def with_data(spec: Spec, data: Spec) -> Spec:
    """The chart with its numbers: ``data`` has a head and rows, the first column names the place.

    Where the page cannot tell by itself which mark belongs to a number, data says it: ``marks``, [curve, point] of each
    row, or ``curves``, the curve of each column after the first, -1 where none is drawn for it. ``said``: columns
    that are read out together, by default all of up to nine. ``unit``: of every number, where no head says it."""
    return spec | {"data": data}


def figure_data(figure: Figure) -> Spec:
    """A row a place of the first axis, a column a series, two more where it has a spread."""
    first = figure.axes[0]
    head = [first.name]
    columns: list[list[Any]] = [list(map(clean, first.labels)) or [number(v) for v in first.values]]
    unit = figure.axes[1].unit
    for series in figure.series:
        name = f"{clean(series.name)}, {unit}" if unit else clean(series.name)
        sides = ((name, series.values), (f"{name}, from", series.low), (f"{name}, to", series.high))
        head += [word for word, values in sides if values]
        columns += [[number(v) for v in values] for _, values in sides if values]
    return {"head": head, "rows": [list(row) for row in zip(*columns, strict=True)]}


def heat_data(figure: Figure) -> Spec:
    """A row a site, a column a recorded step."""
    head = [figure.axes[1].name, *(f"step {label}" for label in figure.axes[0].labels)]
    rows = [[clean(s.name), *(number(v) for v in s.values)] for s in figure.series]
    return {"head": head, "rows": rows, "unit": "decades"}


def profile_data(shown: Pictures) -> Spec:
    """The curves at each station, and what each hop that ends there takes, by factor; log10 throughout."""
    data = figure_data(shown.error)
    data["head"] += [f"hop to here, {clean(s.name)}, decades" for s in shown.hops.series]
    for i, row in enumerate(data["rows"]):
        row += [number(s.values[i - 1]) if i else None for s in shown.hops.series]
    return data


def loss_data(curve: NDArray[np.float64]) -> Spec:
    """Step, loss and learning rate as far as they are drawn: curve [point, (step, loss, lr)], thinned."""
    rows = [[int(step), number(loss), number(rate)] for step, loss, rate in thinned(curve)[:, :3].tolist()]
    return {"head": ["step", "loss", "learning rate"], "rows": rows}


def forest_data(rows: Sequence[ForestRow]) -> Spec:
    """A row an arm: decision, effect with its interval, and the gain of each pair; the label is that of its mean."""
    seeds = sorted({seed for row in rows for seed in row.seeds})
    head = ["arm", "effect", "from", "to", "decision", "there for", *(f"seed {seed}" for seed in seeds)]
    out: list[list[Any]] = []
    for row in rows:
        gains = dict(zip(row.seeds, row.gains, strict=True))
        effect = map(number, (row.effect, row.low, row.high))
        pairs = (number(gains.get(seed, math.nan)) for seed in seeds)
        out.append([clean(row.arm), *effect, row.decision, clean(row.role), *pairs])
    marks = [[FOREST_CURVES * i + FOREST_MEAN, 0] for i in range(len(rows))]
    return {"head": head, "rows": out, "marks": marks, "said": head.index("there for")}


def paired_data(figure: Figure) -> Spec:
    """A row a step, a column a training, each its own curve."""
    return figure_data(figure) | {"curves": list(range(len(figure.series)))}


def mechanism_data(figure: Figure) -> Spec:
    """A row an arm: before, after with its smallest and largest, predicted; the last is a line, and has no label."""
    data, curves, k = figure_data(figure), [], 0
    for series in figure.series:
        drawn = series.kind != "dashed"
        curves += [k if drawn else -1] * (1 + bool(series.low) + bool(series.high))
        k += drawn
    return data | {"curves": curves}


def number(value: float) -> float | str | None:
    """A number for JSON: None for nan, ``inf`` and ``-inf`` as words."""
    if math.isnan(value):
        return None
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else str(value)
