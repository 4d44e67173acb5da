"""``open_run``: from a run file to a StoredRun."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np

from gradiometer.records import (
    STATS,
    Diagnosis,
    Event,
    LossSeen,
    Network,
    NotCovered,
    OptimizerSeen,
    RunInfo,
    Site,
)

from .connect import connected
from .documents import from_text, from_texts
from .packing import Floats, PackedValues, unpack_table
from .refusals import reading
from .stored import STILL_PACKED, StoredFrame, StoredRun

T = TypeVar("T")


def open_run(path: str | os.PathLike[str]) -> StoredRun:
    """Read a run file, also while it is written, after its writer was killed, and from a read-only folder.

    The file is never changed. Raises RunFileError where it is missing, foreign, damaged, newer, or no run.
    """
    file = Path(path)
    with reading(file), connected(file) as connection:
        return _read(connection, file)


def read_info(connection: sqlite3.Connection) -> tuple[RunInfo, bool]:
    """What is known of the run as a whole, and whether its file was closed."""
    rows = _texts(connection, "SELECT data FROM info")
    if not rows:
        raise ValueError("it has no info")
    return from_text(rows[0], RunInfo), bool(_header(connection, "closed", bool))


def _read(connection: sqlite3.Connection, path: Path) -> StoredRun:
    info, closed = read_info(connection)
    return StoredRun(
        info=info,
        networks=_records(connection, "networks", Network),
        site_table=_records(connection, "sites", Site),
        frames=tuple(frames_from(connection).values()),
        losses=_records(connection, "losses", LossSeen),
        optimizers=_records(connection, "optimizers", OptimizerSeen),
        events=tuple(e for batch in read_events(connection).values() for e in batch),
        not_covered=_records(connection, "not_covered", NotCovered),
        problems=_records(connection, "problems", str),
        curves=_tables(connection, "SELECT model, rows, data FROM curves ORDER BY id", 3),
        logged=_tables(connection, "SELECT name, rows, data FROM logged ORDER BY id", 2),
        path=path,
        closed=closed,
        results=_records(connection, "results", Diagnosis),
    )


def _header(connection: sqlite3.Connection, key: str, kind: type[T]) -> T:
    rows = [row[0] for row in connection.execute("SELECT value FROM header WHERE key = ?", (key,))]
    if not rows:
        raise ValueError(f"its header has no {key}")
    return from_text(rows[0], kind)


def _texts(connection: sqlite3.Connection, query: str) -> list[str]:
    return [row[0] for row in connection.execute(query)]


def _records(connection: sqlite3.Connection, table: str, kind: type[T]) -> tuple[T, ...]:
    return tuple(from_texts(_texts(connection, f"SELECT data FROM {table} ORDER BY id"), kind))


def frames_from(connection: sqlite3.Connection, after: int = -1) -> dict[int, StoredFrame]:
    """The frames whose row comes after a given one, packed, by row; their checksums are compared here, so that damage
    is told at once."""
    kept = _header(connection, "stats", list[str])
    columns = tuple(kept.index(stat) if stat in kept else -1 for stat in STATS)
    names: dict[str, str] = {}
    frames = {}
    query = (
        "SELECT id, model, step, loss, lr, loss_scale, overhead_s, step_s, sites, data FROM frames"
        " WHERE id > ? ORDER BY id"
    )
    for number, model, step, *scalars, sites, data in connection.execute(query, (after,)):
        packed = PackedValues(data, sites)
        packed.check()
        name = names[model] if model in names else names.setdefault(model, json.loads(model))
        loss, lr, loss_scale, overhead_s, step_s = (math.nan if x is None else float(x) for x in scalars)
        frames[number] = StoredFrame(
            name, step, loss, lr, loss_scale, overhead_s, step_s, STILL_PACKED, packed, columns
        )
    return frames


def read_events(connection: sqlite3.Connection, after: int = -1) -> dict[int, tuple[Event, ...]]:
    """The batches of events whose row comes after a given one, by row."""
    events: dict[int, tuple[Event, ...]] = {}
    for number, data in connection.execute("SELECT id, data FROM events WHERE id > ? ORDER BY id", (after,)):
        try:
            text = zlib.decompress(data).decode("ascii")
        except zlib.error as error:
            raise ValueError(f"events: {error}") from error
        events[number] = tuple(from_text(text, list[Event]))
    return events


def _tables(connection: sqlite3.Connection, query: str, columns: int) -> dict[str, Floats]:
    return joined((name, unpack_table(data, rows, columns)) for name, rows, data in connection.execute(query))


def joined(parts: Iterable[tuple[str, Floats]]) -> dict[str, Floats]:
    """Chunks under their names (JSON text) as one array a name."""
    chunks: dict[str, list[Floats]] = {}
    for name, array in parts:
        chunks.setdefault(json.loads(name), []).append(array)
    return {name: np.concatenate(found) for name, found in chunks.items()}
