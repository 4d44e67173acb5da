"""A training as it goes on: in the output of a notebook's cell, as one line on a terminal, or said to be neither.

A thread of its own makes the pictures. The training's thread asks for one, and later hands it to the frontend, because
only a thread that runs a cell reaches that cell's output everywhere.
"""

from __future__ import annotations

import queue
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from gradiometer.records import Run

from .notebook import display, forms, in_notebook

if TYPE_CHECKING:
    from gradiometer.session import Watch

PICTURE_SHARE = 0.03
"""Of the wall time that the pictures may take. A live picture is asked for, so it may cost more than measuring does."""
SNAPSHOT_S = 10.0
"""After so long without an answer of the writer thread a picture is given up."""

_now = time.monotonic
_cost = time.thread_time


class Canvas(Protocol):
    """Where pictures go. All its methods are called in the training's thread but ``paint``."""

    def paint(self, run: Run, cost_share: float) -> object:
        """A picture of the run so far."""

    def put(self, picture: object) -> None:
        """Show it in place of the one before."""

    def end(self, run: Run | None) -> bool:
        """Show the end. True where that was the run itself."""


class Live:
    """Asks for a picture where one is due, and puts it out when it is there. ``step`` returns at once."""

    def __init__(self, ask: Callable[[Callable[[Run], None]], None], canvas: Canvas, every_s: float) -> None:
        self._ask, self._canvas, self._every_s = ask, canvas, every_s
        self._wanted = threading.Event()
        self._ready: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._started = _now()
        self._due = 0.0
        self._busy = self._ended = False
        self.spent_s = 0.0
        self._thread = threading.Thread(target=self._work, name="gradiometer-live", daemon=True)
        self._thread.start()

    def step(self) -> None:
        """A step of the training has ended."""
        if not self._ready.empty():
            self._put(self._ready.get())
        if not self._busy and _now() >= self._due:
            self._busy = True
            self._wanted.set()

    def end(self, run: Run | None) -> bool:
        """The watch has ended: the thread goes, the last picture is that of the whole run."""
        self._ended = True
        self._wanted.set()
        return self._canvas.end(run)

    def _put(self, picture: object) -> None:
        if isinstance(picture, Exception):
            raise picture
        self._canvas.put(picture)

    def _work(self) -> None:
        while self._wanted.wait() and not self._ended:
            self._wanted.clear()
            started = _cost()
            try:
                self._ready.put(self._canvas.paint(self._snapshot(), self.spent_s / self._wall_s()))
            except queue.Empty:
                pass  # the writer is behind: the next picture shows more
            except Exception as error:
                self._ready.put(error)  # told in the training's thread, once
            cost = _cost() - started
            rest = cost / PICTURE_SHARE if self.spent_s else 0.0  # the first one has loaded all that draws
            self.spent_s += cost
            self._due = _now() + max(self._every_s, rest)
            self._busy = False

    def _wall_s(self) -> float:
        return max(1e-9, _now() - self._started)

    def _snapshot(self) -> Run:
        box: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._ask(box.put)
        return box.get(timeout=SNAPSHOT_S)


def live(watch: Watch, every_s: float) -> Live | Silent:
    """What ``handle.live()`` draws with, for the place that this process runs in."""
    session = watch._session
    if not in_notebook() and not sys.stderr.isatty():
        return Silent()
    canvas: Canvas = Cell() if in_notebook() else Line()
    view = Live(session.ask, canvas, every_s)
    session.on_step = view.step
    return view


class Silent:
    """Neither a notebook nor a terminal: said once, nothing is drawn."""

    def __init__(self) -> None:
        words = "live() draws in a notebook or on a terminal, and this is neither: the page comes at the end."
        print(f"gradiometer: {words}", file=sys.stderr)  # noqa: T201

    def end(self, run: Run | None) -> bool:
        """Nothing was shown."""
        return False


class Cell:
    """The output of the running cell."""

    def __init__(self) -> None:
        from .show_watch import waiting

        self._id = uuid.uuid4().hex
        display(waiting("The picture comes with the first recorded step."), self._id)

    def paint(self, run: Run, cost_share: float) -> Mapping[str, str]:
        """The run so far, and what drawing has cost."""
        from .show_run import show_live

        return show_live(run, cost_share)

    def put(self, picture: object) -> None:
        """Exchange the output."""
        display(picture, self._id, update=True)  # type: ignore[arg-type]

    def end(self, run: Run | None) -> bool:
        """The whole run in place of the last picture."""
        from .show_watch import waiting

        last = forms(run) if run is not None else waiting("The watch has ended, and nothing was recorded.")
        display(last, self._id, update=True)
        return True


class Line:
    """One line on a terminal, on stderr."""

    def paint(self, run: Run, cost_share: float) -> object:
        """Step, loss, what is left of the error, and the learning time of the first layer."""
        from gradiometer.diagnosis import diagnose

        from .show_run import live_status

        return live_status(run, diagnose(run))

    def put(self, picture: object) -> None:
        """Write over the line before."""
        from gradiometer.views import LiveStatus, Style, live_line

        assert isinstance(picture, LiveStatus)
        numbers = random.getstate()  # Rich draws from it
        try:
            sys.stderr.write(f"\r\x1b[K{live_line(picture, Style.of_stream(sys.stderr))}")
            sys.stderr.flush()
        finally:
            random.setstate(numbers)

    def end(self, run: Run | None) -> bool:
        """Take the line away; the page comes in its place."""
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
        return False
