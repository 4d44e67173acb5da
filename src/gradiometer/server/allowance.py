"""How much processor time the server may spend on what can wait: a bucket that fills slowly."""

from __future__ import annotations

import time
from collections.abc import Callable


class Allowance:
    """Seconds of work that may be done now: at most ``burst_s``, refilled by ``share`` of the time that passes.

    The first looks are answered at once; what goes on for hours costs ``share`` of one core. One thread uses it.
    """

    def __init__(self, share: float, burst_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.share = share
        self.burst_s = burst_s
        self._clock = clock
        self._left_s = burst_s
        self._seen_s = clock()

    def spend(self, seconds: float) -> None:
        """Work was done; it may lead below 0, and then has to be waited for."""
        self._fill()
        self._left_s -= seconds

    def wait_s(self) -> float:
        """Seconds until work may be done again; 0 where it may be done now."""
        self._fill()
        return 0.0 if self._left_s >= 0 else -self._left_s / self.share

    def _fill(self) -> None:
        now = self._clock()
        self._left_s = min(self.burst_s, self._left_s + self.share * (now - self._seen_s))
        self._seen_s = now
