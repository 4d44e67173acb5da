"""From an experiment and what came out to the value that terminal, page and document are made from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from gradiometer.views import ToldExperiment, ToldRow, ToldTable

from .experiment import Experiment, Outcome, Row

CONFIDENCE = 0.95


def told(experiment: Experiment, outcome: Outcome) -> ToldExperiment:
    """The experiment with what came out, every figure with its spread."""
    return ToldExperiment(
        name=experiment.name,
        title=experiment.title,
        source=experiment.source,
        setting=experiment.setting,
        rule=experiment.rule,
        reproduced=outcome.reproduced,
        quick=outcome.quick,
        seconds=outcome.seconds,
        rows=tuple(_row(row) for row in outcome.rows),
        notes=outcome.notes,
        reasons=() if outcome.reproduced else outcome.reasons,
        tables=tuple(ToldTable(t.title, t.columns, t.rows) for t in outcome.tables),
        figures=outcome.figures,
    )


def document(experiments: Sequence[ToldExperiment], complete: bool) -> dict[str, object]:
    """What ``--json`` writes. complete: everything that was asked for was run to its end."""
    return {"schema": 1, "complete": complete, "experiments": list(experiments)}


def _row(row: Row) -> ToldRow:
    spread, low, high = _spread(row)
    return ToldRow(
        name=row.name,
        unit=row.unit,
        published=row.published,
        source=row.source,
        values=row.values,
        statistic=row.statistic,
        measured=row.measured,
        spread=spread,
        spread_low=low,
        spread_high=high,
        low=row.low,
        high=row.high,
        by=row.by,
        holds=row.holds if row.judged else None,
    )


def _spread(row: Row) -> tuple[str, float, float]:
    """The interval of the mean (Student) for a mean, else from the smallest to the largest run.

    Law: m ± t(0.975, n−1)·s/√n. values: numbers of the row's unit. At spread 0: the interval is the mean itself. At
    inf or nan in the values: nan on both sides. Source: Student 1908.
    """
    values = np.asarray(row.values, dtype=float)
    if len(values) < 2:
        return "", math.nan, math.nan
    if row.statistic == "median":
        return "smallest to largest", float(values.min()), float(values.max())
    if not np.isfinite(values).all():
        return "95 % interval of the mean", math.nan, math.nan
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return "95 % interval of the mean", float(values.mean()) - half, float(values.mean()) + half
