"""Every way in which a run file can refuse, with the sentence that it says."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from store_samples import frame, full_run, run_bits, write

from gradiometer.records import RunFileError, RunInfo
from gradiometer.store import RunWriter, open_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "a.gmr", full_run())
    return tmp_path / "a.gmr"


def refusal(path: Path) -> str:
    with pytest.raises(RunFileError) as caught:
        open_run(path)
    return str(caught.value)


def edit(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_the_sample_itself_is_read(path: Path) -> None:
    assert len(open_run(path).frames) == 6


def test_missing(tmp_path: Path) -> None:
    said = refusal(tmp_path / "no.gmr")
    assert said == f"No run file {tmp_path}/no.gmr. Check the path; gradiometer runs lists the runs of a folder."
    assert list(tmp_path.iterdir()) == []


def test_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path} is a folder. Name one run file in it (*.gmr)."


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "a.gmr").touch()
    assert refusal(tmp_path / "a.gmr") == (
        f"{tmp_path}/a.gmr is empty: its writer was killed before it began. Remove it."
    )


@pytest.mark.parametrize("content", [b"x", b"step,loss\n" * 1000, b"\x80\x04\x95cos\nsystem\n"])
def test_not_sqlite(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.gmr").write_bytes(content)
    assert refusal(tmp_path / "a.gmr").endswith(
        "a.gmr: it is no run file. Run files end in .gmr and are written by gradiometer run."
    )


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_sqlite_of_somebody_else(tmp_path: Path, journal: str) -> None:
    edit(tmp_path / "a.gmr", f"PRAGMA journal_mode = {journal}", "CREATE TABLE t (x)")
    assert refusal(tmp_path / "a.gmr").endswith(
        "a.gmr is an SQLite file, but not of Gradiometer. Name a file that gradiometer run wrote."
    )
    assert [p.name for p in tmp_path.iterdir()] == ["a.gmr"]


def test_cut_short_anywhere(path: Path) -> None:
    whole = path.read_bytes()
    for length in (20, 100, 512, 5000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        of = f" of {len(whole)}" if length >= 100 else ""
        assert refusal(path) == f"Cannot read {path}: it is cut short, {length}{of} bytes are there. Copy it again."
    path.write_bytes(whole)
    open_run(path)


@pytest.mark.parametrize("rubbish", [b"\x00", b"\xff", b"a"])
def test_a_damaged_page_never_gives_another_run(tmp_path: Path, rubbish: bytes) -> None:
    writer = write(tmp_path / "a.gmr", full_run(), close=False)
    for i in range(40):  # long enough for pages that hold nothing but one frame
        writer.put_frame(frame(10 + i, 60))
    writer.close(full_run().info)
    whole = (tmp_path / "a.gmr").read_bytes()
    expected = run_bits(open_run(tmp_path / "a.gmr"))
    told = 0
    for page in range(1, len(whole) // 4096):
        damaged = whole[: page * 4096] + rubbish * 4096 + whole[(page + 1) * 4096 :]
        (tmp_path / "b.gmr").write_bytes(damaged)
        try:
            assert run_bits(open_run(tmp_path / "b.gmr")) == expected  # an index, or a free page
        except RunFileError as error:
            assert "b.gmr: it is damaged (" in str(error) and "Take an undamaged copy." in str(error)
            told += 1
    assert told > 0.8 * len(whole) / 4096


def test_newer(path: Path) -> None:
    edit(path, "PRAGMA user_version = 9")
    assert refusal(path) == (
        f"{path} was written by a newer Gradiometer: schema 9, this one reads up to 1;"
        " upgrade with pip install -U gradiometer."
    )


def test_wrong_kind(path: Path) -> None:
    edit(path, "UPDATE header SET value = '\"trial\"' WHERE key = 'kind'")
    assert refusal(path) == f"{path} holds a trial, not a run. Name a file that gradiometer run wrote."
    edit(path, "DELETE FROM header WHERE key = 'kind'")
    assert "holds a nothing, not a run" in refusal(path)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE networks SET data = '{'", "it is damaged ("),
        ("UPDATE networks SET data = '{\"name\": 3}'", "it is damaged (unreadable"),
        ("UPDATE networks SET data = NULL || 'x'", "NOT NULL"),
        ("UPDATE events SET data = x'00'", "it is damaged (events: "),
        ("UPDATE frames SET data = x'00'", "it is damaged (a packed frame is too short)"),
        ("UPDATE curves SET rows = 5", "it is damaged (a packed array has another size"),
        ("UPDATE curves SET rows = 'many'", "it is damaged ("),
        ("UPDATE frames SET sites = 'many'", "it is damaged ("),
        ("UPDATE frames SET data = 3", "it is damaged ("),
        ("UPDATE frames SET loss = 'low'", "it is damaged ("),
        ("UPDATE frames SET model = 'net'", "it is damaged ("),
        ("UPDATE info SET data = x'ff'", "it is damaged ("),
        ("UPDATE info SET data = CAST(x'ff' AS TEXT)", "it is damaged ("),
        ("DELETE FROM info", "it is damaged (it has no info)"),
        ("DELETE FROM header WHERE key = 'stats'", "it is damaged (its header has no stats)"),
        ("DROP TABLE problems", "it is damaged (no such table: problems)"),
    ],
)
def test_rows_that_no_writer_wrote(path: Path, statement: str, said: str) -> None:
    try:
        edit(path, statement)
    except sqlite3.IntegrityError as error:
        assert said in str(error)
        return
    assert said in refusal(path)


def test_a_wal_that_was_left_behind(tmp_path: Path) -> None:
    writer = write(tmp_path / "a.gmr", full_run(), close=False)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(tmp_path / "a.gmr", other / "a.gmr")
    copy = other / "a.gmr"
    assert refusal(copy) == (
        f"{copy} was not closed, and a.gmr-wal, which holds its last steps, is not beside it."
        " Copy both into one folder."
        f" If a.gmr-wal is lost, sqlite3 {copy} 'PRAGMA journal_mode = DELETE' keeps what the file itself holds."
    )
    assert [p.name for p in other.iterdir()] == ["a.gmr"]
    shutil.copy(tmp_path / "a.gmr-wal", other / "a.gmr-wal")
    assert len(open_run(copy).frames) == 6
    writer.close()


def test_what_that_message_advises_works(tmp_path: Path) -> None:
    writer = write(tmp_path / "a.gmr", full_run(), close=False)
    shutil.copy(tmp_path / "a.gmr", tmp_path / "b.gmr")
    writer.close()
    edit(tmp_path / "b.gmr", "PRAGMA journal_mode = DELETE")
    assert open_run(tmp_path / "b.gmr").info.state == "running"


def test_the_writer_overwrites_nothing(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(RunFileError, match=r"a\.gmr: it exists already\. Name another file, or remove it\."):
        RunWriter(path, RunInfo("a"))
    assert path.read_bytes() == before


def test_the_writer_needs_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFileError, match=r"Cannot write .*Check the path and its permissions"):
        RunWriter(tmp_path / "file" / "a.gmr", RunInfo("a"))


def test_a_full_disk_keeps_what_was_flushed(tmp_path: Path) -> None:
    writer = write(tmp_path / "a.gmr", full_run(), close=False)
    (pages,) = writer._connection.execute("PRAGMA page_count").fetchone()
    writer._connection.execute(f"PRAGMA max_page_count = {pages}")
    sentence = "the disk is full. Free some space, or record to another disk with --out."
    with pytest.raises(RunFileError, match=sentence):
        for i in range(100):
            writer.put_frame(frame(10 + i, 60))
    with pytest.raises(RunFileError, match=sentence):  # it takes nothing more
        writer.put_problem("later")
    assert len(open_run(tmp_path / "a.gmr").frames) == 6
    writer.close(RunInfo("a", "finished"))
    back = open_run(tmp_path / "a.gmr")
    assert (len(back.frames), back.info.state, back.closed, back.problems) == (6, "finished", True, full_run().problems)


def test_a_locked_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.gmr", full_run())
    edit(tmp_path / "a.gmr", "UPDATE header SET value = 'false' WHERE key = 'closed'",
         "UPDATE header SET value = '\"delete\"' WHERE key = 'journal'")  # fmt: skip
    monkeypatch.setattr("gradiometer.store.connect.LOCK_S", 0.01)
    holder = sqlite3.connect(tmp_path / "a.gmr", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert refusal(tmp_path / "a.gmr").endswith("its writer holds it locked at this moment. Try again.")
    holder.close()
    assert len(open_run(tmp_path / "a.gmr").frames) == 6
