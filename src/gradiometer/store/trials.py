"""The file of a trial: one SQLite file, an outcome a row, each of them lasting as soon as it is put.

A trial that was cut short leaves a valid file: its outcomes stand, and ``TrialWriter.resume`` goes on from there.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from gradiometer.records import Outcome, TrialResult, TrialSpec, TrialState, UserError, Verdict, Walk

from .connect import OtherKindError, connected
from .create import claim, connect_to_write, put_header
from .documents import from_texts, to_text
from .reader import open_run
from .refusals import reading, writing
from .schema import TRIAL, TRIAL_MIGRATIONS, migrate
from .stored import StoredRun
from .walks import is_json, open_walk

T = TypeVar("T")


def open_trial(path: str | os.PathLike[str]) -> TrialResult:
    """Read the file of a trial, also while it is written and after its writer was killed. It is never changed.

    Raises RunFileError where it is missing, foreign, damaged, newer, or no trial.
    """
    file = Path(path)
    with reading(file), connected(file, TRIAL) as connection:
        return _read(connection)


def open_recorded(path: str | os.PathLike[str]) -> StoredRun | TrialResult | Walk:
    """Read a file of ours, whatever its head says that it holds: a run, a trial, or the JSON document of a walk.

    Raises RunFileError where it is missing, foreign, damaged, newer, or holds anything else.
    """
    if is_json(path):
        return open_walk(path)
    try:
        return open_run(path)
    except OtherKindError as error:
        if error.kind != TRIAL:
            raise
        return open_trial(path)


class TrialWriter:
    """Writes one trial. Every put lasts when it returns; every refusal of the disk is a RunFileError."""

    def __init__(self, path: Path, connection: sqlite3.Connection, result: TrialResult) -> None:
        self.path = path
        self.result = result
        self._connection = connection

    @classmethod
    def new(cls, path: str | os.PathLike[str], spec: TrialSpec) -> Self:
        """A new file; RunFileError where there is one already."""
        file = Path(path)
        result = TrialResult(spec)
        with writing(file):
            claim(file)
            connection = connect_to_write(file)
            try:
                connection.execute("BEGIN")
                migrate(connection, TRIAL_MIGRATIONS)
                for key, value in (("kind", TRIAL), ("closed", False), ("journal", "delete")):
                    put_header(connection, key, value)
                connection.execute("INSERT INTO info VALUES (1, ?)", (to_text(_bare(result)),))
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                file.unlink(missing_ok=True)
                raise
        return cls(file, connection, result)

    @classmethod
    def resume(cls, path: str | os.PathLike[str], spec: TrialSpec) -> Self:
        """Go on with a file that is there. UserError where it holds another trial than ``spec``."""
        file = Path(path)
        result = open_trial(file)
        told = other_trial(result.spec, spec)
        if told:
            raise UserError(f"{file} holds another trial: {told}. Name another file, or remove it.")
        with writing(file):
            connection = connect_to_write(file)
            connection.execute("BEGIN")
            put_header(connection, "closed", False)
            connection.execute("COMMIT")
        return cls(file, connection, msgspec.structs.replace(result, state="running"))

    def put_outcome(self, outcome: Outcome) -> None:
        """Add an outcome; one of the same key is replaced."""
        with writing(self.path):
            self._connection.execute(
                "INSERT OR REPLACE INTO outcomes (key, data) VALUES (?, ?)", (outcome.key, to_text(outcome))
            )
        kept = tuple(o for o in self.result.outcomes if o.key != outcome.key)
        self.result = msgspec.structs.replace(self.result, outcomes=(*kept, outcome))

    def put_spec(self, spec: TrialSpec) -> None:
        """Replace the plan, once more of it is fixed (the arms that go on, their rates); what has ended stays."""
        self._put_info(msgspec.structs.replace(self.result, spec=spec))

    def close(self, state: TrialState, verdicts: Sequence[Verdict] = (), notes: Sequence[str] = ()) -> TrialResult:
        """Write how it ended, and leave one plain, closed file. A second call does nothing more."""
        result = msgspec.structs.replace(self.result, state=state, verdicts=tuple(verdicts), notes=tuple(notes))
        try:
            with writing(self.path):
                self._connection.execute("BEGIN")
                self._connection.execute("DELETE FROM verdicts")
                rows = [(to_text(v),) for v in verdicts]
                self._connection.executemany("INSERT INTO verdicts (data) VALUES (?)", rows)
                self._connection.execute("UPDATE info SET data = ?", (to_text(_bare(result)),))
                put_header(self._connection, "closed", True)
                self._connection.execute("COMMIT")
        finally:
            self._connection.close()
        self.result = result
        return result

    def _put_info(self, result: TrialResult) -> None:
        with writing(self.path):
            self._connection.execute("UPDATE info SET data = ?", (to_text(_bare(result)),))
        self.result = result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection: what was put stays, and the file says ``running`` where ``close`` did not say else."""
        self._connection.close()


def other_trial(found: TrialSpec, wanted: TrialSpec) -> str:
    """What makes ``wanted`` another trial than the one that was begun, in words; "" where it is the same.

    The arms and their rates may have been narrowed since, so the names decide: every arm that was begun with is known.
    """
    if bool(found.script) != bool(wanted.script):
        return f"it is of {f'the script {found.script}' if found.script else 'a function, as gm.prove takes it'}"
    changed = "the script has changed" if wanted.script else "what make gives has changed"
    before = f"the script had {f'the arguments {shlex.join(found.argv)}' if found.argv else 'no arguments'}"
    for name, what in (("digest", changed), ("argv", before)):
        if getattr(found, name) != getattr(wanted, name):
            return what
    for name in ("seeds", "screening_seeds", "diagnosed_on", "steps", "screening_steps", "primary", "lr_factors"):
        if getattr(found, name) != getattr(wanted, name):
            words = name.replace("_", " ")
            return f"its {words} are {getattr(found, name)!r}, not {getattr(wanted, name)!r}"
    begun, known = {a.name for a in found.arms}, {a.name for a in wanted.arms}
    return "" if known <= begun or begun <= known else f"its arms are {', '.join(a.name for a in found.arms)}"


def _bare(result: TrialResult) -> TrialResult:
    return msgspec.structs.replace(result, outcomes=(), verdicts=())


def _read(connection: sqlite3.Connection) -> TrialResult:
    infos = _all(connection, "info", TrialResult)
    if not infos:
        raise ValueError("it has no info")
    outcomes, verdicts = _all(connection, "outcomes", Outcome), _all(connection, "verdicts", Verdict)
    return msgspec.structs.replace(infos[0], outcomes=tuple(outcomes), verdicts=tuple(verdicts))


def _all(connection: sqlite3.Connection, table: str, kind: type[T]) -> list[T]:
    return from_texts([row[0] for row in connection.execute(f"SELECT data FROM {table} ORDER BY id")], kind)
