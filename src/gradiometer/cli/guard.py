"""How a command ends: what went wrong in one sentence on stderr, and the exit code that says who must act."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn, ParamSpec

import typer

FINDING = 1
WRONG_USAGE = 2
OWN_FAULT = 70  # EX_SOFTWARE of sysexits.h: neither a finding nor the user's call
INTERRUPTED = 130  # 128 + SIGINT
BROKEN_PIPE = 141  # 128 + SIGPIPE, as a shell reports it for every other tool

P = ParamSpec("P")


def command(function: Callable[P, int]) -> Callable[P, None]:
    """A command as Typer wants it, out of a function that returns an exit code and raises typed errors."""

    @functools.wraps(function)
    def ends(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = function(*args, **kwargs)
        except (typer.Exit, typer.Abort):
            raise
        except BrokenPipeError:
            code = _closed_pipe()
        except KeyboardInterrupt:
            complain("Interrupted.")
            code = INTERRUPTED
        except Exception as error:
            code = _told(error)
        raise typer.Exit(code)

    return ends


def complain(sentence: str) -> None:
    """One sentence on stderr; where nobody reads stderr any more, nothing."""
    try:
        print(f"gradiometer: {sentence}", file=sys.stderr, flush=True)  # noqa: T201
    except (OSError, ValueError):
        return


def refuse(sentence: str) -> NoReturn:
    """Raise a UserError. The room of errors loads numpy, so it is imported only where there is one to raise."""
    from gradiometer.records import UserError

    raise UserError(sentence)


def _told(error: Exception) -> int:
    from gradiometer.records import GradiometerError

    if isinstance(error, GradiometerError):
        complain(str(error))
        return WRONG_USAGE
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        complain(f"The system refused{where}: {error.strerror or error}.")
        return WRONG_USAGE
    traceback.print_exception(error)
    complain("This is a fault of Gradiometer, not of your call. The lines above say where it happened.")
    return OWN_FAULT


def _closed_pipe() -> int:
    """The reader of stdout went away: the interpreter's own last flush must find something that takes it."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return BROKEN_PIPE
    return BROKEN_PIPE
