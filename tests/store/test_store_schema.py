from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from store_samples import full_run, run_bits, write

from gradiometer.records import RunFileError
from gradiometer.store import open_run
from gradiometer.store.schema import APPLICATION_ID, MIGRATIONS, Migration, migrate, schema_version

COLUMNS = {
    "migrations": ["version", "name"],
    "header": ["key", "value"],
    "info": ["id", "data"],
    "networks": ["id", "name", "data"],
    "sites": ["id", "data"],
    "frames": ["id", "model", "step", "loss", "lr", "loss_scale", "overhead_s", "step_s", "sites", "data"],
    "curves": ["id", "model", "rows", "last_loss", "data"],
    "losses": ["id", "name", "data"],
    "optimizers": ["id", "name", "data"],
    "events": ["id", "data"],
    "not_covered": ["id", "data"],
    "problems": ["id", "data"],
    "logged": ["id", "name", "rows", "data"],
    "results": ["id", "data"],
}


def columns(path: Path) -> dict[str, list[str]]:
    connection = sqlite3.connect(path)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")] for table in tables}
    connection.close()
    return found


def test_the_schema_is_frozen(tmp_path: Path) -> None:
    write(tmp_path / "a.gmr", full_run())
    assert columns(tmp_path / "a.gmr") == COLUMNS
    connection = sqlite3.connect(tmp_path / "a.gmr")
    assert connection.execute("PRAGMA user_version").fetchone() == (1,) == (schema_version(),)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("SELECT * FROM migrations").fetchall() == [(1, "run tables")]
    connection.close()


# The next version, made up; a file of today is an older one for it.
NEXT = (*MIGRATIONS, Migration("a table more", ("CREATE TABLE more (x)", "UPDATE info SET data = data")))


def test_an_older_file_is_upgraded_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = full_run()
    write(tmp_path / "a.gmr", run)
    before = (tmp_path / "a.gmr").read_bytes()
    ran: list[str] = []

    def noted(connection: sqlite3.Connection, migrations: tuple[Migration, ...]) -> None:
        migrate(connection, migrations)
        ran.extend(row[0] for row in connection.execute("SELECT name FROM migrations"))

    monkeypatch.setattr("gradiometer.store.connect.MIGRATIONS", NEXT)
    monkeypatch.setattr("gradiometer.store.connect.migrate", noted)
    assert run_bits(open_run(tmp_path / "a.gmr")) == run_bits(run)
    assert ran == ["run tables", "a table more"]
    assert (tmp_path / "a.gmr").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.gmr"]


def test_a_migration_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.gmr", full_run())
    broken = (*MIGRATIONS, Migration("broken", ("ALTER TABLE nowhere ADD COLUMN x",)))
    monkeypatch.setattr("gradiometer.store.connect.MIGRATIONS", broken)
    with pytest.raises(RunFileError, match="no such table: nowhere"):
        open_run(tmp_path / "a.gmr")


def test_migrations_run_once_each_and_whole() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for migrations in (MIGRATIONS, NEXT, NEXT):
        connection.execute("BEGIN")
        migrate(connection, migrations)
        connection.execute("COMMIT")
        assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations),)
    broken = (*NEXT, Migration("broken", ("CREATE TABLE half (x)", "nonsense")))
    connection.execute("BEGIN")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, broken)
    connection.rollback()
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert "more" in names and "half" not in names
    assert connection.execute("SELECT version FROM migrations").fetchall() == [(1,), (2,)]
    connection.close()
