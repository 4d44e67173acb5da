"""The first thing a newcomer runs: a Python is found, or the message says what to do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def find_python(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/find_python with these variables on top of a clean environment."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHON"} | environment
    return subprocess.run(
        ["bash", "scripts/find_python"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )


def test_a_python_that_fits_is_found() -> None:
    found = find_python()
    assert found.returncode == 0, found.stderr
    code = "import sys; print(sys.version_info >= (3, 11))"
    assert subprocess.run([found.stdout.strip(), "-c", code], capture_output=True, text=True).stdout == "True\n"


def test_without_one_the_message_says_what_to_do() -> None:
    found = find_python(PYTHON="no-such-python")
    assert found.returncode == 1
    assert found.stdout == ""
    assert "needs Python 3.11 or newer" in found.stderr
    assert "no-such-python" in found.stderr
    assert "PYTHON=" in found.stderr


def test_make_alone_says_what_there_is_and_installs_nothing() -> None:
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    for target in ("make demo", "make test", "make fast", "make check", "make bench", "make clean"):
        assert target in said
    assert "install" not in said.lower()
