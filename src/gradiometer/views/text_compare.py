"""Two runs beside each other, as a terminal page and as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from rich.text import Text

from .dashboard import Judged
from .dashboard_compare import Comparison, comparison
from .dashboard_compare_chart import Compared
from .figures import Axis, Figure, Series
from .style import Ink, Style, fit_middle, line, paragraph, render, stacked
from .text_chart import chart_lines
from .text_table import Column, table_lines

CAUSE = 24  # columns that most causes need
PLACES = 25  # of a trunk's whole way, where the two trunks differ


@dataclass(frozen=True, slots=True)
class ComparedRuns:
    """The document of a comparison. runs: names of A and B. steps: that are shown, -1 where a run has no error at all.

    sites: of A and B, loss first; decades: the error there, log10 of its size against that at the loss. differs:
    settings that are not equal. outcome: numbers of both in words, and B against A.
    """

    runs: tuple[str, str]
    steps: tuple[int, int]
    sentence: str
    sites: tuple[tuple[str, ...], tuple[str, ...]]
    decades: tuple[tuple[float, ...], tuple[float, ...]]
    differs: tuple[dict[str, str], ...]
    outcome: tuple[dict[str, str], ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A judged run and the name by which its user knows it."""

    name: str
    found: Judged


def compared_runs(a: Named, b: Named, step: int | None = None) -> ComparedRuns:
    """The comparison as plain values, numbers exact. step: as on the page."""
    found = comparison(a.found, b.found, step)
    shown = found.compared
    decades = ((), ()) if shown is None else tuple(tuple(side.tolist()) for side in shown.decades)
    return ComparedRuns(
        runs=(a.name, b.name),
        steps=found.at_steps,
        sentence=found.sentence,
        sites=((), ()) if shown is None else shown.labels,
        decades=(decades[0], decades[1]),
        differs=found.differs,
        outcome=found.outcome,
    )


def compare_page(a: Named, b: Named, step: int | None = None, style: Style | None = None) -> str:
    """Both runs by name and verdict, how much error each brings to the input, what differs in them and what came of it.

    step: a recorded step, or None for the last one that both have. No line is wider than the style's columns.
    """
    style = style or Style()
    found = comparison(a.found, b.found, step)
    sections = [
        [_name("A", a, style), _name("B", b, style)],
        paragraph(style.words(found.sentence), style.columns, "title"),
        _picture(found, style),
        paragraph(style.words(found.note), style.columns, "quiet") if found.note else [],
        _settings(found, style),
        _outcome(found, style),
        [line((style.words(found.command), "quiet"))] if found.command else [],
    ]
    return render(stacked(sections), style)


def _name(side: str, one: Named, style: Style) -> Text:
    told = style.words(one.found.told.cause or one.found.told.tag.lower())
    room = max(8, style.columns - len(told) - 5)
    name = fit_middle(style.words(one.name), room, style.glyphs.ellipsis)
    tone: Ink = "guilty" if one.found.diagnosis.findings else "healthy"
    return line((f"{side}  ", "title"), (name, ""), (f"  {told}", tone))


def _picture(found: Comparison, style: Style) -> list[Text]:
    """A hollow, B filled: a row a site where both have the same ones, else each over its own whole way."""
    if found.compared is None:
        return []
    return chart_lines(_figure(found.compared, found.at), style)


def _figure(compared: Compared, at: str) -> Figure:
    if compared.alike:
        places = Axis(compared.noun or "site", "", "sites", labels=compared.labels[0])
        values = [tuple(side.tolist()) for side in compared.decades]
    else:
        way = np.linspace(0.0, 1.0, PLACES)
        places = Axis("way from the loss (0) to the input (1)", "", "linear", values=tuple(way.tolist()))
        values = [_over(way, compared, side) for side in (0, 1)]
    series = (
        Series("A", "error", "hollow", values[0]),
        Series("B", "error", "dots", values[1]),
    )
    return Figure(f"error left {at}", (places, Axis("error", "decades", "decades")), series)


def _over(way: np.ndarray[tuple[int], np.dtype[np.float64]], compared: Compared, side: int) -> tuple[float, ...]:
    """A profile at equal parts of its way; nan next to a station where the error is none."""
    values = compared.decades[side]
    at = np.interp(way, compared.places(side), np.where(np.isfinite(values), values, math.nan))
    return tuple(at.tolist())


def _settings(found: Comparison, style: Style) -> list[Text]:
    if not found.differs:
        return [line((style.words(found.equal), "quiet"))]
    rows = found.differs
    table = [
        Column("setting", [style.words(row["name"]) for row in rows], folds=True),
        Column("A", [style.words(row["a"]) for row in rows], folds=True),
        Column("B", [style.words(row["b"]) for row in rows], folds=True),
    ]
    return [*table_lines(table, style), line((style.words(found.equal), "quiet"))]


def _outcome(found: Comparison, style: Style) -> list[Text]:
    rows = found.outcome
    cells = [[style.words(row[key]) for row in rows] for key in ("name", "a", "b", "against")]
    table = [
        Column("outcome", cells[0], folds=True),
        Column("A", cells[1], folds=True, floor=CAUSE),
        Column("B", cells[2], folds=True, floor=CAUSE),
        Column("B against A", cells[3], folds=True),
    ]
    return table_lines(table, style)
