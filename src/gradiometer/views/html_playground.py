"""The playground as one HTML file: sliders, predicted error beside real networks, phase map. Nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import playground
from .page import MONO, SANS, TEMPLATES, as_it_is, dashboard_page, inside_script, load_template, plotly_script, trusted
from .tokens import css_variables

SCRIPTS = ("charts.js", "playground_theory.js", "playground_networks.js", "playground_charts.js", "playground.js")


def playground_page() -> str:
    """The whole page. UserError where the extra ``report`` is not installed."""
    template = load_template("playground.html")
    scripts = [plotly_script(), *(_text(name) for name in SCRIPTS)]
    return template.render(_controls() | _look() | trusted(scripts))


def served_playground(around: Mapping[str, Any]) -> str:
    """The same page on the ground of the dashboard, whose scripts and styles are files of the server."""
    return dashboard_page("playground_served.html", _controls() | dict(around), {})


def _controls() -> dict[str, Any]:
    return {
        "sliders": playground.SLIDERS,
        "choices": {
            "activation": ("activation", playground.ACTIVATIONS),
            "skip": ("skip", playground.SKIPS),
            "norm": ("normalisation", playground.NORMS),
        },
        "data": inside_script(playground.page_data()),
    }


def _look() -> dict[str, Any]:
    look = {"css": as_it_is(_text("report.css") + _text("playground.css"))}
    look |= {"light": as_it_is(css_variables("light")), "dark": as_it_is(css_variables("dark"))}
    return look | {"sans": as_it_is(SANS), "mono": as_it_is(MONO)}


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
