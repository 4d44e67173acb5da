"""The pieces of Plotly specifications, as plain values; plotly itself is not imported here.

Colours are written as ``@role``, ``@role/opacity`` or ``@role~share`` (mixed with the paper) and become the reader's
light or dark tokens in the page. Text that may hold a name is escaped: Plotly reads its labels as a small HTML.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from .numbers import UNICODE

Spec = dict[str, Any]

DOTS_MOST = 60
"""Above this number of sites a line has no dots and single labels are dropped."""


def escaped(text: str) -> str:
    """A name as Plotly may show it."""
    return html.escape(UNICODE.text(text), quote=True)


def known(values: Sequence[float]) -> list[float | None]:
    """JSON knows no nan and no inf: both are gaps here, and their word is drawn instead."""
    return [v if math.isfinite(v) else None for v in values]


def note(x: float, y: float, text: str, **more: Any) -> Spec:
    base = {
        "x": x,
        "y": y,
        "text": text,
        "showarrow": False,
        "xref": "x",
        "yref": "y",
        "font": {"size": 12, "color": "@ink-3"},
    }
    return base | more


def axis(**more: Any) -> Spec:
    base = {
        "showgrid": True,
        "gridcolor": "@line",
        "zeroline": False,
        "ticks": "",
        "fixedrange": True,
        "tickfont": {"size": 12, "color": "@ink-3"},
    }
    return base | more


def layout_of(height: int, margin: tuple[int, int, int, int], **more: Any) -> Spec:
    top, right, bottom, left = margin
    base = {
        "height": height,
        "margin": {"t": top, "r": right, "b": bottom, "l": left},
        "showlegend": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "@sans", "size": 12, "color": "@ink-2"},
        "hoverlabel": {"bgcolor": "@raise", "bordercolor": "@line-2", "font": {"color": "@ink", "size": 12}},
        "dragmode": False,
    }
    return base | more


def decade_ticks(low: int, high: int, step: int) -> Spec:
    values = list(range(math.ceil(low / step) * step, high + 1, step))
    return {"tickvals": values, "ticktext": [("−" if v < 0 else "+" if v > 0 else "") + str(abs(v)) for v in values]}


def rail() -> list[Spec]:
    """LOSS ——→ INPUT: the way of the error, above every profile. The page fits the arrows to its width."""
    at: Spec = {"xref": "paper", "yref": "paper", "yanchor": "bottom", "yshift": 14}
    ends: Spec = at | {"font": {"size": 12, "color": "@ink", "weight": 650}}
    arrow: Spec = {"xref": "paper", "yref": "paper", "y": 1, "x": 0, "ax": 0, "ay": 0, "yshift": 22, "text": ""}
    arrow |= {"showarrow": True, "arrowwidth": 1.3, "arrowsize": 1, "arrowcolor": "@error"}
    words = note(0.5, 1, "the error travels this way", **at, font={"size": 12, "color": "@error", "weight": 600})
    return [
        note(0, 1, "LOSS", xanchor="left", **ends),
        note(1, 1, "INPUT", xanchor="right", **ends),
        arrow | {"arrowhead": 0, "rail": "first"},
        arrow | {"arrowhead": 2, "rail": "last"},
        words | {"rail": "words"},
    ]
