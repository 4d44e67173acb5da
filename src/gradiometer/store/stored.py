"""A run as it lies in its file: frames stay packed in memory until a number is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gradiometer.records import STAT_INDEX, STATS, Diagnosis, Frame, Run, RunFileError, Site, UserError

from . import export
from .packing import Floats, PackedValues

if TYPE_CHECKING:
    import pyarrow

STILL_PACKED: NDArray[np.float64] = np.empty((0, len(STATS)))
"""Stands for ``values`` that nobody has read yet. Known by identity."""

MEMO_BYTES = 256 * 2**20  # matrices that ``of`` keeps: ten of 2 000 frames x 1 500 sites


@dataclass(frozen=True, slots=True, eq=False)
class StoredFrame(Frame):
    """A Frame whose ``values`` are unpacked when they are first read.

    columns: [stat of this version] its column in the file, -1 where the file has none.
    """

    packed: PackedValues | None = None
    columns: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.values is STILL_PACKED:
            object.__delattr__(self, "values")  # an empty slot: __getattr__ fills it
        else:
            object.__setattr__(self, "packed", None)  # dataclasses.replace(frame, values=...): these are the values

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name != "values":
                raise AttributeError(name)
            object.__setattr__(self, "values", self._unpacked())
            return self.values

    def put_stat(self, stat: str, row: Floats) -> None:
        """Write one statistic into ``row`` [site]; cells that were not measured stay as they are."""
        if self.packed is None:
            row[: len(self.values)] = self.values[:, STAT_INDEX[stat]]
        elif (column := self.columns[STAT_INDEX[stat]]) >= 0:
            with self._damage_told():
                self.packed.put_stat(column, row)

    def _unpacked(self) -> Floats:
        assert self.packed is not None
        with self._damage_told():
            kept = self.packed.dense()  # [site, stat of the file]
        padded = np.column_stack([kept, np.full(len(kept), np.nan)])  # column -1 is nan
        return np.ascontiguousarray(padded[:, list(self.columns)])

    @contextmanager
    def _damage_told(self) -> Iterator[None]:
        """The checksum was right when the file was opened: only a file that was forged can come here."""
        try:
            yield
        except (ValueError, IndexError) as error:
            raise RunFileError(f"The frame of step {self.step} of {self.model} is damaged: {error}.") from error


@dataclass(frozen=True, slots=True, eq=False)
class StoredRun(Run):
    """A recorded training, read from ``path``. It is a snapshot: a live run is opened again to see more.

    closed: whether its writer closed the file. ``info.state`` of a file that was not closed is still ``running``:
        either it is, or its process was killed.
    results: diagnoses that were stored with the run.
    """

    path: Path = Path()
    closed: bool = True
    results: tuple[Diagnosis, ...] = ()
    _memo: dict[tuple[str, str], Floats] = field(default_factory=dict, init=False, repr=False)
    _sites: dict[str, tuple[Site, ...]] = field(default_factory=dict, init=False, repr=False)
    _index: dict[str, dict[str, int]] = field(default_factory=dict, init=False, repr=False)

    def sites(self, model: str | None = None) -> tuple[Site, ...]:
        """As Run.sites, looked up once."""
        name = self.main if model is None else model
        if name not in self._sites:
            self._sites[name] = tuple(s for s in self.site_table if s.model == name)
        return self._sites[name]

    def columns(self, names: Sequence[str], model: str | None = None) -> NDArray[np.int64]:
        """As Run.columns, its index made once."""
        name = self.main if model is None else model
        if name not in self._index:
            self._index[name] = {s.name: i for i, s in enumerate(self.sites(name))}
        index = self._index[name]
        return np.array([index.get(n, -1) for n in names], dtype=np.int64)

    def of(self, stat: str, model: str | None = None) -> Floats:
        """One statistic of every site at every recorded step, [frame, site]; nan where it was not measured.

        As Run.of, and without unpacking the other statistics. UserError where ``stat`` is no statistic.
        """
        if stat not in STAT_INDEX:
            raise UserError(f"No statistic {stat!r}. Statistics: {', '.join(STATS)}.")
        name = self.main if model is None else model
        if (stat, name) not in self._memo:
            self._remember((stat, name), self._read_stat(stat, name))
        return self._memo[stat, name].copy()

    def to_arrow(self) -> pyarrow.Table:
        """The frames as one Arrow table: a row a site and recorded step, a column a statistic; see export.py.

        ``run.to_arrow().to_pandas()`` and ``polars.from_arrow(run.to_arrow())`` give data frames.
        """
        return export.to_arrow(self)

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write the table of ``to_arrow`` to a Parquet file."""
        export.to_parquet(self, Path(path))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table of ``to_arrow`` to a CSV file; numbers keep every bit, cells not measured are empty."""
        export.to_csv(self, Path(path))

    def _read_stat(self, stat: str, model: str) -> Floats:
        frames = self.frames_of(model)
        out = np.full((len(frames), len(self.sites(model))), np.nan)
        for row, frame in zip(out, frames, strict=True):
            if isinstance(frame, StoredFrame):
                frame.put_stat(stat, row)
            else:
                row[: len(frame.values)] = frame.values[:, STAT_INDEX[stat]]
        return out

    def _remember(self, key: tuple[str, str], matrix: Floats) -> None:
        if sum(m.nbytes for m in self._memo.values()) + matrix.nbytes > MEMO_BYTES:
            self._memo.clear()
        self._memo[key] = matrix
