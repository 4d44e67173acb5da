"""An experiment's picture in letters: rows where its places have names (loss on top), curves where they are numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.cells import cell_len
from rich.text import Text

from .canvas import Canvas, Pen
from .chart_scale import Span, drawn, has_names, place_span, spread_apart, value_span
from .figures import Figure, Series
from .style import Ink, Style, fit, line, pad, paragraph

FILLED, HOLLOW = "●◆■▲", "○◇□△"
ASCII_FILLED, ASCII_HOLLOW = "*#@%", "o+=~"
ROWS_MOST = 24
CURVE_ROWS = 12
LABEL_MOST, NAME_MOST = 20, 24
TOLD = ("dashed", "hollow")  # published or predicted


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A series with its sign and colour."""

    series: Series
    sign: str
    ink: Ink


def chart_lines(figure: Figure, style: Style) -> list[Text]:
    """The picture with its title and axes, at most as wide as the page."""
    axis = figure.axes[1]
    unit = f", {axis.unit}" if axis.unit else ""
    out = paragraph(style.words(figure.title), style.columns, "title")
    signed = _signed(figure, style)
    body = _rows(figure, signed, style) if has_names(figure.axes[0]) else _curves(figure, signed, style)
    return [*out, *paragraph(style.words(f"{axis.name}{unit}"), style.columns, "quiet"), *body]


def _signed(figure: Figure, style: Style) -> list[_Drawn]:
    """Measured series get filled signs, told ones hollow signs."""
    filled = iter(FILLED if style.unicode else ASCII_FILLED)
    hollow = iter(HOLLOW if style.unicode else ASCII_HOLLOW)
    inks: dict[str, Ink] = {"error": "error", "guilty": "guilty", "healthy": "healthy", "theory": "quiet"}
    inks |= {"neutral": "quiet", "ink-3": "quiet"}
    out = []
    for s in figure.series:
        sign = next(hollow if s.kind in TOLD else filled, "?")
        out.append(_Drawn(s, sign, inks.get(s.role, "")))
    return out


# Rows: one a place, position is value.


def _rows(figure: Figure, signed: list[_Drawn], style: Style) -> list[Text]:
    axis = figure.axes[0]
    kept = _kept(len(axis.labels), ROWS_MOST)
    labels = [fit(style.words(axis.labels[i]), LABEL_MOST, style.glyphs.ellipsis, "right") for i in kept]
    ends = ("LOSS", "INPUT") if axis.scale in ("sites", "hops") else ("", "")
    left = max(cell_len(text) for text in (*labels, *ends, axis.name))
    width = style.columns - left - 1
    span = value_span(figure)
    out = [
        line((pad(ends[0] or style.words(axis.name), left), "title"), (" " + _tick_line(span, width, style), "quiet"))
    ]
    for i, label in zip(kept, labels, strict=True):
        out.append(line((pad(label, left) + " ", "title"), *_row(i, figure, signed, (span, width), style)))
    names = _names_below(signed, span, width, style)
    out.append(line((pad(ends[1], left), "title"), (" ", ""), *names[0]))
    return out + [line((" " * (left + 1), ""), *more) for more in names[1:]]


def _kept(count: int, most: int) -> list[int]:
    """Every place, or an even choice of them with both ends."""
    if count <= most:
        return list(range(count))
    return sorted({round(k * (count - 1) / (most - 1)) for k in range(most)})


def _row(
    place: int, figure: Figure, signed: list[_Drawn], room: tuple[Span, int], style: Style
) -> list[tuple[str, Ink]]:
    """What stands beside the name of a place: limits, intervals, signs, or the word for why there is none."""
    word = figure.marked("word", place)
    if word is not None:
        return [(f"{style.glyphs.fail} {style.words(word.text)}", "guilty")]
    span, width = room
    canvas = Canvas(width, 1)
    for mark in figure.marks:
        if mark.kind == "limit":
            canvas.put(_column(mark.start, span, width), 0, "┊" if style.unicode else ":", "quiet")
    for one in (d for d in signed if d.series.low):
        low, high = (_column(edge[place], span, width) for edge in (one.series.low, one.series.high))
        if low is not None and high is not None:
            canvas.row(0, low, high, "─" if style.unicode else "-", one.ink)
    for one in sorted(signed, key=lambda d: d.series.kind not in TOLD):
        canvas.put(_column(one.series.values[place], span, width), 0, one.sign, one.ink)
    return canvas.pieces(0)


def _column(value: float, span: Span, width: int) -> int | None:
    share = span.share(value)
    return None if math.isnan(share) else round(min(max(share, 0.0), 1.0) * (width - 1))


def _tick_line(span: Span, width: int, style: Style) -> str:
    """Tick labels centred on their values, those that would touch left out."""
    canvas, free = [" "] * width, 0
    for at, words in span.ticks(6, style.numbers):
        share = (at - span.low) / (span.high - span.low)
        start = min(max(0, round(share * (width - 1)) - cell_len(words) // 2), width - cell_len(words))
        if start >= free:
            canvas[start : start + cell_len(words)] = words
            free = start + cell_len(words) + 2
    return "".join(canvas)


def _names_below(signed: list[_Drawn], span: Span, width: int, style: Style) -> list[list[tuple[str, Ink]]]:
    """The name of each series below its last mark, moved apart; a line each where they do not fit side by side."""
    words = [f"{d.sign} {style.words(d.series.name)}" for d in signed]
    if sum(cell_len(w) + 2 for w in words) > width:
        return [[(fit(w, width, style.glyphs.ellipsis), d.ink)] for w, d in zip(words, signed, strict=True)]
    last = [next((v for v in reversed(d.series.values) if math.isfinite(v)), math.nan) for d in signed]
    columns = [_column(v, span, width) or 0 for v in last]
    out: list[tuple[str, Ink]] = []
    at = 0
    order = sorted(range(len(words)), key=lambda i: columns[i])
    for k, i in enumerate(order):
        after = sum(cell_len(words[j]) + 2 for j in order[k + 1 :])
        start = max(at, min(columns[i], width - after - cell_len(words[i])))
        out += [(" " * (start - at), ""), (words[i] + "  ", signed[i].ink)]
        at = start + cell_len(words[i]) + 2
    return [out]


# Curves: x is a number.


def _curves(figure: Figure, signed: list[_Drawn], style: Style) -> list[Text]:
    span, across = value_span(figure), place_span(figure.axes[0])
    ticks = span.ticks(CURVE_ROWS // 3, style.numbers)
    left = max((cell_len(words) for _, words in ticks), default=1)
    signs = [_stroke_sign(d, style) for d in signed]
    names = [_name_lines(s, d, style) for s, d in zip(signs, signed, strict=True)]
    width = style.columns - left - 2 - max((cell_len(n) for lines in names for n in lines), default=0) - 1
    canvas = _curve_canvas(figure, signed, (span, across), width, style)
    labels = {round((1 - (at - span.low) / (span.high - span.low)) * (CURVE_ROWS - 1)): words for at, words in ticks}
    ends = _name_rows(signed, span, max(map(len, names), default=1))
    out = []
    for row in range(CURVE_ROWS):
        here = [i for i, first in enumerate(ends) if 0 <= row - first < len(names[i])][-1:]
        pieces: list[tuple[str, Ink]] = [(pad(labels.get(row, ""), left, "right") + " ", "quiet")]
        pieces += [("│" if style.unicode else "|", "quiet"), *canvas.pieces(row)]
        out.append(line(*pieces, *[(" " + names[i][row - ends[i]], signed[i].ink) for i in here]))
    axis = figure.axes[0]
    unit = f", {axis.unit}" if axis.unit else ""
    out.append(line((" " * (left + 2) + _tick_line(across, width, style), "quiet")))
    return out + paragraph(style.words(axis.name + unit), style.columns, "quiet", " " * (left + 2))


def _stroke_sign(one: _Drawn, style: Style) -> str:
    """What stands before the name: the sign that is drawn, or a piece of the line."""
    if one.series.kind in ("dots", "hollow") or not style.unicode:
        return one.sign
    return "╌" if one.series.kind == "dashed" else "─"


def _name_lines(sign: str, one: _Drawn, style: Style) -> list[str]:
    """The name with its sign, folded into at most two lines."""
    room = NAME_MOST - cell_len(sign) - 1
    folded = [t.plain for t in paragraph(style.words(one.series.name), room)]
    if len(folded) > 2:
        folded = [folded[0], fit(" ".join(folded[1:]), room, style.glyphs.ellipsis)]
    return [f"{sign if i == 0 else ' ' * cell_len(sign)} {part}" for i, part in enumerate(folded)]


def _name_rows(signed: list[_Drawn], span: Span, gap: int) -> list[int]:
    """The row of each name at the right end: where its series ends, one apart from the others."""
    wanted = []
    for one in signed:
        end = next((v for v in reversed(one.series.values) if not math.isnan(drawn(v, span.scale))), math.nan)
        share = span.share(end)
        wanted.append((1 - (0.0 if math.isnan(share) else share)) * (CURVE_ROWS - 1))
    return [round(r) for r in spread_apart([round(w) for w in wanted], gap, 0, CURVE_ROWS - gap)]


def _curve_canvas(figure: Figure, signed: list[_Drawn], spans: tuple[Span, Span], width: int, style: Style) -> Canvas:
    span, across = spans
    canvas = Canvas(width, CURVE_ROWS)
    for mark in figure.marks:
        if mark.kind == "limit":
            row = _row_of(mark.start, span)
            if row is not None:
                canvas.row(row, 0, width - 1, "┈" if style.unicode else ".", "quiet")
    xs = [_column(v, across, width) for v in figure.axes[0].values]
    for one in sorted(signed, key=lambda d: d.series.kind not in TOLD):
        _interval(canvas, one, xs, span, style)
        _draw(canvas, one, [across.share(v) for v in figure.axes[0].values], span, style)
    for mark in (m for m in figure.marks if m.kind == "word"):
        start = xs[min(int(mark.start), len(xs) - 1)]
        if start is not None:
            canvas.word(start, CURVE_ROWS - 1, f"{style.glyphs.fail} {style.words(mark.text)}", "guilty")
    return canvas


def _row_of(value: float, span: Span) -> int | None:
    share = span.share(value)
    return None if math.isnan(share) else round((1 - min(max(share, 0.0), 1.0)) * (CURVE_ROWS - 1))


def _interval(canvas: Canvas, one: _Drawn, xs: Sequence[int | None], span: Span, style: Style) -> None:
    if one.series.kind not in ("dots", "hollow") or not one.series.low:
        return
    for x, low, high in zip(xs, one.series.low, one.series.high, strict=True):
        top, bottom = _row_of(high, span), _row_of(low, span)
        if x is not None and top is not None and bottom is not None:
            canvas.column(x, top, bottom, "│" if style.unicode else "|", one.ink)


def _draw(canvas: Canvas, one: _Drawn, across: Sequence[float], span: Span, style: Style) -> None:
    """A line in dots between its points, or a sign at each point."""
    ups = [span.share(v) for v in one.series.values]
    if one.series.kind in ("dots", "hollow"):
        for x, up in zip(across, ups, strict=True):
            if not math.isnan(x) and not math.isnan(up):
                canvas.put(round(x * (canvas.width - 1)), round((1 - up) * (canvas.rows - 1)), one.sign, one.ink)
        return
    pen = Pen(
        one.ink, "" if style.unicode else one.sign, (3 if style.unicode else 2) if one.series.kind == "dashed" else 0
    )
    points = list(zip(across, ups, strict=True))
    for (x0, y0), (x1, y1) in pairwise(points):
        if not any(math.isnan(v) for v in (x0, y0, x1, y1)):
            canvas.stroke((x0, y0), (x1, y1), pen)
