"""Reproduced experiments as one HTML file: figures against their rule, pictures, tables. Nothing is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .experiment import (
    ToldExperiment,
    ToldRow,
    counts_words,
    how_measured,
    name_words,
    precise,
    rule_words,
    seconds_words,
    spread_words,
)
from .figures import Figure
from .numbers import UNICODE
from .page import check_installed, filled
from .plot_chart import experiment_chart
from .plot_data import figure_data, with_data


def experiments_page(told: Sequence[ToldExperiment]) -> str:
    """The whole page. UserError where the extra ``report`` is not installed."""
    check_installed()
    charts = {
        f"{one.name}-{k}": with_data(experiment_chart(figure), figure_data(figure))
        for one in told
        for k, figure in enumerate(one.figures)
    }
    good = all(one.reproduced for one in told)
    context = {
        "headline": told[0].title if len(told) == 1 else counts_words(tuple(told)),
        "verdict": {"tone": "healthy" if good else "fail", "tag": "Reproduced" if good else "Not reproduced"},
        "quick": any(one.quick for one in told),
        "experiments": [_section(one) for one in told],
        "took": UNICODE.duration(sum(one.seconds for one in told)),
    }
    return filled("experiment.html", context, charts)


def _section(one: ToldExperiment) -> dict[str, Any]:
    judged = [row for row in one.rows if row.holds is not None]
    return {
        "told": one,
        "verdict": {"tone": one.tone, "tag": one.tag},
        "met": f"{sum(bool(row.holds) for row in judged)} of {len(judged)}",
        "took": seconds_words(one, UNICODE),
        "how": how_measured(one.rows),
        "rule": one.rule.rstrip("."),
        "rows": [_row(row) for row in one.rows],
        "has_published": any(row.published for row in one.rows),
        "has_sources": any(row.source for row in one.rows),
        "has_spread": any(row.spread for row in one.rows),
        "charts": [
            {"id": f"{one.name}-{k}", "title": figure.title, "table": figure_table(figure)}
            for k, figure in enumerate(one.figures)
        ],
    }


def _row(row: ToldRow) -> dict[str, Any]:
    return {
        "sign": {True: "✓", False: "✕", None: ""}[row.holds],
        "bad": row.holds is False,
        "name": name_words(row),
        "published": row.published,
        "source": row.source,
        "measured": precise(row.measured, UNICODE),
        "spread": spread_words(row, UNICODE),
        "rule": rule_words(row, UNICODE) + ("*" if row.by == "every value" and row.holds is not None else ""),
    }


def figure_table(figure: Figure) -> dict[str, Any]:
    """The picture's data: a row a place, a column a series, two more where it has a spread."""
    first = figure.axes[0]
    places = first.labels or tuple(precise(v, UNICODE) for v in first.values)
    head, columns = [first.name], [list(places)]
    for s in figure.series:
        head.append(s.name)
        columns.append([precise(v, UNICODE) for v in s.values])
        for word, side in (("from", s.low), ("to", s.high)):
            if side:
                head.append(f"{s.name}, {word}")
                columns.append([precise(v, UNICODE) for v in side])
    return {"head": head, "rows": [list(row) for row in zip(*columns, strict=True)]}
