"""``gradiometer compare``: two recorded runs beside each other, on a terminal and as a document."""

from __future__ import annotations

import json
import math
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from cli_runs import LAYERS, STEPS, chain_file

from gradiometer.cli import main
from gradiometer.records import RunInfo
from gradiometer.store import RunWriter


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder with two runs where runs lie."""
    (tmp_path / "gradiometer-runs").mkdir()
    chain_file(tmp_path / "gradiometer-runs" / "before.gmr", 0.1)
    chain_file(tmp_path / "gradiometer-runs" / "after.gmr", 0.5, "2026-01-02T12:00:00+00:00")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["gradiometer", "compare", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


@pytest.mark.usefixtures("folder")
def test_the_page_says_how_much_more_and_draws_both(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(monkeypatch, "before", "latest") == 0
    said = capsys.readouterr().out
    more = (LAYERS - 1) * math.log10(5)
    assert f"B brings {more:.1f} decades more error to layer 0 than A." in " ".join(said.split())
    assert said.startswith("A  before.gmr")
    assert "\nB  after.gmr" in said
    assert f"error left at step {STEPS[-1]} of both" in said
    rows = [row for row in said.splitlines() if row[:1].isdigit() and "o" in row and "*" in row]
    places = [(row.index("o"), row.index("*")) for row in rows]
    assert len(places) == LAYERS - 1  # at the loss both stand at the same place
    assert all(a < b for a, b in places)
    assert all(here[0] > below[0] and here[1] > below[1] for here, below in pairwise(places))
    verdict = next(row for row in said.splitlines() if row.startswith("verdict"))
    assert verdict.count("activation-shrinks-error") == 2  # longer than what a table keeps whole by itself
    assert said.isascii() and max(map(len, said.splitlines())) <= 80


@pytest.mark.usefixtures("folder")
def test_the_document_has_the_exact_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(monkeypatch, "before", "after", "--step", "2", "--json", "-") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["runs"] == ["before.gmr", "after.gmr"]
    assert document["steps"] == [2, 2]
    for side, gain in enumerate((0.1, 0.5)):
        assert document["decades"][side] == pytest.approx([k * math.log10(gain) for k in range(LAYERS)], abs=1e-6)
    assert document["sites"][0] == document["sites"][1]
    assert document["differs"] == []


def test_what_cannot_be_compared_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(monkeypatch, "before", "nothing") == 2
    assert "No run 'nothing'" in capsys.readouterr().err
    info = RunInfo(name="empty", state="finished")
    with RunWriter(folder / "empty.gmr", info) as writer:
        writer.close(info)
    assert called(monkeypatch, "before", "empty.gmr") == 2
    assert "empty.gmr has recorded no network" in capsys.readouterr().err
    assert called(monkeypatch, "before") == 2
