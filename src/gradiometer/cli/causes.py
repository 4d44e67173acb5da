"""The causes that may be accepted, known before the script runs and without loading numpy."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import gradiometer

from .guard import refuse


def known_causes() -> tuple[str, ...]:
    """The closed vocabulary of ``records.causes``."""
    causes: tuple[str, ...] = _vocabulary().ALL_CAUSES
    return causes


def check_ignored(entries: Sequence[str], where: str) -> None:
    """Raise UserError where an entry is not ``CAUSE`` or ``CAUSE:SITE`` with a known cause."""
    causes = known_causes() if entries else ()
    for entry in entries:
        if entry.partition(":")[0] not in causes:
            refuse(f"{where} names no known cause in {entry!r}. Causes: {', '.join(causes)}.")


def _vocabulary() -> ModuleType:
    # By its file: as gradiometer.records.causes it would bring the whole room with it, and numpy. A script that sets
    # OMP_NUM_THREADS before its own imports must be the first to import numpy.
    path = Path(gradiometer.__file__).with_name("records") / "causes.py"
    spec = importlib.util.spec_from_file_location("gradiometer_causes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
