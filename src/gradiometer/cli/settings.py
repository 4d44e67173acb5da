"""What a team has written into ``[tool.gradiometer]`` of its pyproject.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from .causes import check_ignored
from .guard import refuse

RUNS_FOLDER = "gradiometer-runs"


class FailOn(StrEnum):
    """Which findings make the exit code 1: failures alone, or warnings too."""

    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Settings:
    """Defaults of the command line. None: the file does not say. out: folder of the runs, absolute."""

    ignore: tuple[str, ...] = ()
    budget: float | None = None
    every: int | None = None
    out: Path | None = None
    fail_on: FailOn | None = None

    @property
    def runs_folder(self) -> Path:
        """Where runs are recorded and looked for."""
        return self.out or Path(RUNS_FOLDER)


def read_settings(folder: Path | None = None) -> Settings:
    """Settings of the nearest pyproject.toml from ``folder`` (default: the working folder) upward.

    Raises UserError where the file is no TOML, or where its table holds an unknown key or a wrong value.
    """
    start = (folder or Path.cwd()).absolute()
    path = next((p for d in (start, *start.parents) if (p := d / "pyproject.toml").is_file()), None)
    if path is None:
        return Settings()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:  # tomllib and UTF-8 both raise ValueErrors
        refuse(f"Cannot read {path}: {error}.")
    tools = document.get("tool", {})
    table = tools.get("gradiometer", {}) if isinstance(tools, dict) else {}
    return _settings(table, path)


def _settings(table: Any, path: Path) -> Settings:
    if not isinstance(table, dict):
        refuse(f"[tool.gradiometer] in {path} is no table.")
    unknown = [key for key in table if key not in _KEYS]
    if unknown:
        refuse(f"Unknown key {unknown[0]!r} in [tool.gradiometer] of {path}. Keys: {', '.join(_KEYS)}.")
    for key, value in table.items():
        is_right, wanted = _KEYS[key]
        if not is_right(value):
            refuse(f"{key} = {value!r} in [tool.gradiometer] of {path} is not right: {wanted}.")
    ignore = tuple(table.get("ignore", ()))
    check_ignored(ignore, f"ignore in [tool.gradiometer] of {path}")
    return Settings(
        ignore=ignore,
        budget=float(table["budget"]) if "budget" in table else None,
        every=table.get("every"),
        out=path.parent / table["out"] if "out" in table else None,
        fail_on=FailOn(table["fail-on"]) if "fail-on" in table else None,
    )


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


_KEYS: dict[str, tuple[Callable[[object], bool], str]] = {
    "ignore": (_is_texts, 'a list of "CAUSE" or "CAUSE:SITE"'),
    "budget": (_is_share, "a share of the wall time, above 0 and at most 1"),
    "every": (_is_count, "a whole number, 1 or more"),
    "out": (lambda v: isinstance(v, str) and bool(v), "the folder for the runs, as text"),
    "fail-on": (lambda v: v in ("warn", "fail"), '"warn" or "fail"'),
}
