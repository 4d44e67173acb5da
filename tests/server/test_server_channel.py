"""Messages to many viewers: made once, replayed to who was away, begun anew where too much was missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gradiometer.server.allowance import Allowance
from gradiometer.server.channel import MOST_KEPT, MOST_WAITING, Channel, message


def names(sent: list[bytes]) -> list[str]:
    return [part.split("event: ")[1].split("\n")[0] for part in (s.decode() for s in sent) if "event: " in part]


async def read(source: AsyncIterator[bytes], n: int) -> list[bytes]:
    return [await asyncio.wait_for(anext(source), 5) for _ in range(n)]


def test_every_viewer_gets_the_same_bytes() -> None:
    async def check() -> None:
        channel = Channel("b")
        viewers = [channel.listen("", message("at", b"{}")) for _ in range(3)]
        for one in viewers:
            assert names(await read(one, 2)) == ["at"]
        assert channel.viewers == 3
        channel.publish("grow", b'{"a":1}')
        got = [(await read(one, 1))[0] for one in viewers]
        assert got[0] == b'id: b.1\nevent: grow\ndata: {"a":1}\n\n'
        assert got[0] is got[1] is got[2]
        await viewers[0].aclose()  # type: ignore[attr-defined]
        assert channel.viewers == 2

    asyncio.run(check())


def test_who_was_away_gets_what_was_missed_and_no_more() -> None:
    async def check() -> None:
        channel = Channel("b")
        for i in range(5):
            channel.publish(f"e{i + 1}", b"{}")
        assert names(await read(channel.listen("b.3", message("at", b"{}")), 4)) == ["e4", "e5", "at"]
        assert names(await read(channel.listen("b.5", message("at", b"{}")), 2)) == ["at"]

    asyncio.run(check())


@pytest.mark.parametrize("last", ["other.3", "b.x", "b.-1", "nonsense", "b.²", "b.1"])
def test_who_missed_too_much_or_comes_from_another_server_begins_anew(last: str) -> None:
    async def check() -> None:
        channel = Channel("b")
        for _ in range(MOST_KEPT + 2):
            channel.publish("e", b"{}")
        assert names(await read(channel.listen(last, message("at", b"{}")), 3)) == ["reset", "at"]

    asyncio.run(check())


def test_a_slow_viewer_does_not_pile_up_messages() -> None:
    async def check() -> None:
        channel = Channel("b")
        slow, quick = channel.listen("", b""), channel.listen("", b"")
        await read(slow, 2)
        await read(quick, 2)
        for _ in range(MOST_WAITING + 1):
            channel.publish("e", b"{}")
            await read(quick, 1)
        assert names(await read(slow, 1)) == ["reset"]
        channel.publish("later", b"{}")
        assert names(await read(slow, 1)) == ["later"]
        channel.publish("last", b"{}")
        assert names(await read(quick, 2)) == ["later", "last"]

    asyncio.run(check())


def test_an_allowance_gives_a_burst_and_then_a_share() -> None:
    now = [0.0]
    allowance = Allowance(0.02, 3.0, clock=lambda: now[0])
    allowance.spend(2.0)
    assert allowance.wait_s() == 0
    allowance.spend(2.0)
    assert allowance.wait_s() == pytest.approx(50)  # one second too much, at a fiftieth
    now[0] = 50.0
    assert allowance.wait_s() == pytest.approx(0, abs=1e-9)
    now[0] = 1e6
    allowance.spend(3.0)
    assert allowance.wait_s() == 0, "the burst is full again, and no fuller"
    allowance.spend(0.1)
    assert allowance.wait_s() == pytest.approx(5)
