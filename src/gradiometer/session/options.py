"""What a session is asked to do; no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RUNS_FOLDER = "gradiometer-runs"


class StopTraining(BaseException):
    """Raised in the script's own thread after ``--steps N`` optimizer steps; a bare ``except Exception`` lets it by."""


@dataclass(frozen=True, slots=True)
class Options:
    """out: a file or a folder for the run file (None: ./gradiometer-runs). keep_file False: nothing is written.
    every: record every N-th step (None: as the budget allows). budget: share of wall time the watch may take.
    steps: stop the training after N optimizer steps. skip: module paths that are not measured.
    causal: make the causal tests of freezing and rescuing when the watch ends."""

    out: Path | None = None
    every: int | None = None
    budget: float = 0.01
    steps: int | None = None
    name: str = ""
    script: str = ""
    argv: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    keep_file: bool = True
    causal: bool = False
