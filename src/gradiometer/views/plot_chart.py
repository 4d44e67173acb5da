"""An experiment's picture as a Plotly specification: sites from left to right, named places as rows, or curves."""

from __future__ import annotations

import math
import textwrap

from .chart_scale import Span, drawn, has_names, place_span, spread_apart, value_span
from .experiment import precise
from .figures import Figure, Mark, Series
from .numbers import UNICODE
from .plot import DOTS_MOST, Spec, axis, escaped, layout_of, note, rail

HEIGHT, TOP, BOTTOM, LEFT = 360, 34, 52, 64  # px
ROW, NAME_LINE, LETTER = 26, 17, 7.5  # px; a letter of a bold name, in the widest of the fonts
NAME_LETTERS = 24
RAIL_LIFT = 20  # px: the unit of the second axis stands below it
TOLD = ("dashed", "hollow")  # published or predicted
DOTTED = ("dots", "hollow")


def experiment_chart(figure: Figure) -> Spec:
    """The picture; named places that are no sites become rows, so that long names have room."""
    if has_names(figure.axes[0]) and figure.axes[0].scale not in ("sites", "hops"):
        return _rows(figure)
    return _across(figure)


# Positions from left to right.


def _across(figure: Figure) -> Spec:
    places, xaxis = _places(figure)
    span = value_span(figure)
    names = [_name_lines(s) for s in figure.series]
    right = 20 + round(max((len(part) for lines in names for part in lines), default=0) * LETTER)
    on_trunk = figure.axes[0].scale in ("sites", "hops")
    traces = [t for s in figure.series for t in _band(s, places, span)]
    traces += [_trace(s, places, span, figure) for s in _ordered(figure)]
    ticks = span.ticks(6, UNICODE)
    layout = layout_of(
        HEIGHT,
        (TOP + (RAIL_LIFT if on_trunk else 0), right, BOTTOM, LEFT),
        hovermode="x unified",
        xaxis=xaxis | _title(_axis_words(figure, 0)),
        yaxis=axis(range=[span.low, span.high], tickvals=[t for t, _ in ticks], ticktext=[_tick(w) for _, w in ticks]),
        shapes=_limits(figure, span),
        annotations=[*(_lifted_rail() if on_trunk else []), *_notes(figure, names, places, span)],
    )
    return {"traces": traces, "layout": layout, "thin": has_names(figure.axes[0])}


def _lifted_rail() -> list[Spec]:
    return [one | {"yshift": one["yshift"] + RAIL_LIFT} for one in rail()]


def _notes(figure: Figure, names: list[list[str]], places: list[float], span: Span) -> list[Spec]:
    unit: Spec = _PAPER | {"xanchor": "left", "yanchor": "bottom", "xshift": -LEFT + 8, "yshift": 4}
    return [
        note(0, 1, escaped(_axis_words(figure, 1)), **unit),
        *_end_names(figure, names, span),
        *_words(figure.marks, places, span),
        *_broken(figure, places, span),
        *_limit_words(figure, span),
    ]


_PAPER: Spec = {"xref": "paper", "yref": "paper"}


def _places(figure: Figure) -> tuple[list[float], Spec]:
    """Where the places lie on the drawn x axis, and that axis."""
    first = figure.axes[0]
    if has_names(first):
        last = len(first.labels) - 1
        words = [escaped(label) for label in first.labels]
        return [float(i) for i in range(last + 1)], axis(
            showgrid=False, range=[-0.35, last + 0.35], tickvals=list(range(last + 1)), ticktext=words
        )
    span = place_span(first)
    room = 0.02 * (span.high - span.low)
    ticks = span.ticks(7, UNICODE)
    return [drawn(v, first.scale) for v in first.values], axis(
        showgrid=False,
        range=[span.low - room, span.high + room],
        tickvals=[t for t, _ in ticks],
        ticktext=[_tick(w) for _, w in ticks],
    )


def _tick(words: str) -> str:
    """Plotly's own raised digits: those of a font may be missing or small."""
    head, ten, power = words.partition("10⁻") if "10⁻" in words else words.partition("10⁺")
    if ten:
        return f"{head}10<sup>−{_digits(power)}</sup>"
    raised = [c for c in words if c in _RAISED]
    return words if not raised else words[: words.index(raised[0])] + f"<sup>{_digits(''.join(raised))}</sup>"


_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"


def _digits(raised: str) -> str:
    return raised.translate(str.maketrans(_RAISED, "0123456789"))


def _axis_words(figure: Figure, which: int) -> str:
    one = figure.axes[which]
    return f"{one.name}, {one.unit}" if one.unit else one.name


def _title(text: str) -> Spec:
    return {"title": {"text": escaped(text), "font": {"size": 12, "color": "@ink-3"}, "standoff": 8}}


def _ordered(figure: Figure) -> list[Series]:
    """Told series first, so that the measured ones lie above them; dashed lines are thin and lie on top."""
    return sorted(figure.series, key=lambda s: {"hollow": 0, "line": 1, "dots": 2, "dashed": 3}.get(s.kind, 1))


def _trace(series: Series, places: list[float], span: Span, figure: Figure) -> Spec:
    ys = [drawn(v, span.scale) for v in series.values]
    out: Spec = {
        "type": "scatter",
        "x": places,
        "y": [y if math.isfinite(y) else None for y in ys],
        "name": escaped(series.name),
        "connectgaps": False,
        "customdata": _hover(series, figure.axes[1].unit),
        "hovertemplate": "%{customdata}",
    }
    out |= _pen(series, len(places), has_names(figure.axes[0]))
    if series.kind in DOTTED and series.low:
        out["error_y"] = _interval(series, ys, span)
    return out


def _hover(series: Series, unit: str) -> list[str]:
    out = []
    for i, value in enumerate(series.values):
        words = precise(value, UNICODE)
        if series.low:
            words += f" ({precise(series.low[i], UNICODE)} to {precise(series.high[i], UNICODE)})"
        out.append(escaped(f"{words} {unit}" if unit else words))
    return out


def _pen(series: Series, count: int, on_places: bool) -> Spec:
    """Measured: full line or filled dots. Published or predicted: dashed or hollow."""
    colour = f"@{series.role}"
    if series.kind == "dots":
        return {"mode": "markers", "marker": {"size": 9, "color": colour}}
    if series.kind == "hollow":
        ring = {"size": 9, "color": "@paper", "line": {"width": 1.8, "color": colour}}
        return {"mode": "markers", "marker": ring}
    line: Spec = {"color": colour, "width": 1.6 if series.kind == "dashed" else 2.2}
    if series.kind == "dashed":
        return {"mode": "lines", "line": line | {"dash": "5px,4px"}}
    dots = on_places and count <= DOTS_MOST
    ring = {"size": 7, "color": colour, "line": {"width": 1.5, "color": "@paper"}}
    return {"mode": "lines+markers" if dots else "lines", "line": line, "marker": ring}


def _interval(series: Series, ys: list[float], span: Span) -> Spec:
    lows = [drawn(v, span.scale) for v in series.low]
    highs = [drawn(v, span.scale) for v in series.high]
    bar: Spec = {"type": "data", "symmetric": False, "thickness": 1.6, "width": 0, "color": f"@{series.role}/.55"}
    bar["array"] = [_length(h - y) for h, y in zip(highs, ys, strict=True)]
    bar["arrayminus"] = [_length(y - low) for low, y in zip(lows, ys, strict=True)]
    return bar


def _length(value: float) -> float | None:
    return max(value, 0.0) if math.isfinite(value) else None


def _band(series: Series, places: list[float], span: Span) -> list[Spec]:
    """The spread around a line, tinted, under everything."""
    if series.kind in DOTTED or not series.low:
        return []
    edges = [[drawn(v, span.scale) for v in side] for side in (series.low, series.high)]
    known = [i for i in range(len(places)) if math.isfinite(edges[0][i]) and math.isfinite(edges[1][i])]
    edge: Spec = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    edge["x"] = [places[i] for i in known]
    low, high = (edge | {"y": [side[i] for i in known]} for side in edges)
    return [low, high | {"fill": "tonexty", "fillcolor": f"@{series.role}/.14"}]


def _name_lines(series: Series) -> list[str]:
    return textwrap.wrap(series.name, NAME_LETTERS) or [""]


def _end_names(figure: Figure, names: list[list[str]], span: Span) -> list[Spec]:
    """Each series named at its right end, in its own colour; names that would touch move apart."""
    room = (HEIGHT - TOP - BOTTOM) / (span.high - span.low)  # px a unit
    ends = [
        next((v for v in (drawn(x, span.scale) for x in reversed(s.values)) if math.isfinite(v)), None)
        for s in figure.series
    ]
    known = [i for i, end in enumerate(ends) if end is not None]
    tall = max((len(names[i]) for i in known), default=1) * NAME_LINE
    wanted = [(ends[i] or 0.0) * room for i in known]
    apart = spread_apart(wanted, tall + 1, span.low * room + tall / 2, span.high * room - tall / 2)
    out = []
    for i, at, want in zip(known, apart, wanted, strict=True):
        words = "<br>".join(escaped(part) for part in names[i])
        place: Spec = {"xref": "paper", "xanchor": "left", "align": "left", "xshift": 8, "yshift": at - want}
        out.append(note(1, ends[i] or 0.0, words, **place, font=_name_font(figure.series[i])))
    return out


def _name_font(series: Series) -> Spec:
    role = "activation-text" if series.role == "activation" else "ink-3" if series.role == "neutral" else series.role
    return {"size": 12, "color": f"@{role}", "weight": 600}


def _words(marks: tuple[Mark, ...], places: list[float], span: Span) -> list[Spec]:
    """Why a place has no number, written where the numbers would end."""
    out = []
    for m in (m for m in marks if m.kind == "word"):
        x = (places[int(m.start)] + places[int(m.end)]) / 2
        font = {"size": 12, "color": "@guilty"}
        out.append(note(x, span.low, f"✕ {escaped(m.text)}", yanchor="bottom", yshift=4, font=font))
    return out


def _broken(figure: Figure, places: list[float], span: Span) -> list[Spec]:
    """Where a series becomes infinite, its last number is followed by a cross."""
    out = []
    for s in figure.series:
        at = next((i for i, v in enumerate(s.values) if math.isinf(v)), 0)
        before = drawn(s.values[at - 1], span.scale) if at else math.nan
        if math.isfinite(before):
            font = {"size": 14, "color": f"@{s.role}", "weight": 650}
            out.append(note(places[at - 1], before, "✕", font=font))
    return out


def _limits(figure: Figure, span: Span) -> list[Spec]:
    """Dotted lines across."""
    line = {"color": "@ink", "width": 1, "dash": "2px,2px"}
    across: Spec = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "line": line}
    values = [drawn(m.start, span.scale) for m in figure.marks if m.kind == "limit"]
    return [across | {"y0": at, "y1": at} for at in values]


def _limit_words(figure: Figure, span: Span) -> list[Spec]:
    """The name of each limit, at its left end."""
    at: Spec = {"xref": "paper", "xanchor": "left", "yanchor": "bottom", "xshift": 4}
    return [note(0, drawn(m.start, span.scale), escaped(m.text), **at) for m in figure.marks if m.kind == "limit"]


# Named places as rows.


def _rows(figure: Figure) -> Spec:
    labels = figure.axes[0].labels
    span = value_span(figure)
    ticks = span.ticks(6, UNICODE)
    top = NAME_LINE * len(figure.series) + 14
    traces = [_row_trace(s, span, figure) for s in _ordered(figure)]
    layout = layout_of(
        top + BOTTOM + ROW * len(labels),
        (top, 24, BOTTOM, LEFT),
        hovermode="closest",
        xaxis=axis(range=[span.low, span.high], tickvals=[t for t, _ in ticks], ticktext=[_tick(w) for _, w in ticks])
        | _title(_axis_words(figure, 1)),
        yaxis=axis(
            range=[len(labels) - 0.5, -0.5],
            tickvals=list(range(len(labels))),
            ticktext=["<br>".join(escaped(part) for part in textwrap.wrap(label, 34)) for label in labels],
            automargin=True,
        ),
        shapes=[_limit_down(m, span) for m in figure.marks if m.kind == "limit"],
        annotations=[*_top_names(figure, span), *_row_words(figure, span)],
    )
    return {"traces": traces, "layout": layout}


def _row_trace(series: Series, span: Span, figure: Figure) -> Spec:
    xs = [drawn(v, span.scale) for v in series.values]
    dotted = Series(series.name, series.role, "hollow" if series.kind in TOLD else "dots", series.values)
    out: Spec = {
        "type": "scatter",
        "x": [x if math.isfinite(x) else None for x in xs],
        "y": list(range(len(xs))),
        "name": escaped(series.name),
        "customdata": _hover(series, figure.axes[1].unit),
        "hovertemplate": "%{y}: %{customdata}",
    }
    out |= _pen(dotted, len(xs), on_places=True)
    if series.low:
        out["error_x"] = _interval(series, xs, span)
    return out


def _top_names(figure: Figure, span: Span) -> list[Spec]:
    """Each series named above its first mark, one line each, so that no two names can touch."""
    out = []
    for k, s in enumerate(figure.series):
        first = next((v for v in (drawn(x, span.scale) for x in s.values) if math.isfinite(v)), None)
        if first is None:
            continue
        share = (first - span.low) / (span.high - span.low)
        anchor = "left" if share < 0.25 else "right" if share > 0.75 else "center"
        lift = NAME_LINE * (len(figure.series) - 1 - k) + 4
        place: Spec = {"yref": "paper", "xanchor": anchor, "yanchor": "bottom", "yshift": lift}
        out.append(note(first, 1, escaped(s.name), **place, font=_name_font(s)))
    return out


def _row_words(figure: Figure, span: Span) -> list[Spec]:
    font = {"size": 12, "color": "@guilty"}
    return [
        note(span.low, m.start, f"✕ {escaped(m.text)}", xanchor="left", xshift=6, font=font)
        for m in figure.marks
        if m.kind == "word"
    ]


def _limit_down(mark: Mark, span: Span) -> Spec:
    at = drawn(mark.start, span.scale)
    line = {"color": "@ink", "width": 1, "dash": "2px,2px"}
    return {"type": "line", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1, "line": line}
