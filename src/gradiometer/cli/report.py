"""``gradiometer report``: one self-contained HTML file of a recorded run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import gradiometer

from .guard import command, refuse
from .options import RunName
from .outlet import check_writable, put_text
from .recorded import find_run
from .settings import read_settings

EXAMPLES = """\b
Examples:
  gradiometer report latest
  gradiometer report latest -o report.html
  gradiometer report gradiometer-runs/train-20260101-120000-4711.gmr
"""


@command
def report(
    run: RunName,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="PATH", help="Where to write it.  [default: RUN with .html]"),
    ] = None,
) -> int:
    """Write a recorded run as one HTML file that needs no network. Needs the extra `report`."""
    path = find_run(run, read_settings().runs_folder)
    page = output or path.with_suffix(".html")
    if page.resolve() == path.resolve():
        refuse(f"-o {page} is the run itself. Name another file for the report.")
    check_writable(page, "-o")
    gradiometer.report(gradiometer.open(path), page)
    put_text(f"{page}\n")
    return 0
