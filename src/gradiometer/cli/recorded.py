"""Finds the recorded run that a command names."""

from __future__ import annotations

from pathlib import Path

from .guard import refuse

MOST_NAMES = 5


def find_run(name: str, folder: Path) -> Path:
    """The run file for a path, a name in ``folder`` with or without .gmr, or ``latest``. UserError where none."""
    path = Path(name)
    if path.is_dir():
        refuse(f"{path} is a folder. Name a run file in it; gradiometer runs {path} lists them.")
    if path.exists():
        return path
    if name == "latest":
        return _latest(folder)
    for candidate in (folder / name, folder / f"{name}.gmr"):
        if candidate.is_file():
            return candidate
    refuse(f"No run {name!r}, neither as a file nor in {folder}. {_known(folder)}")


def _latest(folder: Path) -> Path:
    from gradiometer.store import list_runs

    rows = list_runs(folder) if folder.is_dir() else ()
    if not rows:
        refuse(f"There is no run in {folder} yet. Watch your script without changing it: gradiometer run train.py")
    return rows[0].path


def _known(folder: Path) -> str:
    from gradiometer.store import list_runs

    names = [row.path.stem for row in list_runs(folder)] if folder.is_dir() else []
    if not names:
        return "No run is recorded there yet."
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"Newest runs: {', '.join(names[:MOST_NAMES])}{more}."
