"""What is sent to all who look at one thing: each message is made once, kept for a while, and handed to everybody."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

MOST_KEPT = 64
"""Messages that a viewer who was away can still get; one who missed more begins anew."""
MOST_WAITING = 64
"""Messages that may wait for one viewer who reads slowly."""
RESET = "reset"


def message(event: str, data: bytes, identifier: str = "") -> bytes:
    """One server-sent event. ``data`` is JSON, which has no line break."""
    head = f"id: {identifier}\n" if identifier else ""
    return f"{head}event: {event}\ndata: ".encode() + data + b"\n\n"


class Channel:
    """Messages with rising numbers. Only the event loop uses it."""

    def __init__(self, born: str) -> None:
        self.born = born
        self.number = 0
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=MOST_KEPT)
        self._queues: set[asyncio.Queue[bytes | None]] = set()

    @property
    def viewers(self) -> int:
        """How many are listening."""
        return len(self._queues)

    def publish(self, event: str, data: bytes) -> None:
        """Send to everybody who listens; whoever has not read for long is told to begin anew."""
        self.number += 1
        sent = message(event, data, f"{self.born}.{self.number}")
        self._kept.append((self.number, sent))
        for queue in self._queues:
            if queue.qsize() >= MOST_WAITING:
                while not queue.empty():
                    queue.get_nowait()
                sent = self._reset()
            queue.put_nowait(sent)

    async def listen(self, last: str, first: bytes = b"") -> AsyncIterator[bytes]:
        """Everything from now on; before it what was missed since the message ``last`` ("": nothing was), and then
        ``first``."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        for missed in (*self._missed(last), first):
            queue.put_nowait(missed)
        self._queues.add(queue)
        try:
            yield b"retry: 1000\n\n"
            while (sent := await queue.get()) is not None:
                yield sent
        finally:
            self._queues.discard(queue)

    def hang_up(self) -> None:
        """End the stream of everybody who listens."""
        for queue in self._queues:
            queue.put_nowait(None)

    def _reset(self) -> bytes:
        return message(RESET, b"{}", f"{self.born}.{self.number}")

    def _missed(self, last: str) -> list[bytes]:
        """What came after ``last``; a reset where that is not known any more."""
        born, _, number = last.rpartition(".")
        if not last:
            return []
        if born != self.born or not (number.isascii() and number.isdigit()):
            return [self._reset()]
        seen = int(number[:15])
        if seen >= self.number:
            return []
        if not self._kept or self._kept[0][0] > seen + 1:
            return [self._reset()]
        return [sent for at, sent in self._kept if at > seen]
