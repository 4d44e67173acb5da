"""Opening a run file for reading: it is never changed; while it is written, after a kill, in a read-only folder."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gradiometer.records import RunFileError

from .refusals import NO_RUN_FILE, cut_short, needs_copy
from .schema import APPLICATION_ID, KIND, MIGRATIONS, TRIAL_MIGRATIONS, Migration, migrate, schema_version

LOCK_S = 5.0  # a writer without WAL holds the lock for one flush, which takes milliseconds


class OtherKindError(RunFileError):
    """A file of ours, whole, that holds something else (``kind``)."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


@contextmanager
def connected(path: Path, kind: str = KIND) -> Iterator[sqlite3.Connection]:
    """A connection to one moment of the file (a snapshot), of the newest schema and of ``kind``."""
    migrations = MIGRATIONS if kind == KIND else TRIAL_MIGRATIONS
    _check_path(path)
    with _opened(path) as connection:
        connection.execute("BEGIN")
        _check_file(connection, path, kind, migrations)
        if _version(connection) < schema_version(migrations):
            with closing(_upgraded(connection, migrations)) as newer:
                yield newer
        else:
            yield connection


def _check_path(path: Path) -> None:
    if path.is_dir():
        raise RunFileError(f"{path} is a folder. Name one run file in it (*.gmr).")
    if not path.exists():
        raise RunFileError(f"No run file {path}. Check the path; gradiometer runs lists the runs of a folder.")
    if path.stat().st_size == 0:
        raise RunFileError(f"{path} is empty: its writer was killed before it began. Remove it.")


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Read-only in place; where SQLite would have to write beside the file and may not, a private copy."""
    connection = None
    try:
        connection = _in_place(path)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        if not needs_copy(error):
            raise
        with _copied(path) as copy:
            yield copy
        return
    with closing(connection):
        yield connection


def _in_place(path: Path) -> sqlite3.Connection:
    """A connection that creates nothing beside the file and respects the locks of a writer.

    Where no -wal lies beside a file that is in WAL mode, an ordinary connection would create one. So the file is first
    looked at as if it could not change, which a closed one really cannot. (An empty -wal is what a reader leaves that
    came in the very moment of closing: nothing was in it.)
    """
    if _beside(path, "-journal").exists() or bytes_of(_beside(path, "-wal")):
        return _connect(path, "mode=ro")
    frozen = _connect(path, "mode=ro&immutable=1")
    try:
        says = _header(frozen)
    except sqlite3.Error:
        frozen.close()
        raise
    if says.get("closed") == "true" or not says:  # without a header it is not ours: there is nobody to wait for
        return frozen
    frozen.close()
    if says.get("journal") == '"wal"' and bytes_of(_beside(path, "-wal")) is None and _in_wal_mode(path):
        raise RunFileError(_left_behind(path))
    return _connect(path, "mode=ro")


def bytes_of(path: Path) -> int | None:
    """None where there is no such file; one look, because a writer may take it away at any moment."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _in_wal_mode(path: Path) -> bool:
    """What the file's 19th byte says. Only asked where no writer of this process can be at it: closing a file drops
    every lock that the process holds on it."""
    with path.open("rb") as file:
        return file.read(19)[18] == 2


def _header(connection: sqlite3.Connection) -> dict[str, str]:
    """Key to JSON text; empty where the file has no header table."""
    try:
        return dict(connection.execute("SELECT key, value FROM header"))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname == "SQLITE_ERROR":  # no such table
            return {}
        raise


def _connect(path: Path, options: str) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?{options}"
    return sqlite3.connect(address, uri=True, timeout=LOCK_S, isolation_level=None)


@contextmanager
def _copied(path: Path) -> Iterator[sqlite3.Connection]:
    """Where the folder is read-only and its writer is gone: SQLite may do in a copy what it must."""
    with tempfile.TemporaryDirectory(prefix="gradiometer-") as folder:
        copy = Path(folder) / "run.gmr"
        shutil.copyfile(path, copy)
        for tail in ("-wal", "-journal"):
            if _beside(path, tail).exists():
                shutil.copyfile(_beside(path, tail), _beside(copy, tail))
        with closing(_connect(copy, "mode=rw")) as connection:
            yield connection


def _beside(path: Path, tail: str) -> Path:
    return path.with_name(path.name + tail)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _check_file(connection: sqlite3.Connection, path: Path, kind: str, migrations: tuple[Migration, ...]) -> None:
    """Ours, whole, of the kind that is wanted, and of a schema that we know."""
    application_id, pages, page_bytes = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("application_id", "page_count", "page_size")
    )
    if pages == 0:  # a handful of bytes: SQLite takes them for a file that has not begun
        raise RunFileError(f"Cannot read {path}: {NO_RUN_FILE}")
    if application_id != APPLICATION_ID:
        raise RunFileError(f"{path} is an SQLite file, but not of Gradiometer. Name a file that gradiometer run wrote.")
    newest = schema_version(migrations)
    if _version(connection) > newest:
        raise RunFileError(
            f"{path} was written by a newer Gradiometer: schema {_version(connection)}, this one reads up to {newest};"
            " upgrade with pip install -U gradiometer."
        )
    found = path.stat().st_size
    if found < pages * page_bytes and not _beside(path, "-wal").exists():  # else the last pages may lie there
        raise RunFileError(f"Cannot read {path}: {cut_short(found, pages * page_bytes)}")
    holds = kind_of(connection)
    if holds != kind:
        wrote = "that gradiometer run wrote" if kind == KIND else f"of a {kind}"
        raise OtherKindError(f"{path} holds a {holds}, not a {kind}. Name a file {wrote}.", holds)


def kind_of(connection: sqlite3.Connection) -> str:
    """What the file says that it holds: ``run``, ``trial``; ``nothing`` where it does not say."""
    row = connection.execute("SELECT value FROM header WHERE key = 'kind'").fetchone()
    return "nothing" if row is None else str(row[0]).strip('"')


def _upgraded(connection: sqlite3.Connection, migrations: tuple[Migration, ...]) -> sqlite3.Connection:
    """The run in memory, brought to the newest schema: the file of an older Gradiometer stays as it is."""
    newer = sqlite3.connect(":memory:", isolation_level=None)
    connection.backup(newer)
    newer.execute("BEGIN")
    migrate(newer, migrations)
    return newer


def _left_behind(path: Path) -> str:
    wal = path.name + "-wal"
    return (
        f"{path} was not closed, and {wal}, which holds its last steps, is not beside it. Copy both into one folder."
        f" If {wal} is lost, sqlite3 {path} 'PRAGMA journal_mode = DELETE' keeps what the file itself holds."
    )
