"""The server of a trial's processes: imports torch once, and forks one child for every run.

``python -m gradiometer.trial.forkserver`` reads a ``Work`` and then ``Order``s from stdin, a JSON text a line, and
writes ``Told``s to stdout. When its stdin ends it ends its children and itself.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import importlib
import os
import resource
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path

import msgspec

from ..records import GradiometerError, Outcome
from ..store.documents import from_text, to_text
from .wire import Order, Told, Work

PRELOADED = frozenset({"numpy", "scipy", "sklearn", "pandas", "torch", "torchvision", "mnist1d"})
"""Packages of which a script's imports are made before the fork: they start no thread and open no device at import."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(slots=True)
class _Child:
    order: Order
    pid: int
    started: float
    folder: Path
    killed: int = 0  # times that this order's process was killed before
    said: bytes = b""


@dataclass(slots=True)
class _Server:
    work: Work
    out: int
    waiting: list[tuple[Order, int]] = field(default_factory=list)
    running: dict[int, _Child] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)  # rulers that are there, or will never be
    heard: bytes = b""
    open: bool = True
    count: int = 0

    def serve(self) -> None:
        """Run what is ordered until stdin ends."""
        try:
            while self.open:
                self._start_some()
                for ready in wait([0, *self.running], timeout=1.0):
                    if ready == 0:
                        self._hear()
                    else:
                        assert isinstance(ready, int)
                        self._read(ready)
                self._end_late()
        finally:
            for child in self.running.values():
                _end(child.pid)

    def _hear(self) -> None:
        got = os.read(0, 65536)
        self.open = bool(got)
        *lines, self.heard = (self.heard + got).split(b"\n")
        for line in lines:
            self.waiting.append((from_text(line.decode(), Order), 0))

    def tell(self, told: Told) -> None:
        """One line to the trial; where it is gone, stdin will end too."""
        line = to_text(told).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):
            while line:
                line = line[os.write(self.out, line) :]

    def _start_some(self) -> None:
        while len(self.running) < self.work.workers:
            place = next((i for i, (o, _) in enumerate(self.waiting) if self._can_start(o)), None)
            if place is None:
                return
            self._start(*self.waiting.pop(place))

    def _can_start(self, order: Order) -> bool:
        return order.ruler != "use" or order.ruler_path in self.made or Path(order.ruler_path).exists()

    def _start(self, order: Order, killed: int) -> None:
        self.count += 1
        folder = Path(self.work.scratch) / f"run-{self.count}"
        reader, writer = os.pipe()
        server, ours = os.getpid(), (self.out, reader, *self.running)
        pid = os.fork()
        if pid == 0:
            for number in ours:  # a run that outlived the server would keep the trial waiting for its next word
                os.close(number)
            _child(self.work, order, (folder, writer, server))
        os.close(writer)
        self.running[reader] = _Child(order, pid, time.monotonic(), folder, killed)

    def _read(self, reader: int) -> None:
        child = self.running[reader]
        got = os.read(reader, 65536)
        child.said += got
        if got and not got.endswith(b"\n"):  # to its end, or to that of the pipe, which what the run started may hold
            return
        os.close(reader)
        del self.running[reader]
        status, used = _end(child.pid)
        shutil.rmtree(child.folder, ignore_errors=True)
        self._collect(child, status, used.ru_utime + used.ru_stime)

    def _collect(self, child: _Child, status: int, seconds: float) -> None:
        from .onerun import lost

        order = child.order
        try:
            outcome = from_text(child.said.decode(), Outcome)
        except ValueError:
            late = time.monotonic() - child.started > self.work.limit_s
            if not late and child.killed < self.work.repeats:
                self.waiting.insert(0, (order, child.killed + 1))
                return
            why = f"It took longer than {self.work.limit_s:.0f} s." if late else _death(status, child.killed + 1)
            outcome = lost(order.job, why, seconds)
        if order.ruler == "make":
            self.made.add(order.ruler_path)
        self.tell(Told(msgspec.structs.replace(outcome, repeats=child.killed)))

    def _end_late(self) -> None:
        now = time.monotonic()
        for child in self.running.values():
            if now - child.started > self.work.limit_s:
                _kill(child.pid)


def _death(status: int, times: int) -> str:
    how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit code {os.WEXITSTATUS(status)}"
    return f"Its process died {times} times without a word ({how})."


def _kill(pid: int) -> None:
    """A run and what it has started."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _end(pid: int) -> tuple[int, resource.struct_rusage]:
    """End a run, unless it has ended, and whatever it has left; how it ended by itself, and what it has used."""
    _kill(pid)
    _, status, used = os.wait4(pid, 0)
    return status, used


def _child(work: Work, order: Order, place: tuple[Path, int, int]) -> None:
    """Train in this process and leave it without going back into the server's code. place: its folder, where it writes,
    the server's process."""
    folder, writer, server = place
    code = 1
    try:
        os.setpgid(0, 0)
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # no run outlives a killed server
        if os.getppid() != server:  # it was killed before
            return
        from .onerun import lost, train
        from .watchrun import watch

        try:
            outcome = (watch if order.watch else train)(work, order, folder)
        except GradiometerError as error:
            outcome = lost(order.job, str(error))
        said = to_text(outcome).encode() + b"\n"
        while said:
            said = said[os.write(writer, said) :]
        code = 0
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


def imports_of(source: str) -> tuple[str, ...]:
    """The modules of PRELOADED packages that a source imports anywhere, sorted; nothing for what does not parse."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return tuple(sorted(name for name in found if name.partition(".")[0] in PRELOADED))


def preload(work: Work) -> None:
    """Import, once, what every run would import. No tensor is computed: a pool of threads does not survive a fork."""
    import torch
    import torch._dynamo  # the first step of the first optimizer imports it, which takes a second
    import torch.utils.data

    torch.set_num_threads(1)
    for name in ("trial.watchrun", "trial.treatments"):
        importlib.import_module(f"gradiometer.{name}")
    from ..surgery.registry import operations

    operations()
    source = ""
    if work.kind == "file":
        with contextlib.suppress(OSError):
            source = (Path(work.folder) / work.script).read_text(encoding="utf-8", errors="replace")
    for name in imports_of(source):
        with contextlib.suppress(ImportError):  # the script will say it itself
            importlib.import_module(name)


def main() -> None:
    """Serve the trial at the other end of stdin and stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the trial's: it ends this server by closing its stdin
    out = os.dup(1)
    os.dup2(2, 1)  # what an import prints must not be read as an answer
    first = b""
    while not first.endswith(b"\n") and (got := os.read(0, 1)):
        first += got
    if not first:
        return
    server = _Server(from_text(first.decode(), Work), out)
    preload(server.work)
    server.tell(Told(ready=True))
    server.serve()


if __name__ == "__main__":
    main()
