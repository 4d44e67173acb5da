"""The tables of a run file, its version, and the named migrations that lead there.

Text columns hold JSON, names too: JSON spells every Python string, lone surrogates included. Columns without a type
keep a float as it is (a REAL column turns -0.0 into 0); nan is NULL there. The blobs are described in packing.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

APPLICATION_ID = 0x67726164  # "grad"; lies in every SQLite header, so that ``file`` and we can tell a run file apart
KIND = "run"
TRIAL = "trial"

_RUN_TABLES = (
    "CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    "CREATE TABLE header (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE info (id INTEGER PRIMARY KEY CHECK (id = 1), data TEXT NOT NULL)",
    "CREATE TABLE networks (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, data TEXT NOT NULL)",
    "CREATE TABLE sites (id INTEGER PRIMARY KEY, data TEXT NOT NULL)",
    """CREATE TABLE frames (
        id INTEGER PRIMARY KEY, model TEXT NOT NULL, step INTEGER NOT NULL,
        loss, lr, loss_scale, overhead_s, step_s,
        sites INTEGER NOT NULL, data BLOB NOT NULL
    )""",
    "CREATE INDEX frames_by_step ON frames (model, step)",
    """CREATE TABLE curves (
        id INTEGER PRIMARY KEY, model TEXT NOT NULL, rows INTEGER NOT NULL, last_loss, data BLOB NOT NULL
    )""",
    "CREATE TABLE losses (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, data TEXT NOT NULL)",
    "CREATE TABLE optimizers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, data TEXT NOT NULL)",
    "CREATE TABLE events (id INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    "CREATE TABLE not_covered (id INTEGER PRIMARY KEY, data TEXT NOT NULL UNIQUE)",
    "CREATE TABLE problems (id INTEGER PRIMARY KEY, data TEXT NOT NULL UNIQUE)",
    "CREATE TABLE logged (id INTEGER PRIMARY KEY, name TEXT NOT NULL, rows INTEGER NOT NULL, data BLOB NOT NULL)",
    "CREATE TABLE results (id INTEGER PRIMARY KEY, data TEXT NOT NULL)",
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: from version n to n + 1, where n is its place in MIGRATIONS."""

    name: str
    statements: tuple[str, ...]


MIGRATIONS: tuple[Migration, ...] = (Migration("run tables", _RUN_TABLES),)
"""A new file goes through all of them, an older one through those it lacks. Never edit one that was released."""

_TRIAL_TABLES = (
    "CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    "CREATE TABLE header (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE info (id INTEGER PRIMARY KEY CHECK (id = 1), data TEXT NOT NULL)",
    "CREATE TABLE outcomes (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, data TEXT NOT NULL)",
    "CREATE TABLE verdicts (id INTEGER PRIMARY KEY, data TEXT NOT NULL)",
)

TRIAL_MIGRATIONS: tuple[Migration, ...] = (Migration("trial tables", _TRIAL_TABLES),)
"""The same for files of trials, which count their versions by themselves."""


def schema_version(migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """The version that this Gradiometer writes and reads."""
    return len(migrations)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring a file to the newest version. The caller has begun a transaction, so that it happens whole or not at all,
    and the file is not newer than that."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number, migration in enumerate(migrations[version:], start=version + 1):
        for statement in migration.statements:
            connection.execute(statement)
        connection.execute("INSERT INTO migrations VALUES (?, ?)", (number, migration.name))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(migrations)}")
