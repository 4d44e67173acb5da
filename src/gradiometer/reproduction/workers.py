"""Runs the trainings of an experiment in worker processes of one thread each, and gives their results in order."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from gradiometer.records import GradiometerError

from .experiment import Order

J = TypeVar("J")
R = TypeVar("R")

_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class JobError(RuntimeError):
    """A job ended in an exception that is nobody's call: the message names the job and holds the worker's traceback."""


def each(function: Callable[[J], R], jobs: Sequence[J], order: Order, words: str) -> list[R]:
    """``[function(job) for job in jobs]``, in ``order.processes`` workers; results in the order of the jobs.

    function: top-level, jobs and results picklable and plain (numbers, records, arrays; no tensors). With one process
    or one job it runs here, with one thread as well, so that a number does not depend on where it was made.
    ``order.tick`` is told of each finished job; what it raises (Ctrl-C too) ends the workers and goes on to the caller.
    A GradiometerError is raised as it is, anything else as a JobError that names the job.
    """
    order.tick(0, len(jobs), words)
    if min(order.processes, len(jobs)) <= 1:
        return _here(function, jobs, order, words)
    results: dict[int, R] = {}
    with _workers(min(order.processes, len(jobs))) as workers:
        waiting = list(enumerate(jobs))[::-1]
        for worker in workers:
            worker.give(function, *waiting.pop())
        while len(results) < len(jobs):
            for worker in _ready(workers):
                results[worker.index] = _result(worker.take(), words, jobs[worker.index])
                order.tick(len(results), len(jobs), words)
                worker.index = -1
                if waiting:
                    worker.give(function, *waiting.pop())
    return [results[i] for i in range(len(jobs))]


def _here(function: Callable[[J], R], jobs: Sequence[J], order: Order, words: str) -> list[R]:
    results = []
    for job in jobs:
        with _one_thread():
            done = _done(function, job)
        results.append(_result(done, words, job))
        order.tick(len(results), len(jobs), words)
    return results


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of a job: its value, an error of ours, or the traceback of anything else."""

    value: Any = None
    error: GradiometerError | None = None
    trace: str = ""


def _done(function: Callable[[Any], Any], job: object) -> _Done:
    try:
        return _Done(value=function(job))
    except GradiometerError as error:
        return _Done(error=error)
    except Exception:
        return _Done(trace=traceback.format_exc())


def _result(done: _Done, words: str, job: object) -> Any:
    if done.error is not None:
        raise done.error
    if done.trace:
        raise JobError(f"{words}, job {job!r} ended in an error:\n{done.trace}")
    return done.value


@dataclass(slots=True, eq=False)
class _Worker:
    """One process and our end of its pipe. index: of the job that it works on, -1 for none."""

    process: BaseProcess
    pipe: Connection
    index: int = -1

    def give(self, function: Callable[[Any], Any], index: int, job: object) -> None:
        self.index = index
        self.pipe.send((function, job))

    def take(self) -> _Done:
        """Its result. A process that is gone (killed for memory, a crash in native code) is one too."""
        try:
            done: _Done = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            return _Done(trace=f"The worker process ended with exit code {self.process.exitcode}.\n")
        return done


def _ready(workers: Sequence[_Worker]) -> list[_Worker]:
    pipes: list[Any] = [w.pipe for w in workers if w.index >= 0]
    found = wait(pipes)
    return [w for w in workers if w.pipe in found]


@contextlib.contextmanager
def _workers(count: int) -> Iterator[list[_Worker]]:
    """That many workers; none of them is left at the end, however it comes."""
    context: Any = multiprocessing.get_context(_METHOD)  # the base class of contexts does not declare Process
    if _METHOD == "forkserver":
        context.set_forkserver_preload(["torch", __name__])  # loaded once, every worker is a fork of that
    workers: list[_Worker] = []
    try:
        with _one_thread_environment():
            for _ in range(count):
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(theirs,), daemon=True)
                process.start()
                theirs.close()
                workers.append(_Worker(process, ours))
        yield workers
    finally:
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.join()
            worker.pipe.close()


def _work(pipe: Connection) -> None:
    """A worker's life: jobs until the pipe closes. Ctrl-C is the parent's to answer, which kills us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)
    while True:
        try:
            function, job = pipe.recv()
        except EOFError:
            return
        done = _done(function, job)
        try:
            pipe.send(done)
        except Exception:  # a result that cannot be pickled
            pipe.send(_Done(trace=traceback.format_exc()))


@contextlib.contextmanager
def _one_thread_environment() -> Iterator[None]:
    """BLAS and OpenMP read how many threads they may use as they load, which is before a worker can say it."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One torch thread, as in a worker; where torch is not loaded yet there is nothing to set."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
