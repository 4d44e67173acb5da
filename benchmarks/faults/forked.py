"""Trains scripts of the corpus in forked children: torch is imported once, every script finds a fresh process."""

from __future__ import annotations

import contextlib
import io
import json
import math
import multiprocessing
import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cases import Script

os.environ.setdefault("OMP_NUM_THREADS", "1")
TIMEOUT_S = 60.0
NUMBER = r"(?P<number>[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|nan|inf))"


@dataclass(frozen=True, slots=True)
class Job:
    """One training. run_file: where its watch records; None trains it without a watch."""

    script: Script
    metric: str
    seed: int
    run_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a training ended. value: the metric, nan where it printed none. seconds: without the imports of torch."""

    digest: str
    seed: int
    value: float
    seconds: float
    error: str = ""


def preload() -> None:
    """Import what scripts import, once, before the children are forked."""
    import mnist1d.data  # noqa: F401
    import sklearn.datasets
    import sklearn.model_selection
    import sklearn.preprocessing  # noqa: F401
    import torch

    import gradiometer.session.live

    torch.set_num_threads(1)
    assert gradiometer.session.live.Session


def train_all(jobs: Iterable[Job], workers: int, done: Callable[[Job, Outcome], None]) -> None:
    """Train every job, ``workers`` at a time; ``done`` is called in this process as each ends."""
    waiting = iter(jobs)
    running: dict[int, tuple[Job, int, float]] = {}
    try:
        while True:
            while len(running) < workers and (job := next(waiting, None)) is not None:
                reader = _start(job, running)
            if not running:
                return
            ready = multiprocessing.connection.wait(list(running), timeout=1.0)
            for reader in list(running):
                job, pid, started = running[reader]
                late = time.monotonic() - started > TIMEOUT_S
                if reader in ready or late:
                    del running[reader]
                    done(job, _collect(job, reader, pid, late))
    finally:
        for reader, (_, pid, _) in running.items():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(reader)


def _start(job: Job, running: dict[int, tuple[Job, int, float]]) -> int:
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(job, writer)
    os.close(writer)
    running[reader] = (job, pid, time.monotonic())
    return reader


def _collect(job: Job, reader: int, pid: int, late: bool) -> Outcome:
    if late:
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    if not said:
        why = f"took more than {TIMEOUT_S:.0f} s" if late else "the process died"
        return Outcome(job.script.digest, job.seed, math.nan, TIMEOUT_S, why)
    return Outcome(job.script.digest, job.seed, **json.loads(said))


def _child(job: Job, writer: int) -> None:
    """Train the script in this process and leave it without a word to the parent's files."""
    code = 0
    try:
        said = _train(job)
        os.write(writer, json.dumps(said).encode())
    except BaseException as error:  # noqa: BLE001
        os.write(writer, json.dumps({"value": math.nan, "seconds": 0.0, "error": f"{type(error).__name__}: {error}"}).encode())
        code = 1
    os._exit(code)


def _train(job: Job) -> dict[str, object]:
    from gradiometer.session.live import start
    from gradiometer.session.options import Options
    from gradiometer.session.script import ScriptTarget, run_script

    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"faults-{os.getpid()}"
    folder.mkdir()
    path = folder / "train.py"  # its name tells nothing
    path.write_text(job.script.text, encoding="utf-8")
    os.chdir(folder)
    printed, session = io.StringIO(), None
    began = time.monotonic()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            if job.run_file is not None:
                session = start(Options(out=job.run_file, script=str(path), name=job.script.case))
            outcome = run_script(ScriptTarget(str(path), (str(job.seed),)))
            if session is not None:
                session.stop(outcome.state, outcome.error)
    finally:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()
    return {"value": read_metric(printed.getvalue(), job.metric), "seconds": time.monotonic() - began, "error": outcome.error}


def read_metric(printed: str, metric: str) -> float:
    """The number in the last line ``METRIC: NUMBER``; nan where there is none."""
    found = list(re.finditer(rf"{re.escape(metric)}\s*[:=]\s*{NUMBER}", printed))
    return float(found[-1]["number"]) if found else math.nan
