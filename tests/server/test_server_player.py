"""The playground's real networks over HTTP: who may ask, what is refused, and a worker that dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from server_client import Client
from server_process import TOKEN, Served, events, served_with_worker, worker_pid

from gradiometer.records import UserError
from gradiometer.records.playing import Course, Played
from gradiometer.server.app import make_app
from gradiometer.server.gate import Door
from gradiometer.server.player import MOST_WAITING, GoneError, Player

NETWORK: dict[str, Any] = {
    "activation": "tanh", "depth": 6, "width": 16, "weight": 1.3, "bias": 0.05, "skip": "none", "norm": "none",
}  # fmt: skip
LONG = {"optimizer": "sgd", "rate": 0.01, "steps": 2000}
PORT = 8476
OWN = f"http://127.0.0.1:{PORT}"


# -- who may ask: a server whose worker would be seen, were it ever started


@pytest.fixture
def touching(tmp_path: Path) -> Iterator[tuple[Client, Path]]:
    """A client with the token, and the file that the worker would make."""
    begun = tmp_path / "begun"
    command = (sys.executable, "-c", f"open({str(begun)!r}, 'w').close(); input()")
    with Client(make_app(tmp_path, Door("right", PORT), command), OWN, {"authorization": "Bearer right"}) as one:
        yield one, begun


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer wrong", "origin": OWN}, 403),
        ({"authorization": "", "origin": OWN}, 403),
        ({}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": OWN, "sec-fetch-site": "cross-site"}, 403),
        ({"origin": OWN, "host": f"evil.example:{PORT}"}, 421),
    ],
)
@pytest.mark.parametrize("what", ["measure", "train", "stop"])
def test_a_stranger_starts_no_worker(
    touching: tuple[Client, Path], what: str, headers: dict[str, str], status: int
) -> None:
    client, begun = touching
    body = {"measure": {"network": NETWORK}, "train": {"network": NETWORK, "course": LONG}, "stop": {"number": 1}}[what]
    assert client.post(f"/api/playground/{what}", json=body, headers=headers).status_code == status
    assert client.get(f"/api/playground/{what}").status_code == 405
    assert not begun.exists()


@pytest.mark.parametrize(
    ("path", "sent", "status", "words"),
    [
        ("measure", {"json": {"network": NETWORK | {"depth": 101}}}, 400, "<= 100"),
        ("measure", {"json": {"network": NETWORK | {"activation": "eval"}}}, 400, "Invalid enum value"),
        ("measure", {"json": {"network": NETWORK, "command": "x"}}, 400, "unknown field"),
        ("measure", {"json": {"network": NETWORK | {"depth": 100, "width": 4096}}}, 409, "1,678 million weights"),
        ("train", {"json": {"network": NETWORK, "course": LONG | {"steps": 2001}}}, 400, "<= 2000"),
        ("train", {"json": {"network": NETWORK, "course": LONG | {"rate": 1e9}}}, 400, "<= 1"),
        ("train", {"json": {"network": NETWORK}}, 400, "course"),
        ("stop", {"json": {"number": -1}}, 400, ">= 0"),
        ("measure", {"content": b"{}", "headers": {"content-type": "text/plain"}}, 415, "application/json"),
        ("measure", {"content": b"x" * 5000, "headers": {"content-type": "application/json"}}, 413, "4096"),
        ("measure", {"content": b"\x80\x04", "headers": {"content-type": "application/json"}}, 400, "not understood"),
    ],
)
def test_what_is_no_request_is_refused_before_a_worker_is_started(
    touching: tuple[Client, Path], path: str, sent: dict[str, Any], status: int, words: str
) -> None:
    client, begun = touching
    headers = {"origin": OWN} | sent.pop("headers", {})
    answer = client.post(f"/api/playground/{path}", headers=headers, **sent)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert not begun.exists()


def test_a_page_starts_the_worker_and_a_list_of_runs_does_not(touching: tuple[Client, Path]) -> None:
    client, begun = touching
    client.get("/")
    client.get("/api/runs")
    assert not begun.exists()
    page = client.get("/playground").text
    assert 'id="train"' in page and "playing_network.js" in page
    for _ in range(200):
        if begun.exists():
            return
        time.sleep(0.05)
    pytest.fail("no worker was started")


def test_without_a_worker_the_page_has_no_buttons_and_the_doors_are_shut(tmp_path: Path) -> None:
    with Client(make_app(tmp_path, Door("right", PORT)), OWN, {"authorization": "Bearer right", "origin": OWN}) as one:
        page = one.get("/playground").text
        assert 'id="train"' not in page and "playing_network.js" not in page
        assert one.get("/events/playground").status_code == 404
        answer = one.post("/api/playground/measure", json={"network": NETWORK})
        assert (answer.status_code, "gradiometer serve" in answer.json()["error"]) == (404, True)


# -- a worker that fails: stand-ins that speak as it does


def scripted(body: str) -> tuple[str, ...]:
    lines = ["import json, os, signal, sys, time", "def say(**m): print(json.dumps(m), flush=True)", *body.split("; ")]
    return (sys.executable, "-c", "\n".join(lines))


def spoken(command: tuple[str, ...], act: Callable[[Player], Awaitable[None]]) -> None:
    async def run() -> None:
        player = Player(command, "born")
        try:
            await asyncio.wait_for(act(player), 20)
        finally:
            await player.close()

    asyncio.run(run())


ONE = msgspec.convert(NETWORK, Played)
DIES = "say(type='ready'); line = input(); os.kill(os.getpid(), signal.SIGKILL)"
NEVER = "sys.exit(3)"
SLEEPS = "say(type='ready'); [time.sleep(600) for _ in iter(input, '')]"


async def told(player: Player) -> dict[str, Any]:
    """The next event of the worker's end."""
    async for sent in player.channel.listen(""):
        if b"event: gone" in sent:
            found: dict[str, Any] = json.loads(sent.split(b"data: ")[1])
            return found
    raise AssertionError


def test_a_worker_that_is_killed_is_told_of_and_begun_anew() -> None:
    async def act(player: Player) -> None:
        listening = asyncio.create_task(told(player))
        await asyncio.sleep(0)
        with pytest.raises(GoneError, match=r"ended by SIGKILL, perhaps for want of memory\. It is being started anew"):
            await player.measure(ONE)
        assert "SIGKILL" in (await listening)["words"]
        await player.train(ONE, Course("sgd", 0.1, 5))
        assert player.training == 2
        await told(player)
        assert player.training == 0, "its training is over with it"

    spoken(scripted(DIES), act)


def test_a_worker_that_cannot_begin_is_not_begun_over_and_over() -> None:
    async def act(player: Player) -> None:
        listening = asyncio.create_task(told(player))
        await asyncio.sleep(0)
        with pytest.raises(GoneError, match=r"exit code 3.*had not begun to work"):
            await player.measure(ONE)
        await listening
        assert player.channel.number == 1
        await asyncio.sleep(0.5)
        assert player.channel.number == 1, "it was begun once"

    spoken(scripted(NEVER), act)


def test_a_command_that_does_not_exist_is_told() -> None:
    async def act(player: Player) -> None:
        with pytest.raises(GoneError, match="cannot be started: No such file"):
            await player.measure(ONE)

    spoken(("/nowhere/python",), act)


def test_no_more_than_a_few_wait() -> None:
    async def act(player: Player) -> None:
        waiting = [asyncio.create_task(player.measure(ONE)) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(UserError, match="waiting"):
            await player.measure(ONE)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        again = asyncio.create_task(player.measure(ONE))
        await asyncio.sleep(0.05)
        assert not again.done(), "there is room again"
        again.cancel()

    spoken(scripted(SLEEPS), act)


def test_a_worker_that_does_not_end_is_killed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradiometer.server.player.END_S", 0.2)

    async def act(player: Player) -> None:
        await player.warm()
        assert player._process is not None

    spoken(scripted("say(type='ready'); time.sleep(600)"), act)


# -- the worker itself


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_with_worker(tmp_path_factory.mktemp("runs")) as one:
        yield one


def asking(server: Served) -> httpx.Client:
    headers = {"authorization": f"Bearer {TOKEN}", "origin": server.base}
    return httpx.Client(base_url=server.base, headers=headers, timeout=60)


class Listening:
    """The events of the playground, as a page hears them."""

    def __init__(self, server: Served) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._up, self._server, self._over = threading.Event(), server, False
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Listening:
        self._thread.start()
        assert self._up.wait(20)
        return self

    def __exit__(self, *raised: object) -> None:
        self._over = True
        with asking(self._server) as client:  # one more event, after which it stops
            client.post("/api/playground/train", json={"network": NETWORK, "course": LONG | {"steps": 1}})
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _listen(self) -> None:
        with self._server.client() as client, client.stream("GET", "/events/playground") as answer:
            for name, _, data in events(answer):
                self._up.set()
                self.heard.append((name, data))
                if self._over:
                    return

    def until(self, name: str, number: int | None = None) -> dict[str, Any]:
        """Wait for an event of that name, and of that training."""
        for _ in range(1200):
            for kind, data in self.heard:
                if kind == name and number in (None, data.get("number")):
                    return data
            time.sleep(0.025)
        raise AssertionError(f"no {name} of {number}: {self.heard[-3:]}")


@pytest.mark.torch
def test_a_network_is_measured_and_trained_and_there_is_one_training_at_a_time(real: Served) -> None:
    with Listening(real) as page, asking(real) as client:
        found = client.post("/api/playground/measure", json={"network": NETWORK}).json()
        assert len(found["error"]) == 6 and found["error"][0] == 0
        first = client.post("/api/playground/train", json={"network": NETWORK, "course": LONG}).json()["number"]
        seen = page.until("seen", first)
        assert len(seen["losses"]) == seen["step"] and len(seen["error"]) == 6
        second = client.post("/api/playground/train", json={"network": NETWORK, "course": LONG}).json()["number"]
        assert page.until("ended", first)["how"] == "replaced"
        page.until("seen", second)
        assert client.post("/api/playground/stop", json={"number": first}).status_code == 204, "it is over already"
        assert client.post("/api/playground/stop", json={"number": second}).status_code == 204
        assert page.until("ended", second)["how"] == "stopped"


@pytest.mark.torch
def test_a_worker_that_is_killed_in_a_training_is_begun_anew(real: Served) -> None:
    with Listening(real) as page, asking(real) as client:
        number = client.post("/api/playground/train", json={"network": NETWORK, "course": LONG}).json()["number"]
        page.until("seen", number)
        os.kill(worker_pid(), signal.SIGKILL)
        assert "SIGKILL" in page.until("gone")["words"]
        answer = client.post("/api/playground/measure", json={"network": NETWORK})
        assert answer.status_code == 200, answer.text
