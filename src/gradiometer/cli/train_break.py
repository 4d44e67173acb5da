"""Ctrl-C between two steps: what a training leaves behind is whole, however often the key is pressed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self


class Breaks:
    """While it is open, Ctrl-C is only noted; ``between_steps`` raises KeyboardInterrupt where it was pressed.

    Raised anywhere else, it would leave a step half done, or a file half written. A process that was started with the
    signal ignored (nohup, a background job) keeps ignoring it.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: object = None

    def between_steps(self) -> None:
        """The place where a training may end."""
        if self.asked:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


@contextmanager
def last_word() -> Iterator[None]:
    """Around the telling of a training that Ctrl-C has ended: the next one ends the telling, no further one is heard.

    The process is about to end with 130, and the interpreter's own last steps would turn one into a traceback.
    """
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
