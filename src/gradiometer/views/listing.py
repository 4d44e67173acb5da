"""The list of recorded runs, and the one line that a running watch shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.cells import cell_len
from rich.text import Text

from gradiometer.quantities import profile
from gradiometer.records import Diagnosis, Run

from .style import Ink, Style, fit, fit_middle, line, pad, paragraph, render
from .wording import verdict

_STATES = {
    "running": "running",
    "finished": "finished",
    "crashed": "crashed",
    "interrupted": "broken off",
    "stopped": "stopped",
}


@dataclass(frozen=True, slots=True)
class RunRow:
    """One file of the list. problem: why it cannot be read; then nothing else is known of it.

    drop_decades: error at the last station of the main model. learning_steps: learning time of its lowest layer.
    """

    path: str
    state: str = ""
    started: str = ""
    verdict: str = ""
    drop_decades: float = math.nan
    learning_steps: float = math.nan
    loss: float = math.nan
    coverage: float = math.nan
    failed: bool = False
    problem: str = ""

    @classmethod
    def of(cls, path: str, run: Run, diagnosis: Diagnosis) -> RunRow:
        """The row of a run that was read."""
        told = verdict(run, diagnosis, None, Style().numbers)
        drop, needs = _trunk_numbers(run)
        curve = run.curve()
        return cls(
            path=path,
            state=run.info.state,
            started=run.info.started,
            verdict=told.cause or told.tag.lower(),
            drop_decades=drop,
            learning_steps=needs,
            loss=float(curve[-1, 1]) if len(curve) else math.nan,
            coverage=diagnosis.coverage,
            failed=diagnosis.healthy is False,
        )


def _trunk_numbers(run: Run) -> tuple[float, float]:
    if not run.networks or not run.network().hops or not run.frames_of():
        return math.nan, math.nan
    shown = profile(run)
    known = np.flatnonzero(~np.isnan(shown.learning_time))
    needs = float(shown.learning_time[known[-1]]) if len(known) else math.nan
    if not len(shown.error_decades):  # a trunk without one finite error: nan from the first step on
        return math.nan, needs
    return float(shown.error_decades[-1]), needs


def runs_table(rows: Sequence[RunRow], style: Style | None = None) -> str:
    """The list of runs, one line each, in the order given; a file that cannot be read has its line too."""
    style = style or Style()
    if not rows:
        return render(
            paragraph("No runs yet. Watch your script without changing it: gradiometer run train.py", style.columns),
            style,
        )
    cells = [_cells(row, style) for row in rows]
    wide = _widths([_HEADS, *cells], style.columns)
    out = [_table_line(_HEADS, wide, ["quiet"] * len(_HEADS))]
    out += [_row_text(row, cell, wide, style) for row, cell in zip(rows, cells, strict=True)]
    return render(out, style)


_HEADS = ("run", "state", "verdict", "error", "needs", "loss", "coverage")
_NAME_LEAST, _VERDICT_MOST, _VERDICT_LEAST = 16, 26, 14


def _widths(table: Sequence[Sequence[str]], columns: int) -> list[int]:
    """Width of each column, 0 where it is left out: the last facts go first, name and verdict stay."""
    wide = [max(cell_len(row[i]) for row in table) for i in range(len(_HEADS))]
    wide[2] = min(wide[2], _VERDICT_MOST)
    least = min(wide[0], _NAME_LEAST)
    for gone in (6, 5, 4, 1, 3):
        if _room(wide, columns) < least:
            wide[gone] = 0
    wide[2] = max(_VERDICT_LEAST, min(wide[2], wide[2] + _room(wide, columns) - least))
    wide[0] = min(wide[0], _room(wide, columns))
    return wide


def _room(wide: Sequence[int], columns: int) -> int:
    """What is left for the first column."""
    return columns - sum(w + 2 for w in wide[1:] if w)


def _cells(row: RunRow, style: Style) -> tuple[str, ...]:
    n, glyphs = style.numbers, style.glyphs
    name = style.words(Path(row.path).name)
    sign = glyphs.fail if row.failed else (glyphs.ok if row.verdict == "nothing found" else glyphs.warn)
    told = f"{sign} {style.words(row.verdict)}"
    if row.problem:
        return (name, "", f"{glyphs.fail} cannot be read", "", "", "", "")
    return (
        name,
        style.words(_STATES.get(row.state, row.state)),
        told,
        n.decades(row.drop_decades),
        n.steps(row.learning_steps),
        n.number(row.loss),
        n.percent(row.coverage),
    )


def _row_text(row: RunRow, cells: tuple[str, ...], wide: list[int], style: Style) -> Text:
    ellipsis = style.glyphs.ellipsis
    name = pad(fit_middle(cells[0], wide[0], ellipsis), wide[0])
    if row.problem:
        words = f"  {style.glyphs.fail} cannot be read: {style.words(row.problem)}"
        return line((name, ""), (fit(words, style.columns - wide[0], ellipsis), "guilty"))
    tone: Ink = "guilty" if row.failed else ("healthy" if row.verdict == "nothing found" else "")
    rest = [name, *(fit(c, w, ellipsis) for c, w in zip(cells[1:], wide[1:], strict=True))]
    return _table_line(rest, wide, ["", "quiet", tone, "error", "", "", "quiet"])


def _table_line(cells: Sequence[str], wide: list[int], inks: Sequence[Ink]) -> Text:
    pieces: list[tuple[str, Ink]] = []
    for i, (cell, width, tone) in enumerate(zip(cells, wide, inks, strict=True)):
        if width:
            pieces.append((("  " if i else "") + pad(cell, width, "left" if i < 3 else "right"), tone))
    return line(*pieces)


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """What a running watch knows now: the step, its loss, the error left at the last station, and the slowest layer."""

    step: int
    loss: float
    drop_decades: float = math.nan
    learning_steps: float = math.nan


def live_line(status: LiveStatus, style: Style | None = None) -> str:
    """One line without a line break: step, loss, change of the error on its way, learning time of the first layer."""
    style = style or Style()
    n = style.numbers
    facts = [f"step {n.count(status.step)}", f"loss {n.number(status.loss)}"]
    if not math.isnan(status.drop_decades):
        unit = " decades" if math.isfinite(status.drop_decades) else ""
        facts.append(f"error {n.decades(status.drop_decades)}{unit}")
    if not math.isnan(status.learning_steps):
        facts.append(f"first layer {n.quantity(status.learning_steps, 'steps')}")
    return render(
        [line((fit(style.words(" · ".join(facts)), style.columns, style.glyphs.ellipsis), "quiet"))], style
    ).rstrip("\n")
