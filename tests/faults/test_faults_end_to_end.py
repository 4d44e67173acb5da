"""Two small cases through the whole: trained, labelled, scored; killed in the middle and taken up again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults_room import FAULTS

pytestmark = [pytest.mark.torch, pytest.mark.slow]


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """The folder with two cases and nothing trained."""
    place = tmp_path / "a" / "benchmarks" / "faults"
    place.mkdir(parents=True)
    for script in FAULTS.glob("*.py"):
        shutil.copy(script, place)
    shutil.copytree(FAULTS / "cases" / "net-circles-b", place / "cases" / "net-circles-b")
    shutil.copytree(FAULTS / "healthy" / "h-wine-c", place / "healthy" / "h-wine-c")
    source = tmp_path / "a" / "src"
    source.mkdir()
    (source / "gradiometer").symlink_to(FAULTS.parents[1] / "src" / "gradiometer")
    return place


def start(room: Path, *args: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(room / "run.py"), "--workers", "1", *args]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=room, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def journal(room: Path) -> list[dict[str, object]]:
    path = room / ".runs" / "journal.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_trained_killed_taken_up_labelled_and_scored(room: Path) -> None:
    first = start(room, "--no-mutants")
    deadline = time.monotonic() + 60
    while len(journal(room)) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    done = len(journal(room))
    assert done >= 4

    second = start(room, "--no-mutants", "--json", "score.json")
    out, err = second.communicate(timeout=120)
    assert second.returncode == 0, err.decode()
    records = journal(room)
    assert len({(r["digest"], r["seed"]) for r in records}) == len(records)  # nothing was trained twice
    committed = [json.loads(line) for line in (room / "outcomes.jsonl").read_text().splitlines()]
    assert {line["role"] for line in committed} >= {"faulty", "fixed", "healthy", "without activation-missing"}
    score = json.loads((room / "score.json").read_text())
    rates = {**score["rates"].get("faulty/calibration", {}), **score["rates"].get("faulty/report", {})}
    assert rates["first"]["value"] == 1.0
    assert score["alarms"] == []
    assert b"cause in first place" in out

    third = start(room, "--no-mutants")
    third.communicate(timeout=120)
    assert len(journal(room)) == len(records)
