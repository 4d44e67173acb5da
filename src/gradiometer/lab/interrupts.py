"""Ctrl-C between two steps, never inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def whole_steps() -> Iterator[Callable[[], None]]:
    """Inside, Ctrl-C waits for the call of what is yielded, which then raises KeyboardInterrupt.

    An optimizer that is stopped halfway leaves some weights new and some old. A second Ctrl-C is not kept waiting.
    Where the program handles the signal itself, or in another thread than the main one, nothing changes.
    """
    waiting = False

    def keep(signum: int, frame: FrameType | None) -> None:
        nonlocal waiting
        if waiting:
            raise KeyboardInterrupt
        waiting = True

    def pause() -> None:
        nonlocal waiting
        if waiting:
            waiting = False
            raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield pause
        return
    signal.signal(signal.SIGINT, keep)
    try:
        yield pause
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    pause()
