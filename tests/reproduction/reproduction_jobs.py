"""What the tests send to worker processes: top-level, and without pytest."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

from gradiometer.records import UserError


def double(number: int) -> int:
    """The later jobs are the quicker ones, so that they finish out of order."""
    time.sleep(0.05 if number < 2 else 0.0)
    return 2 * number


def where(number: int) -> tuple[int, int]:
    """Process and threads."""
    return os.getpid(), torch.get_num_threads()


def fail_at_three(number: int) -> int:
    if number == 3:
        raise ZeroDivisionError("three is not allowed")
    return number


def refuse(number: int) -> int:
    raise UserError(f"Number {number} cannot be had.")


def vanish(number: int) -> int:
    os._exit(7)


def unpicklable(number: int) -> object:
    return lambda: number


def stay_or_leave(job: tuple[str, str]) -> None:
    """``stay`` leaves word of its process and does not end; ``leave`` ends as soon as that word is there."""
    what, note = job
    if what == "stay":
        Path(note + ".part").write_text(str(os.getpid()))
        Path(note + ".part").rename(note)
        time.sleep(600)
    while not Path(note).exists():
        time.sleep(0.01)
