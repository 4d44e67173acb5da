"""``gradiometer reproduce``: a published experiment, with the published and the measured figures side by side."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .guard import FINDING, INTERRUPTED, command, complain, refuse
from .options import Json
from .outlet import check_json, check_writable, put_json, put_text
from .reproduce_progress import Bar

if TYPE_CHECKING:
    from gradiometer.reproduction.runner import Series
    from gradiometer.views import ToldExperiment

EXAMPLES = """\b
Examples:
  gradiometer reproduce --list
  gradiometer reproduce loss
  gradiometer reproduce article loss --quick
  gradiometer reproduce all --json reproduced.json -o reproduced.html
"""


@command
def reproduce(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Experiments to run, or all.", show_default=False)
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A short form of each, in seconds: fewer seeds, steps or sizes.")
    ] = False,
    show_list: Annotated[bool, typer.Option("--list", help="Show the experiments, and run none.")] = False,
    json: Json = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="PATH", help="Write one HTML page as well. Needs the extra report."),
    ] = None,
    processes: Annotated[
        int, typer.Option("--processes", metavar="N", min=1, help="Worker processes; at most one a core.")
    ] = 2,
) -> int:
    """Run published experiments on vanishing gradients, and say whether they reproduce.

    Each shows the published figure, the measured one with its spread, the rule, and whether the rule is met. The exit
    code is 1 where one of them does not reproduce.
    """
    if show_list:
        put_text(_listed())
        return 0
    if not names:
        refuse("Name an experiment, or all. gradiometer reproduce --list shows them.")
    check_json(json)
    if output is not None:
        check_writable(output, "-o")
        _check_page()
    return _reproduced(names, quick, min(processes, os.cpu_count() or 1), (json, output))


COLUMNS = 80  # of a terminal page; the room of views, which knows it too, would load numpy


def _listed() -> str:
    from gradiometer.reproduction.menu import offered

    entries = offered()
    wide = max(len(entry.name) for entry in entries)
    folded = textwrap.TextWrapper(COLUMNS, subsequent_indent=" " * (wide + 2), break_long_words=False)
    return "".join(f"{folded.fill(f'{entry.name.ljust(wide)}  {entry.words}')}\n" for entry in entries)


def _check_page() -> None:
    """The extra that a page needs is asked for before minutes of work, not after them."""
    from gradiometer.views.page import check_installed

    check_installed()


def _reproduced(names: list[str], quick: bool, processes: int, targets: tuple[str | None, Path | None]) -> int:
    from gradiometer.reproduction.experiment import Order
    from gradiometer.reproduction.menu import offered
    from gradiometer.reproduction.runner import Series, choose

    bar = Bar()
    series = Series(choose(names, offered()), Order(quick, processes, bar.tick))
    return _ended(series, bar, targets)


def _ended(series: Series, bar: Bar, targets: tuple[str | None, Path | None]) -> int:
    """Run the series; however it ends, what is finished is shown and written."""
    try:
        with bar:
            series.run(lambda one: _show(one, series, bar, targets[0]))
    except KeyboardInterrupt:
        _finish(series, targets)
        complain(f"Interrupted. Not run to the end: {', '.join(series.left)}.")
        return INTERRUPTED
    except BaseException:
        _finish(series, targets)
        raise
    _finish(series, targets)
    return 0 if all(one.reproduced for one in series.finished) else FINDING


def _show(one: ToldExperiment, series: Series, bar: Bar, json: str | None) -> None:
    if json is not None:
        return
    from gradiometer.views import Style, experiment_page

    bar.hide()
    put_text(("" if len(series.finished) == 1 else "\n\n") + experiment_page(one, Style.of_stream(sys.stdout)))


def _finish(series: Series, targets: tuple[str | None, Path | None]) -> None:
    json, output = targets
    if json is not None:
        from gradiometer.reproduction.telling import document

        put_json(document(series.finished, not series.left), json)
    elif len(series.entries) > 1 and series.finished:
        from gradiometer.views import Style, experiments_summary

        put_text("\n\n" + experiments_summary(series.finished, Style.of_stream(sys.stdout)))
    if output is not None and series.finished:
        from gradiometer.views import experiments_page

        output.write_text(experiments_page(series.finished), encoding="utf-8")
