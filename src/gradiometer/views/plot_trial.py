"""The pictures of a trial as Plotly specifications: forest plot, paired curves, the error's way back as dumbbells."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .chart_scale import Span, value_span
from .experiment import precise
from .figures import Axis, Figure, Series
from .numbers import UNICODE
from .plot import Spec, axis, escaped, known, layout_of, note
from .trial_forest import ForestRow

ROW, BOTTOM, LEFT = 48, 40, 24  # px
FOREST_TOP, DUMBBELL_TOP, CURVES_TOP, CURVES_HEIGHT = 44, 60, 30, 230  # px
DECISION_PX = 120  # px, right of the forest plot
FOREST_CURVES, FOREST_MEAN = 3, 2  # curves of one arm, and which of them is its mean
NAME_LETTERS = 28
BARELY_ABOVE = 1.3  # a curve that starts below this times all others is not cut
_PAPER_X: Spec = {"xref": "paper", "xanchor": "left"}
_PAPER_Y: Spec = {"yref": "paper", "yanchor": "bottom"}


# ---- forest plot


def forest_chart(rows: Sequence[ForestRow], floor: float, words: str) -> Spec:
    """Square: mean; line: interval; ticks below: single pairs; diamond: sham. Better is on the left; the stretch that
    is too slight to matter is tinted. floor: of the effect, nan unknown. words: what the axis shows."""
    span = _forest_span(rows, floor)
    ticks = span.ticks(6, UNICODE)
    layout = layout_of(
        FOREST_TOP + BOTTOM + ROW * len(rows),
        (FOREST_TOP, DECISION_PX, BOTTOM, LEFT),
        hovermode="closest",
        xaxis=axis(range=[span.high, span.low], tickvals=[t for t, _ in ticks], ticktext=[w for _, w in ticks]),
        yaxis=_row_axis([(row.arm, row.role) for row in rows]),
        shapes=[*_floor_shapes(floor), _down(0.0, {"color": "@ink", "width": 1.2})],
        annotations=[*_forest_words(span, floor, words), *(_decision(i, row) for i, row in enumerate(rows))],
    )
    return {"traces": [t for i, row in enumerate(rows) for t in _forest_row(i, row)], "layout": layout}


def _forest_span(rows: Sequence[ForestRow], floor: float) -> Span:
    """Around intervals, pairs, 0, and the floor on both sides."""
    values = [x for row in rows for x in (row.effect, row.low, row.high, *row.gains)] + [floor, -floor]
    value_axis = Axis("effect", "", "linear")
    marks = tuple(x for x in (*values, 0.0) if math.isfinite(x))
    span = value_span(Figure("", (value_axis, value_axis), (Series("", "ink", "dots", marks),)))
    room = 0.04 * (span.high - span.low)
    return Span(min(span.low, -room), max(span.high, room), "linear")


def _forest_row(i: int, row: ForestRow) -> list[Spec]:
    role = {"helps": "healthy", "hurts": "guilty"}.get(row.decision, "ink-2")
    hover = escaped(f"{row.arm}: {UNICODE.number(row.effect)}")
    if math.isfinite(row.low):
        hover += escaped(f" ({UNICODE.number(row.low)} to {UNICODE.number(row.high)})")
    base: Spec = {"type": "scatter", "hovertemplate": "%{customdata}<extra></extra>"}
    ticks = {"symbol": "line-ns-open", "size": 8, "color": f"@{role}", "line": {"width": 1.4}}
    pairs = base | {"x": known(row.gains), "y": [i + 0.26] * len(row.gains), "mode": "markers", "marker": ticks}
    pairs["customdata"] = [f"seed {s}: {UNICODE.number(g)}" for s, g in zip(row.seeds, row.gains, strict=True)]
    line = base | {"x": known((row.low, row.high)), "y": [i, i], "mode": "lines", "hoverinfo": "skip"}
    line |= {"line": {"color": f"@{role}", "width": 2}}
    symbol = "diamond" if row.decision == "control" else "square"
    marker: Spec = {"symbol": symbol, "size": 11, "color": f"@{role}" if row.decided else "@paper"}
    marker["line"] = {"width": 1.6, "color": f"@{role}"}
    mean = base | {"x": known((row.effect,)), "y": [i], "mode": "markers", "marker": marker, "customdata": [hover]}
    return [pairs, line, mean]


def _floor_shapes(floor: float) -> list[Spec]:
    if not math.isfinite(floor):
        return []
    slight: Spec = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "x0": -floor, "x1": floor, "layer": "below"}
    dotted = {"color": "@ink", "width": 1, "dash": "2px,2px"}
    return [slight | {"fillcolor": "@band", "line": {"width": 0}}, _down(floor, dotted), _down(-floor, dotted)]


def _down(x: float, line: Spec) -> Spec:
    return {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": x, "x1": x, "line": line}


def _forest_words(span: Span, floor: float, words: str) -> list[Spec]:
    ends: Spec = {"xref": "paper", **_PAPER_Y, "yshift": 22}
    bold: Spec = {"size": 12, "weight": 600}
    out = [
        note(0, 1, "← better", **ends, xanchor="left", font=bold | {"color": "@healthy-text"}),
        note(1, 1, "worse →", **ends, xanchor="right", font=bold | {"color": "@guilty"}),
        note(0.5, 1, escaped(words), **ends, xanchor="center", wide=360),
    ]
    if math.isfinite(floor):
        left = (span.high - floor) / (span.high - span.low) < 0.5
        side: Spec = {"xanchor": "left" if left else "right", "xshift": 4 if left else -4}
        out.append(note(floor, 1, f"effect floor {UNICODE.number(floor)}", **_PAPER_Y, yshift=3, **side))
    return out


def _decision(i: int, row: ForestRow) -> Spec:
    sign = {"helps": "✓ ", "hurts": "✕ "}.get(row.decision, "")
    role = {"helps": "healthy-text", "hurts": "guilty"}.get(row.decision, "ink-3")
    font = {"size": 12, "color": f"@{role}", "weight": 600 if row.decided else 400}
    return note(1, i, sign + escaped(row.decision), **_PAPER_X, xshift=12, font=font)


def _row_axis(rows: Sequence[tuple[str, str]]) -> Spec:
    """Arms from top to bottom, with what each is there for below its name."""
    words = [f"<b>{escaped(_cut(name))}</b>" + (f"<br>{escaped(_cut(role))}" if role else "") for name, role in rows]
    font = {"size": 12, "color": "@ink-2"}
    places = {"range": [len(rows) - 0.5, -0.5], "tickvals": list(range(len(rows))), "ticktext": words}
    return axis(**places, automargin=True, showgrid=False, tickfont=font)


def _cut(name: str) -> str:
    return name if len(name) <= NAME_LETTERS else name[: NAME_LETTERS - 1] + "…"


# ---- paired curves


def paired_chart(figure: Figure, low: float, high: float, ink: str) -> Spec:
    """Every seed of an arm over the same seeds without a cure (grey). low, high: of the losses, one scale for all
    arms of a trial; what lies above is cut, and the picture says so. ink: role of the arm's colour."""
    xs = figure.axes[0].values
    span = Span(low, high, "linear")
    last = Span(xs[0], xs[-1], "steps")
    ticks, steps = span.ticks(4, UNICODE), last.ticks(4, UNICODE)
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": list(xs),
            "y": known(s.values),
            "line": {"width": 1.4, "color": "@neutral" if s.role == "neutral" else f"@{ink}/.6"},
            "connectgaps": False,
            "hovertemplate": escaped(s.name) + ", step %{x}: %{y:.4~g}<extra></extra>",
        }
        for s in figure.series
    ]
    layout = layout_of(
        CURVES_HEIGHT,
        (CURVES_TOP, 12, BOTTOM, 44),
        hovermode="closest",
        xaxis=axis(
            showgrid=False,
            ticklabelstandoff=4,
            range=[xs[0], xs[-1]],
            tickvals=[t for t, _ in steps],
            ticktext=[w for _, w in steps],
            title={"text": "step", "font": {"size": 12, "color": "@ink-3"}, "standoff": 6},
        ),
        yaxis=axis(range=[low, high], tickvals=[t for t, _ in ticks], ticktext=[w for _, w in ticks]),
        annotations=[note(0, 1, _loss_words(figure, high), **_PAPER_X, **_PAPER_Y, xshift=-36, yshift=6)],
    )
    return {"traces": traces, "layout": layout}


def curves_span(figures: Sequence[Figure]) -> tuple[float, float]:
    """One scale for the losses of all arms: all of them, but for a start far above what comes later."""
    curves = [[v for v in s.values if math.isfinite(v)] for f in figures for s in f.series]
    curves = [c for c in curves if c]
    if not curves:
        return 0.0, 1.0
    low, whole = min(min(c) for c in curves), max(max(c) for c in curves)
    later = max(float(np.quantile(c, 0.9)) for c in curves)
    high = whole if whole <= later + (BARELY_ABOVE - 1) * abs(later) else later + 0.1 * abs(later - low)
    room = 0.05 * max(high - low, 1e-12 * max(1.0, abs(high)))
    return (0.0 if 0 <= low < 0.4 * high else low - room), high + room


def _loss_words(figure: Figure, high: float) -> str:
    most = max((v for s in figure.series for v in s.values if math.isfinite(v)), default=high)
    cut = f"; starts higher, up to {UNICODE.number(most)}, cut here" if most > high else ""
    return escaped(f"{figure.axes[1].name}{cut}")


# ---- mechanism


def mechanism_chart(figure: Figure) -> Spec:
    """Dumbbells: hollow before the cure, filled right after it, a dashed line across where theory puts it."""
    labels, span = figure.axes[0].labels, value_span(figure)
    ticks = span.ticks(6, UNICODE)
    before, after = figure.named("before"), figure.named("after the cure")
    shapes = [_down(m.start, {"color": "@line-2", "width": 1}) for m in figure.marks_of("limit")]
    shapes += _bars(before, after)
    predicted = figure.named("predicted")
    shapes += [_theory(i, x) for i, x in enumerate(predicted.values if predicted else ()) if math.isfinite(x)]
    layout = layout_of(
        DUMBBELL_TOP + BOTTOM + 14 + 36 * len(labels),
        (DUMBBELL_TOP, 48, BOTTOM + 14, LEFT),
        hovermode="closest",
        xaxis=axis(
            range=[span.low, span.high],
            tickvals=[t for t, _ in ticks],
            ticktext=[w for _, w in ticks],
            title={"text": f"{figure.axes[1].name}, {figure.axes[1].unit}", "font": {"size": 12, "color": "@ink-3"}},
        ),
        yaxis=_row_axis([(label, "") for label in labels]),
        shapes=shapes,
        annotations=_mechanism_words(figure, span),
    )
    return {"traces": [_dots(s) for s in figure.series if s.kind != "dashed"], "layout": layout}


def _bars(before: Series | None, after: Series | None) -> list[Spec]:
    """The way from before to after, and the spread of after over the seeds."""
    if after is None:
        return []
    line: Spec = {"type": "line", "layer": "below", "line": {"color": "@error/.45", "width": 2}}
    ways = zip(before.values, after.values, strict=True) if before is not None else ()
    out = [line | {"y0": i, "y1": i, "x0": a, "x1": b} for i, (a, b) in enumerate(ways) if math.isfinite(a + b)]
    spreads = [(i, a, b) for i, (a, b) in enumerate(zip(after.low, after.high, strict=True)) if math.isfinite(a + b)]
    wide = line | {"line": {"color": "@error", "width": 2}}
    return out + [wide | {"y0": i, "y1": i, "x0": a, "x1": b} for i, a, b in spreads if a < b]


def _theory(i: int, x: float) -> Spec:
    line = {"color": "@theory", "width": 1.6, "dash": "5px,4px"}
    return {"type": "line", "x0": x, "x1": x, "y0": i - 0.4, "y1": i + 0.4, "line": line}


def _dots(series: Series) -> Spec:
    hollow = series.kind == "hollow"
    marker: Spec = {"size": 10, "color": "@paper" if hollow else f"@{series.role}"}
    marker["line"] = {"width": 1.8, "color": f"@{series.role}"}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": known(series.values),
        "y": list(range(len(series.values))),
        "marker": marker,
        "customdata": [escaped(f"{series.name}: {precise(v, UNICODE)} decades") for v in series.values],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _mechanism_words(figure: Figure, span: Span) -> list[Spec]:
    """The number beside each filled dot, and the names of marks above the first row, one line each."""
    after = figure.named("after the cure")
    font: Spec = {"size": 12, "color": "@error", "weight": 600}
    out = [
        note(x, i, UNICODE.decades(x), xanchor="left", xshift=10, yshift=10, font=font, bgcolor="@paper")
        for i, x in enumerate(after.values if after else ())
        if math.isfinite(x)
    ]
    before = figure.named("before")
    for m in figure.marks_of("word"):  # behind the hollow dot, where there is one
        dot = before.values[int(m.start)] if before else math.nan
        x, shift = (dot, 12) if math.isfinite(dot) else (span.low, 6)
        words = f"✕ {escaped(m.text)}"
        out.append(note(x, m.start, words, xanchor="left", xshift=shift, font=font | {"color": "@guilty"}))
    heads = [(m.start, m.text, "ink-3") for m in figure.marks_of("limit")]
    heads += [(next(v for v in s.values if math.isfinite(v)), s.name, s.role) for s in figure.series]
    for line, (x, words, role) in enumerate(heads):
        share = span.share(x)
        anchor = "left" if share < 0.3 else "right" if share > 0.7 else "center"
        place: Spec = {**_PAPER_Y, "xanchor": anchor, "yshift": 2 + 14 * (len(heads) - 1 - line)}
        out.append(note(x, 1, escaped(words), **place, font={"size": 12, "color": f"@{role}"}))
    return out
