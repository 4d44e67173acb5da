"""A new run file: claimed, with its tables, and in the journal mode that the disk carries."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from gradiometer.records import STATS, RunFileError, RunInfo

from .documents import to_text
from .schema import KIND, migrate

LOCK_S = 10.0  # a reader of a file without WAL holds the lock for as long as it reads


def create(path: Path, info: RunInfo) -> sqlite3.Connection:
    """The connection that writes ``path``; its folder is made, a file that is there is never written into."""
    claim(path)
    connection = connect_to_write(path)
    try:
        connection.execute("PRAGMA synchronous = OFF")  # nothing to lose yet, and a start should not wait for the disk
        _fill(connection, info)
        connection = _journaled(connection, path)
        put_header(connection, "journal", connection.execute("PRAGMA journal_mode").fetchone()[0])
        connection.execute("PRAGMA wal_checkpoint")  # the file itself must say that a -wal belongs to it
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_spill = OFF")  # a spill would lock readers out where there is no WAL
    except BaseException:
        connection.close()
        path.unlink(missing_ok=True)
        raise
    return connection


def claim(path: Path) -> None:
    """An empty file at ``path``, its folder too; RunFileError where there is one already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644))
    except FileExistsError:
        raise RunFileError(f"Cannot write {path}: it exists already. Name another file, or remove it.") from None


def put_header(connection: sqlite3.Connection, key: str, value: object) -> None:
    """Set one line of the header."""
    connection.execute("INSERT OR REPLACE INTO header VALUES (?, ?)", (key, to_text(value)))


def put_info(connection: sqlite3.Connection, info: RunInfo) -> None:
    """Set what is known of the run as a whole."""
    connection.execute("INSERT OR REPLACE INTO info VALUES (1, ?)", (to_text(info),))


def _fill(connection: sqlite3.Connection, info: RunInfo) -> None:
    """One transaction in a plain journal: the file alone is a whole run file before WAL sets in."""
    connection.execute("BEGIN")
    migrate(connection)
    for key, value in (("kind", KIND), ("stats", list(STATS)), ("closed", False), ("journal", "delete")):
        put_header(connection, key, value)
    put_info(connection, info)
    connection.execute("COMMIT")


def _journaled(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """WAL where the disk carries it (readers then never wait), else the plain journal, which is as safe."""
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()  # a statement left open keeps its lock
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        return connection
    except sqlite3.OperationalError:  # no shared memory: the way back must not ask for it, and exclusive locks do not
        connection.close()
    connection = connect_to_write(path)
    for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = DELETE", "locking_mode = NORMAL"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def connect_to_write(path: Path) -> sqlite3.Connection:
    """``check_same_thread`` is off because a writer thread may use what another one opened, never both at once."""
    address = path.absolute().as_uri()
    return sqlite3.connect(address, uri=True, timeout=LOCK_S, isolation_level=None, check_same_thread=False)
