"""The one loop that looks at files: a run is read once for all who watch it, and judged as often as is affordable."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from gradiometer.records import GradiometerError, TrialResult
from gradiometer.store import StoredRun, signature

from .allowance import Allowance
from .channel import Channel
from .encoding import encoded
from .folder import Entry, Folder
from .listing import Listing
from .live_run import LiveRun

T = TypeVar("T")
Growth = dict[str, bytes]
"""What a run has grown by: model -> message."""

POLL_S = 0.2
"""A frame waits so long at most before the server sees that the file has grown: three looks at the clock of the disk,
microseconds each."""
FOLDER_POLL_S = 1.0
KEEP_S = 60.0
"""A run that nobody looks at any more is kept so long."""
FIRST_SHARE, FIRST_BURST_S = 0.02, 3.0
"""Of one core, for looks at runs that were never judged: whoever opens a page waits for them."""
AGAIN_SHARE, AGAIN_BURST_S = 0.01, 0.1
"""Of one core, for diagnoses of what has grown: one of a large run takes a second, and a training beside must not feel
it. A run of forty layers is judged again after three seconds."""
PICTURE_SHARE, PICTURE_BURST_S = 0.0125, 0.2
"""Of one core, for drawing newest steps: four a second at forty layers. Where more runs grow at once, their steps and
losses still arrive at once, and each picture a little later."""
LOOK_SHARE, LOOK_BURST_S = 0.012, 0.2
"""Of one core, for reading what has grown: ten looks a second at forty layers. A look at a run brings all that is new
in it, so where many runs grow fast, each is looked at a little less often."""

log = logging.getLogger("gradiometer.server")


@dataclass
class Watched:
    """A run with those who look at it. sent: the snapshot that was told last. owed: models whose newest step is still
    to be drawn; drawn_s: when that was last done; looked_s: when the file was last read. fault: what went wrong here,
    as it was logged."""

    live: LiveRun
    seen: tuple[int, ...] = ()
    sent: StoredRun | None = None
    used_s: float = field(default_factory=time.monotonic)
    channels: dict[str, Channel] = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)
    drawn_s: float = -math.inf
    looked_s: float = -math.inf
    fault: str = ""

    @property
    def viewers(self) -> int:
        """Over all models."""
        return sum(channel.viewers for channel in self.channels.values())


@dataclass
class Trial:
    """A trial that is looked at. seen: how its file looked when that was told last."""

    entry: Entry
    seen: tuple[int, ...]
    channel: Channel


class Hub:
    """Everything that the pages ask. All methods run in the event loop; files are read in one thread of their own, and
    diagnoses made in another."""

    def __init__(self, folder: Path) -> None:
        self.folder = Folder(folder)
        self.born = secrets.token_hex(4)
        self.list_channel = Channel(self.born)
        self.listing = Listing(self.folder)
        self._watched: dict[str, Watched] = {}
        self._trials: dict[str, Trial] = {}
        self._reader = ThreadPoolExecutor(1, "gradiometer-reader")
        self._judge = ThreadPoolExecutor(1, "gradiometer-judge")
        self._first = Allowance(FIRST_SHARE, FIRST_BURST_S)
        self._again = Allowance(AGAIN_SHARE, AGAIN_BURST_S)
        self._pictures = Allowance(PICTURE_SHARE, PICTURE_BURST_S)
        self._looks = Allowance(LOOK_SHARE, LOOK_BURST_S)
        self._looked_s = -FOLDER_POLL_S
        self._tasks: list[asyncio.Task[None]] = []

    # -- life

    async def start(self) -> None:
        """Look once, then go on looking."""
        await self._in_reader(self.folder.look)
        self._tasks = [asyncio.create_task(self._look_on()), asyncio.create_task(self._judge_on())]

    async def stop(self) -> None:
        """End the loops; nothing is left that holds a file."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._reader.shutdown(wait=False, cancel_futures=True)
        self._judge.shutdown(wait=False, cancel_futures=True)

    def hang_up(self) -> None:
        """End every stream of events: a server that stops would wait for them."""
        channels = [c for w in self._watched.values() for c in w.channels.values()]
        for channel in (self.list_channel, *channels, *(t.channel for t in self._trials.values())):
            channel.hang_up()

    @property
    def viewers(self) -> int:
        """Pages that listen now."""
        trials = sum(t.channel.viewers for t in self._trials.values())
        return self.list_channel.viewers + trials + sum(w.viewers for w in self._watched.values())

    # -- what pages ask

    async def runs(self) -> bytes:
        """The list as JSON."""
        await self._in_reader(self._look_at_folder)
        return encoded(self.listing.document())

    async def watched(self, identifier: str) -> Watched | None:
        """The run of that identifier, read and judged; None where there is none or it cannot be read."""
        entry = await self.entry(identifier)
        if entry is None or entry.kind != "run":
            return None
        found = self._watched.get(identifier)
        if found is None:
            found = self._watched[identifier] = Watched(LiveRun(entry, self.folder))
        found.used_s = time.monotonic()
        if not found.viewers and signature(entry.path) != found.seen:  # nobody has kept it up to date
            await self._refresh(found)
            found.sent = found.live.run
        if found.live.run is not None and found.live.found is None:
            await self._judge_now(found)
        return found if found.live.found is not None else None

    async def entry(self, identifier: str) -> Entry | None:
        """The listed file of that identifier."""
        if identifier not in self.folder.entries:
            await self._in_reader(self.folder.look)
        return self.folder.entries.get(identifier)

    async def trial(self, identifier: str) -> TrialResult | str:
        """The trial of that identifier, read anew; in words why there is none."""
        entry = await self.entry(identifier)
        if entry is None or entry.kind != "trial":
            return "There is no such trial in this folder."
        read = await self._in_reader(partial(self.listing.opened, entry))
        return "It holds no trial any more." if isinstance(read, StoredRun) else read

    async def trial_channel(self, identifier: str) -> Channel | None:
        """Messages that a trial has changed; None where there is none."""
        entry = await self.entry(identifier)
        if entry is None or entry.kind != "trial":
            return None
        return self._trials.setdefault(identifier, Trial(entry, signature(entry.path), Channel(self.born))).channel

    def problem_of(self, identifier: str) -> str:
        """Why a run that is watched cannot be read, "" where it can."""
        found = self._watched.get(identifier)
        return found.live.problem if found is not None else ""

    def channel(self, watched: Watched, model: str) -> Channel:
        """The messages about one model of a run."""
        name = watched.live.of_model(model).model
        return watched.channels.setdefault(name, Channel(self.born))

    async def in_judge(self, work: Callable[[], T]) -> T:
        """Do what computes in the judging thread, so that the event loop stays free."""
        return await asyncio.get_running_loop().run_in_executor(self._judge, work)

    async def _in_reader(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader, work)

    # -- the loop that looks

    async def _look_on(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:
                log.exception("A look at the files failed; the next one follows.")
            await asyncio.sleep(POLL_S)

    async def _look(self) -> None:
        for identifier, watched in sorted(self._watched.items(), key=lambda one: one[1].looked_s):
            if watched.viewers:
                watched.used_s = time.monotonic()
                await self._safely(watched, self._look_at(watched))
            elif time.monotonic() - watched.used_s > KEEP_S:
                del self._watched[identifier]
        await self._draw_owed()
        for identifier, trial in list(self._trials.items()):
            if not trial.channel.viewers:
                del self._trials[identifier]
            elif (now := signature(trial.entry.path)) != trial.seen:
                trial.seen = now
                trial.channel.publish("changed", b"{}")
        if self.list_channel.viewers and time.monotonic() - self._looked_s >= FOLDER_POLL_S:
            self._looked_s = time.monotonic()
            await self._in_reader(self._look_at_folder)
            self._tell_list()

    def _look_at_folder(self) -> None:
        self.folder.look()
        self.listing.ask_writers()

    def _tell_list(self) -> None:
        changes = self.listing.changes()
        if changes is not None:
            self.list_channel.publish("rows", encoded(changes))

    async def _safely(self, watched: Watched, work: Coroutine[None, None, None]) -> None:
        """A run that cannot be shown keeps no other from being shown; it is told on its page, and once in the log."""
        try:
            await work
        except Exception as error:
            told = f"This server could not show what is new: {type(error).__name__}: {error}"
            watched.live.problem = told
            if watched.fault != told:
                watched.fault = told
                log.exception("%s cannot be shown.", watched.live.entry.name)
            self._publish(watched, "problem", {"problem": told})

    async def _look_at(self, watched: Watched) -> None:
        if signature(watched.live.entry.path) != watched.seen:
            if not self._looks.wait_s():
                self._tell(watched, await self._refresh(watched))
        elif watched.live.is_silent() and await self._in_reader(watched.live.ask_writer):
            self._publish(watched, "state", {"state": watched.live.state})

    async def _refresh(self, watched: Watched) -> Growth:
        """Read the file; what it has more than what was told last, for each model that somebody looks at."""
        watched.seen = signature(watched.live.entry.path)  # before the look: what comes after it is seen by the next
        models = [model for model, channel in watched.channels.items() if channel.viewers]
        spent, growth = await self._in_reader(partial(_timed, partial(_read, watched, models)))
        watched.looked_s = time.monotonic()
        self._looks.spend(spent)
        return growth

    def _tell(self, watched: Watched, growth: Growth) -> None:
        """Send what is new in each model that somebody looks at."""
        if watched.live.problem:
            self._publish(watched, "problem", {"problem": watched.live.problem})
        watched.sent = watched.live.run
        for model, grown in growth.items():
            watched.channels[model].publish("grow", grown)
            watched.owed.add(model)

    async def _draw_owed(self) -> None:
        """Draw the newest steps that are owed, the longest undrawn run first, as is affordable."""
        for watched in sorted((w for w in self._watched.values() if w.owed), key=lambda w: w.drawn_s):
            if self._pictures.wait_s():
                return
            watched.drawn_s = time.monotonic()
            await self._safely(watched, self._draw(watched, watched.owed.pop()))

    async def _draw(self, watched: Watched, model: str) -> None:
        spent, picture = await self.in_judge(partial(_timed, partial(watched.live.picture, model)))
        self._pictures.spend(spent)
        watched.channels[model].publish("picture", picture)

    def _publish(self, watched: Watched, event: str, document: object) -> None:
        data = encoded(document)
        for channel in watched.channels.values():
            channel.publish(event, data)

    # -- the loop that judges

    async def _judge_on(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self._judge_next()
            except Exception:
                log.exception("A diagnosis failed; the next one follows.")

    async def _judge_next(self) -> None:
        """The run that is looked at and was judged longest ago; else a row of the list, as is affordable."""
        due = [w for w in self._watched.values() if w.viewers and w.live.run is not w.live.judged_run]
        if due and not self._again.wait_s():
            oldest = min(due, key=lambda w: w.live.judged_s)
            await self._judge_now(oldest)
            for model, channel in oldest.channels.items():
                if channel.viewers:
                    document = await self.in_judge(partial(oldest.live.document, model))
                    channel.publish("judged", encoded(document))
        elif self._first.wait_s():
            return
        elif self.list_channel.viewers or self.listing.wanted_s > time.monotonic() - KEEP_S:
            await self._tell_next_row()

    async def _tell_next_row(self) -> None:
        """Fill in rows, as many as are affordable and take less than a moment; then tell."""
        until_s = time.monotonic() + POLL_S
        while (entry := self.listing.next_due()) is not None:
            read = await self._in_reader(partial(self.listing.opened, entry))
            self._first.spend(await self.in_judge(partial(self.listing.tell, entry, read)))
            if self._first.wait_s() or time.monotonic() > until_s:
                break
        self._tell_list()

    async def _judge_now(self, watched: Watched) -> None:
        try:
            allowance = self._first if watched.live.found is None else self._again
            allowance.spend(await self.in_judge(watched.live.judge))
        except GradiometerError as error:
            watched.live.problem = str(error)


def _read(watched: Watched, models: list[str]) -> Growth:
    """Read what is new, and make a message of it for each model; none where nothing could be read."""
    live, before = watched.live, watched.sent
    live.refresh()
    run = live.run
    return {} if run is None or run is before else {model: live.growth(model, run, before) for model in models}


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of processor time, and what the work gave."""
    started = time.thread_time()
    done = work()
    return time.thread_time() - started, done
