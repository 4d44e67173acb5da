"""The folder that is served: what is opened, what is refused and named, and by which names it is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from server_runs import HOSTILE, healthy_run, put

from gradiometer.records import UserError
from gradiometer.server.folder import Folder
from gradiometer.server.names import identifier


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with one good run, beside a secret one."""
    inside, outside = tmp_path / "runs", tmp_path / "secret"
    inside.mkdir()
    outside.mkdir()
    put(inside / "good.gmr", healthy_run())
    put(outside / "secret.gmr", healthy_run(name="secret"))
    return inside


def looked(place: Path) -> dict[str, object]:
    folder = Folder(place)
    folder.look()
    return {e.name: e for e in folder.entries.values()}  # type: ignore[misc]


def test_links_that_lead_out_are_named_and_not_opened(place: Path) -> None:
    (place / "out.gmr").symlink_to(place.parent / "secret" / "secret.gmr")
    (place / "nowhere.gmr").symlink_to(place.parent / "not-there.gmr")
    (place / "round.gmr").symlink_to(place / "round.gmr")
    found = looked(place)
    assert "leads out of the folder" in found["out.gmr"].refused  # type: ignore[attr-defined]
    assert found["out.gmr"].row is None  # type: ignore[attr-defined]
    assert "leads nowhere" in found["nowhere.gmr"].refused  # type: ignore[attr-defined]
    assert "leads nowhere" in found["round.gmr"].refused  # type: ignore[attr-defined]
    assert found["good.gmr"].kind == "run"  # type: ignore[attr-defined]


def test_a_link_within_the_folder_and_a_folder_that_is_a_link_are_followed(place: Path, tmp_path: Path) -> None:
    (place / "again.gmr").symlink_to(place / "good.gmr")
    (tmp_path / "way").symlink_to(place)
    assert looked(tmp_path / "way")["again.gmr"].kind == "run"  # type: ignore[attr-defined]


@pytest.mark.parametrize("tail", ["-wal", "-shm", "-journal"])
def test_what_lies_beside_a_run_may_not_lead_out_either(place: Path, tail: str) -> None:
    (place / f"good.gmr{tail}").symlink_to(place.parent / "secret" / "secret.gmr")
    assert "leads out" in looked(place)["good.gmr"].refused  # type: ignore[attr-defined]


def test_a_pipe_or_a_folder_of_that_name_is_refused_without_waiting(place: Path) -> None:
    os.mkfifo(place / "pipe.gmr")
    (place / "folder.gmr").mkdir()
    found = looked(place)
    assert "no plain file" in found["pipe.gmr"].refused  # type: ignore[attr-defined]
    assert "no plain file" in found["folder.gmr"].refused  # type: ignore[attr-defined]


def test_a_file_that_became_a_link_is_refused_at_the_moment_of_opening(place: Path) -> None:
    folder = Folder(place)
    folder.look()
    entry = folder.entries[identifier("good.gmr")]
    assert folder.allowed(entry) == ""
    (place / "good.gmr").unlink()
    (place / "good.gmr").symlink_to(place.parent / "secret" / "secret.gmr")
    assert "leads out" in folder.allowed(entry)


def test_damaged_files_are_rows_with_their_reason(place: Path) -> None:
    (place / "text.gmr").write_text("no run")
    (place / "empty.gmr").touch()
    (place / "cut.gmr").write_bytes((place / "good.gmr").read_bytes()[:5000])
    found = looked(place)
    assert all(found[name].problem for name in ("text.gmr", "empty.gmr", "cut.gmr"))  # type: ignore[attr-defined]
    assert found["good.gmr"].problem == ""  # type: ignore[attr-defined]


def test_only_what_changed_is_looked_into_again(place: Path) -> None:
    folder = Folder(place)
    assert folder.look()
    before = folder.entries[identifier("good.gmr")]
    assert not folder.look()
    assert folder.entries[identifier("good.gmr")] is before
    put(place / "new.gmr", healthy_run())
    assert folder.look()
    assert identifier("new.gmr") in folder.entries
    (place / "new.gmr").unlink()
    assert folder.look()
    assert identifier("new.gmr") not in folder.entries


def test_identifiers_hold_no_letter_of_the_name_and_stay_the_same() -> None:
    names = [*HOSTILE, "a.gmr", "b.gmr", "\udcff.gmr"]
    made = [identifier(name) for name in names]
    assert len(set(made)) == len(names)
    assert all(set(number) <= set("0123456789abcdef") and len(number) == 16 for number in made)
    assert identifier("a.gmr") == made[len(HOSTILE)]


def test_a_folder_that_is_not_there_is_refused_and_one_that_went_away_is_empty(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No folder"):
        Folder(tmp_path / "not-there")
    (tmp_path / "short").mkdir()
    folder = Folder(tmp_path / "short")
    (tmp_path / "short").rmdir()
    folder.look()
    assert folder.entries == {}
