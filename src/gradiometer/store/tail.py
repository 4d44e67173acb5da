"""A run file that grows, read again and again: only the rows that are new are unpacked and checked."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gradiometer.records import Diagnosis, Event, LossSeen, Network, NotCovered, OptimizerSeen, Site

from .connect import connected
from .documents import from_texts
from .packing import Floats, unpack_table
from .reader import frames_from, joined, read_events, read_info
from .refusals import reading
from .stored import StoredFrame, StoredRun

T = TypeVar("T")
Signature = tuple[int, ...]
TAILS = ("", "-wal", "-journal")


def signature(path: Path) -> Signature:
    """What changes with every flush of a writer: sizes and times of the file and of what lies beside it.

    A file that is not there counts as -1.
    """
    out: list[int] = []
    name = os.fspath(path)  # asked for five times a second and run: making paths would cost more than looking
    for tail in TAILS:
        try:
            seen = os.stat(name + tail)
            out += [seen.st_size, seen.st_mtime_ns, seen.st_ino]
        except OSError:
            out.append(-1)
    return tuple(out)


class RunTail:
    """Reads one run file as it grows. One thread uses it at a time; what ``read`` returns is a snapshot of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._texts: dict[str, list[str]] = {}
        self._records: dict[str, tuple[Any, ...]] = {}
        self._frames: dict[int, StoredFrame] = {}
        self._grown = {"curves": _Grown(), "logged": _Grown()}
        self._events: dict[int, tuple[Event, ...]] = {}

    def read(self) -> StoredRun:
        """The run as it stands now. RunFileError as ``open_run``; the next call tries again."""
        with reading(self.path), connected(self.path) as connection:
            info, closed = read_info(connection)
            self._read_frames(connection)
            self._read_events(connection)
            return StoredRun(
                info=info,
                networks=self._named(connection, "networks", Network),
                site_table=self._named(connection, "sites", Site),
                frames=tuple(self._frames.values()),
                losses=self._named(connection, "losses", LossSeen),
                optimizers=self._named(connection, "optimizers", OptimizerSeen),
                events=tuple(e for batch in self._events.values() for e in batch),
                not_covered=self._named(connection, "not_covered", NotCovered),
                problems=self._named(connection, "problems", str),
                curves=self._tables(connection, "curves", 3),
                logged=self._tables(connection, "logged", 2),
                path=self.path,
                closed=closed,
                results=self._named(connection, "results", Diagnosis),
            )

    def _named(self, connection: sqlite3.Connection, table: str, kind: type[T]) -> tuple[T, ...]:
        """Records whose text is the one of last time are not parsed again."""
        texts = [row[0] for row in connection.execute(f"SELECT data FROM {table} ORDER BY id")]
        if self._texts.get(table) != texts:
            self._records[table] = tuple(from_texts(texts, kind))
            self._texts[table] = texts
        return self._records[table]

    def _read_frames(self, connection: sqlite3.Connection) -> None:
        _drop_gone(connection, "frames", self._frames)
        newest = max(self._frames, default=-1)
        self._frames |= frames_from(connection, newest)

    def _read_events(self, connection: sqlite3.Connection) -> None:
        _drop_gone(connection, "events", self._events)
        self._events |= read_events(connection, max(self._events, default=-1))

    def _tables(self, connection: sqlite3.Connection, table: str, columns: int) -> dict[str, Floats]:
        """Arrays by name. Where the writer has thinned or joined its chunks, all are read again."""
        seen = self._grown[table]
        if _mark(connection, table, seen.newest) != seen.mark:
            seen = _Grown()
        name_column = {"curves": "model", "logged": "name"}[table]
        query = f"SELECT id, {name_column}, rows, data FROM {table} WHERE id > ? ORDER BY id"
        new = list(connection.execute(query, (seen.newest,)))
        if new:
            parts = [(name, unpack_table(data, rows, columns)) for _, name, rows, data in new]
            later = joined(parts)
            both = {name: np.concatenate([seen.arrays[name], a]) for name, a in later.items() if name in seen.arrays}
            newest = int(new[-1][0])
            seen = _Grown(newest, _mark(connection, table, newest), seen.arrays | later | both)
        self._grown[table] = seen
        return seen.arrays


@dataclass(frozen=True, slots=True)
class _Grown:
    """What was read of a table of chunks: its newest row, what tells these chunks from others, the arrays by name."""

    newest: int = -1
    mark: tuple[object, ...] = (0,)
    arrays: dict[str, Floats] = field(default_factory=dict)


MOST_MARKED = 64


def _mark(connection: sqlite3.Connection, table: str, newest: int) -> tuple[object, ...]:
    """What tells the chunks up to a row from those that may stand there later. Thinning and joining leave one chunk a
    name, so many chunks are told by their number; few by the checksum with which zlib ends each of them."""
    (count,) = connection.execute(f"SELECT count(*) FROM {table} WHERE id <= ?", (newest,)).fetchone()
    if count > MOST_MARKED:
        return (count,)
    query = f"SELECT id, rows, substr(data, -4) FROM {table} WHERE id <= ? ORDER BY id"
    return (count, *connection.execute(query, (newest,)))


def _drop_gone(connection: sqlite3.Connection, table: str, known: dict[int, Any]) -> None:
    """Forget the rows that the writer has thinned away since."""
    newest = max(known, default=-1)
    (count,) = connection.execute(f"SELECT count(*) FROM {table} WHERE id <= ?", (newest,)).fetchone()
    if count != len(known):
        left = {row[0] for row in connection.execute(f"SELECT id FROM {table} WHERE id <= ?", (newest,))}
        for number in [n for n in known if n not in left]:
            del known[number]
