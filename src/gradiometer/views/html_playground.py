"""The playground as one HTML file: sliders, predicted error beside real networks, phase map. Nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import playground
from .page import dashboard_page, inside_script, load_template, look, plotly_script, template_text, trusted

SCRIPTS = ("charts.js", "playground_theory.js", "playground_networks.js", "playground_charts.js", "playground.js")


def playground_page() -> str:
    """The whole page. UserError where the extra ``report`` is not installed."""
    template = load_template("playground.html")
    scripts = [plotly_script(), *(template_text(name) for name in SCRIPTS)]
    return template.render(_controls() | look("playground.css") | trusted(scripts) | {"worker": False})


def served_playground(around: Mapping[str, Any]) -> str:
    """The same page on the ground of the dashboard, whose scripts and styles are files of the server.

    around: what every page of the dashboard has; ``worker``: whether the server makes real networks.
    """
    return dashboard_page("playground_served.html", _controls() | dict(around), {})


def _controls() -> dict[str, Any]:
    return {
        "sliders": playground.SLIDERS,
        "choices": {
            "activation": ("activation", playground.ACTIVATIONS),
            "skip": ("skip", playground.SKIPS),
            "norm": ("normalisation", playground.NORMS),
        },
        "courses": {
            "task": ("data of the network", playground.TASKS),
            "optimizer": ("optimizer", playground.OPTIMIZERS),
        },
        "rate": playground.RATE,
        "data": inside_script(playground.page_data()),
    }
