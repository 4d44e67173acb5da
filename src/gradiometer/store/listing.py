"""The runs of a folder, one row each, without reading their frames."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gradiometer.records import Network, RunFileError, UserError

from .connect import OtherKindError, bytes_of, connected
from .documents import from_texts
from .reader import read_info
from .refusals import reading
from .schema import TRIAL


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run file as a list shows it.

    started: ISO 8601, "" where unknown. models: names in the order seen. steps: recorded steps of the model that has
    most of them. last_loss: newest loss of that model, nan where none was seen. file_bytes: with the -wal beside it.
    closed: as in StoredRun. error: why the file cannot be read, "" where it can; all else is then empty.
    """

    path: Path
    file_bytes: int
    name: str = ""
    state: str = ""
    started: str = ""
    models: tuple[str, ...] = ()
    steps: int = 0
    last_loss: float = float("nan")
    closed: bool = False
    error: str = ""


def list_runs(folder: str | os.PathLike[str]) -> tuple[RunRow, ...]:
    """The run files (*.gmr) that lie in ``folder``, newest first; a damaged file is a row with its error.

    UserError where there is no such folder.
    """
    place = Path(folder)
    if not place.is_dir():
        raise UserError(f"No folder {place}. Name the folder that holds the run files (*.gmr).")
    rows = [row for path in place.glob("*.gmr") if (row := run_row(path)) is not None]
    return tuple(sorted(rows, key=_age, reverse=True))


def run_row(path: Path) -> RunRow | None:
    """The row of one file, a damaged one too; None for the file of a trial, which is no run."""
    size = (bytes_of(path) or 0) + (bytes_of(path.with_name(path.name + "-wal")) or 0)
    try:
        with reading(path), connected(path) as connection:
            info, closed = read_info(connection)
            networks = from_texts([r[0] for r in connection.execute("SELECT data FROM networks ORDER BY id")], Network)
            steps, last_loss = _progress(connection)
    except RunFileError as error:
        if isinstance(error, OtherKindError) and error.kind == TRIAL:
            return None
        return RunRow(path, size, error=str(error))
    models = tuple(network.name for network in networks)
    return RunRow(path, size, info.name, info.state, info.started, models, steps, last_loss, closed)


def _progress(connection: sqlite3.Connection) -> tuple[int, float]:
    """Number of recorded steps, and the last loss. The count is answered by an index alone."""
    query = "SELECT model, count(*) FROM frames GROUP BY model ORDER BY count(*) DESC, model LIMIT 1"
    model, steps = connection.execute(query).fetchone() or (None, 0)
    losses = (
        "SELECT last_loss FROM curves WHERE model = ?1 OR ?1 IS NULL ORDER BY id DESC LIMIT 1",
        "SELECT loss FROM frames WHERE model = ?1 ORDER BY step DESC LIMIT 1",
    )
    for query in losses:
        row = connection.execute(query, (model,)).fetchone()
        if row is not None:
            return steps, float("nan") if row[0] is None else float(row[0])
    return steps, float("nan")


def _age(row: RunRow) -> tuple[float, str]:
    """When the run started; the file's own time where it does not say."""
    try:
        started = datetime.fromisoformat(row.started)
    except ValueError:
        started = datetime.fromtimestamp(row.path.stat().st_mtime, UTC)
    return (started if started.tzinfo else started.replace(tzinfo=UTC)).timestamp(), row.path.name
