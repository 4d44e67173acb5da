"""Measurement, store and live diagnosis put together: watch, check, run. Loads torch only when a door needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .check import Setup, assert_healthy, check, check_setup
    from .live import Session, start
    from .options import Options, StopTraining
    from .watch import Watch, watch

__all__ = [
    "Options",
    "Session",
    "Setup",
    "StopTraining",
    "Watch",
    "assert_healthy",
    "check",
    "check_setup",
    "start",
    "watch",
]

_HOME = {
    "Options": "options",
    "StopTraining": "options",
    "Session": "live",
    "start": "live",
    "Watch": "watch",
    "watch": "watch",
    "Setup": "check",
    "assert_healthy": "check",
    "check": "check",
    "check_setup": "check",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value  # the import put the module of the same name there
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
