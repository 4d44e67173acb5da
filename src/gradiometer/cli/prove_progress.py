"""The bar on stderr while a trial runs: only in a terminal, and gone when it is done."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_REFRESHES_PER_S = 2


class ShareBar:
    """Shows the share that is done, what is under way and the time left. Where stderr is no terminal, nothing."""

    def __init__(self) -> None:
        self._shown: tuple[Progress, TaskID] | None = None

    def tick(self, share: float, words: str) -> None:
        """share: 0 to 1 of the whole trial."""
        if not sys.stderr.isatty():
            return
        from gradiometer.views import Style

        progress, task = self._shown = self._shown or _new_bar()
        progress.update(task, completed=share, description=Style.of_stream(sys.stderr).words(words))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._shown is not None:
            self._shown[0].stop()
        self._shown = None


def _new_bar() -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from gradiometer.views import Style
    from gradiometer.views.tokens import TERMINAL

    style, blue = Style.of_stream(sys.stderr), TERMINAL["error"]
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(12, complete_style=blue, finished_style=blue, pulse_style=blue),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(compact=True),
    )
    progress = Progress(
        *columns,
        console=Console(stderr=True, no_color=not style.colour, width=style.columns),
        refresh_per_second=_REFRESHES_PER_S,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        speed_estimate_period=600,  # the first runs import; the mean of all is the better guess
    )
    progress.start()
    return progress, progress.add_task("", total=1.0)
