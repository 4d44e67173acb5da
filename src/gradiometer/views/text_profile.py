"""The error profile of a terminal page: loss on top, one bar a row, decades left; the numbers of each hop beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from rich.cells import cell_len
from rich.text import Text

from .figures import Figure
from .numbers import Numbers
from .rows import Row, rows
from .signals import Pictures
from .style import Ink, Side, Style, fit, line, pad, paragraph
from .wording import station_words

NICE_STEPS = (1, 2, 3, 6, 12, 24, 48, 96)
LEAST_SPAN_DECADES = 3
"""The axis never shows less: noise of a tenth of a decade must look like what it is."""
MOST_TIME_ROWS = 5
_LABEL_MOST, _BAR_LEAST = 18, 14


@dataclass(frozen=True, slots=True)
class Scale:
    """A decades axis of ``width`` columns from ``low`` (left edge) to ``high``; step between its ticks."""

    low: int
    high: int
    step: int
    width: int

    def at(self, decades: float) -> float:
        """Columns from the left edge, clipped to the axis."""
        return min(max((decades - self.low) / (self.high - self.low), 0.0), 1.0) * self.width


def scale_of(decades: list[float], width: int) -> Scale:
    """Ticks on whole numbers, at most five. Growth gets room to the right, and the loss still a bar of some length."""
    known = [d for d in decades if math.isfinite(d)] or [0.0]
    down, up = max(0.0, -min(known)), max(0.0, max(known))
    down = max(down, LEAST_SPAN_DECADES, up / 3)
    up = 0.0 if up < 0.1 else up
    step = next((s for s in NICE_STEPS if math.ceil(down / s) + math.ceil(up / s) <= 4), NICE_STEPS[-1])
    return Scale(-step * math.ceil(down / step), step * math.ceil(up / step), step, width)


def bar(decades: float, scale: Scale, style: Style, hollow: str = "") -> str:
    """Eighth blocks from the left edge to the value; something is drawn for everything that is not zero."""
    if not math.isfinite(decades):
        return ""
    parts = style.glyphs.parts
    eighths = max(1, round(scale.at(decades) * len(parts)))
    whole, rest = divmod(eighths, len(parts))
    return (hollow or parts[-1]) * whole + (parts[rest - 1] if rest and not hollow else "")


@dataclass(slots=True)
class _Column:
    head: tuple[str, str]
    cells: list[str]
    inks: list[Ink]
    side: Side = "right"
    gap: int = 1
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self.width = max(cell_len(c) for c in (*self.head, *self.cells))


def profile_lines(shown: Pictures, style: Style) -> list[Text]:
    """The profile of one model with its heading and the line of what theory says."""
    table = rows(shown)
    label = _label_column(shown, table, style)
    columns = _columns(shown, table, style)
    room = style.columns - label.width - 1
    optional = [c for c in columns if c.head[0] not in ("", "gain")]
    while room - sum(c.width + c.gap for c in columns) < _BAR_LEAST and optional:
        columns.remove(optional.pop())
    scale = scale_of([float(d) for d in shown.profile.error_decades], room - sum(c.width + c.gap for c in columns))
    out = [_head(0, label, columns, scale, style), _head(1, label, columns, scale, style)]
    for i, row in enumerate(table):
        out.append(_row_line(i, row, label, columns, scale, style))
    return out + _foot(shown, table, style)


def _label_column(shown: Pictures, table: tuple[Row, ...], style: Style) -> _Column:
    labels = [fit(style.words(r.label), _LABEL_MOST, style.glyphs.ellipsis, "right") for r in table]
    ends: list[Ink] = ["title" if i in (0, len(table) - 1) else "quiet" for i in range(len(table))]
    return _Column(("LOSS", shown.error.axes[0].name), labels, ends, "left")


def _columns(shown: Pictures, table: tuple[Row, ...], style: Style) -> list[_Column]:
    numbers = style.numbers
    blame: list[Ink] = ["guilty" if r.guilty else "quiet" for r in table]
    quiet: list[Ink] = ["quiet"] * len(table)
    blue: list[Ink] = ["error"] * len(table)
    out = [
        _Column(("", "total"), [numbers.decades(r.total_decades) for r in table], blue),
        _Column(("", ""), [style.glyphs.mark if r.guilty else " " for r in table], blame),
        _Column(("gain", ""), [_gain_cell(r, style) for r in table], blame),
    ]
    for at, series in enumerate(s for s in shown.hops.series if s.kind == "bar"):
        cells = ["" if math.isnan(r.factors_gain[at]) else numbers.factor(r.factors_gain[at]) for r in table]
        if any(cells):
            out.append(_Column((style.words(series.name), ""), cells, quiet))
    if any(r.passage for r in table):
        cells = [fit(style.words(r.passage), 12, style.glyphs.ellipsis) for r in table]
        out.append(_Column(("through", ""), cells, quiet, "left"))
    if any(not math.isnan(r.learning_steps) for r in table):
        out.append(
            _Column(
                ("layer needs", "steps"),
                [numbers.steps(r.learning_steps) for r in table],
                ["guilty" if shown.learning.marked("guilty", r.last) else "" for r in table],
            )
        )
    return out


def _gain_cell(row: Row, style: Style) -> str:
    if row.first == 0:
        return ""
    gain = style.numbers.gain(row.gain)
    return f"({gain})" if row.hollow else gain


def _head(at: int, label: _Column, columns: list[_Column], scale: Scale, style: Style) -> Text:
    unit = "error left, decades"
    middle = (unit if len(unit) <= scale.width else "decades") if at == 0 else ticks(scale, style)
    pieces: list[tuple[str, Ink]] = [
        (pad(label.head[at], label.width), "title" if at == 0 else "quiet"),
        (" " + pad(middle, scale.width), "quiet"),
    ]
    pieces += [(" " * c.gap + pad(c.head[at], c.width, c.side), "quiet") for c in columns]
    return line(*pieces)


def ticks(scale: Scale, style: Style) -> str:
    """Labels of a decades axis that end where their value stands; the first one starts at the left edge."""
    canvas = [" "] * scale.width
    for tick in range(scale.high, scale.low - 1, -scale.step):
        text = "0" if tick == 0 else (style.numbers.minus if tick < 0 else "+") + str(abs(tick))
        start = max(0, round(scale.at(tick)) - len(text))
        if all(c == " " for c in canvas[start : start + len(text) + 1]):
            canvas[start : start + len(text)] = text
    return "".join(canvas)[: scale.width]


def _row_line(i: int, row: Row, label: _Column, columns: list[_Column], scale: Scale, style: Style) -> Text:
    body = bar(row.total_decades, scale, style, style.glyphs.hollow if row.hollow else "")
    ink: Ink = "error"
    if row.word:
        body, ink = row.word, "guilty" if row.word in ("zero", "non-finite") else "quiet"
        body = f"{style.glyphs.fail} {body}" if ink == "guilty" else body
    pieces: list[tuple[str, Ink]] = [(pad(label.cells[i], label.width), label.inks[i]), (" ", "")]
    pieces.append((pad(body, scale.width), ink))
    pieces += [(" " * c.gap + pad(c.cells[i], c.width, c.side), c.inks[i]) for c in columns]
    return line(*pieces)


def _foot(shown: Pictures, table: tuple[Row, ...], style: Style) -> list[Text]:
    guilty = shown.hops.places("guilty")
    sentences = [_guilt(shown, style), theory_words(shown, style.numbers)]
    if len(guilty) > 1 and any(r.hops > 1 for r in table):
        sentences.append(_worst(shown, style))
    body = paragraph(style.words("; ".join(s for s in sentences if s)), style.columns - 7)
    ink: Ink = "guilty" if guilty else "quiet"
    out = [line(("INPUT  " if i == 0 else " " * 7, "title"), (p.plain, ink)) for i, p in enumerate(body)]
    if shown.hops.places("hollow"):
        words = "spine: no single path here, drawn hollow; a number in ( ) is a ratio, not a gain"
        out += paragraph(words, style.columns, "quiet", " " * 7)
    return out


def _guilt(shown: Pictures, style: Style) -> str:
    guilty = shown.hops.places("guilty")
    if not guilty:
        return ""
    hops = "1 hop" if len(guilty) == 1 else f"{style.numbers.count(len(guilty))} hops"
    return f"guilty: {hops}, {station_words(shown, guilty[0])} → {station_words(shown, guilty[-1] + 1)}"


def _worst(shown: Pictures, style: Style) -> str:
    gains = {i: abs(float(shown.hops.series[-1].values[i])) for i in shown.hops.places("guilty")}
    known = {i: g for i, g in gains.items() if not math.isnan(g)}
    if not known or max(known.values()) < 1.5 * float(np.median(list(known.values()))):
        return ""
    at = max(known, key=lambda i: known[i])
    gain = style.numbers.gain(float(shown.profile.gain[at]))
    return f"worst hop: {station_words(shown, at)} → {station_words(shown, at + 1)}, {gain}"


def theory_words(shown: Pictures, numbers: Numbers) -> str:
    """Theory beside the measurement, over the same hops; or which operation has no law."""
    measured, theory = np.asarray(shown.profile.gain), np.asarray(shown.profile.theory_gain)
    hops = shown.hops.places("guilty") or tuple(range(len(measured)))
    both = [
        i for i in hops if np.isfinite(theory[i]) and theory[i] > 0 and np.isfinite(measured[i]) and measured[i] > 0
    ]
    if both:
        says = 10 ** float(np.mean(np.log10(theory[both])))
        seen = 10 ** float(np.mean(np.log10(measured[both])))
        x = numbers.times
        return f"theory says {x}{numbers.number(says)}, measured {x}{numbers.number(seen)}"
    lawless = dict.fromkeys(p.kind for i in hops if np.isnan(theory[i]) for p in shown.network.hops[i].parts)
    return f"no theory for {', '.join(list(lawless)[:3])} here" if lawless else "no theory here"


def time_lines(figure: Figure, style: Style) -> list[Text]:
    """The error over the time steps of a recurrent module: a few of them, the one nearest to the loss first."""
    labels, values = figure.axes[0].labels, figure.series[0].values
    kept = sorted({round(i * (len(values) - 1) / (MOST_TIME_ROWS - 1)) for i in range(MOST_TIME_ROWS)})
    width = max(len(labels[i]) for i in kept) + 2
    scale = scale_of(list(values), style.columns - width - 9)
    out = paragraph(style.words(figure.title) + ", decades", style.columns, "title")
    for i in kept:
        name = pad("t=" + labels[i], width)
        body = pad(bar(values[i], scale, style) or ("zero" if values[i] == -math.inf else "not reached"), scale.width)
        out.append(
            line((name + " ", "quiet"), (body, "error"), (pad(style.numbers.decades(values[i]), 8, "right"), "error"))
        )
    return out
