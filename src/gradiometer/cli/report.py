"""``gradiometer report``: one self-contained HTML file of a recorded run, a trial or a walk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import gradiometer

from .guard import command, refuse
from .outlet import check_writable, put_text
from .recorded import find_run
from .settings import read_settings

EXAMPLES = """\b
Examples:
  gradiometer report latest
  gradiometer report latest -o report.html
  gradiometer report latest --pdf
  gradiometer report latest --png -o report.png
  gradiometer report gradiometer-runs/train-20260101-120000-4711.gmr
  gradiometer report gradiometer-runs/train-trial-20260101-120000-17.gmr
  gradiometer report walk.json
"""


@command
def report(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN|TRIAL|WALK",
            help="A file of a run or a trial, the name of one in ./gradiometer-runs, latest; or the JSON of a walk.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="PATH", help="Where to write it.  [default: the file, with .html]"),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Print it as PDF, by a Chromium of this machine.")] = False,
    png: Annotated[bool, typer.Option("--png", help="The whole page as one picture, by the same.")] = False,
) -> int:
    """Write a recorded run, a trial or a walk as one HTML file that needs no network. Needs the extra `report`.

    A trial (gradiometer prove) may have been cut short. Of a walk (the document of gradiometer explain --json) it
    makes the page that `explain --html` writes.
    """
    from gradiometer.store import open_recorded
    from gradiometer.views.paper import PRINTED, find_chromium

    path = find_run(run, read_settings().runs_folder)
    if pdf and png:
        refuse("--pdf and --png are two files. Ask for one after the other.")
    kind = "pdf" if pdf else "png" if png else "html"
    page = output or path.with_suffix(f".{kind}")
    suffix = page.suffix.lower()
    if kind != "html" and suffix != f".{kind}":
        refuse(f"--{kind} writes a {kind.upper()}, and -o {page} is none by its name. Name it with .{kind}.")
    if suffix in PRINTED:
        find_chromium(suffix[1:].upper())
    if page.resolve() == path.resolve():
        refuse(f"-o {page} is the file itself. Name another file for the report.")
    check_writable(page, "-o")
    gradiometer.report(open_recorded(path), page)
    put_text(f"{page}\n")
    return 0
