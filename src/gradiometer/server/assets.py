"""The files that pages are made with. They are read once, by a fixed name: no path of a client reaches the disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gradiometer.views.page import MONO, SANS, TEMPLATES, plotly_script
from gradiometer.views.tokens import css_variables

STATIC = Path(__file__).parent / "static"
SCRIPT, STYLE = "text/javascript", "text/css"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file and its media type."""

    body: bytes
    media_type: str


@cache
def asset(name: str) -> Asset | None:
    """The file of that name, None where there is none. UserError where the extra ``report`` is missing."""
    if name == "plotly.js":
        return Asset(plotly_script().encode(), SCRIPT)
    if name in OF_VIEWS:
        return Asset((TEMPLATES / name).read_bytes(), STYLE if name.endswith(".css") else SCRIPT)
    if name == "look.css":
        return Asset(look().encode(), STYLE)
    if name == "icon.svg":
        return Asset(ICON.encode(), "image/svg+xml")
    if name in OWN:
        return Asset((STATIC / name).read_bytes(), SCRIPT)
    return None


OWN = (
    "dash.js",
    "runs.js",
    "run.js",
    "compare.js",
    "trials.js",
    "trial.js",
    "missing.js",
    "playing.js",
    "playing_network.js",
)
OF_VIEWS = (
    "charts.js",
    "playground.css",
    "playground_theory.js",
    "playground_networks.js",
    "playground_charts.js",
    "playground.js",
)
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20">'
    '<path d="M2 3 18 10 2 17z" fill="#5b6fe0"/></svg>'
)  # of a lightness that is seen on light and dark bars of browsers


def look() -> str:
    """The tokens, light and dark, the style of the report, and that of the dashboard."""
    light, dark = css_variables("light"), css_variables("dark")
    return "\n".join(
        (
            f":root{{color-scheme:light dark;{light} --sans:{SANS};--mono:{MONO}}}",
            f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}",
            f'[data-theme="light"]{{color-scheme:light;{light}}}',
            f'[data-theme="dark"]{{color-scheme:dark;{dark}}}',
            (TEMPLATES / "report.css").read_text(encoding="utf-8"),
            (STATIC / "dash.css").read_text(encoding="utf-8"),
        )
    )
