"""An NPZ file (numpy) or a Parquet file (the extra ``export``)."""

from __future__ import annotations

import zipfile
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from gradiometer.records import UserError

from .splits import Array
from .table_csv import typed_target
from .table_rows import SHOWN_NAMES, Rows, refuse_size, refuse_twins, target_column

LARGEST_ARRAY_BYTES = 2**30  # as a zip states it before it is unpacked
PANDAS_INDEX = "__index_level_"  # a number of the row, from which an ordered file is learnt by heart


def read_npz(path: Path, target: str) -> Rows:
    """The arrays ``x`` [row, ...] and the target [row] of an NPZ file; the target is ``y`` unless it is named."""
    target = target or "y"
    x, y = _load(path, target)
    if x.dtype.kind not in "biuf":
        raise UserError(f"{path}: the array 'x' holds {x.dtype}. Save it as numbers.")
    if not 1 <= x.ndim <= 4:
        raise UserError(f"{path}: the array 'x' has {x.ndim} axes. It must be [row, ...] with one to three more.")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or len(y) != len(x):
        raise UserError(
            f"{path}: the array {target!r} has the shape {y.shape} and 'x' {x.shape}. There must be one target a row."
        )
    shape = x.shape[1:] or (1,)
    if 0 in shape:
        raise UserError(f"{path}: the array 'x' has the shape {x.shape}: there is nothing to predict from.")
    refuse_size(str(path), len(x), int(np.prod(shape)))
    return Rows(
        file=str(path),
        name_of=lambda n: f"x[{', '.join(str(i) for i in np.unravel_index(n, shape))}]",
        inputs=x.reshape(len(x), int(np.prod(shape))).astype(np.float64),
        shape=shape,
        target_name=target,
        target=_target(path, target, y),
        place="row",
        places=np.arange(1, len(x) + 1),
    )


def _load(path: Path, target: str) -> tuple[Array, Array]:
    """x and the target. Nothing is unpickled, and the sizes that the archive states are read before the arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
        _refuse_members(path, target, [m.filename for m in members])
        if max(m.file_size for m in members) > LARGEST_ARRAY_BYTES:
            raise UserError(f"{path} unpacks to more than {LARGEST_ARRAY_BYTES / 2**30:.0f} GiB. Take fewer rows.")
        with np.load(path, allow_pickle=False) as arrays:
            x, y = arrays["x"], arrays[target]
        if not (isinstance(x, np.ndarray) and isinstance(y, np.ndarray)):
            raise ValueError("a member is no array")
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path} cannot be read as NPZ ({' '.join(str(error).split())}). "
            "Save plain arrays: numpy.savez(path, x=..., y=...)."
        ) from error
    return x, y


def _refuse_members(path: Path, target: str, members: list[str]) -> None:
    if any(member.startswith("xl/") for member in members):
        raise UserError(f"{path} is an Excel file. Save the sheet as CSV.")
    arrays = [m.removesuffix(".npy") for m in members if m.endswith(".npy")]
    found = f"it holds {', '.join(map(repr, arrays[:SHOWN_NAMES]))}" if arrays else "it holds no array"
    if "x" not in arrays:
        raise UserError(f"{path} has no array 'x': {found}. Save the inputs under that name.")
    if target not in arrays:
        raise UserError(f"{path} has no array {target!r}: {found}. Name the one to predict with target=... (--target).")


def _target(path: Path, name: str, values: Array) -> Array:
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    if values.dtype.kind == "U":
        return typed_target([str(v).strip() for v in values])
    raise UserError(f"{path}: the array {name!r} holds {values.dtype}. Save it as numbers or texts.")


def read_parquet(path: Path, target: str) -> Rows:
    """The columns of a Parquet file; integers, floats and booleans are inputs, the target may be text."""
    table = _table(path, target)
    names = [name for name in table.column_names if name != target and not name.startswith(PANDAS_INDEX)]
    left_out = table.num_columns - 1 - len(names)
    return Rows(
        file=str(path),
        name_of=names.__getitem__,
        inputs=np.column_stack([_numbers(path, name, table.column(name)) for name in names]),
        shape=(len(names),),
        target_name=target,
        target=_column_target(path, target, table.column(target)),
        place="row",
        places=np.arange(1, table.num_rows + 1),
        notes=("the index that pandas stored left out",) if left_out else (),
    )


def _table(path: Path, target: str) -> Any:
    arrow, parquet = _arrow("pyarrow"), _arrow("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(path)
        names = [name for name in file.schema_arrow.names if not name.startswith(PANDAS_INDEX)]
        refuse_twins(str(path), names)
        target_column(str(path), names, target)
        refuse_size(str(path), file.metadata.num_rows, len(names) - 1)
        return file.read()
    except (OSError, arrow.ArrowException) as error:
        raise UserError(f"{path} cannot be read as Parquet: {error}.") from error


def _numbers(path: Path, name: str, column: Any) -> Array:
    if _numeric(column.type):
        return _floats(column)
    row, value = next(((i + 1, v) for i, v in enumerate(column.to_pylist()) if v is not None), (0, None))
    shown = f", row {row} holds {str(value)[:30]!r}, which is no number" if row else f" holds {column.type}"
    raise UserError(f"{path}: column {name!r}{shown}. Write numbers there, or remove the column.")


def _numeric(kind: Any) -> bool:
    types = _arrow("pyarrow.types")
    known = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null)
    return any(is_kind(kind) for is_kind in known)


def _floats(column: Any) -> Array:
    arrow = _arrow("pyarrow")
    if _arrow("pyarrow.types").is_boolean(column.type):
        column = column.cast(arrow.int8())  # a boolean has no cast to a float
    return np.asarray(column.cast(arrow.float64(), safe=False).to_numpy(), dtype=np.float64)


def _column_target(path: Path, name: str, column: Any) -> Array:
    arrow, types = _arrow("pyarrow"), _arrow("pyarrow.types")
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if types.is_string(kind) or types.is_large_string(kind):
        cells = column.cast(arrow.string()).to_pylist()
        return typed_target(["" if cell is None else cell.strip() for cell in cells])
    if _numeric(kind):
        return _floats(column.cast(kind))
    raise UserError(f"{path}: column {name!r} holds {column.type}. The target must be numbers or texts.")


def _arrow(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(
            'A Parquet file needs pyarrow, which is not installed. Run: pip install "gradiometer[export]"'
        ) from error
