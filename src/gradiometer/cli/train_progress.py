"""What a training shows while it runs: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .guard import complain

if TYPE_CHECKING:
    from rich.progress import Progress

    from gradiometer.records import Run
    from gradiometer.views import Style

BAR_S = 0.2  # between two looks at the bar: five a second are as good as more, and cost nothing
LINE_S = 20.0  # between two plain lines in a log
_BAR_COLUMNS = 12
NEWEST_FRAMES = 60  # looked through for one with parameters; with --every every 50th has them

Words = Callable[["Style"], str]
"""Makes the line beside the bar; called only where it is drawn."""
Show = Callable[[int, Words], None]
"""Called after everything that counts, with the number of those; draws now and then."""


@contextmanager
def shown(total: int, begin: int = 0) -> Iterator[Show]:
    """Shows on stderr how much of ``total`` is done, as long as it is open."""
    from gradiometer.views import Style

    style = Style.of_stream(sys.stderr)
    if not sys.stderr.isatty():
        yield Throttle(lambda done, words: complain(_line(done, total, words(style), style)), LINE_S, time.monotonic())
        return
    with bar(style) as progress:
        task = progress.add_task("", total=total, completed=begin, status="")

        def draw(done: int, words: Words) -> None:
            progress.update(task, total=max(total, done), completed=done, status=words(_beside_the_bar(style)))
            progress.refresh()

        yield Throttle(draw, BAR_S, -math.inf)


class Throttle:
    """Calls ``draw`` at most once in ``gap_s`` seconds: what is not drawn costs a look at the clock."""

    def __init__(self, draw: Show, gap_s: float, begin_s: float) -> None:
        self.draw, self.gap_s, self.last_s = draw, gap_s, begin_s
        self.clock: Callable[[], float] = time.monotonic

    def __call__(self, done: int, words: Words) -> None:
        now = self.clock()
        if now - self.last_s >= self.gap_s:
            self.last_s = now
            self.draw(done, words)


@contextmanager
def bar(style: Style) -> Iterator[Progress]:
    """A bar on stderr that goes away when it is done. It has no thread of its own: whoever draws, refreshes."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, no_color=not style.colour, width=style.columns)
    columns = (
        BarColumn(_BAR_COLUMNS),
        TextColumn("{task.fields[status]}", markup=False),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        yield progress


def _beside_the_bar(style: Style) -> Style:
    """The style of what stands between the bar and the time that is left."""
    from gradiometer.views import Style

    return Style(style.columns - _BAR_COLUMNS - len("  00:00 "), False, style.unicode)


def _line(done: int, total: int, words: str, style: Style) -> str:
    return f"{words} | {style.numbers.percent(done / max(total, done))}"


def status_line(step: int, loss: float, run: Run | None, style: Style) -> str:
    """``step 212 · loss 2.3 · first layer 5.3 × 10¹⁷ steps``."""
    from gradiometer.views import LiveStatus, live_line

    needs = first_layer_steps(run) if run is not None else math.nan
    return live_line(LiveStatus(step, loss, learning_steps=needs), style)


def first_layer_steps(run: Run) -> float:
    """‖W‖/‖ΔW‖ of the layer nearest the input in the newest frame that knows it; nan where none does."""
    import numpy as np

    from gradiometer.quantities.learning import learning_time
    from gradiometer.quantities.profile import station_weights

    weights = [w for w in station_weights(run.network()) if w is not None]
    column = run.columns(weights[-1:])
    if not len(column) or column[0] < 0:
        return math.nan
    known = learning_time(run)[:, column[0]]
    known = known[~np.isnan(known)]
    return float(known[-1]) if len(known) else math.nan
