"""How far a trial of ``gm.prove`` is: in the output of a notebook's cell, as one line on a terminal, elsewhere nothing.

All of it is drawn in the thread that trains, between two steps: only that thread reaches the output of its cell, and a
thread of its own would draw from the random numbers of the training.
"""

from __future__ import annotations

import random
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from gradiometer.views.share import Share, clock, share_facts, share_line
from gradiometer.views.style import Style

from .frame import framed, top
from .markup import el
from .notebook import display, in_notebook

if TYPE_CHECKING:
    from gradiometer.trial.conduct import Progress

EVERY_S = 0.25
_now = time.monotonic


class Place(Protocol):
    """Where it is drawn."""

    def put(self, now: Share) -> None:
        """Draw it in place of what was there."""

    def end(self, spent_s: float) -> None:
        """Nothing is under way any more."""


@contextmanager
def proving() -> Iterator[Progress]:
    """What a trial tells its progress to. The random numbers of the caller are as if nothing had been drawn."""
    place = Cell() if in_notebook() else Line() if sys.stderr.isatty() else None
    if place is None:
        yield lambda share, words: None
        return
    drawn = Drawn(place)
    try:
        yield drawn.tick
    finally:
        drawn.end()


class Drawn:
    """Draws at most every EVERY_S; a share of 0, with which a stage begins, at once."""

    def __init__(self, place: Place) -> None:
        self._place, self._began, self._last = place, _now(), -EVERY_S
        self._words = ""

    def tick(self, share: float, words: str) -> None:
        """share: 0 to 1 of the whole trial."""
        now = _now()
        if now - self._last < EVERY_S and words == self._words:
            return
        self._last, self._words = now, words
        with _numbers_kept():
            self._place.put(Share(share, words, now - self._began))

    def end(self) -> None:
        """The trial has ended, whichever way."""
        with _numbers_kept():
            self._place.end(_now() - self._began)


class Cell:
    """The output of the running cell."""

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex
        self._shown = False

    def put(self, now: Share) -> None:
        """A bar with its facts."""
        percent = round(100 * min(max(now.share, 0.0), 1.0))
        facts = share_facts(now, Style(80, colour=False))
        bar = el(
            "div",
            el("i", style=f"width:{percent}%"),
            cls="share",
            role="progressbar",
            aria_label=now.words,
            aria_valuemin="0",
            aria_valuemax="100",
            aria_valuenow=str(percent),
        )
        html = framed(top("trial", facts), el("div", now.words, cls="note"), bar)
        self._put({"text/plain": f"{now.words}  {facts}", "text/html": html})

    def end(self, spent_s: float) -> None:
        """One quiet line: what came of it is shown by the result."""
        if self._shown:
            words = f"ended after {clock(spent_s)}"
            self._put({"text/plain": f"trial {words}", "text/html": framed(top("trial", words))})

    def _put(self, forms: dict[str, str]) -> None:
        display(forms, self._id, update=self._shown)
        self._shown = True


class Line:
    """One line on a terminal, on stderr."""

    def put(self, now: Share) -> None:
        """Write over the line before."""
        sys.stderr.write(f"\r\x1b[K{share_line(now, Style.of_stream(sys.stderr))}")
        sys.stderr.flush()

    def end(self, spent_s: float) -> None:
        """Take the line away."""
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


@contextmanager
def _numbers_kept() -> Iterator[None]:
    """Rich draws from ``random``, and so do trainings."""
    numbers = random.getstate()
    try:
        yield
    finally:
        random.setstate(numbers)
