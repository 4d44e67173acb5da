"""The run file of a training: full and forbidden disks, killed processes, live readers, crashes and Ctrl-C."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import gradiometer as gm
from gradiometer.records import Run
from gradiometer.session import live, recording

pytestmark = pytest.mark.torch

SOURCE = Path(__file__).resolve().parents[2] / "src"
LIMIT_S = 120
LATE_S = 2 * recording.FLUSH_S  # a kill may cost the frames of the last flush interval, and of the one under way


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    left = live._current() if live._current is not None else None
    if left is not None:
        left.stop("crashed")


def network() -> nn.Sequential:
    torch.manual_seed(5)
    layers = [module for _ in range(20) for module in (nn.Linear(16, 16), nn.Sigmoid())]
    return nn.Sequential(*layers, nn.Linear(16, 1))


def trained(model: nn.Module, steps: int, halfway: Callable[[], object] = int) -> list[Tensor]:
    """Plain training; the losses and, at the end, the weights. Asked for its run halfway, a watch flushes its file."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    x = torch.linspace(-1, 1, 256).reshape(16, 16)
    seen = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = (model(x) - x[:, :1]).square().mean()
        loss.backward()
        optimizer.step()
        if step == steps // 2 - 1:
            halfway()
        seen.append(loss.detach().clone())
    return seen + [p.detach().clone() for p in model.parameters()]


def watched(out: Path, steps: int) -> tuple[list[Tensor], Run, Path | None]:
    model = network()
    with gm.watch(model, out=out, every=1) as handle:
        diary = trained(model, steps, halfway=handle.run)
        assert handle.findings().findings[0].cause == "activation-shrinks-error"
    return diary, handle.run(), handle.path


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@contextmanager
def a_disk_of(size_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size_bytes``: the write then fails as on a full disk."""
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
        signal.signal(signal.SIGXFSZ, before)


# ---- a disk that refuses --------------------------------------------------------------------------------------------


def kept_in_memory(out: Path, capfd: pytest.CaptureFixture[str]) -> tuple[list[str], Path | None]:
    """What is said of a training whose disk refuses, and its path. It is bit-equal, its run whole all the same."""
    plain = trained(network(), 30)
    capfd.readouterr()
    diary, run, path = watched(out, 30)
    assert equal(diary, plain)
    assert run.steps().tolist() == list(range(30))
    assert run.info.state == "finished"
    assert gm.diagnose(run).findings[0].cause == "activation-shrinks-error"
    assert gm.diagnose(run).coverage == 1.0
    said = capfd.readouterr().err
    assert said.count("VANISHING") == 1  # the page
    return [line for line in said.splitlines() if line.startswith("gradiometer:")], path


IN_MEMORY = "The training goes on; what is recorded from here on stays in memory only."


def test_a_folder_that_cannot_be_made(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    (line,), path = kept_in_memory(tmp_path / "file" / "runs" / "one.gmr", capfd)
    assert line == (
        f"gradiometer: The folder {tmp_path}/file/runs cannot be made (Not a directory). Choose another with --out. "
        f"{IN_MEMORY}"
    )
    assert path is None
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_may_not_be_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = Path("/proc")  # read-only for root as well
    (line,), path = kept_in_memory(folder / "one.gmr", capfd)
    assert line.startswith("gradiometer: Cannot write /proc/one.gmr: ")
    assert line.endswith(IN_MEMORY)
    assert path is None


def test_a_disk_that_is_full_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with a_disk_of(2_000):
        (line,), path = kept_in_memory(tmp_path / "one.gmr", capfd)
    assert line == (
        f"gradiometer: Cannot write {tmp_path}/one.gmr: the disk refused (disk I/O error). Check its free space and "
        f"quota, or record to another disk with --out. {IN_MEMORY}"
    )
    assert path is None
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_later(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = tmp_path / "whole.gmr"
    watched(whole, 30)
    with a_disk_of(whole.stat().st_size * 3 // 4):
        (line,), path = kept_in_memory(tmp_path / "one.gmr", capfd)
    assert line.startswith(f"gradiometer: Cannot write {tmp_path}/one.gmr: the disk ")
    assert line.endswith(IN_MEMORY)
    assert path == tmp_path / "one.gmr"
    kept = gm.open(path).steps().tolist()  # what was flushed before the disk was full; when, the clock says as well
    assert 0 < len(kept) < 30
    assert kept == list(range(len(kept)))


def test_a_disk_that_takes_it_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with a_disk_of(50_000_000):
        lines, path = kept_in_memory(tmp_path / "one.gmr", capfd)
    assert lines == []
    assert path is not None and gm.open(path).steps().tolist() == list(range(30))


def test_memory_is_bounded_where_there_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MEMORY_FRAMES", 16)
    (tmp_path / "file").touch()
    model = network()
    with gm.watch(model, out=tmp_path / "file" / "one.gmr", every=1) as handle:
        trained(model, 60)
    steps = handle.run().steps().tolist()
    assert len(steps) <= 16
    assert (steps[0], steps[1], steps[-1]) == (0, 1, 59)
    assert steps == sorted(set(steps))


# ---- real processes -------------------------------------------------------------------------------------------------


TRAIN = """
import sys, time, torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.linspace(-1, 1, 256).reshape(16, 16)

def train(steps, pause_s=0.01):
    try:
        for step in range(steps):
            optimizer.zero_grad()
            (model(x) - x[:, :1]).square().mean().backward()
            optimizer.step()
            print(step, flush=True)
            time.sleep(pause_s)
    finally:
        print("finally", flush=True)
"""
READ = """
import sys, time
import gradiometer as gm
counts, until = [], time.monotonic() + 60
while len(set(counts)) < 4 and time.monotonic() < until:
    try:
        run = gm.open(sys.argv[1])
    except gm.RunFileError:
        assert not counts, "it was there before"
    else:
        steps = run.steps().tolist()
        assert steps == list(range(len(steps))), steps
        counts.append(len(steps))
    time.sleep(0.05)
assert counts == sorted(counts)
assert run.info.state == "running"
assert "torch" not in sys.modules
print(len(set(counts)))
"""


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Steps:
    """Reads a training's stdout as it comes: when which step was over."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.over: list[tuple[float, int]] = []
        self.others: list[str] = []
        self.stdout = process.stdout
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        assert self.stdout is not None
        with self.stdout:
            for line in self.stdout:
                if line.strip().isdigit():
                    self.over.append((time.monotonic(), int(line)))
                else:
                    self.others.append(line.strip())

    def wait_for(self, step: int) -> None:
        until = time.monotonic() + LIMIT_S
        while not (self.over and self.over[-1][1] >= step):
            assert time.monotonic() < until and self.thread.is_alive()
            time.sleep(0.01)

    def before(self, moment: float) -> int:
        """The last step that was over at a moment."""
        return max((step for at, step in self.over if at <= moment), default=-1)


def test_a_killed_training_is_kept_and_two_processes_read_it_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        TRAIN + "import gradiometer as gm\nwith gm.watch(model, out='one.gmr', every=1):\n    train(100_000)\n"
    )
    process = start(tmp_path, "train.py")
    steps = Steps(process)
    steps.wait_for(5)
    readers = [start(tmp_path, "-c", READ, "one.gmr") for _ in range(2)]
    for reader in readers:
        out, err = reader.communicate(timeout=LIMIT_S)
        assert (reader.returncode, out.strip()) == (0, "4"), err
    time.sleep(LATE_S)  # so that some of the steps that are over are old enough to be kept
    killed = time.monotonic()
    process.kill()
    assert process.wait(timeout=LIMIT_S) == -signal.SIGKILL
    steps.thread.join(LIMIT_S)
    assert process.stderr is not None and process.stderr.read() == ""
    process.stderr.close()
    run = gm.open(tmp_path / "one.gmr")
    kept = run.steps().tolist()
    assert kept == list(range(len(kept)))
    assert kept[-1] >= steps.before(killed - LATE_S) >= 5
    assert run.info.state == "running"
    found = gm.diagnose(run)
    assert (found.healthy, found.coverage) == (True, 1.0)
    assert run.info.wall_s > 0


def told_of(folder: Path, end: str) -> tuple[int, str, Steps, Run]:
    """Exit code, stderr, stdout and run file of a script that ends by itself, or by Ctrl-C where ``end`` says so."""
    (folder / "train.py").write_text(TRAIN + ("train(100_000)\n" if end == "Ctrl-C" else end))
    process = start(folder, "-m", "gradiometer", "run", "--out", "one.gmr", "train.py")
    steps = Steps(process)
    if end == "Ctrl-C":
        steps.wait_for(30)
        process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    err = process.stderr.read()
    code = process.wait(timeout=LIMIT_S)
    steps.thread.join(LIMIT_S)
    process.stderr.close()
    assert [p.name for p in folder.iterdir() if p.suffix != ".py"] == ["one.gmr"]  # one plain file, no journal
    return code, err, steps, gm.open(folder / "one.gmr")


def test_ctrl_c(tmp_path: Path) -> None:
    code, err, steps, run = told_of(tmp_path, "Ctrl-C")
    assert code == 130
    assert steps.others == ["finally"]
    assert "KeyboardInterrupt" in err
    assert "gradiometer/" not in err.split("KeyboardInterrupt")[0]  # the script's traceback is its own
    assert "NOTHING FOUND" in err
    assert run.info.state == "interrupted"
    assert run.steps().tolist()[:10] == list(range(10))
    assert run.curve()[:, 0].tolist() == list(range(len(run.curve())))
    assert len(run.curve()) >= steps.over[-1][1]  # to the last step


def test_a_script_that_crashes(tmp_path: Path) -> None:
    code, err, steps, run = told_of(tmp_path, "train(20, 0)\nraise ValueError('bad batch')\n")
    assert code == 1
    assert steps.others == ["finally"]
    assert err.count("ValueError: bad batch") >= 1
    assert "NOTHING FOUND" in err
    assert (run.info.state, run.info.error) == ("crashed", "ValueError: bad batch")
    assert run.curve()[:, 0].tolist() == list(range(20))
