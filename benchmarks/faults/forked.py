"""Trains scripts of the corpus in forked children: torch is imported once, every script finds a fresh process."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import math
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from cases import Script

os.environ.setdefault("OMP_NUM_THREADS", "1")
CPU_LIMIT_S = 60  # of processor time, which a busy machine does not stretch
WALL_LIMIT_S = 600.0
NUMBER = r"(?P<number>[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf))"
PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Job:
    """One training. run_file: where its watch records; None trains it without a watch."""

    script: Script
    metric: str
    seed: int
    run_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a training ended. value: the metric, nan where it printed none. seconds: of processor time, without imports.

    steps: optimizer steps that the watch saw, -1 without a watch.
    """

    digest: str
    seed: int
    value: float
    seconds: float
    error: str = ""
    steps: int = -1


@dataclass(frozen=True, slots=True)
class _Child:
    job: Job
    pid: int
    started: float
    folder: Path


def preload() -> None:
    """Import what scripts import, once, before the children are forked.

    torch imports dynamo when the first optimizer steps, which takes a second in every child that has to do it.
    No tensor is computed here: a pool of threads does not survive a fork.
    """
    import mnist1d.data
    import sklearn.datasets
    import sklearn.metrics
    import sklearn.model_selection
    import sklearn.preprocessing
    import torch._dynamo
    import torch.nn.utils.parametrizations
    import torch.utils.data

    import gradiometer.session.live

    torch.set_num_threads(1)
    assert all((mnist1d.data, sklearn, gradiometer.session.live))


def train_all(jobs: Iterable[Job], workers: int, done: Callable[[Job, Outcome], None]) -> None:
    """Train every job, ``workers`` at a time; ``done`` is called in this process as each ends.

    The next job is asked for when a worker is free, so that an iterator may decide by what has been done. A run file
    appears in its place only when its training has ended. Whatever ends this function ends the children too.
    """
    waiting = iter(jobs)
    running: dict[int, _Child] = {}
    try:
        while True:
            while len(running) < workers and (job := next(waiting, None)) is not None:
                _start(job, running)
            if not running:
                return
            ready = wait(list(running), timeout=1.0)
            for reader, child in list(running.items()):
                late = time.monotonic() - child.started > WALL_LIMIT_S
                if reader in ready or late:
                    outcome = _collect(child, reader, late)
                    del running[reader]
                    done(child.job, outcome)
    finally:
        for reader, child in running.items():
            _end(child.pid)
            with contextlib.suppress(OSError):
                os.close(reader)
            shutil.rmtree(child.folder, ignore_errors=True)


def _start(job: Job, running: dict[int, _Child]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(job, writer, folder)
    os.close(writer)
    running[reader] = _Child(job, pid, time.monotonic(), folder)


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _collect(child: _Child, reader: int, late: bool) -> Outcome:
    """What the child said, and its run file put in its place."""
    job = child.job
    if late:
        os.kill(child.pid, signal.SIGKILL)
    with os.fdopen(reader, "rb", closefd=False) as pipe:
        said = pipe.read()
    _, status, used = os.wait4(child.pid, 0)
    os.close(reader)
    seconds = used.ru_utime + used.ru_stime
    if said:
        outcome = Outcome(job.script.digest, job.seed, **{"seconds": seconds, **json.loads(said)})
    else:
        spent = late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU)
        why = f"took more than {WALL_LIMIT_S if late else CPU_LIMIT_S:.0f} s" if spent else "the process died"
        outcome = Outcome(job.script.digest, job.seed, math.nan, seconds, why)
    recorded = child.folder / "run.gmr"
    if job.run_file is not None and recorded.exists():
        job.run_file.parent.mkdir(parents=True, exist_ok=True)
        part = job.run_file.with_suffix(f".{os.getpid()}.part")
        shutil.move(recorded, part)
        part.replace(job.run_file)
    shutil.rmtree(child.folder, ignore_errors=True)
    return outcome


def _child(job: Job, writer: int, folder: Path) -> None:
    """Train the script in this process and leave it without a word to the parent's files."""
    code = 0
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it ends its children by itself
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S + 5))
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # nor does a child outlive a killed parent
        said = _train(job, folder)
        os.write(writer, json.dumps(said).encode())
    except BaseException as error:
        said = {"value": math.nan, "error": f"{type(error).__name__}: {error}"}
        os.write(writer, json.dumps(said).encode())
        code = 1
    os._exit(code)


def _train(job: Job, folder: Path) -> dict[str, object]:
    from gradiometer.session.live import start
    from gradiometer.session.options import Options
    from gradiometer.session.script import ScriptTarget, run_script

    path = folder / "train.py"  # its name tells nothing
    path.write_text(job.script.text, encoding="utf-8")
    os.chdir(folder)
    printed, session = io.StringIO(), None
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        if job.run_file is not None:
            session = start(Options(out=folder / "run.gmr", script=str(path), name=job.script.case))
        outcome = run_script(ScriptTarget(str(path), (str(job.seed),)))
        if session is not None:
            session.stop(outcome.state, outcome.error)
    steps = session.steps_seen if session is not None else -1
    return {
        "value": read_metric(printed.getvalue(), job.metric),
        "seconds": time.process_time(),
        "error": outcome.error,
        "steps": steps,
    }


def read_metric(printed: str, metric: str) -> float:
    """The number in the last line ``METRIC: NUMBER``; nan where there is none."""
    found = list(re.finditer(rf"{re.escape(metric)}\s*[:=]\s*{NUMBER}", printed))
    return float(found[-1]["number"]) if found else math.nan
