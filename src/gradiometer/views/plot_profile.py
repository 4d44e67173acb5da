"""The error profile as a Plotly specification: curves above, what each hop loses below, one x axis."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from .chart_scale import spread_apart
from .figures import Figure, Mark, Series
from .numbers import UNICODE
from .plot import DOTS_MOST, Spec, axis, decade_ticks, escaped, known, layout_of, note, rail
from .text_profile import NICE_STEPS, Scale, scale_of

PROFILE_HEIGHT, PROFILE_TOP, PROFILE_BOTTOM = 520, 34, 74  # px
LOSS_SHARE = 0.22  # of the height, for the bars of lost decades
GROWTH_TOLD_DECADES = 0.05  # a hop that grows by less is told with the losses
FACTORS_TOLD = 2  # at the right end, the largest ones
LABEL_APART = 34  # px between two end labels of two lines
SIDE_LINE = 17  # px of a line of words beside the bars
MOST_TICKS = 6  # whole steps between the lowest and the highest decade that is drawn


def profile_chart(error: Figure, hops: Figure, limits: Sequence[float], room: Sequence[float] = ()) -> Spec:
    """The signature picture: rail, curves with theory and its band, hop losses below, brackets over guilty hops.

    room: decades that the axis must hold as well, so that pictures of several steps share one scale.
    """
    labels = [escaped(label) for label in error.axes[0].labels]
    last = len(labels) - 1
    scale = _whole(scale_of([*room, *(v for s in error.series for v in s.values)], 1), error, room)
    bands = [t for s in error.series for t in _band(s)]  # first, so that no line lies under them
    traces = bands + [_curve(s, labels) for s in error.series] + _bars(hops)
    zero_lines = [_zero_line("y", last), _zero_line("y2", last)]
    layout = layout_of(
        PROFILE_HEIGHT,
        (PROFILE_TOP, 132, PROFILE_BOTTOM, 60),
        barmode="relative",
        bargap=0.28,
        hovermode="x unified" if last < 400 else "closest",
        shapes=[*zero_lines, *_gaps(error.marks), *_limit_lines(limits, last), *_brackets(hops)],
        annotations=_notes(error, hops, limits, scale),
        **_axes(labels, scale, hops),
    )
    return {"traces": traces, "layout": layout, "thin": True}


def _axes(labels: list[str], scale: Scale, hops: Figure) -> Spec:
    last = len(labels) - 1
    loss_low, loss_high = _loss_range(hops)
    places = {"tickvals": list(range(last + 1)), "ticktext": labels}
    upper = axis(domain=[LOSS_SHARE + 0.1, 1], range=[scale.low, scale.high + 0.04 * (scale.high - scale.low)])
    return {
        "xaxis": axis(showgrid=False, range=[-0.35, last + 0.35], anchor="y2", **places),
        "yaxis": upper | decade_ticks(scale.low, scale.high, scale.step),
        "yaxis2": axis(domain=[0, LOSS_SHARE], range=[loss_low, loss_high]) | _loss_ticks(loss_low, loss_high),
    }


def _notes(error: Figure, hops: Figure, limits: Sequence[float], scale: Scale) -> list[Spec]:
    paper: Spec = {"xref": "paper", "yref": "paper"}
    noun = "layer" if error.axes[0].name == "layer" else ""  # paths say themselves what they are
    grows = max((v for v in hops.series[-1].values if math.isfinite(v)), default=0.0) > GROWTH_TOLD_DECADES
    unit = "decades won in each hop (lost: below 0)" if grows else "decades lost in each hop"
    return [
        *rail(),
        *_end_labels(error, scale.low, scale.high),
        *_word_notes(error.marks, scale.low),
        *_bracket_words(hops, error),
        *_side_words(hops, limits),
        note(0, 0, noun, **paper, xanchor="right", yanchor="top", xshift=-16, yshift=-3),
        note(0, LOSS_SHARE, unit, **paper, xanchor="left", yanchor="bottom", yshift=4),
        note(0, 1, "decades", **paper, xanchor="right", yanchor="bottom", xshift=-6, yshift=2),
    ]


def _whole(scale: Scale, error: Figure, room: Sequence[float]) -> Scale:
    """The axis from whole decade to whole decade around everything that is drawn, bands included."""
    drawn = [v for s in error.series for v in (*room, *s.values, *s.low, *s.high) if math.isfinite(v)]
    low = math.floor(min([*drawn, -1.0 * min(3, scale.step)]) - 0.2)
    high = math.ceil(max([*drawn, 0.0]) - 0.1)
    step = next((s for s in NICE_STEPS if (high - low) / s <= MOST_TICKS), scale.step)
    return Scale(low, high, step, 1)


def _curve(series: Series, labels: list[str]) -> Spec:
    name, colour = series.name, f"@{series.role}"
    line: Spec = {"color": colour, "width": {"error": 2.6, "theory": 1.4}.get(name, 1.8)}
    if series.kind == "dashed":
        line["dash"] = "5px,4px"
    return {
        "type": "scatter",
        "x": list(range(len(labels))),
        "y": known(series.values),
        "name": name,
        "mode": "lines+markers" if name == "error" and len(labels) <= DOTS_MOST else "lines",
        "line": line,
        "marker": {"size": 7, "color": colour, "line": {"width": 1.5, "color": "@paper"}},
        "connectgaps": False,
        "customdata": labels,
        "hovertemplate": "%{customdata}: %{y:.3f}" if name == "error" else "%{y:.3f}",
    }


def _band(series: Series) -> list[Spec]:
    """The tinted band of three standard errors, drawn under its line."""
    if not any(h > v for h, v in zip(series.high, series.low, strict=True)):
        return []
    edge: Spec = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    edge["x"] = list(range(len(series.low)))
    fill = {"fill": "tonexty", "fillcolor": "@band/.8"}
    return [edge | {"y": known(series.low)}, edge | fill | {"y": known(series.high)}]


def _bars(hops: Figure) -> list[Spec]:
    """Decades of each hop, hanging from 0, by factor; the guiltiest factor of a guilty hop in ``guilty``."""
    factors = [s for s in hops.series if s.kind == "bar"]
    splits = [[f.values[i] for f in factors if math.isfinite(f.values[i])] for i in range(len(hops.axes[0].labels))]
    out = [_bar(series, splits, hops) for series in hops.series]
    return [bar for bar in out if bar["x"]]


def _bar(series: Series, splits: list[list[float]], hops: Figure) -> Spec:
    """One factor of every hop; the hop's total stands only where it could not be split."""
    guilty, hollow = set(hops.places("guilty")), set(hops.places("hollow"))
    total = series.kind == "total"
    at = [i for i, v in enumerate(series.values) if math.isfinite(v) and not (total and splits[i])]
    worst = [not splits[i] or series.values[i] == max(splits[i], key=abs) for i in at]
    inks = [_bar_colour(i in guilty, w) for i, w in zip(at, worst, strict=True)]
    fills = ["@paper" if i in hollow else colour for i, colour in zip(at, inks, strict=True)]
    return {
        "type": "bar",
        "x": [i + 0.5 for i in at],
        "y": [series.values[i] for i in at],
        "yaxis": "y2",
        "name": "hop" if total else escaped(series.name),
        "marker": {"color": fills, "line": {"color": inks, "width": 1}},
        "hovertemplate": "%{y:.3f}",
    }


def _bar_colour(guilty: bool, worst: bool) -> str:
    if guilty:
        return "@guilty" if worst else "@guilty-2"
    return "@neutral" if worst else "@line-2"


def _loss_range(hops: Figure) -> tuple[float, float]:
    """Room for the bars: losses below 0, growth above, never less than a third of a decade."""
    factors = [s for s in hops.series if s.kind == "bar"] or list(hops.series)
    down, up = 0.0, 0.0
    for i, total in enumerate(hops.series[-1].values):
        split = [s.values[i] for s in factors if math.isfinite(s.values[i])]
        values = split or ([total] if math.isfinite(total) else [])
        down = min(down, sum(min(v, 0.0) for v in values))
        up = max(up, sum(max(v, 0.0) for v in values))
    span = max(up - down, 0.3)
    if up <= 0.15 * span:
        return min(1.08 * down, -span), max(1.08 * up, 0.1 * span)
    return min(1.08 * down, -0.1 * span), max(1.08 * up, 0.3)


def _loss_ticks(low: float, high: float) -> Spec:
    raw = (high - low) / 3
    step = 10 ** math.floor(math.log10(raw))
    step *= next((m for m in (1, 2, 5, 10) if m * step >= raw), 10)
    values = [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return {"tickvals": values, "ticktext": [UNICODE.number(v) for v in values]}


def _zero_line(axis: str, last: int) -> Spec:
    line = {"color": "@line-2", "width": 1}
    return {
        "type": "line",
        "xref": "x",
        "yref": axis,
        "x0": -0.35,
        "x1": last + 0.35,
        "y0": 0,
        "y1": 0,
        "line": line,
        "layer": "below",
    }


def _gaps(marks: Sequence[Mark]) -> list[Spec]:
    """Where nothing was measured the line stops and the stretch is tinted; a hollow spine is framed by dots."""
    out = []
    for m in marks:
        if m.kind == "word" and m.text.startswith("not"):
            box = {
                "type": "rect",
                "xref": "x",
                "yref": "y domain",
                "x0": m.start - 0.5,
                "x1": m.end + 0.5,
                "y0": 0,
                "y1": 1,
                "layer": "below",
            }
            out.append(box | {"fillcolor": "@band", "line": {"width": 0}})
    return out


def _limit_lines(limits: Sequence[float], last: int) -> list[Spec]:
    line = {"color": "@ink", "width": 1, "dash": "2px,2px"}
    return [
        {
            "type": "line",
            "xref": "x",
            "yref": "y2",
            "x0": 0,
            "x1": last,
            "y0": math.log10(g),
            "y1": math.log10(g),
            "line": line,
        }
        for g in limits
    ]


def factor_words(hops: Figure) -> list[str]:
    """``σ′ takes 0.61``: decades of each factor in the median hop, of the guilty hops where there are any; the largest
    FACTORS_TOLD of those that are not 0 as written."""
    places = hops.places("guilty")
    found = []
    for series in (s for s in hops.series if s.kind == "bar"):
        values = [v for i, v in enumerate(series.values) if math.isfinite(v) and (not places or i in places)]
        if values and abs(statistics.median(values)) >= 0.005:
            found.append((statistics.median(values), series.name))
    out = []
    for value, name in sorted(found, key=lambda f: -abs(f[0]))[:FACTORS_TOLD]:
        verb = ("take" if value < 0 else "add") + ("" if name == "weights" else "s")
        out.append(f"{name} {verb} {abs(value):.2f}")
    return out


def beside_bars(limits: Sequence[float], factors: int, line: float) -> tuple[list[float], list[float]]:
    """Where the words right of the bars stand, counted down from the top of the bars: the limits at their places, a
    ``line`` apart, and the factors above the first limit where there is room, else below the last one. In any unit."""
    places = spread_apart(limits, line, 0.0, math.inf)
    room = min(places, default=math.inf) >= (factors + 0.5) * line
    start = line / 2 if room else max(places) + line
    return places, [start + i * line for i in range(factors)]


def _side_words(hops: Figure, limits: Sequence[float]) -> list[Spec]:
    """The limits on the axis by name, and what the factors take, the largest in the colour of guilt where hops are
    guilty."""
    low, high = _loss_range(hops)
    px = LOSS_SHARE * (PROFILE_HEIGHT - PROFILE_TOP - PROFILE_BOTTOM)
    told, drawn = factor_words(hops), [g for g in limits if low <= math.log10(g) <= high]
    wanted = [(high - math.log10(g)) / (high - low) * px for g in drawn]
    places, below = beside_bars(wanted, len(told), SIDE_LINE)
    words = [f"limit: gain {UNICODE.number(g)}" for g in drawn] + [escaped(one) for one in told]
    at: Spec = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "middle", "xshift": 8}
    out = [note(1, LOSS_SHARE, word, **at, yshift=-y) for word, y in zip(words, places + below, strict=True)]
    if told:
        colour = "@guilty" if hops.places("guilty") else "@ink-3"
        out[len(drawn)]["font"] = {"size": 12, "color": colour, "weight": 600}
    return out


def _end_labels(error: Figure, low: float, high: float) -> list[Spec]:
    """Each series named at its right end with its total below; labels that would collide move apart."""
    room = (
        (PROFILE_HEIGHT - PROFILE_TOP - PROFILE_BOTTOM) * (1 - LOSS_SHARE - 0.1) / (1.04 * (high - low))
    )  # px a decade
    ends: list[tuple[float, Series]] = []
    for s in error.series:
        end = next((v for v in reversed(s.values) if math.isfinite(v)), None)
        if end is not None:
            ends.append((end, s))
    ends.sort(key=lambda e: -e[0])
    floor = low * room + 10
    out, above = [], math.inf
    for i, (end, s) in enumerate(ends):
        left = (len(ends) - 1 - i) * LABEL_APART
        above = max(min(end * room, above - LABEL_APART), floor + left)
        early = "" if math.isfinite(s.values[-1]) else ", ends early"
        role = "activation-text" if s.role == "activation" else s.role
        total = f'<span style="font-weight:400;color:@ink-3">{UNICODE.decades(end)} decades{early}</span>'
        label = note(1, end, f"<b>{s.name}</b><br>{total}", xref="paper", xanchor="left", align="left", xshift=8)
        out.append(label | {"yshift": above - end * room, "font": {"size": 12, "color": f"@{role}"}})
    return out


def _word_notes(marks: Sequence[Mark], low: float) -> list[Spec]:
    return [
        note(
            (m.start + m.end) / 2,
            low,
            ("✕ " if not m.text.startswith("not") else "") + m.text,
            yanchor="bottom",
            textangle=-90,
            font={"size": 12, "color": "@ink-3" if m.text.startswith("not") else "@guilty"},
        )
        for m in marks
        if m.kind == "word"
    ]


def _brackets(hops: Figure) -> list[Spec]:
    out = []
    for m in (m for m in hops.marks if m.kind == "guilty"):
        path = {"type": "line", "xref": "x", "yref": "paper", "line": {"color": "@guilty", "width": 1.3}}
        y = -0.075
        out.append(path | {"x0": m.start + 0.1, "x1": m.end + 0.9, "y0": y, "y1": y})
        out += [path | {"x0": x, "x1": x, "y0": y, "y1": y + 0.014} for x in (m.start + 0.1, m.end + 0.9)]
    return out


def _bracket_words(hops: Figure, error: Figure) -> list[Spec]:
    """One sentence under the longest run of guilty hops."""
    marks = sorted((m for m in hops.marks if m.kind == "guilty"), key=lambda m: m.start - m.end)
    if not marks:
        return []
    m = marks[0]
    first, last = int(m.start), int(m.end)
    values = [v for v in hops.series[-1].values[first : last + 1] if math.isfinite(v)]
    labels, noun = error.axes[0].labels, "layer " if error.axes[0].name == "layer" else ""
    number = last - first + 1
    count = "1 hop" if number == 1 else f"{number} hops"
    share = kept_words(10 ** (sum(values) / len(values)), number) if values else ""
    words = f"guilty: {count}, {noun}{escaped(labels[first])} → {noun}{escaped(labels[last + 1])}{share}"
    font = {"size": 12, "color": "@guilty", "weight": 600}
    x = (first + last + 1) / 2
    return [note(x, -0.08, words, yref="paper", yanchor="top", yshift=-6, font=font, clamp=True)]


def kept_words(gain: float, hops: int) -> str:
    """Percent for what is kept above 1 %, decades below, a factor for growth."""
    each = ", it" if hops == 1 else ", each"
    if gain > 1:
        return f"{each} multiplies the error by {UNICODE.factor(gain)}"
    if gain >= 0.01:
        return f"{each} keeps {UNICODE.percent(gain)} of the error"
    return (
        f"{each} loses {UNICODE.decades(math.log10(gain)).lstrip('−')} decades" if gain > 0 else f"{each} keeps nothing"
    )
