"""The task table: what is read of a user's file, what is predicted, and in which units it is scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lab_tasks_files import ROWS, csv_lines, same, splits, table, write, write_npz

from gradiometer.lab import Task
from gradiometer.lab.tasks.constant import constant_score


def all_rows(task: Task) -> np.ndarray:
    """Inputs and target of every split, sorted by the first input [row, column]."""
    inputs = torch.cat([s.inputs.reshape(len(s), -1) for s in splits(task)])
    targets = torch.cat([s.targets.reshape(len(s), -1).float() for s in splits(task)])
    rows = torch.cat([inputs, targets], dim=1).numpy()
    return rows[np.argsort(rows[:, 0])]


EXPECTED = np.array([[i, (i * 7) % 11 + 0.5, i % 2] for i in range(ROWS)])
"""What ``csv_lines`` says with the target ``kind`` and without ``price``."""


def without_price(lines: list[str]) -> list[str]:
    return [line.rpartition(",")[0] for line in lines]


def test_every_row_is_in_one_split_with_its_own_target(tmp_path: Path) -> None:
    task = table(write(tmp_path, without_price(csv_lines())), standardise=False)
    assert task.goal == "classification" and task.n_out == 2
    assert [len(s) for s in splits(task)] == [24, 8, 8]
    assert np.array_equal(all_rows(task), EXPECTED)
    assert not np.array_equal(all_rows(task), EXPECTED[:, [0, 1, 1]])
    assert [int(s.targets.sum()) for s in splits(task)] == [12, 4, 4]  # each class with the same shares


@pytest.mark.parametrize("how", ["semicolons", "tabs", "bars", "mark", "windows", "blank", "quotes", "spaces"])
def test_csv_in_other_dress_is_the_same_table(how: str, tmp_path: Path) -> None:
    lines = without_price(csv_lines())
    text = "\n".join(lines)
    dressed = {
        "semicolons": text.replace(",", ";"),
        "tabs": text.replace(",", "\t"),
        "bars": text.replace(",", "|"),
        "mark": "\ufeff" + text,
        "windows": "\r\n".join(lines),
        "blank": "\n\n" + text.replace("\n", "\n\n") + "\n,,\n\n",
        "quotes": "\n".join('"' + line.replace(",", '","') + '"' for line in lines),
        "spaces": text.replace(",", " , "),
    }[how]
    plain = table(write(tmp_path, lines))
    other = table(write(tmp_path, dressed, "other.csv"))
    assert all(same(a, b) for a, b in zip(splits(plain), splits(other), strict=True))
    assert "left out" not in other.words  # an empty line is no row with missing values


def test_a_decimal_comma_is_read_where_it_separates_nothing(tmp_path: Path) -> None:
    lines = without_price(csv_lines())
    german = [line.replace(",", ";").replace(".", ",") for line in lines]
    assert np.array_equal(all_rows(table(write(tmp_path, german), standardise=False)), EXPECTED)
    numbers = [f"{i};{i},25" for i in range(20)]
    task = table(write(tmp_path, ["a;y", *numbers]), "y", standardise=False)
    assert np.array_equal(all_rows(task)[:, 1], np.arange(20) + 0.25)


def test_true_and_false_are_numbers(tmp_path: Path) -> None:
    lines = ["age,member,kind", *(f"{i},{('True', 'false')[i % 2]},{('TRUE', 'FALSE')[i % 2]}" for i in range(20))]
    rows = all_rows(table(write(tmp_path, lines), standardise=False))
    assert np.array_equal(rows[:, 1], [1, 0] * 10) and np.array_equal(rows[:, 2], [1, 0] * 10)


def test_columns_without_a_name_are_left_out_and_said(tmp_path: Path) -> None:
    lines = without_price(csv_lines())
    numbered = ["," + lines[0], *(f"{i},{line}" for i, line in enumerate(lines[1:]))]  # as pandas writes its index
    task, plain = table(write(tmp_path, numbered, "other.csv")), table(write(tmp_path, lines))
    assert all(same(a, b) for a, b in zip(splits(task), splits(plain), strict=True))
    assert "1 column without a name left out" in task.words
    assert "without a name" not in plain.words


@pytest.mark.parametrize("gap", ["", "NA", "nan", "N/A", "null", "?", " "])
@pytest.mark.parametrize("column", [0, 2])
def test_rows_with_a_missing_value_are_left_out_and_counted(gap: str, column: int, tmp_path: Path) -> None:
    lines = without_price(csv_lines())
    cells = lines[8].split(",")
    cells[column] = gap
    lines[8] = ",".join(cells)
    task = table(write(tmp_path, lines), standardise=False)
    assert np.array_equal(all_rows(task), np.delete(EXPECTED, 7, axis=0))
    assert "1 of 40 rows left out because a value is missing" in task.words
    assert "left out" not in table(write(tmp_path, without_price(csv_lines()))).words


def goal_of(folder: Path, values: list[object]) -> tuple[str, int]:
    task = table(write(folder, ["a,y", *(f"{i},{v}" for i, v in enumerate(values))]), "y")
    assert f"taken as {'a number' if task.goal == 'regression' else f'{task.n_out} classes'}" in task.words
    assert ("not all whole" in task.words) == (task.goal == "regression" and any("." in str(v) for v in values))
    return task.goal, task.n_out


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([i % 3 for i in range(30)], ("classification", 3)),
        ([f"{i % 3}.0" for i in range(30)], ("classification", 3)),
        ([-5 * (i % 3) for i in range(30)], ("classification", 3)),
        ([i % 3 for i in range(29)], ("regression", 1)),  # less than ten rows each
        ([i % 20 for i in range(200)], ("classification", 20)),
        ([i % 21 for i in range(210)], ("regression", 1)),
        ([(i % 3) / 2 for i in range(30)], ("regression", 1)),
        ([0.5 + i % 2 for i in range(12)], ("classification", 2)),  # two values are two classes
        ([f"c{i % 3}" for i in range(12)], ("classification", 3)),
        ([f"c{i % 100}" for i in range(300)], ("classification", 100)),
        ([f"{i % 3}a" if i % 3 else 7 for i in range(12)], ("classification", 3)),
        ([i / 7 for i in range(12)], ("regression", 1)),
    ],
)
def test_what_makes_a_target_a_class(values: list[object], expected: tuple[str, int], tmp_path: Path) -> None:
    assert goal_of(tmp_path, values) == expected


def test_classes_are_numbered_in_their_order_and_named(tmp_path: Path) -> None:
    lines = ["a,y", *(f"{i},{['zebra', 'yak', 'ant'][i % 3]}" for i in range(30))]
    task = table(write(tmp_path, lines), "y", standardise=False)
    rows = all_rows(task)
    assert rows[:3, 1].tolist() == [2, 1, 0]
    assert "taken as 3 classes ('ant', 'yak', 'zebra') because it is text" in task.words


def test_each_column_is_scaled_by_the_training_rows(tmp_path: Path) -> None:
    lines = ["a,b,same,y", *(f"{i},{1e6 + 1e3 * (i * 7 % 11)},3,{i % 2}" for i in range(ROWS))]
    path = write(tmp_path, lines)
    task, raw = table(path, "y"), table(path, "y", standardise=False)
    train = raw.train.inputs.double().numpy()
    sd = np.where(train.std(axis=0) == 0, 1, train.std(axis=0))
    for ours, theirs in zip(splits(task), splits(raw), strict=True):
        assert np.allclose(ours.inputs, (theirs.inputs.double().numpy() - train.mean(axis=0)) / sd, atol=1e-4)
    assert bool((task.train.inputs[:, 2] == 0).all())
    test = raw.test.inputs[:, 0].double().numpy()
    assert not np.allclose(task.test.inputs[:, 0], (test - test.mean()) / test.std(), atol=1e-3)
    assert "scaled by the training rows" in task.words and "not scaled" in raw.words


def test_a_number_is_scaled_for_the_training_and_scored_in_its_own_units(tmp_path: Path) -> None:
    path = write(tmp_path, [line.replace(",a,", ",0,").replace(",b,", ",1,") for line in csv_lines()])
    task, raw = table(path, "price"), table(path, "price", standardise=False)
    assert float(task.train.targets.mean()) == pytest.approx(0, abs=1e-6)
    assert float(task.train.targets.std(correction=0)) == pytest.approx(1, rel=1e-6)
    back = task.test.targets.double() * task.target_sd + task.target_mean
    assert torch.allclose(back, raw.test.targets.double(), rtol=1e-5)
    mean = float(raw.train.targets.double().mean())
    euros = float((raw.test.targets.double() - mean).square().mean())
    assert constant_score(raw, raw.test).loss == pytest.approx(euros)
    assert constant_score(task, task.test).metric == pytest.approx(euros, rel=1e-5)
    assert constant_score(task, task.test).loss == pytest.approx(euros / task.target_sd**2, rel=1e-5)
    nothing = torch.zeros(len(task.test), 1)  # the scaled prediction of the mean
    assert task.metric(nothing, task.test.targets) == pytest.approx(euros, rel=1e-5)
    assert raw.target_sd == 1 and raw.target_mean == 0 and task.target_sd > 100


def test_npz_holds_x_and_the_target(tmp_path: Path) -> None:
    x, y = EXPECTED[:, :2], EXPECTED[:, 2]
    for arrays, target in (
        ({"x": x, "y": y}, ""),
        ({"x": x, "y": y.astype(bool)}, "y"),
        ({"x": x.astype(np.float32), "label": y[:, None].astype(np.uint8), "y": x[:, 0]}, "label"),
        ({"x": x, "y": np.array(["one", "two"])[y.astype(int)]}, ""),
    ):
        assert np.array_equal(all_rows(table(write_npz(tmp_path, **arrays), target, standardise=False)), EXPECTED)
    mirrored = table(write_npz(tmp_path, x=x, y=1 - y), "", standardise=False)
    assert not np.array_equal(all_rows(mirrored), EXPECTED)


@pytest.mark.parametrize(
    ("shape", "forms"),
    [
        ((), {"vector": (1,), "grid": (1, 1), "sequence": (1, 1)}),
        ((6,), {"vector": (6,), "grid": (1, 6), "sequence": (6, 1)}),
        ((4, 3), {"vector": (12,), "grid": (1, 4, 3), "sequence": (4, 3)}),
        ((2, 4, 3), {"vector": (24,), "grid": (2, 4, 3), "sequence": (4, 6)}),
    ],
)
def test_arrays_with_more_axes_keep_them(shape: tuple[int, ...], forms: dict, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, *shape))
    task = table(write_npz(tmp_path, x=x, y=np.arange(20) % 2), "", standardise=False)
    assert dict(task.forms) == forms
    first = task.train.inputs[:1]
    assert all(task.read(first, form).shape[1:] == s for form, s in forms.items())


def test_a_picture_as_a_sequence_is_read_row_by_row(tmp_path: Path) -> None:
    x = np.arange(20 * 2 * 4 * 3).reshape(20, 2, 4, 3)
    task = table(write_npz(tmp_path, x=x, y=np.arange(20) % 2), "", standardise=False)
    picture = task.read(task.test.inputs, "grid")
    sequence = task.read(task.test.inputs, "sequence")
    for step in range(4):
        row = torch.cat([picture[:, 0, step], picture[:, 1, step]], dim=1)
        assert torch.equal(sequence[:, step], row)
    assert not torch.equal(sequence.flatten(), picture.flatten())


def test_pictures_share_one_scale(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((20, 4, 3)) * np.arange(1, 4)
    path = write_npz(tmp_path, x=x, y=np.arange(20) % 2)
    raw = table(path, "", standardise=False).train.inputs
    assert torch.allclose(table(path, "").train.inputs, (raw - raw.mean()) / raw.std(correction=0), atol=1e-5)


def write_parquet(folder: Path, columns: dict[str, object]) -> str:
    import pyarrow
    from pyarrow import parquet

    path = folder / "people.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    return str(path)


def test_parquet_is_the_same_table(tmp_path: Path) -> None:
    import pyarrow

    kind = ["ab"[i % 2] for i in range(ROWS)]
    texts = (kind, pyarrow.array(kind).dictionary_encode(), pyarrow.array(kind, pyarrow.large_string()))
    numbers = ([int(k == "b") for k in kind], [k == "b" for k in kind], [float(k == "b") for k in kind])
    for target in (*texts, *numbers):
        columns = {"age": pyarrow.array(range(ROWS), pyarrow.int16()), "height": EXPECTED[:, 1], "kind": target}
        task = table(write_parquet(tmp_path, columns), standardise=False)
        assert np.array_equal(all_rows(task), EXPECTED)


def test_parquet_with_gaps_booleans_decimals_and_an_index(tmp_path: Path) -> None:
    import pandas as pd
    import pyarrow

    gap = [None, *range(1, ROWS)]
    flags = [i % 3 == 0 for i in range(ROWS)]
    decimals = pyarrow.array(range(ROWS), pyarrow.int64()).cast(pyarrow.decimal128(24, 2))
    target = [*[i % 2 for i in range(ROWS - 1)], None]
    task = table(
        write_parquet(tmp_path, {"gap": gap, "flag": flags, "money": decimals, "kind": target}), standardise=False
    )
    expected = np.array([[i, i % 3 == 0, i, i % 2] for i in range(1, ROWS - 1)])
    assert np.array_equal(all_rows(task), expected)
    assert "2 of 40 rows left out" in task.words
    frame = pd.DataFrame({"age": EXPECTED[:, 0], "kind": EXPECTED[:, 2]}, index=np.arange(ROWS) * 2)
    frame.to_parquet(tmp_path / "pandas.parquet")
    indexed = table(str(tmp_path / "pandas.parquet"))
    assert indexed.forms["vector"] == (1,) and "the index that pandas stored left out" in indexed.words


def test_the_content_says_what_a_file_is_and_not_its_name(tmp_path: Path) -> None:
    npz = write_npz(tmp_path, x=EXPECTED[:, :2], y=EXPECTED[:, 2])
    Path(npz).rename(tmp_path / "arrays.csv")
    assert np.array_equal(all_rows(table(str(tmp_path / "arrays.csv"), "", standardise=False)), EXPECTED)
    text = table(write(tmp_path, without_price(csv_lines()), "table.npz"), standardise=False)
    assert np.array_equal(all_rows(text), EXPECTED)


def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, without_price(csv_lines()))
    assert table("~/people.csv").n_out == 2
