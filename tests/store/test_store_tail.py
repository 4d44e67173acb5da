"""A tail reads a growing file as often as one likes, and always what a fresh look would read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from store_samples import diagnosis, frame, full_run, run_bits, write

from gradiometer.records import Event, RunFileError, RunInfo
from gradiometer.store import RunTail, RunWriter, has_writer, open_run, signature


def same(tail: RunTail) -> bool:
    """What the tail reads is what open_run reads, bit for bit."""
    seen, fresh = tail.read(), open_run(tail.path)
    return run_bits(seen) == run_bits(fresh) and (seen.closed, seen.results) == (fresh.closed, fresh.results)


def test_a_tail_follows_everything_that_is_put(tmp_path: Path) -> None:
    path = tmp_path / "a.gmr"
    writer = write(path, full_run(), close=False)
    tail = RunTail(path)
    assert same(tail)
    before = signature(path)
    for i in range(10, 14):
        writer.put_frame(frame(i))
        writer.put_curve("net", np.array([[i, 1.0 / i, 0.1]]))
        writer.put_logged("new", i, 0.5)
        writer.put_events([Event(i, "non_finite", "net")])
        writer.put_problem(f"problem {i}")
        writer.put_result(diagnosis())
        writer.flush()
        assert signature(path) != before
        before = signature(path)
        assert same(tail)
    writer.close()
    assert tail.read().closed
    assert same(tail)


def test_only_new_frames_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.gmr"
    writer = write(path, full_run(), close=False)
    tail = RunTail(path)
    first = tail.read()
    writer.put_frame(frame(99))
    writer.flush()
    second = tail.read()
    assert [a is b for a, b in zip(first.frames, second.frames, strict=False)] == [True] * len(first.frames)
    assert len(first.frames) + 1 == len(second.frames), "the first snapshot stays as it was"
    assert second.networks is first.networks
    writer.close()


def test_a_tail_follows_a_file_that_thins_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.gmr"
    writer = RunWriter(path, RunInfo("a"), max_bytes=400_000)
    tail, counts = RunTail(path), []
    for i in range(700):
        writer.put_frame(frame(i, n_sites=20))
        writer.put_curve("net", np.random.default_rng(i).normal(size=(40, 3)))
        if i % 50 == 0:
            writer.flush()
            counts.append(len(tail.read().frames))
            assert same(tail)
    writer.close()
    assert same(tail)
    assert sorted(counts) != counts, "frames went: the test has seen a thinning"


def test_a_damaged_file_is_told_and_a_mended_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.gmr"
    write(path, full_run())
    whole = path.read_bytes()
    tail = RunTail(path)
    path.write_bytes(whole[:3000])
    with pytest.raises(RunFileError):
        tail.read()
    path.write_bytes(whole)
    assert same(tail)


def test_a_file_that_is_gone_has_a_signature_too(tmp_path: Path) -> None:
    assert signature(tmp_path / "none.gmr") == (-1, -1, -1)


WRITER = """
import sys
from pathlib import Path
from gradiometer.records import RunInfo
from gradiometer.store import RunWriter
writer = RunWriter(Path(sys.argv[1]), RunInfo("x"))
writer.flush()
print("ready", flush=True)
sys.stdin.readline()
writer.close()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks for locks as Linux has them")
@pytest.mark.parametrize("killed", [True, False])
def test_a_writer_is_seen_as_long_as_it_lives(tmp_path: Path, killed: bool) -> None:
    path = tmp_path / "a.gmr"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    assert has_writer(path) is True
    if killed:
        process.kill()
    process.communicate("\n", timeout=30)
    assert has_writer(path) is (False if killed else None)


def test_nobody_can_tell_of_what_is_no_run_file(tmp_path: Path) -> None:
    (tmp_path / "x.gmr").write_text("x")
    assert has_writer(tmp_path / "x.gmr") is None
    assert has_writer(tmp_path / "none.gmr") is None
