"""Real processes: one that is killed, some that read while another writes, disks that refuse."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from store_samples import frame, full_run, write

from gradiometer.records import RunInfo
from gradiometer.store import RunWriter, list_runs, open_run

HERE = Path(__file__).parent
NOBODY = 65534
PRELUDE = """import os, signal, sys
from store_samples import *
from gradiometer.records import *
from gradiometer.store import *
"""
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights")


def start(body: str, *args: object) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(HERE), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(body), *map(str, args)],
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    out, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    return out


KILLED = """
    writer = write(Path(sys.argv[1]), full_run(), close=False)
    for i in range(10, 40):
        writer.put_frame(frame(i))
        if i == 29:
            writer.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def killed() -> Iterator[Path]:
    """A folder that anybody may enter, with what a killed writer left."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    finish(start(KILLED, folder / "a.gmr"), -signal.SIGKILL)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_killed_writer_loses_at_most_what_it_had_not_flushed(killed: Path) -> None:
    before = {name: (killed / name).read_bytes() for name in ("a.gmr", "a.gmr-wal")}
    for _ in range(2):
        run = open_run(killed / "a.gmr")
        assert [f.step for f in run.frames[-20:]] == list(range(10, 30)) and len(run.frames) == 26
        assert (run.info.state, run.closed) == ("running", False)
    assert {name: (killed / name).read_bytes() for name in before} == before


@ROOT_ONLY
@pytest.mark.parametrize("without", ["nothing", "a.gmr-shm"])
def test_a_read_only_folder_is_enough_to_read(killed: Path, tmp_path: Path, without: str) -> None:
    folder = Path(tempfile.mkdtemp())
    for file in killed.iterdir():
        if file.name != without:
            shutil.copy(file, folder)
            (folder / file.name).chmod(0o444)
    folder.chmod(0o555)
    names = sorted(p.name for p in folder.iterdir())
    assert as_nobody(lambda: str(len(open_run(folder / "a.gmr").frames))) == "26"
    assert "RunFileError: Cannot write" in as_nobody(lambda: str(RunWriter(folder / "b.gmr", RunInfo("b"))))
    assert sorted(p.name for p in folder.iterdir()) == names
    folder.chmod(0o755)
    shutil.rmtree(folder)


@ROOT_ONLY
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    write(folder / "a.gmr", full_run())
    (folder / "a.gmr").chmod(0o600)
    assert as_nobody(lambda: str(open_run(folder / "a.gmr"))) == (
        f"RunFileError: Cannot read {folder}/a.gmr: Permission denied. Check the path and its permissions."
    )
    shutil.rmtree(folder)


def as_nobody(act: object) -> str:
    """What ``act`` says, done by a process that root started and that has no rights."""
    read, write_ = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            said = act()  # type: ignore[operator]
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write_, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write_)
    with os.fdopen(read) as pipe:
        return pipe.read()


READER = """
    import time
    path, seen, told = sys.argv[1], [], False
    while True:
        run = open_run(path)
        assert [f.step for f in run.frames] == list(range(len(run.frames)))
        for f in run.frames[-1:]:
            assert bits(f.values) == bits(values(6, f.step))
            assert bits(run.of("err_norm")[-1]) == bits(f.values[:, 11])
        seen.append(len(run.frames))
        if run.closed:
            break
        if len(set(seen)) == 4 and not told:
            told = not print("enough", flush=True)
        time.sleep(0.005)
    assert seen == sorted(seen), seen
    print(seen[-1], run.info.state)
"""


@pytest.mark.parametrize("journal", ["-wal", "-journal"])
def test_two_processes_read_while_it_is_written(tmp_path: Path, journal: str) -> None:
    path = tmp_path / "a.gmr"
    if journal == "-journal":
        (tmp_path / "a.gmr-shm").mkdir()
    with RunWriter(path, RunInfo("a")) as writer:
        writer.put_network(full_run().networks[0])
        writer.put_sites((*full_run().site_table[:3], *full_run().site_table[5:]))
        writer.flush()
        readers = [start(READER, path) for _ in range(2)]
        assert (tmp_path / "a.gmr-wal").exists() == (journal == "-wal")
        steps = write_until_all_speak(writer, readers)
    for reader in readers:
        assert finish(reader).split()[-2:] == [str(steps), "finished"]
    assert not any(p.stat().st_size for p in tmp_path.glob("a.gmr-wal"))  # a reader in the last moment may leave it


def test_an_empty_wal_beside_a_closed_file_does_no_harm(tmp_path: Path) -> None:
    write(tmp_path / "a.gmr", full_run())
    (tmp_path / "a.gmr-wal").touch()
    assert len(open_run(tmp_path / "a.gmr").frames) == 6
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.gmr", "a.gmr-wal"]


def write_until_all_speak(writer: RunWriter, readers: list[subprocess.Popen[str]]) -> int:
    """Frames, one a flush, until every reader has said that it saw enough states; how many."""
    silent: list[Any] = [reader.stdout for reader in readers]
    deadline = time.monotonic() + 30
    step = 0
    while silent:
        assert time.monotonic() < deadline and all(reader.poll() is None for reader in readers)
        writer.put_frame(frame(step))
        writer.flush()
        step += 1
        spoken = select.select(silent, [], [], 0.002)[0]
        silent = [out for out in silent if out not in spoken]
    return step


def test_where_the_disk_carries_no_wal_a_plain_journal_does(tmp_path: Path) -> None:
    (tmp_path / "a.gmr-shm").mkdir()
    writer = write(tmp_path / "a.gmr", full_run(), close=False)
    assert not (tmp_path / "a.gmr-wal").exists()
    assert len(open_run(tmp_path / "a.gmr").frames) == 6
    writer.close()
    other = write(tmp_path / "b.gmr", full_run(), close=False)
    assert (tmp_path / "b.gmr-wal").exists()
    other.close()


KILLED_WITHOUT_WAL = """
    Path(sys.argv[1] + "-shm").mkdir()
    writer = write(Path(sys.argv[1]), full_run(), close=False)
    for step in range(10, 30):
        writer.put_frame(frame(step))
    writer._connection.execute("PRAGMA cache_size = 1")
    writer._connection.execute("PRAGMA cache_spill = ON")  # the file itself is half written when the kill comes
    for step in range(30, 60):
        writer.put_frame(frame(step, 60))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_plain_journal_survives_a_kill_too(tmp_path: Path) -> None:
    finish(start(KILLED_WITHOUT_WAL, tmp_path / "a.gmr"), -signal.SIGKILL)
    assert (tmp_path / "a.gmr-journal").stat().st_size > 0
    before = (tmp_path / "a.gmr").read_bytes()
    run = open_run(tmp_path / "a.gmr")
    assert (len(run.frames), run.closed) == (6, False)
    assert (tmp_path / "a.gmr").read_bytes() == before


@pytest.mark.parametrize("end", ["sys.exit(3)", "del writer"])
def test_a_writer_that_nobody_closed_leaves_one_readable_file(tmp_path: Path, end: str) -> None:
    body = "writer = write(Path(sys.argv[1]), full_run(), close=False)\nwriter.put_frame(frame(9))\n"
    start(body + end, tmp_path / "a.gmr").communicate(timeout=30)
    assert [p.name for p in tmp_path.iterdir()] == ["a.gmr"]
    run = open_run(tmp_path / "a.gmr")
    assert (len(run.frames), run.info.state, run.closed) == (7, "running", False)


def test_a_forked_child_leaves_the_file_alone(tmp_path: Path) -> None:
    body = """
    writer = write(Path(sys.argv[1]), full_run(), close=False)
    if os.fork() == 0:
        sys.exit()
    os.wait()
    assert Path(sys.argv[1] + "-wal").exists()
    writer.put_frame(frame(9))
    writer.close()
    """
    finish(start(body, tmp_path / "a.gmr"))
    assert len(open_run(tmp_path / "a.gmr").frames) == 7


FULL = """
    import resource
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    writer = write(Path(sys.argv[1]), full_run(), close=False)
    said = []
    for step in range(10, 2000):
        try:
            writer.put_frame(frame(step, 60))
            writer.flush()
        except RunFileError as error:
            said.append(str(error))
            break
    try:
        writer.close(RunInfo("full", "finished"))
    except RunFileError as error:
        said.append(str(error))
    print(step, *said, sep="\\n")
"""


def test_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a.gmr"
    process = start(FULL, path)
    step, *said = finish(process).splitlines()
    assert said and all(s.startswith(f"Cannot write {path}: the disk ") for s in said)
    run = open_run(path)
    assert [f.step for f in run.frames[6:]] == list(range(10, int(step)))
    assert int(step) > 12


def test_a_folder_that_is_full_of_runs_being_written(killed: Path) -> None:
    (row,) = list_runs(killed)
    assert (row.state, row.closed, row.steps, row.error) == ("running", False, 25, "")


def test_reading_needs_no_torch() -> None:
    code = """
    assert "torch" not in sys.modules and "pyarrow" not in sys.modules and "scipy" not in sys.modules
    print("ok")
    """
    assert finish(start(code)) == "ok\n"
