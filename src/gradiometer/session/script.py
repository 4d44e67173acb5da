"""Runs an unmodified script as Python itself would, so that a session can watch it.

Nothing here imports numpy or torch: a script that sets OMP_NUM_THREADS or CUDA_VISIBLE_DEVICES before its own imports
must find them unread.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from dataclasses import dataclass
from typing import Literal

from .script_ending import Ending, ending_of
from .script_main import ScriptRefusedError, load_file, load_module

__all__ = ["ScriptOutcome", "ScriptTarget", "run_script"]

OWN_THREADS = "gradiometer"
"""Threads whose name starts with this are ours: nobody waits for them."""


@dataclass(frozen=True, slots=True)
class ScriptTarget:
    """What to run. name: path of a script, or a module as after ``python -m``. args: what follows it."""

    name: str
    args: tuple[str, ...] = ()
    kind: Literal["file", "module"] = "file"


@dataclass(frozen=True, slots=True)
class ScriptOutcome:
    """How a script ended. state: as in ``RunInfo.state``; error: one line, "" where nothing went wrong."""

    exit_code: int
    state: Literal["finished", "crashed", "interrupted", "stopped"]
    error: str = ""


def run_script(target: ScriptTarget) -> ScriptOutcome:
    """Run a script to its end in this process, in a ``__main__`` of its own that stays in ``sys.modules``.

    Never raises what the script raises: its traceback is printed as Python prints it, without frames of ours.
    Raises UserError where there is no such script or module, or where it cannot be read.
    """
    before = set(threading.enumerate())
    failure: BaseException | None = None
    try:
        load = load_module if target.kind == "module" else load_file
        code, namespace = load(target.name, target.args)
        exec(code, namespace)
    except ScriptRefusedError as refused:
        # Imported here because the room of errors loads numpy, which a script must be first to load.
        from gradiometer.records import UserError

        raise UserError(str(refused)) from None
    except BaseException as error:
        failure = error  # told below: here it would be the context of every error of the script's own excepthook
    ending = Ending(0) if failure is None else ending_of(failure)
    with contextlib.suppress(Exception):  # a closed pipe is reported by the interpreter's own last flush
        sys.stdout.flush()
    if ending.state != "interrupted":
        ending = _wait_for_threads(before, ending)
    return ScriptOutcome(ending.exit_code, ending.state, ending.error)


def _wait_for_threads(before: set[threading.Thread], ending: Ending) -> Ending:
    """Wait for the script's own threads, as the interpreter does before it exits: one may be the training.

    Threads of a pool that nobody shut down wait for the interpreter's exit themselves, so they are left to it.
    """
    try:
        for thread in threading.enumerate():
            ours = thread.name.startswith(OWN_THREADS)
            if not (thread.daemon or ours or thread in before or thread in _pool_threads()):
                thread.join()
    except BaseException as error:
        return ending_of(error)
    return ending


def _pool_threads() -> set[object]:
    pool = sys.modules.get("concurrent.futures.thread")
    return set(getattr(pool, "_threads_queues", ()))
