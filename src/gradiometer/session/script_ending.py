"""What an exception that leaves a script means: its exit code, and what Python prints for it."""

from __future__ import annotations

import contextlib
import sys
import traceback
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from .options import StopTraining

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as a shell reports it."""

PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Ending:
    """Exit code, state as in ``RunInfo.state``, and one line of error."""

    exit_code: int
    state: Literal["finished", "crashed", "interrupted", "stopped"] = "finished"
    error: str = ""


def ending_of(error: BaseException) -> Ending:
    """Print what Python prints when ``error`` leaves a script, and say how the script ended. Never raises."""
    if isinstance(error, StopTraining):
        return Ending(0, "stopped")
    if isinstance(error, SystemExit):
        return _exit(error)
    error = error.with_traceback(_without_us(error.__traceback__))
    exited = _show(error)
    if isinstance(error, KeyboardInterrupt):
        return Ending(INTERRUPTED, "interrupted")
    line = traceback.format_exception_only(error)[-1].strip()
    return Ending(1 if exited is None else exited.exit_code, "crashed", line)


def _exit(error: SystemExit) -> Ending:
    code = error.code
    if code is None:
        return Ending(0)
    if isinstance(code, int):
        return Ending(int(code), error=f"exit code {int(code)}" if code else "")
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    with contextlib.suppress(Exception):
        sys.stderr.write(f"{code}\n")
    return Ending(1, error=str(code))


def _without_us(tb: TracebackType | None) -> TracebackType | None:
    """The traceback from the script's first frame on; import machinery between us and the script goes as well."""
    rest = tb
    while rest is not None:
        name = rest.tb_frame.f_globals.get("__name__", "")
        if not name.startswith((f"{PACKAGE}.", "importlib", "_frozen_importlib")):
            return rest
        rest = rest.tb_next
    return None


def _show(error: BaseException) -> Ending | None:
    """Hand an uncaught exception to ``sys.excepthook``. The ending that the hook itself asks for, None where none."""
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    hook = getattr(sys, "excepthook", sys.__excepthook__)
    try:
        hook(type(error), error, error.__traceback__)
    except SystemExit as exit_asked:
        return _exit(exit_asked)
    except BaseException as fault:
        _say("Error in sys.excepthook:\n")
        fault = fault.with_traceback(_without_us(fault.__traceback__))
        sys.__excepthook__(type(fault), fault, fault.__traceback__)
        _say("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, error.__traceback__)
    return None


def _say(text: str) -> None:
    with contextlib.suppress(Exception):
        sys.stderr.write(text)
