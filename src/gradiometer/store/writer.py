"""The only thing that writes a run file: rows go into one transaction, ``flush`` makes them last."""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from gradiometer.records import (
    STATS,
    Diagnosis,
    Event,
    Frame,
    LossSeen,
    Network,
    NotCovered,
    OptimizerSeen,
    RunFileError,
    RunInfo,
    Site,
    UserError,
)

from .create import create, put_header, put_info
from .documents import to_text
from .growing import GrowingTables
from .packing import ZLIB_LEVEL, pack_values
from .refusals import writing
from .thinning import thin_events, thin_frames, used_bytes

MAX_RUN_BYTES = 256 * 2**20  # a frame of 500 modules takes about 60 KB: 4 000 of them
FLUSH_S = 0.5
"""What is younger than this may be lost when the process is killed, and is not yet seen by a live reader. A flush costs
a tenth of a millisecond."""
FLUSH_BYTES = 4 * 2**20  # an open transaction stays in memory: bound it
CLOSE_MS = 2000  # so long may a reader delay the end of a script
EVENTS_SHARE = 1 / 8  # of max_bytes
TABLES_SHARE = 1 / 8  # of max_bytes, for curves, and as much for logged values
ROW_BYTES = 4096 * 2  # room that a row may take in half-filled pages


class RunWriter:
    """Writes one run file. One thread uses it; other processes may read it all the while.

    The file must not exist yet. It holds what the last ``flush`` wrote, whatever happens to this process; a put
    flushes by itself when the last flush is more than FLUSH_S ago. Every refusal of the disk is a RunFileError at the
    call; after one the writer takes nothing more, and ``close`` keeps what was flushed before.

    max_bytes: where the file would grow past it, every second frame of the middle goes, never the first DENSE_FRAMES
    nor the last one of a model.
    """

    def __init__(self, path: str | os.PathLike[str], info: RunInfo, max_bytes: int = MAX_RUN_BYTES) -> None:
        self.path = Path(path)
        self._info = info
        self._max_bytes = max_bytes
        self._broken = ""
        self._closed = False
        self._events: list[Event] = []
        self._events_bytes = 0
        self._pending_bytes = 0
        with writing(self.path):
            self._connection = create(self.path, info)
        self._flushed_s = time.monotonic()
        self._release = weakref.finalize(self, _release, self._connection, os.getpid())
        self._curves = GrowingTables(self._connection, "curves", columns=3)
        self._logged = GrowingTables(self._connection, "logged", columns=2)

    # -- what is put

    def put_info(self, info: RunInfo) -> None:
        """Replace what is known of the run as a whole, so that a live reader sees its wall time and coverage."""
        self._info = info
        with self._putting():
            put_info(self._connection, info)

    def put_network(self, network: Network) -> None:
        """Add a network; one of the same name is replaced in its place."""
        self._put_named("networks", network.name, network)

    def put_sites(self, sites: Sequence[Site]) -> None:
        """Append sites: their order in the file is the order given, over all calls."""
        with self._putting():
            rows = [(to_text(site),) for site in sites]
            self._connection.executemany("INSERT INTO sites (data) VALUES (?)", rows)

    def put_frame(self, frame: Frame) -> None:
        """Append a recorded step. ``values`` is [site, stat], columns in the order of STATS."""
        if frame.values.ndim != 2 or frame.values.shape[1] != len(STATS):
            raise UserError(f"A frame has values {frame.values.shape}; [site, {len(STATS)}] was expected.")
        packed = pack_values(frame.values)
        scalars = (frame.loss, frame.lr, frame.loss_scale, frame.overhead_s, frame.step_s)
        with self._putting(len(packed.data)):
            self._make_room(len(packed.data))
            self._connection.execute(
                "INSERT INTO frames (model, step, loss, lr, loss_scale, overhead_s, step_s, sites, data)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (to_text(frame.model), int(frame.step), *map(float, scalars), packed.sites, packed.data),
            )

    def put_loss(self, loss: LossSeen) -> None:
        """Add the loss of a model; an earlier one of the same model is replaced in its place."""
        self._put_named("losses", loss.model, loss)

    def put_optimizer(self, optimizer: OptimizerSeen) -> None:
        """Add an optimizer; one of the same name is replaced in its place."""
        self._put_named("optimizers", optimizer.name, optimizer)

    def put_events(self, events: Sequence[Event]) -> None:
        """Append events, in their order."""
        with self._putting():
            self._events += events

    def put_curve(self, model: str, points: NDArray[np.float64]) -> None:
        """Append to the every-step curve of a model: [n, (step, loss, lr)]."""
        with self._putting():
            self._curves.add(model, points)

    def put_logged(self, name: str, step: float, value: float) -> None:
        """Append one value that the script logged."""
        with self._putting():
            self._logged.add(name, np.array([[step, value]], dtype=np.float64))

    def put_not_covered(self, place: NotCovered) -> None:
        """Note something that was not measured; the same note twice is kept once."""
        with self._putting():
            self._connection.execute("INSERT OR IGNORE INTO not_covered (data) VALUES (?)", (to_text(place),))

    def put_problem(self, problem: str) -> None:
        """Note an error inside the watch; the same text twice is kept once."""
        with self._putting():
            self._connection.execute("INSERT OR IGNORE INTO problems (data) VALUES (?)", (to_text(problem),))

    def put_result(self, diagnosis: Diagnosis) -> None:
        """Append a diagnosis that was made of this run."""
        with self._putting():
            self._connection.execute("INSERT INTO results (data) VALUES (?)", (to_text(diagnosis),))

    # -- when it lasts

    def flush(self) -> None:
        """Make everything that was put last, and visible to readers."""
        with self._refusing():
            self._write_buffers()
            self._commit()

    def close(self, info: RunInfo | None = None) -> None:
        """Write ``info`` and leave one plain, closed file. A second call does nothing.

        After a refusal of the disk, what was flushed before it stays and the info is still tried.
        """
        if self._closed:
            return
        self._closed = True
        try:
            with writing(self.path):
                self._finish(self._info if info is None else info)
        finally:
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, where that was not done: a run that is left as ``running`` gets the state that the exit tells."""
        if self._info.state != "running" or self._closed:
            return self.close()
        state = "finished" if error is None else "interrupted" if isinstance(error, KeyboardInterrupt) else "crashed"
        said = "" if error is None else f"{type(error).__name__}: {error}"
        return self.close(msgspec.structs.replace(self._info, state=state, error=said))

    # -- inside

    def _put_named(self, table: str, name: str, record: Network | LossSeen | OptimizerSeen) -> None:
        with self._putting():
            self._connection.execute(
                f"INSERT INTO {table} (name, data) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET data = excluded.data",
                (to_text(name), to_text(record)),
            )

    @contextmanager
    def _putting(self, size_bytes: int = 0) -> Iterator[None]:
        """Around each put: a transaction before it, a flush after it where one is due."""
        with self._refusing():
            self._begin()
            yield
            self._pending_bytes += size_bytes
            if self._pending_bytes > FLUSH_BYTES or time.monotonic() - self._flushed_s > FLUSH_S:
                self._write_buffers()
                self._commit()

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """After the first refusal nothing more is taken: a file with a hole in its site table would mislead."""
        if self._closed:
            raise UserError(f"The run file {self.path} is closed.")
        if self._broken:
            raise RunFileError(self._broken)
        try:
            with writing(self.path):
                yield
        except RunFileError as error:
            self._broken = str(error)
            with suppress(sqlite3.Error):
                self._connection.rollback()
            raise

    def _begin(self) -> None:
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN")

    def _commit(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")
        self._pending_bytes = 0
        self._flushed_s = time.monotonic()

    def _write_buffers(self) -> None:
        """Curves, logged values and events come one by one, and go to the file as one row a flush."""
        self._begin()
        self._curves.write(self._max_bytes * TABLES_SHARE)
        self._logged.write(self._max_bytes * TABLES_SHARE)
        if self._events:
            data = zlib.compress(to_text(self._events).encode("ascii"), ZLIB_LEVEL)
            self._connection.execute("INSERT INTO events (data) VALUES (?)", (data,))
            self._events = []
            self._events_bytes += len(data)
            if self._events_bytes > self._max_bytes * EVENTS_SHARE:
                self._events_bytes = thin_events(self._connection)

    def _make_room(self, size_bytes: int) -> None:
        if used_bytes(self._connection) + size_bytes + ROW_BYTES > self._max_bytes:
            thin_frames(self._connection)

    def _finish(self, info: RunInfo) -> None:
        """The last rows. After a refusal the room that the -wal takes is freed for them."""
        if self._broken:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try:
            self._begin()
            self._write_buffers()
            self._curves.join()
            self._logged.join()
            put_info(self._connection, info)
            put_header(self._connection, "closed", True)
            self._commit()
        except sqlite3.Error:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            raise


def _release(connection: sqlite3.Connection, owner_pid: int) -> None:
    """Leave one plain file and nothing beside it; also when the writer is forgotten, or Python ends without a close.

    A reader may hold the file: then its -wal stays, and stays readable. A forked child must not touch the file.
    """
    if os.getpid() != owner_pid:
        return
    with suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("COMMIT")
        connection.execute(f"PRAGMA busy_timeout = {CLOSE_MS}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
