"""The loss over the training, shares of units and steps of the optimizer as Plotly specifications."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradiometer.records import Event, Finding

from .dashboard_loss import LOSS_LEFT, LOSS_RIGHT, loss_chart
from .figures import Figure, Series
from .groups import Stretch
from .numbers import UNICODE
from .plot import DOTS_MOST, Spec, axis, escaped, known, layout_of, note, rail
from .plot_rows import heat_chart

LOSS_HEIGHT, SHARE_HEIGHT = 260, 300  # px
MOST_MARKS = 60
"""Events that are drawn: more would be a wall of dots; the table holds them."""


def training_loss_chart(
    curve: NDArray[np.float64], trivial: float | None, findings: Sequence[Finding], events: Sequence[Event]
) -> Spec:
    """The loss of every step [point, (step, loss, lr)], findings as tinted stretches, events as marks on the time axis.

    The curve has at least one point. A loss that is not finite ends the line in ✕."""
    steps = int(curve[0, 0]), int(curve[-1, 0])
    chart = loss_chart(curve, trivial, findings, steps).chart
    layout = chart["layout"] | {"height": LOSS_HEIGHT, "margin": {"t": 40, "r": LOSS_RIGHT, "b": 44, "l": LOSS_LEFT}}
    title = {"title": {"text": "step", "font": {"size": 12, "color": "@ink-3"}, "standoff": 6}}
    last = max(steps[1], steps[0] + 1)
    ticks = sorted({round(steps[0] + k * (last - steps[0]) / 4) for k in range(5)})
    places = {"tickvals": ticks, "ticktext": [UNICODE.count(t) for t in ticks], "showticklabels": True}
    layout["xaxis"] = layout["xaxis"] | places | title
    return {"traces": chart["traces"] + _event_marks(events, steps, layout["yaxis"]["range"][0]), "layout": layout}


def _event_marks(events: Sequence[Event], steps: tuple[int, int], floor: float) -> list[Spec]:
    seen = [e for e in events if steps[0] <= e.step <= steps[1]][:MOST_MARKS]
    if not seen:
        return []
    words = [escaped(f"{e.kind.replace('_', ' ')}: {e.detail}" if e.detail else e.kind.replace("_", " ")) for e in seen]
    marker = {"symbol": "triangle-up", "size": 10, "color": "@ink", "line": {"width": 1, "color": "@paper"}}
    trace = {"type": "scatter", "mode": "markers", "name": "event", "x": [e.step for e in seen], "marker": marker}
    shown = {"customdata": words, "hovertemplate": "step %{x}: %{customdata}<extra></extra>", "cliponaxis": False}
    return [trace | shown | {"y": [floor] * len(seen)}]


def share_chart(figure: Figure) -> Spec:
    """Shares at each site, loss first: the first step hollow, the last one filled; 0 and 1 are the ends of the axis."""
    labels = [escaped(label) for label in figure.axes[0].labels]
    last = len(labels) - 1
    ticks = {"tickvals": [0, 0.25, 0.5, 0.75, 1], "ticktext": ["0", "25 %", "50 %", "75 %", "100 %"]}
    layout = layout_of(
        SHARE_HEIGHT,
        (44, 166, 44, 60),
        hovermode="x unified",
        xaxis=axis(showgrid=False, range=[-0.35, last + 0.35], tickvals=list(range(last + 1)), ticktext=labels),
        yaxis=axis(range=[-0.03, 1.05]) | ticks,
        annotations=[*rail(), *_end_words(figure.series)],
    )
    return {"traces": [_share_line(s, labels) for s in figure.series], "layout": layout, "thin": True}


def _share_line(series: Series, labels: list[str]) -> Spec:
    ghost = series.kind == "hollow"
    colour = f"@{series.role}" + ("/.45" if ghost else "")
    few = len(labels) <= DOTS_MOST
    marker: Spec = {"size": 7, "color": "@paper" if ghost else colour, "line": {"width": 1.5, "color": colour}}
    line: Spec = {"color": colour, "width": 1.4 if ghost else 1.8}
    values: Spec = {"x": list(range(len(labels))), "y": known(series.values), "customdata": labels}
    mode = "lines+markers" if few else "lines"
    told = {"name": escaped(series.name), "hovertemplate": "%{customdata}: %{y:.1%}", "connectgaps": len(labels) > 1}
    return {"type": "scatter", "mode": mode, "marker": marker, "line": line, "cliponaxis": False} | values | told


def _end_words(series: Sequence[Series]) -> list[Spec]:
    """Each series named at its right end, those that would touch apart, in the order of their ends."""
    room = (SHARE_HEIGHT - 44 - 44) / 1.08  # px from 0 to 1
    ends = [(next((v for v in reversed(s.values) if math.isfinite(v)), 0.0), s) for s in series]
    out, above = [], math.inf
    left = len(ends)
    for end, s in sorted(ends, key=lambda e: -e[0]):
        left -= 1
        above = max(min(end * room, above - 17), 17.0 * left)
        role = "activation-text" if s.role == "activation" else s.role
        font = {"size": 12, "color": f"@{role}", "weight": 400 if s.kind == "hollow" else 600}
        place: Spec = {"xref": "paper", "xanchor": "left", "xshift": 8, "yshift": above - end * room}
        out.append(note(1, end, escaped(s.name), **place, font=font))
    return out


def update_chart(figure: Figure, stretches: Sequence[Stretch] = ()) -> Spec:
    """‖ΔW‖ / ‖W‖ of each layer and recorded step, decades: as the heatmap of the error, in ink, since it is a datum of
    the optimizer and not of the error."""
    spec = heat_chart(figure, stretches)
    spec["traces"][0]["colorscale"] = [[0, "@ink-2~.03"], [1, "@ink-2~1"]]
    return spec
