"""The exact numbers of a picture, for its CSV file and for reading it by keyboard."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dashboard_loss import thinned
from .figures import Figure
from .numbers import clean
from .plot import Spec
from .signals import Pictures

DIGITS = 7
"""Significant digits: what float32 holds; a statistic is not known better."""


def with_data(spec: Spec, data: Spec) -> Spec:
    """The chart with its numbers: ``data`` has a head and rows, the first column names the place."""
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
    return {"head": head, "rows": [[clean(s.name), *(number(v) for v in s.values)] for s in figure.series]}


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


def number(value: float) -> float | str | None:
    """A number for JSON: None for nan, ``inf`` and ``-inf`` as words."""
    if math.isnan(value):
        return None
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else str(value)
