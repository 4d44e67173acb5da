"""The one folder that is served: which of its files may be opened, and the opaque name of each.

A client names a run by its identifier only. No path that comes from outside is ever opened: identifiers are looked up
among the files that were listed, and each file is looked at again before it is opened.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from gradiometer.records import UserError
from gradiometer.store import RunRow, Signature, run_row, signature

from .names import identifier

SUFFIX = ".gmr"
BESIDE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the folder. refused: why it is not opened, "" where it may be. kind: ``run``, ``trial``; "" where the
    file cannot be read (row.error says why). row: None for a trial and for what was refused."""

    id: str
    name: str
    path: Path
    signature: Signature
    kind: str = ""
    row: RunRow | None = None
    refused: str = ""

    @property
    def problem(self) -> str:
        """Why nothing but the name of this file is known, "" where it can be read."""
        return self.refused or (self.row.error if self.row is not None else "")


class Folder:
    """Lists the files of one folder again and again; only what has changed is looked into. One thread uses it."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UserError(f"No folder {folder}. Name the folder that holds the run files (*.gmr).")
        self.folder = folder
        self._entries: dict[str, Entry] = {}

    @property
    def entries(self) -> dict[str, Entry]:
        """What ``look`` has found, by identifier."""
        return self._entries

    def look(self) -> bool:
        """List the folder; True where anything is new, changed or gone."""
        found: dict[str, Entry] = {}
        for name in self._names():
            entry = self._entry(name)
            found[entry.id] = entry
        changed = found != self._entries
        self._entries = found
        return changed

    def allowed(self, entry: Entry) -> str:
        """Why this file must not be opened, "" where it may. To be asked right before it is opened."""
        return refusal(entry.path, self.folder.resolve())

    def _names(self) -> list[str]:
        try:
            with os.scandir(self.folder) as listing:
                return [item.name for item in listing if item.name.endswith(SUFFIX)]
        except OSError:
            return []

    def _entry(self, name: str) -> Entry:
        path, number = self.folder / name, identifier(name)
        now = signature(path)
        known = self._entries.get(number)
        refused = refusal(path, self.folder.resolve())
        if known is not None and known.signature == now and known.refused == refused:
            return known
        if refused:
            return Entry(number, name, path, now, refused=refused)
        row = run_row(path)
        kind = "trial" if row is None else ("" if row.error else "run")
        return Entry(number, name, path, now, kind, row)


def refusal(path: Path, root: Path) -> str:
    """Why a file is not opened: it, or what lies beside it, leads out of the folder, or it is no plain file."""
    for one in (path, *(path.with_name(path.name + tail) for tail in BESIDE)):
        try:
            mode = one.lstat().st_mode
        except OSError:
            if one == path:
                return "It cannot be looked at any more."
            continue
        if stat.S_ISLNK(mode):
            try:
                target = one.resolve(strict=True)
            except (OSError, RuntimeError):
                return f"{one.name} is a link that leads nowhere. It was not opened."
            if target.parent != root:
                return f"{one.name} is a link that leads out of the folder. It was not opened."
            mode = target.stat().st_mode
        if not stat.S_ISREG(mode):
            return f"{one.name} is no plain file. It was not opened."
    return ""
