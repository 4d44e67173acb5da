"""The loss over the training as the dashboard's slider: findings as tinted stretches, events as marks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradiometer.records import Finding

from .numbers import UNICODE
from .plot import Spec, axis, escaped, known, layout_of, note

Floats = NDArray[np.float64]

LOSS_HEIGHT, LOSS_TOP, LOSS_BOTTOM, LOSS_LEFT, LOSS_RIGHT = 132, 22, 4, 48, 12  # px
MOST_POINTS = 1500
"""More would be closer than the pixels of a wide screen."""
WIDE_SPAN = 1000.0
"""From this ratio of the largest to the smallest loss on, the axis is in decades."""
CUT_OVER_MEDIAN = 8.0
"""A start this many times above the median loss is cut off and named: else it would press the rest flat."""
MOST_NAMED = 4


def thinned(curve: Floats, most: int = MOST_POINTS) -> Floats:
    """At most ``most`` points [point, column]: the first and the last one, and of each stretch its lowest and its
    highest loss, so that no peak is lost. What is not finite stays."""
    if len(curve) <= most:
        return curve
    edges = np.linspace(0, len(curve), most // 3 + 1).astype(int)
    kept = {0, len(curve) - 1}
    for a, b in itertools.pairwise(edges):
        loss = curve[a:b, 1]
        broken = np.flatnonzero(~np.isfinite(loss))
        if len(broken):
            kept.add(int(a + broken[0]))
        if len(broken) < len(loss):
            kept |= {int(a + np.nanargmin(_finite(loss))), int(a + np.nanargmax(_finite(loss)))}
    return np.asarray(curve[sorted(kept)])


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


@dataclass(frozen=True, slots=True)
class LossChart:
    """The chart, and what a page must know to lengthen it: whether it is drawn in decades, and where it is cut."""

    chart: Spec
    decades: bool
    cut: float


def loss_chart(curve: Floats, trivial: float | None, findings: Sequence[Finding], steps: tuple[int, int]) -> LossChart:
    """The loss of every step [point, (step, loss, ...)], thinned; the best constant prediction dotted; each finding
    from the step where it begins. steps: first and last step of the axis. A curve that ends in nan or inf ends in ✕."""
    shown = thinned(curve)
    scale = _scale(shown[:, 1], trivial)
    low, high = scale.low, scale.high
    line = {"color": "@ink", "width": 1.6}
    trace = {
        "type": "scatter",
        "mode": "lines",
        "x": [float(s) for s in shown[:, 0]],
        "y": known([scale.drawn(v) for v in shown[:, 1]]),
        "line": line,
        "connectgaps": False,
        "customdata": [UNICODE.number(v) for v in shown[:, 1]],
        "hovertemplate": "step %{x}: loss %{customdata}<extra></extra>",
    }
    marks = _stretches(findings, steps)
    layout = layout_of(
        LOSS_HEIGHT,
        (LOSS_TOP, LOSS_RIGHT, LOSS_BOTTOM, LOSS_LEFT),
        xaxis=axis(showgrid=False, range=list(_steps_range(steps)), showticklabels=False),
        yaxis=axis(range=[low, high], **scale.ticks),
        shapes=[*_shades(marks, steps), *_trivial_line(trivial, scale)],
        annotations=[
            note(
                0,
                1,
                scale.name,
                xref="paper",
                yref="paper",
                xanchor="left",
                yanchor="bottom",
                xshift=-LOSS_LEFT + 4,
                yshift=2,
            ),
            *_trivial_word(trivial, scale),
            *_stretch_words(marks, steps),
            *_broken_end(shown, scale),
            *_cut_word(shown, scale),
        ],
    )
    return LossChart({"traces": [trace], "layout": layout}, scale.decades, scale.cut)


def _steps_range(steps: tuple[int, int]) -> tuple[float, float]:
    return float(steps[0]), float(max(steps[1], steps[0] + 1))


class _Scale:
    """The second axis: linear from 0 (or the lowest loss), or decades where the loss spans many."""

    def __init__(self, low: float, high: float, cut: float, decades: bool) -> None:
        self.decades, self.cut = decades, cut
        self.name = "loss, decades" if decades else "loss"
        room = 0.06 * (high - low) or 0.5
        self.low, self.high = low - (room if decades or low < 0 else 0.02 * (high - low)), high + room
        self.ticks = _ticks(low, high, decades)

    def drawn(self, value: float) -> float:
        if not math.isfinite(value):
            return math.nan
        if self.decades:
            return math.log10(value) if value > 0 else math.nan
        return min(value, self.cut)


def _scale(losses: Floats, trivial: float | None) -> _Scale:
    seen = losses[np.isfinite(losses)]
    values = [*seen.tolist(), *([trivial] if trivial is not None and math.isfinite(trivial) else [])] or [0.0, 1.0]
    low, high = min(values), max(values)
    if low > 0 and high / low >= WIDE_SPAN:
        return _Scale(math.floor(math.log10(low)), math.ceil(math.log10(high)), math.inf, decades=True)
    base = min(low, 0.0)
    usual = float(np.median(seen)) if len(seen) else 1.0
    most = max(CUT_OVER_MEDIAN * usual, 1.4 * trivial if trivial is not None else 0.0)
    cut = most if 0 < most < high and low >= 0 else math.inf
    return _Scale(base, min(high, cut), cut, decades=False)


def _ticks(low: float, high: float, decades: bool) -> Spec:
    if decades:
        step = max(1, math.ceil((high - low) / 3))
        values = [float(v) for v in range(math.ceil(low), math.floor(high) + 1, step)]
        return {"tickvals": values, "ticktext": [UNICODE.decades(v) for v in values]}
    raw = (high - low) / 3 or 1.0
    step_size = 10.0 ** math.floor(math.log10(raw))
    step_size *= next((m for m in (1, 2, 5, 10) if m * step_size >= raw), 10)
    values = [k * step_size for k in range(math.ceil(low / step_size), math.floor(high / step_size) + 1)]
    return {"tickvals": values, "ticktext": [UNICODE.number(v) for v in values]}


def _stretches(findings: Sequence[Finding], steps: tuple[int, int]) -> list[tuple[int, str, str]]:
    """(first step, cause, severity) of each cause, the first one where it was found several times; in order."""
    first: dict[str, Finding] = {}
    for f in findings:
        if f.cause not in first or f.steps[0] < first[f.cause].steps[0]:
            first[f.cause] = f
    marks: list[tuple[int, str, str]] = [(max(f.steps[0], steps[0]), f.cause, f.severity) for f in first.values()]
    return sorted(marks)[:MOST_NAMED]


def _shades(marks: Sequence[tuple[int, str, str]], steps: tuple[int, int]) -> list[Spec]:
    """A tinted stretch from the first failure to the end, and a line where each finding begins."""
    out: list[Spec] = []
    failed = [step for step, _, severity in marks if severity == "fail"]
    whole: Spec = {"yref": "paper", "y0": 0, "y1": 1}
    if failed:
        box = {"type": "rect", "x0": failed[0], "x1": _steps_range(steps)[1], "line": {"width": 0}, "layer": "below"}
        out.append(whole | box | {"fillcolor": "@guilty-bg"})
    for step, _, severity in marks:
        line = {"color": "@guilty", "width": 1.4, "dash": "solid" if severity == "fail" else "3px,3px"}
        out.append(whole | {"type": "line", "x0": step, "x1": step, "line": line})
    return out


def _stretch_words(marks: Sequence[tuple[int, str, str]], steps: tuple[int, int]) -> list[Spec]:
    """The name of each finding at its line, those that would touch one below the other."""
    first, last = _steps_range(steps)
    out, line = [], 0
    before = -math.inf
    for step, cause, _ in marks:
        share = (step - first) / (last - first)
        line = line + 1 if share - before < 0.18 else 0
        before = share
        anchor, shift = ("left", 2) if share < 0.6 else ("right", -2)
        font = {"size": 12, "color": "@guilty", "weight": 600}
        words = f"step {UNICODE.count(step)}: {escaped(cause)}"
        place: Spec = {
            "yref": "paper",
            "xanchor": anchor,
            "yanchor": "bottom",
            "xshift": shift,
            "yshift": 2 - 16 * line,
        }
        out.append(note(step, 1, words, **place, font=font))
    return out


def _trivial_line(trivial: float | None, scale: _Scale) -> list[Spec]:
    if trivial is None or not math.isfinite(trivial):
        return []
    line = {"color": "@ink-3", "width": 1, "dash": "2px,2px"}
    at = scale.drawn(trivial)
    return [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": at, "y1": at, "line": line, "layer": "below"}]


def _trivial_word(trivial: float | None, scale: _Scale) -> list[Spec]:
    if trivial is None or not math.isfinite(trivial):
        return []
    words = f"best constant {UNICODE.number(trivial)}"
    place: Spec = {"xref": "paper", "xanchor": "right", "yanchor": "bottom", "bgcolor": "@paper/.7"}
    return [note(1, scale.drawn(trivial), words, **place)]


def _broken_end(shown: Floats, scale: _Scale) -> list[Spec]:
    """Where the loss stops being finite, its last number is followed by a cross."""
    broken = np.flatnonzero(~np.isfinite(shown[:, 1]))
    if not len(broken) or not broken[0]:
        return []
    step, loss = shown[broken[0] - 1, :2]
    font = {"size": 14, "color": "@guilty", "weight": 650}
    return [note(float(step), scale.drawn(float(loss)), "✕", font=font)]


def _cut_word(shown: Floats, scale: _Scale) -> list[Spec]:
    highest = float(np.max(_finite(shown[:, 1]), initial=-math.inf, where=np.isfinite(shown[:, 1])))
    if highest <= scale.cut:
        return []
    words = f"up to {UNICODE.number(highest)}, cut here"
    return [
        note(
            0,
            1,
            words,
            xref="paper",
            yref="paper",
            xanchor="left",
            yanchor="top",
            xshift=8,
            yshift=0,
            bgcolor="@paper/.7",
        )
    ]


__all__ = ["LOSS_LEFT", "LOSS_RIGHT", "MOST_POINTS", "loss_chart", "thinned"]
