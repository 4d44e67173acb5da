"""A server as it really runs, in a thread, and writers of run files in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from gradiometer.cli.serve import WORKER
from gradiometer.server.serve import Place, serve

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"
TOKEN = "right"
WAIT_S = 20.0


@dataclass(frozen=True)
class Served:
    """Where a server stands."""

    url: str
    base: str

    def client(self) -> httpx.Client:
        """A client that knows the token."""
        return httpx.Client(base_url=self.base, headers={"authorization": f"Bearer {TOKEN}"}, timeout=WAIT_S)


@contextmanager
def served(folder: Path, port: int = 0, worker: tuple[str, ...] = ()) -> Iterator[Served]:
    """A server for a folder, gone at the end of the block. worker: the command that makes networks."""
    up, over, urls = threading.Event(), threading.Event(), list[str]()

    def on_up(url: str) -> None:
        urls.append(url)
        up.set()

    place = Place(folder, port=port, token=TOKEN, worker=worker, on_up=on_up, is_over=lambda viewers: over.is_set())
    thread = threading.Thread(target=serve, args=(place,), daemon=True)
    thread.start()
    assert up.wait(WAIT_S)
    try:
        yield Served(urls[0], urls[0].split("/?")[0])
    finally:
        over.set()
        thread.join(WAIT_S)
        assert not thread.is_alive()


@contextmanager
def served_with_worker(folder: Path) -> Iterator[Served]:
    """The same with the worker that makes networks, which has these sources."""
    with (
        patch.dict(os.environ, {"PYTHONPATH": str(SOURCE)}),
        served(folder, worker=(sys.executable, "-P", "-m", WORKER)) as one,
    ):
        yield one


def worker_pid() -> int:
    """The worker of this process's server."""
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            if WORKER.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
    raise AssertionError("there is no worker")


WRITER = """
import sys
from pathlib import Path
from server_runs import *
import dataclasses
run = healthy_run(steps=tuple(range(0, 1000, 10)))
first = dataclasses.replace(run, frames=run.frames[:3], curves={"net": curve(21)})
writer = put(Path(sys.argv[1]), first, close=False)
print("ready", flush=True)
at = 3
for line in sys.stdin:
    word = line.strip()
    if word == "grow":
        frame = run.frames[at]
        writer.put_frame(frame)
        writer.put_curve("net", np.array([[s, 1.0, 0.1] for s in range(frame.step - 9, frame.step + 1)], dtype=float))
        writer.flush()
        at += 1
    elif word == "close":
        writer.close(info_in(run, "finished"))
    print("done", flush=True)
"""


class Writer:
    """A process that writes a run step by step, as it is told to."""

    def __init__(self, path: Path) -> None:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(path)],
            env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._heard()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *raised: object) -> None:
        self.process.kill()
        self.process.communicate()

    def say(self, word: str) -> None:
        """``grow``: one more recorded step, flushed; ``close``: the run has ended."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        self._heard()

    def _heard(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline()


def events(answer: httpx.Response) -> Iterator[tuple[str, str, Any]]:
    """(name, id, data) of each event of a stream."""
    name = number = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("id: "):
            number = line.removeprefix("id: ")
        elif line.startswith("data: "):
            yield name, number, json.loads(line.removeprefix("data: "))
