"""``gradiometer compare``: two recorded runs beside each other."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .guard import command, refuse
from .options import Json
from .outlet import check_json, put_json, put_text
from .recorded import find_run
from .settings import Settings, read_settings

if TYPE_CHECKING:
    from gradiometer.views import Named

EXAMPLES = """\b
Examples:
  gradiometer compare before after
  gradiometer compare before.gmr latest --step 100
  gradiometer compare before after --json -
"""

RunA = Annotated[str, typer.Argument(metavar="A", help="A run file, a name in ./gradiometer-runs, or latest.")]
RunB = Annotated[str, typer.Argument(metavar="B", help="Another one.")]
StepOption = Annotated[
    int | None, typer.Option("--step", min=0, help="The step to look at.  [default: the last of both]")
]


@command
def compare(a: RunA, b: RunB, step: StepOption = None, json: Json = None) -> int:
    """How much more error one run brings to its input than the other, and what differs in them. No torch is needed."""
    settings = read_settings()
    check_json(json)
    from gradiometer import views

    left, right = (_named(name, settings) for name in (a, b))
    if json is not None:
        put_json(views.compared_runs(left, right, step), json)
    else:
        put_text(views.compare_page(left, right, step, views.Style.of_stream(sys.stdout)))
    return 0


def _named(name: str, settings: Settings) -> Named:
    path = find_run(name, settings.runs_folder)
    from gradiometer import diagnosis, store, views
    from gradiometer.views.dashboard import judged

    run = store.open_run(path)
    if not run.networks:
        refuse(f"{path} has recorded no network, so there is nothing to compare.")
    return views.Named(path.name, judged(run, diagnosis.diagnose(run, settings.ignore)))
