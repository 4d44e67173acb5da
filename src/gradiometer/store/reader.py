"""``open_run``: from a run file to a StoredRun."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import zlib
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
        frames=_frames(connection),
        losses=_records(connection, "losses", LossSeen),
        optimizers=_records(connection, "optimizers", OptimizerSeen),
        events=_events(connection),
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


def _frames(connection: sqlite3.Connection) -> tuple[StoredFrame, ...]:
    """Every frame, packed; its checksum is compared here, so that damage is told at once."""
    kept = _header(connection, "stats", list[str])
    columns = tuple(kept.index(stat) if stat in kept else -1 for stat in STATS)
    names: dict[str, str] = {}
    frames = []
    query = "SELECT model, step, loss, lr, loss_scale, overhead_s, step_s, sites, data FROM frames ORDER BY id"
    for model, step, *scalars, sites, data in connection.execute(query):
        packed = PackedValues(data, sites)
        packed.check()
        name = names[model] if model in names else names.setdefault(model, json.loads(model))
        loss, lr, loss_scale, overhead_s, step_s = (math.nan if x is None else float(x) for x in scalars)
        frame = StoredFrame(name, step, loss, lr, loss_scale, overhead_s, step_s, STILL_PACKED, packed, columns)
        frames.append(frame)
    return tuple(frames)


def _events(connection: sqlite3.Connection) -> tuple[Event, ...]:
    events: list[Event] = []
    for (data,) in connection.execute("SELECT data FROM events ORDER BY id"):
        try:
            text = zlib.decompress(data).decode("ascii")
        except zlib.error as error:
            raise ValueError(f"events: {error}") from error
        events += from_text(text, list[Event])
    return tuple(events)


def _tables(connection: sqlite3.Connection, query: str, columns: int) -> dict[str, Floats]:
    chunks: dict[str, list[Floats]] = {}
    for name, rows, data in connection.execute(query):
        chunks.setdefault(json.loads(name), []).append(unpack_table(data, rows, columns))
    return {name: np.concatenate(parts) for name, parts in chunks.items()}
