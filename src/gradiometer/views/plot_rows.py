"""Charts whose rows are the sites (heatmap, learning time); time steps of a recurrent module; a cure's prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .figures import Figure
from .groups import Stretch
from .numbers import UNICODE, clean
from .plot import DOTS_MOST, Spec, axis, decade_ticks, escaped, known, layout_of, note, rail
from .rows import apart
from .text_profile import scale_of

DRAWN_DIGITS = 3
"""Decimals of a decade for the colour of a cell: 256 shades of three decades or more are coarser."""
NAME_LETTERS = 24
HUMAN_TIMES_S = (("a day", 86400.0), ("a year", 3.156e7), ("1 000 years", 3.156e10), ("a million years", 3.156e13))


def heat_chart(heat: Figure, stretches: Sequence[Stretch] = ()) -> Spec:
    """Size of the error at each site and recorded step: it fades into the ground as it dies; a gap is tinted.

    stretches: rows that are drawn as one, by the site farthest from the loss. ``rows`` of the result says which, for
    the page to tell their numbers and to open one."""
    names = [UNICODE.count(int(s)) for s in heat.axes[0].values]
    trace = _cells(heat, [s.last for s in stretches] or range(len(heat.series)), names)
    kept = sorted({round(k * (len(names) - 1) / 4) for k in range(5)}) if names else []
    layout = layout_of(
        rows_height(len(trace["y"])),
        (44, 24, 44, 68),
        xaxis=axis(showgrid=False, type="category", tickangle=0, tickvals=[names[k] for k in kept])
        | _title("step, as recorded"),
        yaxis=_site_rows(_row_names(heat.axes[1].labels, stretches)),
        plot_bgcolor="@band",
        annotations=_loss_input(),
    )
    told = [_told(s, s.last) for s in stretches]
    return {"traces": [trace], "layout": layout, "rows": {"unit": "decades", "stretches": told}}


def _cells(heat: Figure, drawn: Sequence[int], names: list[str]) -> Spec:
    """The rows that are drawn, on the scale of all of them: at least three decades."""
    values = [v for s in heat.series for v in s.values if math.isfinite(v)]
    low, high = (min(values), max(values)) if values else (-1.0, 0.0)
    low = min(low, high - 3)
    return {
        "type": "heatmap",
        "z": [_shades(heat.series[i].values, low, high) for i in drawn],
        "x": names,
        "y": list(range(len(drawn))),
        "zmin": low,
        "zmax": high,
        "xgap": 0,
        "ygap": 1 if len(drawn) <= DOTS_MOST else 0,
        "colorscale": [[0, "@error~.03"], [1, "@error~1"]],
        "colorbar": _colour_bar(low, high),
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _shades(values: Sequence[float], low: float, high: float) -> list[float | None]:
    return [None if math.isnan(v) else round(min(max(v, low), high), DRAWN_DIGITS) for v in values]


def _told(stretch: Stretch, shown: int) -> Spec:
    """What the page needs of a stretch: shown is the row whose number is drawn."""
    where = {"first": stretch.first, "last": stretch.last, "shown": shown, "group": stretch.group}
    return {"name": clean(stretch.name)} | where


def _colour_bar(low: float, high: float) -> Spec:
    ends = {"tickvals": [low, high], "ticktext": [UNICODE.decades(low), UNICODE.decades(high)]}
    place = {"orientation": "h", "len": 0.42, "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom", "ypad": 6}
    return place | ends | {"thickness": 9, "outlinewidth": 0, "tickfont": {"size": 12, "color": "@ink-3"}}


def _title(text: str) -> Spec:
    return {"title": {"text": text, "font": {"size": 12, "color": "@ink-3"}, "standoff": 6}}


def learning_chart(learning: Figure, pace_s: float, run_steps: int, stretches: Sequence[Stretch] = ()) -> Spec:
    """Steps until each layer has moved by its own size: dots with stems, the worst one named, human time dotted.

    stretches: rows that are drawn as one, a dot at the layer that is farthest from the loss's own by factor and a line
    from the fastest to the slowest. ``rows`` of the result is for the page, as in the heatmap."""
    values = learning.series[0].values
    own = [max(range(s.first, s.last + 1), key=lambda i: _away(values, i)) for s in stretches] or range(len(values))
    left, right = _log_range(values)
    at = [_place(v, right) for v in values]
    guilty = [learning.marked("guilty", i) is not None for i in range(len(values))]
    inks = [any(guilty[s.first : s.last + 1]) for s in stretches] or guilty
    colours = ["@guilty" if ink else "@ink-2" for ink in inks]
    marks, words = _human_marks(pace_s, run_steps, left, right)
    ticks = list(range(left, right + 1, max(1, math.ceil((right - left) / 7))))
    lines = _ranges(at, stretches, colours) if stretches else _stems(left, at, colours)
    drawn = [values[i] for i in own]
    named = _worst_name(drawn, [at[i] for i in own], colours, (left + right) / 2)
    layout = layout_of(
        rows_height(len(own)),
        (44, 24, 44, 68),
        xaxis=axis(range=[left, right + 0.1 * (right - left)], tickvals=ticks, ticktext=[_ten(t) for t in ticks])
        | _title("steps"),
        yaxis=_site_rows(_row_names(learning.axes[0].labels, stretches)),
        shapes=lines + marks,
        annotations=words + named + _loss_input(),
    )
    told = [_told(s, i) for s, i in zip(stretches, own, strict=False)]
    rows = {"unit": "steps", "stretches": told, "guilty": [i for i, g in enumerate(guilty) if g], "never": right}
    return {"traces": [_dots(drawn, [at[i] for i in own], colours)], "layout": layout, "rows": rows}


def _dots(values: Sequence[float], at: Sequence[float | None], colours: Sequence[str]) -> Spec:
    symbols = ["x" if v == math.inf else "circle" for v in values]
    marker = {"size": 9 if len(at) <= DOTS_MOST else 6, "color": list(colours), "symbol": symbols}
    places = {"x": list(at), "y": list(range(len(at))), "marker": marker}
    return {"type": "scatter", "mode": "markers", "hovertemplate": "%{customdata}<extra></extra>"} | places


def _away(values: Sequence[float], row: int) -> float:
    """How far a layer's time is from that of the loss's layer; one that is not known is never the farthest."""
    return -1.0 if math.isnan(values[row]) else apart(values[row], values[0])


def _place(steps: float, never: float) -> float | None:
    """On the log axis; None where it is not known, at its end where the layer does not move."""
    return math.log10(steps) if math.isfinite(steps) and steps > 0 else float(never) if steps == math.inf else None


def _ranges(at: Sequence[float | None], stretches: Sequence[Stretch], colours: Sequence[str]) -> list[Spec]:
    """A line from the fastest to the slowest layer of each stretch."""
    out = []
    for row, (s, colour) in enumerate(zip(stretches, colours, strict=True)):
        known = [x for x in at[s.first : s.last + 1] if x is not None]
        if known and min(known) < max(known):
            line = {"color": colour + "/.45", "width": 3}
            place = {"x0": min(known), "x1": max(known), "y0": row, "y1": row}
            out.append({"type": "line", "line": line, "layer": "below"} | place)
    return out


def _log_range(values: Sequence[float]) -> tuple[int, int]:
    """Whole powers of ten around the known times, at least two decades, one more where a layer never moves."""
    seen = [v for v in values if math.isfinite(v) and v > 0]
    left = min(0, math.floor(math.log10(min(seen)))) if seen else 0
    right = math.ceil(math.log10(max(seen)) + 0.2) if seen else 3
    return left, max(right + any(map(math.isinf, values)), left + 2)


def _stems(left: float, at: Sequence[float | None], colours: Sequence[str]) -> list[Spec]:
    """A line from the edge to each dot; in a deep network only to the guilty ones."""
    every = len(at) <= DOTS_MOST
    out = []
    for row, (right, colour) in enumerate(zip(at, colours, strict=True)):
        if right is not None and (every or colour == "@guilty"):
            line = {"color": colour + "/.45", "width": 1.2}
            place = {"x0": left, "x1": right, "y0": row, "y1": row}
            out.append({"type": "line", "line": line, "layer": "below"} | place)
    return out


def _worst_name(
    values: Sequence[float], at: Sequence[float | None], colours: Sequence[str], middle: float
) -> list[Spec]:
    """The number of the slowest layer, written beside its dot."""
    worst = max(
        (i for i in range(len(values)) if at[i] is not None), key=lambda i: apart(values[i], values[0]), default=None
    )
    if worst is None:
        return []
    x = at[worst] or 0.0
    name = UNICODE.steps(values[worst]) + (" steps" if math.isfinite(values[worst]) else "")
    anchor, shift = ("right", -10) if x > middle else ("left", 10)
    font = {"size": 12, "color": colours[worst], "weight": 600}
    return [note(x, worst, name, xanchor=anchor, xshift=shift, font=font, bgcolor="@paper", borderpad=1)]


def _human_marks(pace_s: float, run_steps: int, left: int, right: int) -> tuple[list[Spec], list[Spec]]:
    """This run, a day, a year ...: at this run's pace; the page leaves out names that would touch."""
    times = [("this run", float(run_steps))] if run_steps > 0 else []
    if math.isfinite(pace_s) and pace_s > 0:
        times += [(name, seconds / pace_s) for name, seconds in HUMAN_TIMES_S]
    shapes, words = [], []
    for name, steps in times:
        at = math.log10(steps)
        if not left < at <= right:
            continue
        line = {"color": "@ink-3", "width": 1, "dash": "2px,3px"}
        shapes.append(
            {"type": "line", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1, "line": line, "layer": "below"}
        )
        words.append(note(at, 1, name, yref="paper", yanchor="bottom", yshift=4, apart=True))
    return shapes, words


def _ten(exponent: int) -> str:
    return {0: "1", 1: "10"}.get(exponent, f"10<sup>{str(exponent).replace('-', '−')}</sup>")


def time_chart(figure: Figure) -> Spec:
    """The error over the time steps of a recurrent module, the last one (nearest to the loss) first."""
    series, steps = figure.series[0], figure.axes[0].labels
    scale = scale_of(list(series.values), 1)
    kept = sorted({round(k * (len(steps) - 1) / 6) for k in range(7)})
    line = {"color": "@error", "width": 2.6}
    trace = {
        "type": "scatter",
        "mode": "lines",
        "x": list(range(len(steps))),
        "y": known(series.values),
        "line": line,
        "name": "error",
    }
    layout = layout_of(
        260,
        (34, 60, 44, 60),
        xaxis=axis(
            showgrid=False,
            range=[-0.03 * len(steps), 1.02 * len(steps)],
            tickvals=kept,
            ticktext=["t=" + steps[k] for k in kept],
        ),
        yaxis=axis(range=[scale.low, scale.high + 0.1]) | decade_ticks(scale.low, scale.high, scale.step),
        annotations=rail(),
    )
    return {"traces": [trace], "layout": layout}


def cure_chart(now: Sequence[float], after_decades: float) -> Spec:
    """The profile as it is (faint) and as theory predicts it after the cure (dashed)."""
    last = len(now) - 1
    seen = [v for v in now if math.isfinite(v)] or [0.0]
    low, high = min([*seen, after_decades, -1.0]), max([*seen, after_decades, 0.0])
    room = 0.12 * (high - low)
    faint: Spec = {"x": list(range(last + 1)), "y": known(now), "line": {"color": "@error/.45", "width": 1.8}}
    dashed: Spec = {"x": [0, last], "y": [0, after_decades]}
    dashed["line"] = {"color": "@theory", "width": 1.6, "dash": "5px,4px"}
    traces: list[Spec] = [{"type": "scatter", "mode": "lines", "hoverinfo": "skip"} | one for one in (faint, dashed)]
    apart = 8 if abs(seen[-1] - after_decades) < 0.2 * (high - low) else 0
    at: Spec = {"xref": "paper", "xanchor": "left", "xshift": 6}
    notes = [
        note(1, seen[-1], "now", **at, yshift=-apart, font={"size": 12, "color": "@error"}),
        note(1, after_decades, "after", **at, yshift=apart, font={"size": 12, "color": "@ink"}),
    ]
    hidden: Spec = {"visible": False, "fixedrange": True}
    layout = layout_of(84, (6, 46, 6, 2), xaxis=hidden, yaxis=hidden | {"range": [low - room, high + room]})
    return {"traces": traces, "layout": layout | {"annotations": notes}}


def rows_height(rows: int) -> int:
    """Height of charts that share the site rows, px."""
    return 96 + max(150, min(18 * rows, 1080))


def _row_names(labels: Sequence[str], stretches: Sequence[Stretch]) -> list[str]:
    """What stands beside each row: the end of a long name; a group that a finding names has its sign."""
    if not stretches:
        return [escaped(_end(label)) for label in labels]
    signs = {"fail": "✕ ", "warn": "! ", "": ""}
    names = [(signs[s.severity], escaped(_end(s.name))) for s in stretches]
    return [f'<span style="color:@guilty">{sign}{name}</span>' if sign else name for sign, name in names]


def _end(name: str) -> str:
    return name if len(name) <= NAME_LETTERS else "…" + name[1 - NAME_LETTERS :]


def _site_rows(names: Sequence[str]) -> Spec:
    """Every row by its name; the page drops those that would touch at its height."""
    places = {"tickvals": list(range(len(names))), "ticktext": list(names)}
    return axis(showgrid=False, range=[len(names) - 0.5, -0.5], automargin=True, **places)


def _loss_input() -> list[Spec]:
    font = {"size": 12, "color": "@ink", "weight": 650}
    at: Spec = {"xref": "paper", "yref": "paper", "xanchor": "right", "xshift": -22, "font": font}
    return [note(0, 1, "LOSS", yanchor="bottom", yshift=4, **at), note(0, 0, "INPUT", yanchor="top", yshift=-4, **at)]
