"""When a recording flushes: soon, also where nothing follows, and not for every single step."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from gradiometer.records import Event, RunInfo
from gradiometer.session import recording
from gradiometer.store import open_run


def told(text: str) -> Event:
    return Event(1, "non_finite", detail=text)


@pytest.fixture
def one(tmp_path: Path) -> recording.Recording:
    return recording.Recording(tmp_path / "a.gmr", RunInfo("a"), pytest.fail)


def test_what_nothing_follows_is_flushed_all_the_same(
    one: recording.Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "FLUSH_S", 0.05)
    monkeypatch.setattr("gradiometer.store.writer.FLUSH_S", 1e9)  # the writer by itself would keep it
    one.put_event(told("first"))
    made = threading.Event()
    one.ask(lambda run: made.set())
    assert made.wait(20)
    assert one.path is not None
    for _ in range(400):
        if open_run(one.path).events:
            break
        time.sleep(0.025)
    assert open_run(one.path).events[0].detail == "first"
    one.close(RunInfo("a", "finished"))


def test_what_is_young_waits_for_more(one: recording.Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "FLUSH_S", 1e6)
    monkeypatch.setattr("gradiometer.store.writer.FLUSH_S", 1e9)
    for k in range(50):
        one.put_event(told(str(k)))
    kept, heard = threading.Event(), list[int]()
    one.ask(lambda run: heard.append(len(run.events)))
    one.ask(lambda run: kept.set())
    assert kept.wait(20)
    assert heard == [50], "all are kept"
    assert one.path is not None
    assert open_run(one.path).events == (), "and none is written alone"
    one.drain()
    assert len(open_run(one.path).events) == 50
    one.close(RunInfo("a", "finished"))
