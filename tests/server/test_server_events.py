"""A run that grows, seen through the events of a real server: one look for all, and nothing lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server_process import Served, Writer, events, served
from server_runs import put_trial, trial

from gradiometer.server import live_run
from gradiometer.server.names import identifier

RUN = identifier("live.gmr")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[Served]:
    with served(folder) as one:
        yield one


def until(stream: Iterator[tuple[str, str, Any]], name: str) -> tuple[str, Any]:
    """Id and data of the next event of that name."""
    return next((number, data) for kind, number, data in stream if kind == name)


def test_new_steps_come_with_their_picture_and_their_losses(folder: Path, server: Served) -> None:
    with Writer(folder / "live.gmr") as writer, server.client() as client:
        document = client.get(f"/api/runs/{RUN}").json()
        assert document["state"] == "live" and document["steps"] == [0, 10, 20]
        with client.stream("GET", f"/events/runs/{RUN}") as answer:
            stream = events(answer)
            assert until(stream, "at")[1] == {"state": "live", "last": 20, "recorded": 3, "points": 21}
            for step in (30, 40):
                writer.say("grow")
                _, news = until(stream, "grow")
                assert news["before"]["last"] == step - 10
                assert news["steps"] == [step]
                assert news["step"]["title"] == f"Error profile at step {step}, against step 0"
                assert [s for s, _ in news["losses"]] == list(range(step - 9, step + 1))
                assert news["whole"] is True
            assert until(stream, "judged")[1]["steps"][-1] == 40
            writer.say("close")
            while (state := until(stream, "grow")[1]["at"]["state"]) != "finished":
                assert state == "live"


def test_who_was_away_gets_what_was_missed(folder: Path, server: Served) -> None:
    address = f"/events/runs/{RUN}"
    with (
        Writer(folder / "live.gmr") as writer,
        server.client() as client,
        server.client() as other,
        other.stream("GET", address) as kept,  # somebody stays, so that the server goes on looking
    ):
        others = events(kept)
        with client.stream("GET", address) as answer:
            stream = events(answer)
            until(stream, "at")
            writer.say("grow")
            last, _ = until(stream, "grow")
        until(others, "grow")
        writer.say("grow")
        assert until(others, "grow")[1]["steps"] == [40]
        with client.stream("GET", address, headers={"last-event-id": last}) as answer:
            assert until(events(answer), "grow")[1]["steps"] == [40]
        with client.stream("GET", f"{address}?last=other.7") as answer:
            assert next(events(answer))[0] == "reset"


def test_one_look_at_the_file_serves_all_viewers(folder: Path, server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    whole = live_run.RunTail.read

    def counted(tail: live_run.RunTail) -> Any:
        reads.append(tail.path)
        return whole(tail)

    monkeypatch.setattr(live_run.RunTail, "read", counted)
    with Writer(folder / "live.gmr") as writer, server.client() as client:
        answers = [client.stream("GET", f"/events/runs/{RUN}") for _ in range(5)]
        streams = [events(answer.__enter__()) for answer in answers]
        for stream in streams:
            until(stream, "at")
        before = len(reads)
        writer.say("grow")
        assert [until(stream, "grow")[1]["steps"] for stream in streams] == [[30]] * 5
        assert 1 <= len(reads) - before <= 2, "a look while the writer is at it may see half of it"
        for answer in answers:
            answer.__exit__(None, None, None)


def test_a_killed_writer_is_noticed(folder: Path, server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_run, "SILENT_S", 0.2)
    with Writer(folder / "live.gmr") as writer, server.client() as client:
        with client.stream("GET", f"/events/runs/{RUN}") as answer:
            stream = events(answer)
            assert until(stream, "at")[1]["state"] == "live"
            writer.process.kill()
            writer.process.wait()
            assert until(stream, "state")[1]["state"] == "killed"
        assert client.get(f"/api/runs/{RUN}").json()["state"] == "killed"


def test_the_list_tells_what_is_new(folder: Path, server: Served) -> None:
    with server.client() as client, client.stream("GET", "/events/runs") as answer:
        stream = events(answer)
        until(stream, "at")
        with Writer(folder / "live.gmr") as writer:
            _, news = until(stream, "rows")
            assert [row["file"] for row in news["rows"]] == ["live.gmr"]
            assert news["rows"][0]["state"] == "live"
            while not news["rows"] or not news["rows"][0]["told"]:
                _, news = until(stream, "rows")
            assert news["rows"][0]["told"]["verdict"]["tone"] == "healthy"
            writer.say("grow")
            _, news = until(stream, "rows")
            assert news["rows"][0]["step"] == 4


def test_a_trial_under_way_tells_that_it_went_on(folder: Path, server: Served) -> None:
    put_trial(folder / "trial.gmr", trial("running"))
    number = identifier("trial.gmr")
    with server.client() as client:
        page = client.get(f"/trials/{number}").text
        assert "No verdict yet: 4 runs of the paired trial so far." in page
        with client.stream("GET", f"/events/trials/{number}") as answer:
            stream = events(answer)
            until(stream, "at")
            (folder / "trial.gmr").unlink()
            put_trial(folder / "trial.gmr", trial())
            until(stream, "changed")
        assert "With tanh the loss ends 2.1 lower" in client.get(f"/trials/{number}").text


def test_a_run_that_cannot_be_shown_keeps_no_other_from_being_shown(
    folder: Path, server: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = live_run.LiveRun.growth

    def broken(live: live_run.LiveRun, *more: Any) -> bytes:
        if live.entry.name == "live.gmr":
            raise ZeroDivisionError("of a test")
        return whole(live, *more)

    monkeypatch.setattr(live_run.LiveRun, "growth", broken)
    other = identifier("other.gmr")
    with (
        Writer(folder / "live.gmr") as bad,
        Writer(folder / "other.gmr") as good,
        server.client() as client,
        client.stream("GET", f"/events/runs/{RUN}") as one,
        client.stream("GET", f"/events/runs/{other}") as two,
    ):
        first, second = events(one), events(two)
        until(first, "at")
        until(second, "at")
        for _ in range(2):
            bad.say("grow")
            good.say("grow")
            assert "ZeroDivisionError: of a test" in until(first, "problem")[1]["problem"]
            assert until(second, "grow")[1]["steps"]
    assert len([r for r in caplog.records if "live.gmr cannot be shown" in r.message]) == 1
