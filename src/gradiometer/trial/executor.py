"""The seam between a trial and what trains: jobs in, outcomes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..records import Job, Outcome

Heard = Callable[[Outcome], None]
"""Told each outcome as its training ends, in the thread that called ``run``."""

Moved = Callable[[float], None]
"""Told the share of the work of this call that is done, 0 to 1, never falling."""


class Executor(Protocol):
    """Runs trainings: one at a time, in processes, or as a population."""

    def opening(self, stage: Sequence[Job], first: Job) -> Sequence[Job]:
        """Which jobs of a trial's first stage are run before it is known whether the untreated training works at all.

        first: the one that shows it, which must be among them.
        """
        ...

    def run(self, jobs: Sequence[Job], heard: Heard, moved: Moved) -> None:
        """Train every job; ``heard`` gets one outcome a job, of the job's key, in any order.

        A training that fails, diverges or cannot be treated is an outcome and no exception. An interruption
        (KeyboardInterrupt, or whatever ``heard`` raises) leaves through here once the trainings that were running are
        ended; what was heard before stays valid, and the jobs that were not heard may be run again.
        Raises UserError where nothing can be trained at all.
        """
        ...

    def notes(self) -> tuple[str, ...]:
        """What a reader of the trial must know of how its trainings were made, a sentence each; () for nothing."""
        ...

    def close(self) -> None:
        """End what this executor has started. A second call does nothing."""
        ...
