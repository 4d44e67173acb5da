"""The worker of the playground as the server sees it: a process that is asked over pipes, and begun anew where it ends.

The server loads no torch and makes no network: it starts a command, writes a line of JSON and reads lines of JSON. The
command is begun when it is first needed and kept; it ends when its input does, also where the server is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

import msgspec

from gradiometer.records import UserError
from gradiometer.records.playing import (
    Answered,
    Asked,
    Course,
    Ended,
    Measure,
    Measured,
    Played,
    Ready,
    Refused,
    Stop,
    Train,
    check_played,
)

from .channel import Channel
from .encoding import encoded

MOST_WAITING = 8
"""Networks that may wait to be measured: a page asks for one when its controls rest."""
ANSWER_S = 60.0
"""The largest network takes a second; a machine that is busy, some."""
END_S = 2.0
LINE_BYTES = 1 << 20

log = logging.getLogger("gradiometer.server")


class GoneError(Exception):
    """The worker has ended, in words for the page."""


class Player:
    """One worker, one training at a time. All methods run in the event loop.

    command: how the worker is started. The events of the channel: ``seen``, ``ended``, ``refused`` of a training by
    its number, ``gone`` where the worker has ended, with words.
    """

    def __init__(self, command: Sequence[str], born: str) -> None:
        self.channel = Channel(born)
        self.training = 0
        self._command = tuple(command)
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._waiting: dict[int, asyncio.Future[Measured]] = {}
        self._number = 0
        self._closed = False

    @property
    def is_there(self) -> bool:
        """Whether this server has a worker at all."""
        return bool(self._command)

    # -- what pages ask

    async def warm(self) -> None:
        """Start the worker where none is running; nothing is waited for. GoneError where it cannot be started."""
        async with self._starting:
            if self._process is not None or self._closed:
                return
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, stdin=PIPE, stdout=PIPE, limit=LINE_BYTES, start_new_session=True
                )  # a session of its own: Ctrl-C is the server's, which closes the pipe
            except OSError as error:
                raise GoneError(
                    f"The process that makes networks cannot be started: {error.strerror or error}."
                ) from error
            self._reading = asyncio.create_task(self._read(self._process))

    async def measure(self, network: Played) -> Measured:
        """One pass of such a network. UserError where it is refused, or too much is asked; GoneError where the worker
        ended over it."""
        check_played(network)
        if len(self._waiting) >= MOST_WAITING:
            raise UserError(f"{MOST_WAITING} networks are waiting to be measured. Ask again when they are.")
        number = self._next()
        answer = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            await self._ask(Measure(number, network))
            return await asyncio.wait_for(answer, ANSWER_S)
        except TimeoutError:
            raise GoneError(f"No answer came in {ANSWER_S:.0f} s. The machine may be busy: try again.") from None
        finally:
            self._waiting.pop(number, None)

    async def train(self, network: Played, course: Course) -> int:
        """Begin a training, which ends the one before; its number. UserError where the network is too large."""
        check_played(network)
        self.training = number = self._next()
        await self._ask(Train(number, network, course))
        return number

    async def stop(self, number: int) -> None:
        """End the training of that number, if it is the one under way; without a worker there is none."""
        if self._process is not None:
            await self._ask(Stop(number))

    async def close(self) -> None:
        """End the worker."""
        self._closed = True
        async with self._starting:  # one that is being started is ended as well
            process, reading = self._process, self._reading
        self._fail_all("The server ends.")
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), END_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if reading is not None:
            await reading

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def _ask(self, asked: Asked) -> None:
        await self.warm()
        process = self._process
        if process is None or process.stdin is None:
            raise GoneError("The process that makes networks has ended.")
        try:
            process.stdin.write(msgspec.json.encode(asked) + b"\n")
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise GoneError("The process that makes networks has just ended. Try again.") from error

    # -- what the worker answers

    async def _read(self, process: Process) -> None:
        decoder, ready = msgspec.json.Decoder(Answered), False
        assert process.stdout is not None
        while line := await process.stdout.readline():
            try:
                answer = decoder.decode(line)
            except msgspec.MsgspecError:
                log.error("The worker said what is no answer: %r", line[:200])
                continue
            ready = ready or isinstance(answer, Ready)
            self._hear(answer)
        code = await process.wait()
        self._process = None
        if not self._closed:
            await self._mourn(code, ready)

    def _hear(self, answer: Answered) -> None:
        if isinstance(answer, Ready):
            return
        waiting = self._waiting.get(answer.number)
        if isinstance(answer, Measured):
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)
        elif isinstance(answer, Refused) and waiting is not None:
            if not waiting.done():
                waiting.set_exception(UserError(answer.words))
        else:
            if isinstance(answer, Ended | Refused) and answer.number == self.training:
                self.training = 0
            self.channel.publish(type(answer).__name__.lower(), encoded(answer))

    def _fail_all(self, words: str) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(GoneError(words))

    async def _mourn(self, code: int, ready: bool) -> None:
        """Tell all who wait, and begin anew; not where it never came so far, which would go on without end."""
        words = f"The process that makes networks ended {_how(code)}."
        if ready:
            words += " It is being started anew."
        else:
            words += " It had not begun to work: what it wrote stands in the terminal of gradiometer serve."
        self.training = 0
        self._fail_all(words)
        self.channel.publish("gone", encoded({"words": words}))
        if ready:
            with contextlib.suppress(GoneError):
                await self.warm()


def _how(code: int) -> str:
    if code >= 0:
        return f"with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    more = ", perhaps for want of memory" if name == "SIGKILL" else ""
    return f"by {name}{more}"
