"""``gradiometer serve``: the live dashboard of a folder of runs."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from .guard import command, complain, refuse
from .outlet import put_text
from .settings import read_settings

EXAMPLES = """\b
Examples:
  gradiometer serve
  gradiometer serve old-runs --port 9000
  gradiometer serve --no-open

\b
The address holds a token that is new at every start: who has it can read the
runs. It is a secret of your account on this machine.
"""
NEEDS = ("starlette", "sse_starlette", "uvicorn", "jinja2", "plotly")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
WORKER = "gradiometer.session.play_worker"
"""The module that makes networks for the playground. It is named and not imported: the server loads no torch."""


@command
def serve(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Folder of the run files.  [default: ./gradiometer-runs]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes any free one.  [default: 8471 or the next free]")
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    expose: Annotated[
        bool, typer.Option("--expose", help="Allow an address that other machines can reach, without encryption.")
    ] = False,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in your browser.")] = True,
) -> int:
    """Show the runs of a folder in your browser, live while they train. Needs the extra `serve`.

    Only this machine can reach it, and only with the address that is printed. It reads the folder and changes nothing.
    Ctrl-C ends it.
    """
    check_serve_installed()
    if host not in LOOPBACK and not expose:
        refuse(
            f"--host {host} can be reached from other machines, and what is sent is not encrypted. "
            "Add --expose if that is meant."
        )
    place = folder or read_settings().runs_folder
    if folder is None:
        place.mkdir(parents=True, exist_ok=True)  # the first run makes it; waiting for it is a use of this command
    from gradiometer.server import serve as server

    def told(url: str) -> None:
        put_text(f"{place} is shown at\n  {url}\nCtrl-C ends it.\n")
        if open_:
            server.opened_in_browser(url)

    if host not in LOOPBACK:
        complain("Everybody who can reach this machine and has the address can read the runs.")
    worker = (sys.executable, "-P", "-m", WORKER)  # -P: no module of the folder in which serve was started
    server.serve(server.Place(place, host, port, on_up=told, worker=worker))
    return 0


def check_serve_installed() -> None:
    """UserError with the line to run where the extra ``serve`` is not installed."""
    missing = next((name for name in NEEDS if find_spec(name) is None), None)
    if missing is not None:
        refuse(f'The dashboard needs {missing}, which is not installed. Run: pip install "gradiometer[serve]"')
