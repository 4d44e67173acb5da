"""The list of the folder: a row a file, at once; its verdict, small profile and small curve as they are computed."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gradiometer.diagnosis import diagnose
from gradiometer.records import GradiometerError, TrialResult
from gradiometer.store import Signature, StoredRun, has_writer, open_run, open_trial
from gradiometer.views import dashboard
from gradiometer.views.dashboard_trial import trial_row
from gradiometer.views.numbers import UNICODE

from .folder import Entry, Folder

SILENT_S = 4.0
AGAIN_S = 5.0
"""A run that grows is judged again for its row at most so often."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was computed of a file when it looked like ``signature``."""

    signature: Signature
    document: dict[str, Any]
    at_s: float


class Listing:
    """Rows as JSON values. ``opened`` and ``ask_writers`` run in the reading thread, ``tell`` in the judging one."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.wanted_s = -math.inf
        self._told: dict[str, Told] = {}
        self._sent: dict[str, dict[str, Any]] = {}
        self._written: dict[str, tuple[Signature, float, bool | None]] = {}

    def document(self) -> dict[str, Any]:
        """Every file of the folder, newest first."""
        self.wanted_s = time.monotonic()
        entries = self._in_order()
        return {
            "folder": self.folder.folder.name or str(self.folder.folder),
            "runs": [self._row(e) for e in entries if e.kind != "trial"],
            "trials": [self._trial_row(e) for e in entries if e.kind == "trial"],
            "pending": sum(self._is_due(e) for e in entries),
        }

    def changes(self) -> dict[str, Any] | None:
        """What differs from the last call: the rows that changed, and the order; None where nothing does."""
        document = self.document()
        rows = {row["id"]: row for row in (*document["runs"], *document["trials"])}
        changed = [row for number, row in rows.items() if self._sent.get(number) != row]
        gone = self._sent.keys() - rows.keys()
        self._sent = rows
        if not changed and not gone:
            return None
        return {
            "rows": [_without_modules(row) for row in changed],
            "runs": [row["id"] for row in document["runs"]],
            "trials": [row["id"] for row in document["trials"]],
            "pending": document["pending"],
        }

    def next_due(self) -> Entry | None:
        """The newest file whose row lacks something."""
        return next((e for e in self._in_order() if self._is_due(e)), None)

    def opened(self, entry: Entry) -> StoredRun | TrialResult | str:
        """The file read, or in words why it is not."""
        refused = self.folder.allowed(entry)
        if refused:
            return refused
        try:
            return open_trial(entry.path) if entry.kind == "trial" else open_run(entry.path)
        except GradiometerError as error:
            return str(error)

    def tell(self, entry: Entry, read: StoredRun | TrialResult | str) -> float:
        """Compute what the row says; the seconds of processor time that it took."""
        started = time.thread_time()
        try:
            document = _computed(read)
        except GradiometerError as error:
            document = {"problem": str(error)}
        self._told[entry.id] = Told(entry.signature, document, time.monotonic())
        return time.thread_time() - started

    def ask_writers(self) -> None:
        """Look which of the silent files that are not closed have a writer still."""
        now = time.monotonic()
        for e in self.folder.entries.values():
            if e.row is None or e.problem or e.row.state != "running" or e.row.closed:
                continue
            known = self._written.get(e.id)
            if known is None or known[0] != e.signature:
                self._written[e.id] = (e.signature, now, None if known is None else known[2] or None)
            elif now - known[1] > SILENT_S:
                self._written[e.id] = (e.signature, now, has_writer(e.path))

    def _in_order(self) -> list[Entry]:
        return sorted(self.folder.entries.values(), key=_age, reverse=True)

    def _is_due(self, entry: Entry) -> bool:
        if entry.problem or not entry.kind:
            return False
        told = self._told.get(entry.id)
        if told is None:
            return True
        return told.signature != entry.signature and time.monotonic() - told.at_s > AGAIN_S

    def _row(self, entry: Entry) -> dict[str, Any]:
        base: dict[str, Any] = {"id": entry.id, "file": entry.name, "problem": entry.problem, "state": "unreadable"}
        row = entry.row
        if row is None or entry.problem:
            return base
        told = self._told.get(entry.id)
        known = told.document if told is not None else {}
        return base | {
            "name": row.name or entry.name,
            "state": self._state(entry),
            "started": row.started,
            "models": list(row.models),
            "step": row.steps,
            "frames": UNICODE.count(row.steps),
            "loss": UNICODE.number(row.last_loss),
            "loss_value": row.last_loss,
            "told": known or None,
            "problem": known.get("problem", ""),
        }

    def _state(self, entry: Entry) -> str:
        row = entry.row
        assert row is not None
        if row.state != "running":
            return row.state
        written = self._written.get(entry.id)
        return "killed" if row.closed or (written is not None and written[2] is False) else "live"

    def _trial_row(self, entry: Entry) -> dict[str, Any]:
        told = self._told.get(entry.id)
        return {"id": entry.id, "file": entry.name, "told": told.document if told is not None else None}


def _computed(read: StoredRun | TrialResult | str) -> dict[str, Any]:
    if isinstance(read, str):
        return {"problem": read}
    if isinstance(read, TrialResult):
        return trial_row(read)
    return dashboard.row_document(dashboard.judged(read, diagnose(read)))


def _without_modules(row: dict[str, Any]) -> dict[str, Any]:
    """Names of modules are sent once: they are long, and never change."""
    told = row.get("told")
    return row | {"told": {k: v for k, v in told.items() if k != "modules"}} if told else row


def _age(entry: Entry) -> tuple[float, str]:
    """When it started, the file's own time where it does not say."""
    started = entry.row.started if entry.row is not None else ""
    try:
        return datetime.fromisoformat(started).timestamp(), entry.name
    except ValueError:
        return (entry.signature[1] / 1e9 if len(entry.signature) > 2 else 0.0), entry.name
