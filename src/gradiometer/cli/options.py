"""Options and arguments that several commands share: one thing, one name, one help text."""

from __future__ import annotations

from typing import Annotated

import typer

from .settings import FailOn

Ignore = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CAUSE[:SITE]", help="A finding to accept, everywhere or at one site. May be given several times."
    ),
]
Json = Annotated[
    str | None, typer.Option(metavar="PATH", help="Write one JSON document instead of the page; - is stdout.")
]
FailOnOption = Annotated[
    FailOn | None, typer.Option("--fail-on", help="Which findings make the exit code 1 (warn includes fail).")
]
RunName = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run file, the name of one in ./gradiometer-runs, or latest."),
]
