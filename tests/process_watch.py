"""Whether a process is still there, as the system tells it (Linux)."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest


def is_alive(pid: int) -> bool:
    """A process that has ended and is not yet waited for counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def assert_gone(pid: int) -> None:
    """The process is gone within 20 s; where it is not, it is killed and the test fails."""
    for _ in range(400):
        if not is_alive(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the process is still there")
