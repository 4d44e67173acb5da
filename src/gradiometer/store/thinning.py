"""What a run file gives up when it grows too large: never the beginning, never the end, every second of the middle."""

from __future__ import annotations

import sqlite3

import numpy as np
from numpy.typing import NDArray

DENSE_FRAMES = 16  # the first frames of a model, recorded at every step, are never dropped
EDGE_POINTS = 1024  # so many points of a curve stay at either end


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something: what thinning has freed is used again before the file grows."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def thin_frames(connection: sqlite3.Connection) -> int:
    """Delete about half of each model's frames between its first DENSE_FRAMES and its last one; how many went."""
    dropped: list[tuple[int]] = []
    for (model,) in connection.execute("SELECT DISTINCT model FROM frames").fetchall():
        rows = connection.execute("SELECT id, step FROM frames WHERE model = ? ORDER BY id", (model,)).fetchall()
        middle = rows[DENSE_FRAMES:-1]
        keep = evenly_kept(np.array([step for _, step in middle], dtype=np.int64))
        dropped += [(row[0],) for row, kept in zip(middle, keep, strict=True) if not kept]
    connection.executemany("DELETE FROM frames WHERE id = ?", dropped)
    return len(dropped)


def evenly_kept(steps: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which frames of the middle stay: at most half, as even over the steps as they allow.

    Every second one where the steps are even. After an earlier thinning the old ones are already sparse, and then it
    is the newer ones that go: the run stays evenly seen however often it is thinned.
    """
    keep = np.zeros(len(steps), dtype=np.bool_)
    wanted = len(steps) // 2
    if wanted:
        grid = np.linspace(steps[0], steps[-1], wanted)
        halfway = (steps[1:] + steps[:-1]) / 2
        keep[np.searchsorted(halfway, grid)] = True  # the frame nearest to each point of an even grid
    return keep


def thin_points(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """A curve [row, column] without every second point of its middle; the EDGE_POINTS at both ends stay."""
    if len(table) <= 2 * EDGE_POINTS:
        return table
    middle = table[EDGE_POINTS:-EDGE_POINTS:2]
    return np.concatenate([table[:EDGE_POINTS], middle, table[-EDGE_POINTS:]])


def thin_events(connection: sqlite3.Connection) -> int:
    """Delete every second batch of events between the first and the last quarter; how many bytes remain."""
    ids = [row[0] for row in connection.execute("SELECT id FROM events ORDER BY id")]
    quarter = len(ids) // 4
    middle = ids[quarter : len(ids) - quarter : 2] if quarter else []
    connection.executemany("DELETE FROM events WHERE id = ?", [(i,) for i in middle])
    (remaining,) = connection.execute("SELECT coalesce(sum(length(data)), 0) FROM events").fetchone()
    return int(remaining)
