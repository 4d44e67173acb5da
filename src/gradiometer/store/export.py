"""A run as a table for pandas, polars, DuckDB, a spreadsheet.

One observation a row: a site at a recorded step, in the order of the frames and of ``run.sites()``. Columns:

    model, step, loss, lr          of the frame (nan is null)
    site, kind, op, hop            the site's name as it is written everywhere, and what is known of it
    act_norm ... weight_nonfinite  one column a statistic, in the order of STATS; null where it was not measured

Rows of sites that were not reached in a step are left out.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradiometer.records import STATS, Frame, Run, Site, UserError

if TYPE_CHECKING:
    import pyarrow

BATCH_FRAMES = 64  # frames in one record batch: 64 x 1 500 sites x 27 statistics are 21 MB
LABELS: tuple[str, ...] = ("model", "step", "loss", "lr", "site", "kind", "op", "hop")


def to_arrow(run: Run) -> pyarrow.Table:
    """All rows in memory."""
    arrow = _arrow("pyarrow")
    return arrow.Table.from_batches(list(_batches(run, arrow)), schema=_schema(arrow))


def to_parquet(run: Run, path: Path) -> None:
    """All rows to a Parquet file, batch by batch."""
    arrow, parquet = _arrow("pyarrow"), _arrow("pyarrow.parquet")
    try:
        with parquet.ParquetWriter(path, _schema(arrow)) as writer:
            for batch in _batches(run, arrow):
                writer.write_batch(batch)
    except OSError as error:
        raise _unwritable(path, error) from error


def to_csv(run: Run, path: Path) -> None:
    """All rows to a CSV file (UTF-8, RFC 4180), frame by frame; needs no extra."""
    sites = _sites(run)
    try:
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            writer = csv.writer(file, lineterminator="\r\n")
            writer.writerow((*LABELS, *STATS))
            for frame in run.frames:
                writer.writerows(_csv_rows(frame, sites[frame.model]))
    except OSError as error:
        raise _unwritable(path, error) from error


def _sites(run: Run) -> dict[str, tuple[Site, ...]]:
    return {model: run.sites(model) for model in {frame.model for frame in run.frames}}


def _reached(frame: Frame) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rows of the frame that hold any number [row]."""
    return np.flatnonzero(~np.isnan(frame.values).all(axis=1))


def _csv_rows(frame: Frame, sites: tuple[Site, ...]) -> Iterator[list[object]]:
    head = [frame.model, frame.step, _cell(frame.loss), _cell(frame.lr)]
    for row in _reached(frame).tolist():
        site = sites[row]
        cells = [_cell(x) for x in frame.values[row].tolist()]
        yield [*head, site.name, site.kind, site.op, site.hop, *cells]


def _cell(value: float) -> float | str:
    return "" if value != value else value


def _batches(run: Run, arrow: Any) -> Iterator[pyarrow.RecordBatch]:
    sites = _sites(run)
    for start in range(0, len(run.frames), BATCH_FRAMES):
        yield _batch(run.frames[start : start + BATCH_FRAMES], sites, arrow)


def _batch(frames: tuple[Frame, ...], sites: dict[str, tuple[Site, ...]], arrow: Any) -> pyarrow.RecordBatch:
    reached = [_reached(frame) for frame in frames]
    counts = [len(rows) for rows in reached]
    values = np.concatenate([f.values[rows] for f, rows in zip(frames, reached, strict=True)])  # [row, stat]
    of_row = [sites[f.model][i] for f, rows in zip(frames, reached, strict=True) for i in rows.tolist()]
    columns: list[Any] = [
        np.repeat([_clean(f.model) for f in frames], counts),
        np.repeat([f.step for f in frames], counts),
        np.repeat([f.loss for f in frames], counts),
        np.repeat([f.lr for f in frames], counts),
        [_clean(s.name) for s in of_row],
        [s.kind for s in of_row],
        [_clean(s.op) for s in of_row],
        [s.hop for s in of_row],
        *np.ascontiguousarray(values.T),
    ]
    schema = _schema(arrow)
    arrays = [_array(column, kind.type, arrow) for column, kind in zip(columns, schema, strict=True)]
    return arrow.RecordBatch.from_arrays(arrays, schema=schema)


def _array(column: Any, kind: Any, arrow: Any) -> pyarrow.Array:
    """nan becomes null; names become dictionary codes."""
    if arrow.types.is_dictionary(kind):
        return arrow.array(column, type=arrow.string()).dictionary_encode()
    return arrow.array(column, type=kind, from_pandas=True)


def _clean(text: str) -> str:
    """A lone surrogate has no UTF-8: it is written as its escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _schema(arrow: Any) -> pyarrow.Schema:
    name = arrow.dictionary(arrow.int32(), arrow.string())
    kinds = {"step": arrow.int64(), "loss": arrow.float64(), "lr": arrow.float64(), "hop": arrow.int32()}
    fields = [arrow.field(label, kinds.get(label, name)) for label in LABELS]
    return arrow.schema([*fields, *(arrow.field(stat, arrow.float64()) for stat in STATS)])


def _arrow(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(
            "This export needs pyarrow, which is not installed: pip install 'gradiometer[export]'."
            " A CSV file (to_csv) needs no extra."
        ) from error


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(f"Cannot write {path}: {error.strerror or error}. Name a file in a folder that you may write to.")
