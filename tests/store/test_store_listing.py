from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from store_samples import frame, full_run, write

from gradiometer.records import Run, RunInfo, UserError
from gradiometer.store import RunRow, RunWriter, list_runs
from gradiometer.store.packing import PackedValues


def started(run: Run, when: str) -> Run:
    return replace(run, info=msgspec.structs.replace(run.info, started=when))


def test_a_row_tells_what_a_list_shows(tmp_path: Path) -> None:
    run = replace(full_run(), curves={"critic": np.ones((1, 3)), "net": np.array([[0, 2.5, 1], [1, 0.25, 1]])})
    write(tmp_path / "a.gmr", run)
    assert list_runs(tmp_path) == (
        RunRow(
            path=tmp_path / "a.gmr",
            file_bytes=(tmp_path / "a.gmr").stat().st_size,
            name="straße 💡",
            state="finished",
            started="2026-01-02T03:04:05+00:00",
            models=("net", "critic"),
            steps=5,
            last_loss=0.25,
            closed=True,
        ),
    )


def test_without_a_curve_the_last_frame_tells_the_loss(tmp_path: Path) -> None:
    write(tmp_path / "a.gmr", replace(full_run(), curves={}))
    (row,) = list_runs(tmp_path)
    assert row.last_loss == full_run().frames[-1].loss


def test_a_loss_that_is_nan_and_a_run_that_has_none(tmp_path: Path) -> None:
    write(tmp_path / "a.gmr", replace(full_run(), curves={"net": np.array([[0.0, 1.0, 1.0], [1.0, math.nan, 1.0]])}))
    RunWriter(tmp_path / "b.gmr", RunInfo("b")).close()
    assert all(math.isnan(row.last_loss) and not row.error for row in list_runs(str(tmp_path)))
    assert {row.steps for row in list_runs(tmp_path)} == {5, 0}


def test_newest_first_and_damaged_ones_are_rows(tmp_path: Path) -> None:
    for name, when in (("b", "2026-01-01T00:00:00Z"), ("a", "2026-03-01T00:00:00+00:00"), ("c", "2026-02-01T00:00:00")):
        write(tmp_path / f"{name}.gmr", started(full_run(name), when))
    (tmp_path / "broken.gmr").write_text("nothing")
    os.utime(tmp_path / "broken.gmr", (10**9, 10**9))  # 2001
    (tmp_path / "other.txt").write_text("not listed")
    rows = list_runs(tmp_path)
    assert [row.path.stem for row in rows] == ["a", "c", "b", "broken"]
    assert [bool(row.error) for row in rows] == [False, False, False, True]
    assert "broken.gmr: it is no run file." in rows[-1].error and rows[-1].file_bytes == 7


def test_a_run_that_is_being_written(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "a.gmr", RunInfo("live")) as writer:
        writer.put_frame(frame(0))
        writer.flush()
        (row,) = list_runs(tmp_path)
        assert (row.state, row.closed, row.steps, row.error) == ("running", False, 1, "")
        assert row.file_bytes > (tmp_path / "a.gmr").stat().st_size  # with its -wal


def test_no_frame_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.gmr", full_run())

    def refuse(packed: PackedValues) -> None:
        raise AssertionError("a frame was read")

    monkeypatch.setattr(PackedValues, "check", refuse)
    (row,) = list_runs(tmp_path)
    assert row.steps == 5 and not row.error


def test_folders(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == ()
    with pytest.raises(UserError, match=r"No folder .*nowhere\. Name the folder that holds the run files"):
        list_runs(tmp_path / "nowhere")
