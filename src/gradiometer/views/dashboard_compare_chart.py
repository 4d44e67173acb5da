"""The pictures of two runs: A thin and hollow, B thick and filled, the area between, the difference hop by hop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dashboard_loss import thinned
from .numbers import UNICODE
from .plot import DOTS_MOST, Spec, axis, decade_ticks, escaped, known, layout_of, note, rail
from .text_profile import Scale, scale_of

Floats = NDArray[np.float64]
HEIGHT, TOP, BOTTOM, RIGHT = 540, 34, 44, 120  # px
BARS_SHARE, GAP_SHARE = 0.2, 0.09
LOSS_HEIGHT = 220


@dataclass(frozen=True, slots=True)
class Compared:
    """The error of A and B at their stations, decades, loss first. alike: the stations are the same ones, so that hops
    can be compared. log_gains: of each hop, decades."""

    labels: tuple[tuple[str, ...], tuple[str, ...]]
    decades: tuple[Floats, Floats]
    log_gains: tuple[Floats, Floats]
    alike: bool
    noun: str

    def total(self, side: int) -> float:
        """The error at the last station, decades."""
        return float(self.decades[side][-1])

    def places(self, side: int) -> list[float]:
        """Where the stations stand: by number where both have the same ones, else over the whole way, 0 to 1."""
        n = len(self.labels[side])
        return [float(i) for i in range(n)] if self.alike else [i / max(1, n - 1) for i in range(n)]


def compare_chart(compared: Compared) -> Spec:
    """Both profiles over the way of the error; below, where the hops are the same, what B keeps more than A in each."""
    drawn = [v for side in compared.decades for v in side.tolist() if math.isfinite(v)]
    scale = _whole(scale_of(drawn, 1), drawn)
    last = compared.places(0)[-1] or 1.0
    traces = [*_area(compared), _line(compared, 0), _line(compared, 1)]
    bottom = BARS_SHARE + GAP_SHARE if compared.alike else 0.0
    high = scale.high + 0.05 * (scale.high - scale.low)
    axes: Spec = {
        "xaxis": axis(showgrid=False, range=[-0.02 * last, 1.02 * last], anchor="y2" if compared.alike else "y")
        | _ticks(compared),
        "yaxis": axis(domain=[bottom, 1], range=[scale.low, high])
        | decade_ticks(math.floor(scale.low), math.ceil(scale.high), scale.step),
    }
    notes = [*rail(), *_ends(compared, scale.low, high, 1 - bottom)]
    notes.append(note(0, 1, "decades", xref="paper", yref="paper", xanchor="right", yanchor="bottom", xshift=-6))
    if compared.alike:
        bars, bars_axis, words = _difference(compared)
        traces.append(bars)
        axes["yaxis2"] = bars_axis
        notes += words
    if compared.noun and compared.alike:
        place: Spec = {"xref": "paper", "yref": "paper", "xanchor": "right", "yanchor": "top", "xshift": -16}
        notes.append(note(0, 0, compared.noun, **place, yshift=-3))
    layout = layout_of(HEIGHT, (TOP, RIGHT, BOTTOM, 60), hovermode="x unified", annotations=notes, **axes)
    return {"traces": traces, "layout": layout, "thin": compared.alike}


def _whole(scale: Scale, drawn: list[float]) -> Scale:
    """From whole decade to whole decade around what is drawn."""
    low = math.floor(min([*drawn, -1.0 * min(3, scale.step)]) - 0.2)
    return Scale(low, math.ceil(max([*drawn, 0.0]) - 0.1), scale.step, 1)


def _ticks(compared: Compared) -> Spec:
    if not compared.alike:
        return {"tickvals": [0, 1], "ticktext": ["loss", "input"]}
    labels = compared.labels[0]
    return {"tickvals": list(range(len(labels))), "ticktext": [escaped(label) for label in labels]}


def _line(compared: Compared, side: int) -> Spec:
    """A thin and hollow, B thick and filled: colour is the quantity, and the quantity is the same."""
    values = compared.decades[side].tolist()
    fill: Spec = (
        {"size": 7, "color": "@paper", "line": {"width": 1.4, "color": "@error"}}
        if side == 0
        else {"size": 8, "color": "@error", "line": {"width": 1.5, "color": "@paper"}}
    )
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(values) <= DOTS_MOST else "lines",
        "x": compared.places(side),
        "y": known(values),
        "name": "AB"[side],
        "line": {"color": "@error", "width": 1.4 if side == 0 else 3},
        "marker": fill,
        "connectgaps": False,
        "customdata": [escaped(label) for label in compared.labels[side]],
        "hovertemplate": "%{customdata}: %{y:.3f}",
    }


def _area(compared: Compared) -> list[Spec]:
    """The area between, where both are known at the same stations."""
    if not compared.alike:
        return []
    a, b = compared.decades
    both = np.flatnonzero(np.isfinite(a) & np.isfinite(b))
    if len(both) < 2 or len(both) != both[-1] - both[0] + 1:
        return []
    edge: Spec = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "x": both.tolist()}
    fill = {"fill": "tonexty", "fillcolor": "@error/.08"}
    return [edge | {"y": a[both].tolist()}, edge | {"y": b[both].tolist()} | fill]


def _ends(compared: Compared, low: float, high: float, share: float) -> list[Spec]:
    """Each run named at its end, with its total; names that would touch move apart."""
    room = (HEIGHT - TOP - BOTTOM) * share / (high - low)  # px a decade
    out: list[Spec] = []
    ends = []
    for side in (0, 1):
        seen = [v for v in compared.decades[side].tolist() if math.isfinite(v)]
        if seen:
            ends.append((seen[-1], side))
    ends.sort(reverse=True)
    lifts = [0.0] * len(ends)
    if len(ends) == 2 and (gap := (ends[0][0] - ends[1][0]) * room) < 34:
        lifts = [(34 - gap) / 2, -(34 - gap) / 2]
    for (end, side), lift in zip(ends, lifts, strict=True):
        early = "" if math.isfinite(compared.total(side)) else ", ends early"
        total = f'<span style="font-weight:400;color:@ink-3">{UNICODE.decades(end)} decades{early}</span>'
        place: Spec = {"xref": "paper", "xanchor": "left", "align": "left", "xshift": 8, "yshift": lift}
        out.append(note(1, end, f"<b>{'AB'[side]} error</b><br>{total}", **place) | {"font": _font("error")})
    return out


def _font(role: str) -> Spec:
    return {"size": 12, "color": f"@{role}"}


def _difference(compared: Compared) -> tuple[Spec, Spec, list[Spec]]:
    """Decades that B keeps more than A in each hop: more in ``healthy``, less in ``guilty``."""
    with np.errstate(invalid="ignore"):
        more = compared.log_gains[1] - compared.log_gains[0]
    at = [i for i, v in enumerate(more.tolist()) if math.isfinite(v)]
    values = [float(more[i]) for i in at]
    bar: Spec = {
        "type": "bar",
        "x": [i + 0.5 for i in at],
        "y": values,
        "yaxis": "y2",
        "name": "B − A",
        "marker": {"color": ["@healthy" if v >= 0 else "@guilty" for v in values]},
        "hovertemplate": "%{y:.3f}",
    }
    low, high = min([0.0, *values]), max([0.0, *values])
    if high - low < 0.1:
        low, high = low - 0.05, high + 0.05
    ends = [v for v in (low, 0.0, high) if v == 0 or abs(v) > 0.25 * (high - low)]
    ticks = {"tickvals": ends, "ticktext": [UNICODE.number(float(f"{v:.2g}")) for v in ends]}
    paper: Spec = {"xref": "paper", "yref": "paper", "xanchor": "left"}
    total = sum(values)
    words = [note(0, BARS_SHARE, "decades that B keeps more than A, hop by hop", **paper, yanchor="bottom", yshift=8)]
    told = f"total {UNICODE.decades(total)}"
    font = _font("healthy-text" if total >= 0 else "guilty") | {"weight": 600}
    words.append(note(1, BARS_SHARE / 2, told, **paper, xshift=8) | {"font": font})
    room = 0.08 * (high - low)
    return bar, axis(domain=[0, BARS_SHARE], range=[low - room, high + room], **ticks), words


def losses_chart(a: Floats, b: Floats) -> dict[str, Any] | None:
    """The training losses of both over their steps; a start that is much higher is cut off and named. None where no
    loss was seen."""
    curves = [thinned(c) for c in (a, b)]
    seen = [c[np.isfinite(c[:, 1])] for c in curves]
    if not any(len(c) for c in seen):
        return None
    usual = max(float(np.median(c[:, 1])) for c in seen if len(c))
    lowest = min(float(c[:, 1].min()) for c in seen if len(c))
    highest = max(float(c[:, 1].max()) for c in seen if len(c))
    cut = 2 * usual if lowest >= 0 and 0 < 2 * usual < highest else math.inf
    last = max(float(c[-1, 0]) for c in curves if len(c))
    low, high = min(0.0, lowest), min(highest, cut)
    traces = [_loss_line(c, side, cut) for side, c in enumerate(curves) if len(c)]
    notes = _loss_names(curves, cut, 0.12 * (high - low) or 0.1)
    if highest > cut:
        side = "AB"[max((float(c[:, 1].max()), i) for i, c in enumerate(seen) if len(c))[1]]
        words = f"{side} goes up to {UNICODE.number(highest)}, cut here"
        notes.append(note(0, 1, words, xref="paper", yref="paper", xanchor="left", yanchor="bottom", xshift=4))
    raw = (high - low) / 4 or 1.0
    ten = 10.0 ** math.floor(math.log10(raw))
    step = ten * next((m for m in (1, 2, 5, 10) if m * ten >= raw), 10)
    ticks = [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
    layout = layout_of(
        LOSS_HEIGHT,
        (20, 28, 40, 48),
        xaxis=axis(showgrid=False, range=[0, last * 1.02 or 1], title={"text": "step", "font": {"size": 12}}, nticks=4),
        yaxis=axis(range=[low, high * 1.05 or 1], tickvals=ticks, ticktext=[UNICODE.number(t) for t in ticks]),
        annotations=notes,
    )
    ends = [f"{'AB'[i]} {UNICODE.number(float(c[-1, 1]))}" for i, c in enumerate(curves) if len(c)]
    rows = [[f"{'AB'[i]}", UNICODE.count(int(s)), UNICODE.number(v)] for i, c in enumerate(curves) for s, v in _few(c)]
    table = {"head": ["run", "step", "loss"], "rows": rows}
    return {
        "chart": {"traces": traces, "layout": layout},
        "label": f"Training loss: {', '.join(ends)}.",
        "table": table,
    }


def _few(curve: Floats) -> list[tuple[float, float]]:
    return [(float(s), float(v)) for s, v in thinned(curve, 30)[:, :2].tolist()]


def _loss_line(curve: Floats, side: int, cut: float) -> Spec:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": curve[:, 0].tolist(),
        "y": known([min(v, cut) if math.isfinite(v) else math.nan for v in curve[:, 1].tolist()]),
        "line": {"color": "@ink", "width": 1 if side == 0 else 2.2},
        "name": "AB"[side],
        "hovertemplate": f"step %{{x}}: {'AB'[side]} %{{y:.3g}}<extra></extra>",
    }


def _loss_names(curves: list[Floats], cut: float, apart: float) -> list[Spec]:
    ends = []
    for side, c in enumerate(curves):
        finite = c[np.isfinite(c[:, 1])] if len(c) else c
        if len(finite):
            ends.append((min(float(finite[-1, 1]), cut), float(finite[-1, 0]), side))
    ends.sort(reverse=True)
    out = []
    for (y, x, side), nudge in zip(ends, _nudges(ends, apart), strict=True):
        font = _font("ink") | {"weight": 600}
        out.append(note(x, y + nudge, "AB"[side], xanchor="left", xshift=6) | {"font": font})
    return out


def _nudges(ends: list[tuple[float, float, int]], apart: float) -> list[float]:
    if len(ends) < 2 or ends[0][0] - ends[1][0] >= apart:
        return [0.0] * len(ends)
    return [apart / 2, -apart / 2]
