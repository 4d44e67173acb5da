"""The bar on stderr while an experiment runs: only in a terminal, and gone when it is done."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_REFRESHES_PER_S = 4  # the clock must be seen to run while a training takes half a minute


class Bar:
    """Shows what ``Order.tick`` is told, from the first tick on. Where stderr is no terminal, it shows nothing."""

    def __init__(self) -> None:
        self._shown: tuple[Progress, TaskID] | None = None
        self._last = (0, 0)

    def tick(self, done: int, total: int, words: str) -> None:
        """Another total, or a step back, begins a new stretch of work with a clock of its own."""
        if not sys.stderr.isatty():
            return
        from gradiometer.views import Style

        progress, task = self._shown = self._shown or _new_bar()
        if total != self._last[1] or done < self._last[0]:
            progress.reset(task, total=total or None)
        self._last = (done, total)
        progress.update(task, completed=done, description=Style.of_stream(sys.stderr).words(words))

    def hide(self) -> None:
        """Take it away, so that a page can be written. The next tick brings a new one."""
        if self._shown is not None:
            self._shown[0].stop()
        self._shown = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.hide()


def _new_bar() -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from gradiometer.views import Style
    from gradiometer.views.tokens import TERMINAL

    style, blue = Style.of_stream(sys.stderr), TERMINAL["error"]
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(12, complete_style=blue, finished_style=blue, pulse_style=blue),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
    )
    progress = Progress(
        *columns,
        console=Console(stderr=True, no_color=not style.colour, width=style.columns),
        refresh_per_second=_REFRESHES_PER_S,
        transient=True,
        redirect_stdout=False,  # stdout may be a file that is waiting for our document
        redirect_stderr=False,
    )
    progress.start()
    return progress, progress.add_task("", total=None)
