"""Runs the trainings of a script as processes, through a server that forks them. No torch in this process."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from ..records import Job, Outcome, UserError
from ..store.documents import from_text, to_text
from .arms import NONE
from .executor import Heard, Moved
from .wire import Order, Told, Work

RULER_ARM = "(ruler)"


class ScriptExecutor:
    """Trains a script again and again, each time in a process and a folder of its own.

    work: what every run has in common; its ``scratch`` is filled in here. measured: seeds of the paired trial on which
    the way of the error is looked at. model: name of the network to treat, "" for the first that trains; it may be set
    until the first ``run``. The server is started by the first ``run`` or ``watch``.
    """

    def __init__(self, work: Work, measured: Collection[int] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="gradiometer-trial-"))
        self.work = msgspec.structs.replace(work, scratch=str(self.folder))
        self.model = ""
        self._measured = frozenset(measured)
        self._server: subprocess.Popen[bytes] | None = None
        self._rulers: set[str] = set()

    def opening(self, stage: Sequence[Job], first: Job) -> Sequence[Job]:
        """The one that shows it."""
        return [first]

    def run(self, jobs: Sequence[Job], heard: Heard, moved: Moved) -> None:
        """As ``Executor.run``. UserError where the server cannot be started or dies."""
        orders = self._orders(jobs)
        wanted = {job.key for job in jobs}
        left = len(orders)
        try:
            self._send(orders)
            while left:
                told = self._next()
                if told.outcome is None:
                    continue
                left -= 1
                if told.outcome.key in wanted:
                    heard(told.outcome)
                moved(1 - left / len(orders))
        except BaseException:
            self._end_server()  # its runs end with it; the next call starts another
            raise

    def watch(self, job: Job, run_file: Path, stop_s: float) -> Outcome:
        """Train without a cure under a watch, for at most ``stop_s`` of wall time. UserError as in ``run``."""
        try:
            self._send([Order(job, watch=str(run_file), stop_s=stop_s)])
            while True:
                told = self._next()
                if told.outcome is not None:
                    return told.outcome
        except BaseException:
            self._end_server()
            raise

    def _orders(self, jobs: Sequence[Job]) -> list[Order]:
        """Makers of rulers first: of each pair's runs the untreated one, or one more where that was run before."""
        if self.work.primary.kind != "loss":
            return [Order(job, model=self.model) for job in jobs]
        makers: dict[str, Order] = {}
        users: list[Order] = []
        for job in sorted(jobs, key=lambda j: (j.arm.role != "none", abs(j.lr_factor - 1))):
            path = self._ruler_of(job)
            if path in self._rulers or path in makers:
                users.append(self._user(job, path))
            elif job.arm.role == "none":
                makers[path] = Order(job, "make", path, model=self.model)
            else:
                extra = msgspec.structs.replace(job, arm=msgspec.structs.replace(NONE, name=RULER_ARM), lr_factor=1.0)
                makers[path] = Order(extra, "make", path, model=self.model)
                users.append(self._user(job, path))
        self._rulers |= set(makers)
        asked = {job.key: i for i, job in enumerate(jobs)}
        users.sort(key=lambda o: asked[o.job.key])
        return [*makers.values(), *users]

    def _user(self, job: Job, path: str) -> Order:
        looked_at = job.stage == "trial" and job.seed in self._measured
        return Order(job, "use", path, measure=looked_at, model=self.model)

    def _ruler_of(self, job: Job) -> str:
        return str(self.folder / f"{job.stage}-{job.seed}-{job.steps}.ruler")

    # ---- the server ------------------------------------------------------------------------------------------------

    def _send(self, orders: Sequence[Order]) -> None:
        try:
            server = self._started()  # which writes too
            assert server.stdin is not None
            for order in orders:
                server.stdin.write(to_text(order).encode() + b"\n")
            server.stdin.flush()
        except BrokenPipeError:
            assert self._server is not None
            raise UserError(_died(self._server)) from None

    def _next(self) -> Told:
        server = self._started()
        assert server.stdout is not None
        line = server.stdout.readline()
        if not line:
            raise UserError(_died(server))
        return from_text(line.decode(), Told)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "gradiometer.trial.forkserver"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(),
                cwd=self.work.folder,
                start_new_session=True,
            )
            assert self._server.stdin is not None
            self._server.stdin.write(to_text(self.work).encode() + b"\n")
            self._server.stdin.flush()
        return self._server

    def _end_server(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        for pipe in (server.stdin, server.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        self._rulers = {path for path in self._rulers if os.path.exists(path)}

    def notes(self) -> tuple[str, ...]:
        """Nothing that a reader must know: runs that were begun anew are counted in their outcomes."""
        return ()

    def close(self) -> None:
        """End the server and its runs, and remove what they have left."""
        self._end_server()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _environment() -> dict[str, str]:
    """One thread a run, and the same order of sets of strings in all of them."""
    asked = os.environ.get("PYTHONHASHSEED", "")
    return {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONHASHSEED": asked if asked.isdigit() else "0"}


def _died(server: subprocess.Popen[bytes]) -> str:
    return (
        f"The process that runs the trainings ended (exit code {server.wait()}). Its last words are above; the trial "
        "goes on from where it stopped when it is started again."
    )
