"""Tables of numbers that grow by a row at every step (curves, logged values): buffered, packed in chunks, joined."""

from __future__ import annotations

import sqlite3

import numpy as np
from numpy.typing import NDArray

from .documents import to_text
from .packing import pack_table, unpack_table
from .thinning import thin_points

Floats = NDArray[np.float64]


class GrowingTables:
    """Named arrays [row, column] in one SQL table. The first column is the step, the second a value."""

    def __init__(self, connection: sqlite3.Connection, table: str, columns: int) -> None:
        self._connection = connection
        self._name_column = {"curves": "model", "logged": "name"}[table]
        self._table = table
        self._columns = columns
        self._buffers: dict[str, list[Floats]] = {}
        self._stored_bytes = 0

    def add(self, name: str, rows: Floats) -> None:
        """Keep rows [n, column] until the next ``write``."""
        kept = np.array(rows, dtype=np.float64).reshape(-1, self._columns)
        self._buffers.setdefault(name, []).append(kept)

    def write(self, max_bytes: float) -> None:
        """Append what was added, one packed chunk a name; past ``max_bytes`` the middle of every array is thinned."""
        for name, parts in self._buffers.items():
            self._insert(to_text(name), np.concatenate(parts))
        self._buffers.clear()
        if self._stored_bytes > max_bytes:
            for name in self._names():
                self._rewrite(name, thin_points(self._read(name)))

    def join(self) -> None:
        """One chunk a name, for a file that grows no more."""
        for name in self._names():
            self._rewrite(name, self._read(name))

    def _names(self) -> list[str]:
        query = f"SELECT {self._name_column} FROM {self._table} GROUP BY 1 ORDER BY min(id)"
        return [row[0] for row in self._connection.execute(query)]

    def _read(self, name: str) -> Floats:
        query = f"SELECT rows, data FROM {self._table} WHERE {self._name_column} = ? ORDER BY id"
        chunks = [unpack_table(data, rows, self._columns) for rows, data in self._connection.execute(query, (name,))]
        return np.concatenate(chunks)

    def _rewrite(self, name: str, rows: Floats) -> None:
        query = f"FROM {self._table} WHERE {self._name_column} = ?"
        (size,) = self._connection.execute(f"SELECT sum(length(data)) {query}", (name,)).fetchone()
        self._connection.execute(f"DELETE {query}", (name,))
        self._stored_bytes -= size
        self._insert(name, rows)

    def _insert(self, name: str, rows: Floats) -> None:
        data = pack_table(rows)
        last = {"last_loss": float(rows[-1, 1])} if self._table == "curves" and len(rows) else {}
        values = {self._name_column: name, "rows": len(rows), "data": data, **last}
        marks = ", ".join("?" * len(values))
        sql = f"INSERT INTO {self._table} ({', '.join(values)}) VALUES ({marks})"
        self._connection.execute(sql, tuple(values.values()))
        self._stored_bytes += len(data)
