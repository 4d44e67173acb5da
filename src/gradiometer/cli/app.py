"""The commands of ``gradiometer``, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from gradiometer import __version__

from . import (
    causes_manual,
    check,
    compare,
    cures,
    diagnose,
    explain,
    export,
    playground,
    prove,
    report,
    reproduce,
    run,
    runs,
    serve,
    train,
)

# Without Rich the help page costs 100 ms less, and reads the same in a terminal and in a pipe.
app = typer.Typer(name="gradiometer", no_args_is_help=True, add_completion=False, rich_markup_mode=None)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"gradiometer {__version__}")
        raise typer.Exit


@app.callback()
def gradiometer(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Shows where the error signal of a neural network dies on its way back, and why.

    \b
    gradiometer run train.py          watch an unmodified training script
    gradiometer prove train.py        try cures on it, beside no cure, and say which one helps
    gradiometer check nets:make       check a network before it is trained
    gradiometer explain nets:make     walk one error back through it, hop by hop
    gradiometer train --depth 30      train a reference network, watched from its first step
    gradiometer reproduce loss        a published experiment, published and measured side by side
    gradiometer serve                 the recorded runs in your browser, live while they train
    gradiometer playground            a page to play with what theory predicts
    gradiometer diagnose latest       judge a recorded run again
    gradiometer compare before after  two recorded runs beside each other
    gradiometer causes                the manual of causes
    gradiometer cures                 the manual of cures
    """


SCRIPT_BELOW = {"allow_interspersed_args": False}
"""What follows the script belongs to the script, options and all."""

app.command(epilog=run.EXAMPLES, context_settings=SCRIPT_BELOW)(run.run)
app.command(epilog=prove.EXAMPLES, context_settings=SCRIPT_BELOW)(prove.prove)
app.command(epilog=check.EXAMPLES)(check.check)
app.command(epilog=explain.EXAMPLES)(explain.explain)
app.command(epilog=train.EXAMPLES)(train.train)
app.command(epilog=reproduce.EXAMPLES)(reproduce.reproduce)
app.command(epilog=playground.EXAMPLES)(playground.playground)
app.command(epilog=diagnose.EXAMPLES)(diagnose.diagnose)
app.command(epilog=causes_manual.EXAMPLES)(causes_manual.causes)
app.command(epilog=cures.EXAMPLES)(cures.cures)
app.command(epilog=runs.EXAMPLES)(runs.runs)
app.command(epilog=compare.EXAMPLES)(compare.compare)
app.command(epilog=report.EXAMPLES)(report.report)
app.command(epilog=serve.EXAMPLES)(serve.serve)
app.command(epilog=export.EXAMPLES)(export.export)


def main() -> None:
    """Run the command line of this process. Never returns: it ends in SystemExit with the exit code."""
    # Not app(): that puts an excepthook of its own in place, which the script of `run` would find.
    command = typer.main.get_command(app)
    command(prog_name="gradiometer", windows_expand_args=False)
