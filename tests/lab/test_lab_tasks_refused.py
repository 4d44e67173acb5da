"""Files of a user's that cannot be learnt from: one clear sentence each, about a real file."""

from __future__ import annotations

import gzip
import os
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from lab_tasks_files import csv_lines, table, write, write_npz

from gradiometer.lab.tasks import files, table_arrays, table_rows
from gradiometer.records import UserError

GOOD = "\n".join(csv_lines())


def refusal(path: str, target: str = "kind") -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(UserError) as error:
        table(path, target)
    text = str(error.value)
    assert "\n" not in text and text.endswith(".")
    return text


def changed(line: int, text: str) -> list[str]:
    """The table with one line, counted from 1 as an editor does, exchanged."""
    lines = [line.rpartition(",")[0] for line in csv_lines()]
    return [*lines[: line - 1], text, *lines[line:]]


def test_the_file_that_the_others_differ_from_is_read(tmp_path: Path) -> None:
    assert table(write(tmp_path, changed(5, "3,9.5,b"))).n_out == 2
    assert table(write(tmp_path, GOOD), "kind").forms["vector"] == (3,)


@pytest.mark.parametrize(
    ("line", "text", "sentence"),
    [
        (5, "three,9.5,b", "column 'age', line 5 holds 'three', which is no number. Write numbers there, or remove"),
        (41, "3,tall,b", "column 'height', line 41 holds 'tall', which is no number."),
        (5, "1_000,9.5,b", "column 'age', line 5 holds '1_000', which is no number."),
        (5, '"3,5",9.5,b', "column 'age', line 5 holds '3,5', which is no number."),
        (5, f"{'x' * 99},9.5,b", f"line 5 holds '{'x' * 29}…', which is no number."),
        (5, "3,inf,b", "column 'height', line 5 holds inf. Every number must be finite and fit float32."),
        (5, "-1e39,2,b", "column 'age', line 5 holds -1e+39. Every number must be finite"),
        (5, "3,9.5", "line 5 has 2 cells, and the first line names 3 columns. Correct that line."),
        (5, "3,9.5,b,7", "line 5 has 4 cells, and the first line names 3 columns."),
        (5, "3,9.5,c", "the class 'c' of 'kind' stands in 1 of 40 rows (line 5), and three splits need 3."),
        (5, '"3,9.5,b', "what begins on line 5 is no CSV (unexpected end of data). Look for a quote that is never"),
        (1, "age,age,kind", "columns 1 and 2 are both named 'age'. Rename one of them."),
        (1, "1,2,3", "begins with a line of numbers. Its first line must hold the names of the columns."),
        (1, "age,height,Kind", "has no column 'kind'. Its columns are 'Kind', 'age', 'height'."),
        (1, "age,height,sort", "has no column 'kind'. Its columns are 'age', 'height', 'sort'."),
    ],
)
def test_one_wrong_line(line: int, text: str, sentence: str, tmp_path: Path) -> None:
    path = write(tmp_path, changed(line, text))
    assert sentence in refusal(path)
    assert refusal(path).startswith(path)


def test_a_line_is_counted_as_an_editor_does(tmp_path: Path) -> None:
    lines = ["a,note,y", '1,"2', '3",x', "", *(f"{i},{i},x" for i in range(12))]
    assert "column 'note', line 2 holds '2\\n3'" in refusal(write(tmp_path, lines), "y")
    lines = ["a,b,y", "", *(f"{i},{i},x" for i in range(12)), "q,1,x"]
    assert "column 'a', line 15 holds 'q'" in refusal(write(tmp_path, lines), "y")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty. Give a CSV file with a line of column names."),
        ("\n \n", "is empty."),
        ("\ufeff\n", "is empty."),
        ("age,height,kind\n", "has 0 complete rows, and three splits need at least 10. Give more rows."),
        ("age,height,kind\n" + "1,2,a\n" * 9, "has 9 complete rows, and three splits need at least 10."),
        ("kind\n" + "a\nb\n" * 9, "has the one column 'kind': there is nothing to predict it from."),
        ("name\n" + "a\nb\n" * 9, "has no column 'kind'. Its columns are 'name'."),
        (
            "age,kind\n" + "".join(f"{i},a\n" for i in range(12)),
            "the target 'kind' is 'a' in every row. There is nothing",
        ),
        ("age,kind\n" + "".join(f"{i},7.0\n" for i in range(12)), "the target 'kind' is 7 in every row."),
        ("age,kind\n" + "".join(f"{i},k{i}\n" for i in range(12)), "holds 12 different texts in 12 rows. At most 100"),
        (
            "age,kind\n" + "".join(f"{i},k{i % 101}\n" for i in range(404)),
            "the target 'kind' holds 101 different texts in 404 rows. At most 100 classes are learnt",
        ),
        (
            "age,kind\n" + "".join(f"{i},{i / 7}\n" for i in range(30)) + "1,cheap\n",
            "column 'kind', line 32 holds 'cheap', where other rows hold numbers. Correct or remove it.",
        ),
        ("age,kind\n" + "".join(f"{i},a\n,b\n" for i in range(9)), "at most 10% are left out. Fill the gaps or remove"),
        (GOOD.encode("utf-16"), "is UTF-16. Save it as UTF-8."),
        (GOOD.replace("a", "ä").encode("latin-1"), "is not written in UTF-8 ("),
        (b"\x7fELF\0\0\1\2" * 99, "is no CSV file: it holds bytes that no text has. Give CSV, Parquet or NPZ."),
        (gzip.compress(GOOD.encode()), "is compressed with gzip. Unpack it first."),
        ("x" * 200_000 + ",kind\n", "cannot be read as CSV: field larger than field limit"),
    ],
)
def test_a_file_that_is_no_table(content: str | bytes, sentence: str, tmp_path: Path) -> None:
    assert sentence in refusal(write(tmp_path, content))


def test_gaps_are_named_where_they_are_most(tmp_path: Path) -> None:
    lines = ["age,height,kind", *(f"{i},{'' if i % 3 else i},{'' if i == 4 else 'a'}" for i in range(30))]
    assert refusal(write(tmp_path, lines)).endswith(
        "column 'height', line 3 holds no value, nor do 19 other rows there; 20 of 30 rows have a gap, and at most 10% "
        "are left out. Fill the gaps or remove the column."
    )


def test_what_is_left_after_the_gaps_must_be_enough(tmp_path: Path) -> None:
    lines = ["age,kind", *(f"{i},{'ab'[i % 2]}" for i in range(9)), ",a"]
    assert "has 9 complete rows" in refusal(write(tmp_path, lines))


def test_a_target_that_is_not_named(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    expected = f"{path}: which column is to be predicted? Name it with target=... (--target). Its columns are "
    assert refusal(path, "").startswith(expected + "'age', 'height', ")
    many = ",".join(f"c{i}" for i in range(30))
    assert refusal(write(tmp_path, many + "\n"), "c99").endswith("and 22 more.")


def test_columns_are_named_the_nearest_first(tmp_path: Path) -> None:
    assert "Its columns are 'price', 'age', 'height', 'kind'." in refusal(write(tmp_path, GOOD), "Prices")
    assert "Its columns are 'height', 'age', 'kind', 'price'." in refusal(write(tmp_path, GOOD), "heigth")


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "There is no file" in refusal(str(tmp_path / "people.csv"))
    assert refusal(str(tmp_path)) == f"{tmp_path} is a folder. Name a file in it."
    os.mkfifo(tmp_path / "pipe")
    assert "is no regular file" in refusal(str(tmp_path / "pipe"))
    assert refusal("a\0b")


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, GOOD)
    monkeypatch.setattr(table_rows, "MOST_NUMBERS", 100)
    assert "holds more than 100 numbers (3 columns). Take fewer rows." in refusal(path)
    monkeypatch.setattr(files, "LARGEST_BYTES", 100)
    assert "at most 0 are read. Take a part of it." in refusal(path)


X, Y = np.random.default_rng(0).standard_normal((20, 3)), np.arange(20) % 2


@pytest.mark.parametrize(
    ("arrays", "target", "sentence"),
    [
        ({"data": X, "y": Y}, "", "has no array 'x': it holds 'data', 'y'. Save the inputs under that name."),
        (
            {"x": X, "label": Y},
            "",
            "has no array 'y': it holds 'x', 'label'. Name the one to predict with target=... (--target).",
        ),
        ({"x": X, "y": Y}, "kind", "has no array 'kind': it holds 'x', 'y'."),
        ({}, "", "has no array 'x': it holds no array."),
        (
            {"x": X, "y": Y[:-1]},
            "",
            "the array 'y' has the shape (19,) and 'x' (20, 3). There must be one target a row.",
        ),
        ({"x": X, "y": np.stack([Y, Y], 1)}, "", "the array 'y' has the shape (20, 2) and 'x' (20, 3)."),
        ({"x": X.astype(str), "y": Y}, "", "the array 'x' holds <U"),
        ({"x": X.astype(complex), "y": Y}, "", "the array 'x' holds complex128. Save it as numbers."),
        (
            {"x": X, "y": Y.astype("datetime64[D]")},
            "",
            "the array 'y' holds datetime64[D]. Save it as numbers or texts.",
        ),
        ({"x": X.reshape(20, 1, 1, 1, 3), "y": Y}, "", "the array 'x' has 5 axes."),
        ({"x": np.float64(3), "y": Y}, "", "the array 'x' has 0 axes."),
        (
            {"x": np.zeros((20, 0)), "y": Y},
            "",
            "the array 'x' has the shape (20, 0): there is nothing to predict from.",
        ),
        ({"x": X[:9], "y": Y[:9]}, "", "has 9 complete rows, and three splits need at least 10."),
        ({"x": X[:0], "y": Y[:0]}, "", "has 0 complete rows"),
        ({"x": X, "y": Y * 0}, "", "the target 'y' is 0 in every row."),
        (
            {"x": np.where(np.equal(X, X[4, 1]), np.inf, X), "y": Y},
            "",
            "column 'x[1]', row 5 holds inf. Every number must be finite",
        ),
        (
            {"x": np.where(np.equal(X, X[4, 1]), np.inf, X).reshape(20, 3, 1), "y": Y},
            "",
            "column 'x[1, 0]', row 5 holds inf.",
        ),
        ({"x": np.where(X > 0, np.nan, X), "y": Y}, "", "holds no value"),
        ({"x": X, "y": np.where(X[:, 0] == X[2, 0], np.inf, X[:, 0])}, "", "column 'y', row 3 holds inf."),
    ],
)
def test_arrays_that_are_no_table(arrays: dict[str, object], target: str, sentence: str, tmp_path: Path) -> None:
    assert sentence in refusal(write_npz(tmp_path, **arrays), target)


SPRUNG: list[str] = []


class _Trap:
    """Whoever unpickles it calls a function."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return spring, ("sprung",)


def spring(word: str) -> str:
    SPRUNG.append(word)
    return word


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    path = write_npz(tmp_path, x=np.array([_Trap()] * 20, dtype=object), y=Y)
    assert "cannot be read as NPZ (Object arrays cannot be loaded" in refusal(path, "")
    pickled = write(tmp_path, pickle.dumps(_Trap()), "table.pkl")
    assert "is no CSV file" in refusal(pickled)
    assert not SPRUNG
    with np.load(path, allow_pickle=True) as arrays:
        assert len(arrays["x"]) == 20
    assert SPRUNG


def test_archives_that_are_no_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def archive(**members: bytes) -> str:
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
            for name, content in members.items():
                file.writestr(name.replace("__", "."), content)
        return str(tmp_path / "a.npz")

    assert "has no array 'x': it holds no array." in refusal(archive(x=b"bytes", y=b"bytes"), "")
    assert "cannot be read as NPZ" in refusal(archive(x__npy=b"bytes", y__npy=b"bytes"), "")
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as file:
        file.writestr("xl/workbook.xml", "<workbook/>")
    assert "is an Excel file. Save the sheet as CSV." in refusal(str(tmp_path / "book.xlsx"))
    whole = Path(write_npz(tmp_path, x=X, y=Y)).read_bytes()
    assert "cannot be read as NPZ" in refusal(write(tmp_path, whole[: len(whole) // 2], "half.npz"), "")
    np.save(tmp_path / "x.npy", X)
    assert "is one array alone. Save inputs and target together" in refusal(str(tmp_path / "x.npy"), "")
    monkeypatch.setattr(table_arrays, "LARGEST_ARRAY_BYTES", 100)
    assert "unpacks to more than 0 GiB" in refusal(write_npz(tmp_path, x=X, y=Y), "")


def write_parquet(folder: Path, columns: list[tuple[str, object]]) -> str:
    import pyarrow
    from pyarrow import parquet

    path = folder / "people.parquet"
    parquet.write_table(
        pyarrow.Table.from_arrays([pyarrow.array(c) for _, c in columns], [n for n, _ in columns]), path
    )
    return str(path)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ([("age", X[:, 0]), ("sort", Y)], "has no column 'kind'. Its columns are 'age', 'sort'."),
        ([("kind", Y)], "has the one column 'kind': there is nothing to predict it from."),
        ([("a", X[:, 0]), ("a", X[:, 1]), ("kind", Y)], "columns 1 and 2 are both named 'a'."),
        ([("name", [None, "Ada"] * 10), ("kind", Y)], "column 'name', row 2 holds 'Ada', which is no number."),
        ([("when", Y.astype("datetime64[s]")), ("kind", Y)], "column 'when', row 1 holds '1970-01-01 00:00:00', which"),
        ([("many", [[1, 2]] * 20), ("kind", Y)], "column 'many', row 1 holds '[1, 2]', which is no number."),
        (
            [("age", X[:, 0]), ("kind", Y.astype("datetime64[s]"))],
            "column 'kind' holds timestamp[ms]. The target must be",
        ),
        ([("age", [None] * 20), ("kind", Y)], "column 'age', row 1 holds no value"),
        ([("age", [np.inf, *X[1:, 0]]), ("kind", Y)], "column 'age', row 1 holds inf."),
        ([("age", X[:, 0]), ("kind", ["a"] * 20)], "the target 'kind' is 'a' in every row."),
        ([("age", X[:9, 0]), ("kind", Y[:9])], "has 9 complete rows"),
    ],
)
def test_parquet_that_is_no_table(columns: list[tuple[str, object]], sentence: str, tmp_path: Path) -> None:
    assert sentence in refusal(write_parquet(tmp_path, columns))


def test_parquet_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cannot be read as Parquet" in refusal(write(tmp_path, b"PAR1 and then nothing", "a.parquet"))
    path = write_parquet(tmp_path, [("age", X[:, 0]), ("kind", Y)])
    assert table(path).n_out == 2
    monkeypatch.setattr(table_rows, "MOST_NUMBERS", 10)
    assert "holds more than 10 numbers" in refusal(path)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(
        UserError, match=r'needs pyarrow, which is not installed\. Run: pip install "gradiometer\[export\]"$'
    ):
        table(path)
