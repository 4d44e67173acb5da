"""Runs the command line, and plain Python beside it, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"
LIMIT_S = 120


def environment() -> dict[str, str]:
    """This process's environment with our source on the path."""
    return {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}


def python(*args: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """``python ARGS`` in a folder."""
    return subprocess.run(
        [sys.executable, *args], cwd=cwd, env=environment(), input=stdin, capture_output=True, timeout=LIMIT_S
    )


def gradiometer(*args: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """``gradiometer ARGS`` in a folder."""
    return python("-m", "gradiometer", *args, cwd=cwd, stdin=stdin)


def script(folder: Path, text: str | bytes, name: str = "train.py") -> Path:
    """Write a script and give back where it lies."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path
