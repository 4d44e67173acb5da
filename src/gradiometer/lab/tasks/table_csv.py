"""A CSV file, read with the standard library: no extra is needed, and each message can name its line."""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradiometer.records import UserError

from .files import read_head
from .splits import Array
from .table_rows import MISSING, TRUTH_VALUES, Rows, refuse_size, refuse_twins, target_column

SEPARATORS = ",;\t|"
HEADER_WANTED = "Give a CSV file with a line of column names."


class _Layout(NamedTuple):
    """Where what stands. used: (index, name) of the columns that are inputs. decimal_comma: "," where 3,5 is 3.5."""

    separator: str
    width: int
    used: tuple[tuple[int, str], ...]
    target: int
    unnamed: int

    @property
    def decimal_comma(self) -> str:
        """The comma is a decimal sign only where it separates nothing."""
        return "" if self.separator == "," else ","


def read_csv(path: Path, target: str) -> Rows:
    """The rows of a CSV file. UserError where it is none, or a cell of an input is no number."""
    _refuse_binary(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _read(path, file, target)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not written in UTF-8 ({error.reason}). Save it as UTF-8.") from error
    except (OSError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as CSV: {error}.") from error


def _refuse_binary(path: Path) -> None:
    head = read_head(path)
    if not head.strip():
        raise UserError(f"{path} is empty. {HEADER_WANTED}")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(f"{path} is UTF-16. Save it as UTF-8.")
    if b"\0" in head:
        raise UserError(f"{path} is no CSV file: it holds bytes that no text has. Give CSV, Parquet or NPZ.")


def _read(path: Path, file: io.TextIOWrapper, target: str) -> Rows:
    header, above = file.readline(), 1
    while header and not header.strip():
        header, above = file.readline(), above + 1
    if not header:
        raise UserError(f"{path} is empty. {HEADER_WANTED}")
    layout = _layout(path, header, target)
    numbers, targets, lines = array("d"), list[str](), array("q")
    for line, cells in _records(path, file, above, layout):
        refuse_size(str(path), len(lines) + 1, len(layout.used))
        numbers.extend(_numbers(path, line, cells, layout))
        targets.append(cells[layout.target].strip())
        lines.append(line)
    names = [name for _, name in layout.used]
    return Rows(
        file=str(path),
        name_of=names.__getitem__,
        inputs=np.asarray(numbers).reshape(len(lines), len(names)),
        shape=(len(names),),
        target_name=target,
        target=typed_target(targets, layout.decimal_comma),
        place="line",
        places=np.asarray(lines),
        notes=_notes(layout),
    )


def _layout(path: Path, header: str, target: str) -> _Layout:
    split = {s: [name.strip() for name in next(csv.reader([header], delimiter=s))] for s in SEPARATORS}
    separator = max(SEPARATORS, key=lambda s: len(split[s]))
    names = split[separator]
    if target not in names and all(_number(name, "") is not None for name in names):
        raise UserError(f"{path} begins with a line of numbers. Its first line must hold the names of the columns.")
    named = [name for name in names if name]
    refuse_twins(str(path), named)
    target_column(str(path), named, target)
    used = tuple((i, name) for i, name in enumerate(names) if name and name != target)
    return _Layout(separator, len(names), used, names.index(target), len(names) - len(named))


def _notes(layout: _Layout) -> tuple[str, ...]:
    count = layout.unnamed
    return (f"{count} {'column' if count == 1 else 'columns'} without a name left out",) if count else ()


def _records(path: Path, file: io.TextIOWrapper, above: int, layout: _Layout) -> Iterator[tuple[int, list[str]]]:
    """(line on which it begins, cells) of each record that is not blank. above: lines read before."""
    reader = csv.reader(file, delimiter=layout.separator, strict=True)
    line = above + 1
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                if len(cells) != layout.width:
                    raise UserError(
                        f"{path}: line {line} has {len(cells)} cells, and the first line names {layout.width} columns. "
                        "Correct that line."
                    )
                yield line, cells
            line = above + 1 + reader.line_num
    except csv.Error as error:
        raise UserError(
            f"{path}: what begins on line {line} is no CSV ({error}). Look for a quote that is never closed."
        ) from error


def _numbers(path: Path, line: int, cells: list[str], layout: _Layout) -> list[float]:
    row = [cells[i] for i, _ in layout.used]
    if "_" not in "".join(row):
        with suppress(ValueError):  # the usual row, in one go
            return list(map(float, row))
    values = [_number(cell, layout.decimal_comma) for cell in row]
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(row):
        bad = values.index(None)
        raise UserError(
            f"{path}: column {layout.used[bad][1]!r}, line {line} holds {_short(row[bad])!r}, which is no number. "
            "Write numbers there, or remove the column."
        )
    return numbers


def _number(cell: str, decimal_comma: str) -> float | None:
    """The number in a cell, nan where the value is missing, None where it is something else."""
    try:
        return float(cell) if "_" not in cell else None  # Python's own 1_000 is no number in a table
    except ValueError:
        word = cell.strip().lower()
    if word in MISSING:
        return math.nan
    if word in TRUTH_VALUES:
        return TRUTH_VALUES[word]
    return _number(cell.replace(",", "."), "") if decimal_comma and cell.count(",") == 1 else None


def typed_target(cells: list[str], decimal_comma: str = "") -> Array:
    """The targets as numbers where all of them are, else as texts with "" for a missing one."""
    numbers = [_number(cell, decimal_comma) for cell in cells]
    if None not in numbers:
        return np.array(numbers, dtype=np.float64)
    return np.array(["" if cell.lower() in MISSING else cell for cell in cells], dtype=object)


def is_number(text: str) -> bool:
    """Whether a text could be read as a number."""
    return _number(text, "") is not None


def _short(cell: str) -> str:
    return cell if len(cell) <= 30 else f"{cell[:29]}…"
