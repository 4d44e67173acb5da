"""Where and when a benchmark ran: without it a time says nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import gradiometer


def processor() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def load() -> float:
    """Processes that wanted a core in the last minute, this one included; nan where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def versions(*names: str) -> dict[str, str]:
    """Installed versions; "missing" where there is none."""
    found = {"python": platform.python_version(), "gradiometer": gradiometer.__version__}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def describe(threads: int, *packages: str) -> str:
    """One line for people."""
    kinds = ", ".join(f"{name} {number}" for name, number in versions(*packages).items())
    return f"{processor()}, {os.cpu_count()} cores seen, {threads} thread(s) used, load {load():.1f}; {kinds}"
