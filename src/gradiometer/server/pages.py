"""The shell of every page: head, bar, an empty main that a script fills. No text of a run stands in a shell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradiometer.records import TrialResult
from gradiometer.views.html_trial import trial_parts
from gradiometer.views.page import dashboard_page

SCRIPTS = ("plotly.js", "charts.js", "dash.js")


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the bar: its name and its address."""

    name: str
    address: str


RUNS, TRIALS = Place("Runs", "/"), Place("Trials", "/trials")


def shell(title: str, script: str, here: Place, places: Sequence[Place]) -> str:
    """A page whose content is drawn by ``script``. UserError where the extra ``report`` is missing."""
    scripts = (*SCRIPTS, script)
    return dashboard_page(
        "dashboard.html", {"title": title, "scripts": scripts, "places": places, "here": here.name}, {}
    )


def trial_page(result: TrialResult, places: Sequence[Place]) -> str:
    """A trial, as its report shows it, on the ground of the dashboard; its charts are drawn by a script of ours."""
    context, charts = trial_parts(result)
    around = {"scripts": (*SCRIPTS, "trial.js"), "places": places, "here": TRIALS.name}
    return dashboard_page("trial.html", context | around, charts)
