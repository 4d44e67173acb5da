"""The task table: a column of the user's own file, predicted from the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradiometer.records import UserError

from ..choice import Form
from ..recipe import Recipe
from .files import existing_file, read_head
from .splits import (
    Array,
    class_split,
    generator,
    number_split,
    scale_by_all,
    scale_by_column,
    split_classes,
    split_rows,
    standardised,
)
from .table_arrays import read_npz, read_parquet
from .table_csv import is_number, read_csv
from .table_rows import Rows, complete
from .task import Goal, Split, Task

MOST_WHOLE_NUMBERS = 20  # different values up to which whole numbers are classes
ROWS_A_CLASS = 10  # on average, for whole numbers
MOST_CLASSES = 100
FEWEST_IN_CLASS = 3  # one a split
SHOWN_CLASSES = 6


@dataclass(frozen=True, slots=True, eq=False)
class _Aim:
    """What is predicted. targets: [row] class numbers, or numbers. why: the rule, in words."""

    goal: Goal
    targets: Array
    n_out: int
    why: str


def load_table(recipe: Recipe) -> Task:
    """The user's rows, split 60 : 20 : 20, class by class where there are classes.

    The target is a class where it is text, true/false, two different numbers, or whole numbers with at most 20
    different values and ten rows each on average; else a number. Rows with a missing value are left out, up to a
    tenth of them. Inputs are scaled by the training rows: column by column, or all alike where an example of an NPZ
    has more axes than one. A number to predict is scaled too, or a first step on prices in thousands would throw
    every network; ``target_sd`` keeps the way back, and ``Task.metric`` answers in the file's own units squared.
    With ``standardise=False`` both stay as they are.
    """
    rows = complete(_read(recipe))
    aim, rng = _aim(rows), generator(recipe)
    classes = aim.goal == "classification"
    parts = split_classes(rng, aim.targets) if classes else split_rows(rng, len(rows))
    scale_of = scale_by_column if len(rows.shape) == 1 else scale_by_all
    inputs = standardised(recipe, [rows.inputs[part] for part in parts], scale_of)
    forms = _forms(rows.shape)
    stored = next(iter(forms.values()))
    mean, sd = _target_scale(recipe, aim, parts[0])
    make = class_split if classes else number_split
    targets = [aim.targets[part] if classes else (aim.targets[part] - mean) / sd for part in parts]
    train, validation, test = (make(x.reshape(-1, *stored), y) for x, y in zip(inputs, targets, strict=True))
    return Task(
        name="table",
        goal=aim.goal,
        forms=forms,
        n_out=aim.n_out,
        train=train,
        validation=validation,
        test=test,
        words=_words(recipe, rows, aim, (train, validation, test)),
        axes={"sequence": (1, 0, 2)} if len(rows.shape) == 3 else {},
        target_mean=mean,
        target_sd=sd,
    )


def _read(recipe: Recipe) -> Rows:
    path = existing_file(recipe.data)
    head = read_head(path, 8)
    if head.startswith(b"PAR1"):
        return read_parquet(path, recipe.target)
    if head.startswith(b"PK"):
        return read_npz(path, recipe.target)
    if head.startswith(b"\x93NUMPY"):
        raise UserError(f"{path} is one array alone. Save inputs and target together: numpy.savez(path, x=..., y=...).")
    if head.startswith(b"\x1f\x8b"):
        raise UserError(f"{path} is compressed with gzip. Unpack it first.")
    return read_csv(path, recipe.target)


def _forms(shape: tuple[int, ...]) -> dict[Form, tuple[int, ...]]:
    """Columns in the file's order are a signal too: one number a step. Arrays with more axes keep them."""
    if len(shape) == 1:
        return {"vector": shape, "grid": (1, *shape), "sequence": (*shape, 1)}
    flat = (int(np.prod(shape)),)
    if len(shape) == 2:
        return {"vector": flat, "grid": (1, *shape), "sequence": shape}
    channels, height, width = shape  # as a sequence: row by row, all channels of it
    return {"grid": shape, "vector": flat, "sequence": (height, channels * width)}


def _aim(rows: Rows) -> _Aim:
    values, codes, counts = np.unique(rows.target, return_inverse=True, return_counts=True)
    if len(values) == 1:
        raise UserError(
            f"{rows.file}: the target {rows.target_name!r} is {_label(values[0])} in every row. "
            "There is nothing to learn: choose another column."
        )
    if rows.target.dtype.kind == "f" and not _is_class(values, len(rows)):
        whole = "" if _whole(values) else ", not all whole"
        why = f"taken as a number because it has {len(values)} different values in {len(rows)} rows{whole}"
        return _Aim("regression", rows.target, 1, why)
    if rows.target.dtype.kind != "f":
        _refuse_many(rows, len(values))
    if counts.min() < FEWEST_IN_CLASS:
        rare = int(counts.argmin())
        where = rows.places[int(np.flatnonzero(codes == rare)[0])]
        raise UserError(
            f"{rows.file}: the class {_label(values[rare])} of {rows.target_name!r} stands in {counts[rare]} of "
            f"{len(rows)} rows ({rows.place} {where}), and three splits need {FEWEST_IN_CLASS}. Leave it out or join "
            "it with another class."
        )
    shown = ", ".join(_label(v) for v in values[:SHOWN_CLASSES])
    more = ", …" if len(values) > SHOWN_CLASSES else ""
    because = "it has few different values" if rows.target.dtype.kind == "f" else "it is text"
    why = f"taken as {len(values)} classes ({shown}{more}) because {because}"
    return _Aim("classification", codes, len(values), why)


def _is_class(values: Array, n_rows: int) -> bool:
    if len(values) == 2:
        return True
    few = len(values) <= min(MOST_WHOLE_NUMBERS, n_rows / ROWS_A_CLASS)
    return few and _whole(values)


def _whole(values: Array) -> bool:
    return bool((values == np.round(values)).all())


def _refuse_many(rows: Rows, n_classes: int) -> None:
    if n_classes <= min(MOST_CLASSES, len(rows) / FEWEST_IN_CLASS):
        return
    texts = [i for i, text in enumerate(rows.target) if not is_number(text)]
    if len(texts) < len(rows) / 2:
        raise UserError(
            f"{rows.at(texts[0], rows.inputs.shape[1])} holds {_label(rows.target[texts[0]])}, where other rows hold "
            "numbers. Correct or remove it."
        )
    raise UserError(
        f"{rows.file}: the target {rows.target_name!r} holds {n_classes} different texts in {len(rows)} rows. At most "
        f"{MOST_CLASSES} classes are learnt, with {FEWEST_IN_CLASS} rows each. Choose another column."
    )


def _target_scale(recipe: Recipe, aim: _Aim, train: Array) -> tuple[float, float]:
    if aim.goal == "classification" or not recipe.standardise:
        return 0.0, 1.0
    mean, sd = scale_by_all(aim.targets[train])
    return float(mean), float(sd)


def _words(recipe: Recipe, rows: Rows, aim: _Aim, splits: tuple[Split, Split, Split]) -> str:
    n_inputs = int(np.prod(rows.shape))
    scaled = "scaled by the training rows" if recipe.standardise else "not scaled"
    sizes = "{} rows to learn from, {} to validate, {} to test".format(*map(len, splits))
    alike = ", each class with the same shares" if aim.goal == "classification" else ""
    said = (
        f"{Path(rows.file).name}: {rows.target_name!r}, {aim.why}, from {n_inputs} numbers",
        f"{sizes}{alike}",
        *rows.notes,
        scaled,
    )
    return "; ".join(said)


def _label(value: object) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= 30 else f"{value[:29]}…")
    number = float(value)  # type: ignore[arg-type]
    return str(int(number)) if number.is_integer() else f"{number:g}"
