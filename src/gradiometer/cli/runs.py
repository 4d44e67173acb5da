"""``gradiometer runs``: the recorded runs of a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .guard import command
from .options import Json
from .outlet import check_json, put_json, put_text
from .settings import Settings, read_settings

if TYPE_CHECKING:
    from gradiometer.store import RunRow as StoredRow
    from gradiometer.views import RunRow

EXAMPLES = """\b
Examples:
  gradiometer runs
  gradiometer runs old-runs
  gradiometer runs --json -
"""


@command
def runs(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Folder of the run files.  [default: ./gradiometer-runs]")
    ] = None,
    json: Json = None,
) -> int:
    """List the recorded runs of a folder, newest first. A damaged file is a row that says so."""
    settings = read_settings()
    check_json(json)
    place = folder or settings.runs_folder
    from gradiometer import store, views

    empty = folder is None and not place.is_dir()  # the folder is made by the first run
    rows = [] if empty else [_row(row, settings) for row in store.list_runs(place)]
    if json is not None:
        put_json(rows, json)
    else:
        put_text(views.runs_table(rows, views.Style.of_stream(sys.stdout)))
    return 0


def _row(stored: StoredRow, settings: Settings) -> RunRow:
    from gradiometer import diagnosis, records, store, views

    path = str(stored.path)
    if stored.error:
        return views.RunRow(path, problem=stored.error)
    try:
        run = store.open_run(stored.path)
        return views.RunRow.of(path, run, diagnosis.diagnose(run, settings.ignore))
    except records.GradiometerError as error:
        return views.RunRow(path, problem=str(error))
