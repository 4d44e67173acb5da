"""One training of the script, in a process that has been forked for it and ends with it."""

from __future__ import annotations

import math
import os
import re
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TextIO, cast

from ..records import Job, Outcome, OutcomeState
from ..session.script import ScriptOutcome, ScriptTarget, run_script
from .attach import Attached
from .metric import told_metric
from .scratch import make_scratch
from .seeding import mix_seeds
from .wire import Order, Work

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')  # of a traceback
_MISSING = re.compile(r"FileNotFoundError: .*: '(?P<path>[^']+)'$")


def train(work: Work, order: Order, folder: Path) -> Outcome:
    """Run the script in ``folder`` under the order's seed, arm and rate, and say how it ended.

    The process is spent afterwards: its seeds are mixed, its standard streams lie in files, its hooks stay.
    """
    enter(work, order, folder)
    logged = _listen() if work.primary.kind == "log" else {}
    attached = Attached(order, work.primary.kind == "loss")
    attached.attach()
    started = time.process_time()
    with warnings.catch_warnings():
        ended = run_script(ScriptTarget(work.script, work.args, work.kind))
    attached.finish()
    seconds = time.process_time() - started - attached.spent_s
    printed = (folder / "stdout").read_text(errors="replace") if work.primary.kind == "metric" else ""
    return _outcome(work, attached, ended, _Seen(folder, printed, logged, seconds))


def enter(work: Work, order: Order, folder: Path) -> None:
    """Into a folder of its own, with streams of its own and the order's seed."""
    os.makedirs(folder)
    place = folder / "work"
    make_scratch(Path(work.folder), place)
    os.chdir(place)
    _redirect(folder)
    mix_seeds(order.job.seed)


class _Seen:
    """What was seen beside the network: printed text, logged numbers, processor time; and the folder of the run."""

    def __init__(self, folder: Path, printed: str, logged: dict[str, float], seconds: float) -> None:
        self.folder, self.printed, self.logged, self.seconds = folder, printed, logged, seconds


def _outcome(work: Work, attached: Attached, ended: ScriptOutcome, seen: _Seen) -> Outcome:
    job = attached.order.job
    value, note = _primary(work, attached, seen)
    state, why = _state(attached, ended, seen.folder)
    if state == "finished" and value is None:
        state, why = "failed", note
    if state == "finished" and not attached.incomparable and value is not None and not math.isfinite(value):
        state, why = "diverged", "Its outcome is not finite."
    return Outcome(
        key=job.key,
        arm=job.arm.name,
        seed=job.seed,
        lr_factor=job.lr_factor,
        stage=job.stage,
        value=value if value is not None and state == "finished" else math.nan,
        state=state,
        note=why,
        incomparable=_incomparable(work, attached) if state == "finished" else "",
        first=attached.first,
        steps=attached.step,
        curve=attached.curve(),
        seconds=seen.seconds,
        digest=attached.digest,
        mechanism=attached.mechanism,
        patch=attached.patch,
    )


def _primary(work: Work, attached: Attached, seen: _Seen) -> tuple[float | None, str]:
    """The outcome, or None and why there is none."""
    primary = work.primary
    if primary.kind == "loss":
        return attached.value, ""
    if primary.kind == "metric":
        return told_metric(seen.printed, primary.pattern)
    return seen.logged.get(primary.name), f"It never logged a number called {primary.name!r}."


def _incomparable(work: Work, attached: Attached) -> str:
    if work.primary.kind != "loss" or not attached.incomparable:
        return ""
    reason = attached.incomparable
    if reason.endswith("lies between output and loss") and attached.choice.wanted:
        reason += f", outside of {attached.choice.wanted}"  # another network, as a rule
    return reason if reason.endswith(".") else f"The script's loss cannot be used as a ruler: {reason}."


def _state(attached: Attached, ended: ScriptOutcome, folder: Path) -> tuple[OutcomeState, str]:
    if attached.refused:
        return "refused", attached.refused
    if attached.diverged:
        return "diverged", f"Its loss is not finite (step {attached.step})."
    if (not attached.done and ended.state in {"crashed", "interrupted"}) or (
        ended.exit_code and ended.state != "stopped"
    ):
        return "failed", failure(ended, folder)
    if attached.root is None:
        which = f"The network {attached.choice.wanted}" if attached.choice.wanted else "No network"
        held = "was not called with gradients while an optimizer held its parameters: it does not train."
        none = "whose parameters an optimizer holds was called with gradients: nothing trains."
        return "failed", f"{which} {held if attached.choice.wanted else none}"
    if not attached.step:
        return "failed", "Its optimizer made no step: nothing trains."
    return "finished", ""


def failure(ended: ScriptOutcome, folder: Path) -> str:
    """Why a script failed, in one sentence. folder: that of its run. Of an exception the deepest line of the user's own
    code is told, of an exit code what was last written to stderr."""
    if ended.error.startswith("EOFError"):
        return "It reads from stdin, which is empty in a trial: give it its input as arguments or files."
    words = [line.strip() for line in (folder / "stderr").read_text(errors="replace").splitlines() if line.strip()]
    if ended.state == "crashed":
        home = os.path.realpath(folder / "work")
        return f"{ended.error}{_place(words, home)}{_outside(ended.error, home)}"
    told = ended.error or f"exit code {ended.exit_code}"
    return f"{told}: {words[-1]}" if words and words[-1] != told else told


def _place(words: Sequence[str], home: str) -> str:
    """File and line of the deepest frame below ``home`` that a traceback names, "" where it names none."""
    frames = [found for line in words if (found := _FRAME.match(line))]
    own = [f for f in frames if f["file"].startswith(home + os.sep)]
    return f" ({os.path.relpath(own[-1]['file'], home)}, line {own[-1]['line']})" if own else ""


def _outside(error: str, home: str) -> str:
    """What to do where a script looks for a file above the folder that its run has a copy of, "" where it does not."""
    found = _MISSING.match(error)
    if found is None:
        return ""
    named = os.path.normpath(os.path.join(home, found["path"]))
    scratch = os.path.dirname(os.path.dirname(home))
    ours = not os.path.isabs(found["path"]) or found["path"].startswith(scratch + os.sep)
    if not ours or named == home or named.startswith(home + os.sep):
        return ""
    return (
        ". A run has a copy of the folder that gradiometer is started in, and nothing above it: start it from above, "
        "as in gradiometer prove folder/train.py, or let the script take an absolute path."
    )


def lost(job: Job, note: str, seconds: float = math.nan) -> Outcome:
    """The outcome of a training of which nothing came back."""
    return Outcome(
        job.key, job.arm.name, job.seed, job.lr_factor, job.stage, state="failed", note=note, seconds=seconds
    )


def _redirect(folder: Path) -> None:
    """The script's own words go to files, and it finds nothing on stdin."""
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
        os.close(file)
        setattr(sys, name, _stream(number, "w"))
    sys.stdin = _stream(0, "r")


def _stream(number: int, mode: Literal["r", "w"]) -> TextIO:
    buffering = 1 if number == 2 else -1  # a line at a time on stderr, as Python itself has it
    raw = os.fdopen(number, mode, buffering, encoding="utf-8", errors="backslashreplace", closefd=False)
    return cast(TextIO, raw)


def _listen() -> dict[str, float]:
    """The last value of every name that the script hands to ``handle.log``."""
    from ..session.watch import Watch

    logged: dict[str, float] = {}
    original = Watch.log

    def log(self: Watch, **values: float) -> None:
        original(self, **values)
        logged.update({name: float(value) for name, value in values.items()})

    Watch.log = log  # type: ignore[method-assign]
    return logged
