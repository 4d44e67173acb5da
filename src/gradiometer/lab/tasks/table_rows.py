"""The rows of a user's file, whatever its format, and what is refused in them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradiometer.records import UserError

from .splits import Array

FEWEST_ROWS = 10  # 6 to learn from, 2 to validate, 2 to test
MOST_NUMBERS = 10_000_000  # rows x columns: 80 MB while they are read
MOST_MISSING_SHARE = 0.1  # of the rows; with more left out, the rest is another data set
MISSING = frozenset({"", "na", "n/a", "nan", "null", "?"})
TRUTH_VALUES = {"true": 1.0, "false": 0.0}
SHOWN_NAMES = 8
LARGEST_NUMBER = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What a file holds. inputs: [row, column] float64, nan where missing. shape: of one example.

    name_of: number of a column of inputs -> its name. target: [row] float64 with nan, or texts with "" where missing.
    place: what a row is called (a line of the file, a row of the array), with its number in places [row].
    notes: what was decided on the way and must be said.
    """

    file: str
    name_of: Callable[[int], str]
    inputs: Array
    shape: tuple[int, ...]
    target_name: str
    target: Array
    place: str
    places: Array
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.target)

    def at(self, row: int, column: int) -> str:
        """A cell, for a message: column 'age', line 3. The column after the last one is the target."""
        name = self.target_name if column == self.inputs.shape[1] else self.name_of(column)
        return f"{self.file}: column {name!r}, {self.place} {self.places[row]}"

    def only(self, kept: Array, note: str) -> Rows:
        """The rows that are kept, and why the others are not."""
        return replace(
            self,
            inputs=self.inputs[kept],
            target=self.target[kept],
            places=self.places[kept],
            notes=(*self.notes, note),
        )


def complete(rows: Rows) -> Rows:
    """The rows without a missing value. UserError for a number that float32 cannot hold, and for too few rows."""
    _refuse_few(rows)
    _refuse_infinite(rows)
    missing = np.column_stack([np.isnan(rows.inputs), target_missing(rows.target)])  # [row, column]
    gaps = np.asarray(missing.any(axis=1))
    if not gaps.any():
        return rows
    if gaps.mean() > MOST_MISSING_SHARE:
        worst = int(missing.sum(axis=0).argmax())
        first, count = int(missing[:, worst].argmax()), int(missing[:, worst].sum())
        raise UserError(
            f"{rows.at(first, worst)} holds no value, nor do {count - 1} other rows there; {gaps.sum()} of {len(rows)} "
            f"rows have a gap, and at most {MOST_MISSING_SHARE:.0%} are left out. Fill the gaps or remove the column."
        )
    rows = rows.only(~gaps, f"{gaps.sum()} of {len(rows)} rows left out because a value is missing")
    _refuse_few(rows)
    return rows


def _refuse_few(rows: Rows) -> None:
    if len(rows) < FEWEST_ROWS:
        raise UserError(
            f"{rows.file} has {len(rows)} complete rows, and three splits need at least {FEWEST_ROWS}. Give more rows."
        )


def target_missing(target: Array) -> Array:
    """Which targets are missing [row]."""
    return np.asarray(np.isnan(target) if target.dtype.kind == "f" else target == "")


def _refuse_infinite(rows: Rows) -> None:
    for values, shift in ((rows.inputs, 0), (rows.target[:, None], rows.inputs.shape[1])):
        if values.dtype.kind != "f":
            continue
        bad = np.argwhere(np.abs(values) > LARGEST_NUMBER)
        if len(bad):
            row, column = bad[0]
            raise UserError(
                f"{rows.at(row, column + shift)} holds {values[row, column]:g}. Every number must be finite and fit "
                "float32. Correct it, or leave it empty."
            )


def refuse_size(file: str, n_rows: int, n_columns: int) -> None:
    """UserError where a table has more numbers than are read."""
    if n_rows * n_columns > MOST_NUMBERS:
        raise UserError(f"{file} holds more than {MOST_NUMBERS:,} numbers ({n_columns} columns). Take fewer rows.")


def target_column(file: str, names: Sequence[str], target: str) -> int:
    """Where the target stands among the columns. UserError that names the columns, the nearest first."""
    if not target:
        raise UserError(
            f"{file}: which column is to be predicted? Name it with target=... (--target). {_known(names, '')}"
        )
    if target not in names:
        raise UserError(f"{file} has no column {target!r}. {_known(names, target)}")
    if len(names) == 1:
        raise UserError(f"{file} has the one column {target!r}: there is nothing to predict it from.")
    return list(names).index(target)


def refuse_twins(file: str, names: Sequence[str]) -> None:
    """UserError where two columns have one name."""
    for i, name in enumerate(names):
        if name in names[:i]:
            first = list(names).index(name)
            raise UserError(f"{file}: columns {first + 1} and {i + 1} are both named {name!r}. Rename one of them.")


def _known(names: Sequence[str], target: str) -> str:
    near = difflib.get_close_matches(target.lower(), [n.lower() for n in names], n=3, cutoff=0.5)
    ordered = sorted(names, key=lambda n: near.index(n.lower()) if n.lower() in near else len(near))
    more = f" and {len(ordered) - SHOWN_NAMES} more" if len(ordered) > SHOWN_NAMES else ""
    return f"Its columns are {', '.join(map(repr, ordered[:SHOWN_NAMES]))}{more}."
