"""``[tool.gradiometer]``: read from the nearest pyproject.toml, refused where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_tools import gradiometer, script

from gradiometer.cli.causes import known_causes
from gradiometer.cli.settings import FailOn, Settings, read_settings
from gradiometer.records import ALL_CAUSES, UserError


def write(folder: Path, table: str) -> None:
    (folder / "pyproject.toml").write_text(table, encoding="utf-8")


def test_the_causes_are_those_of_the_records() -> None:
    assert known_causes() == ALL_CAUSES


def test_every_key_is_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        "[tool.gradiometer]\nignore = ['lr-too-low', 'output-range:net.4']\nbudget = 0.05\nevery = 2\nout = 'r'\n"
        "fail-on = 'warn'\n",
    )
    expected = Settings(("lr-too-low", "output-range:net.4"), 0.05, 2, tmp_path / "r", FailOn.WARN)
    assert read_settings(tmp_path) == expected
    assert expected.runs_folder == tmp_path / "r"


def test_the_nearest_file_upward_counts_even_without_the_table(tmp_path: Path) -> None:
    write(tmp_path, "[tool.gradiometer]\nevery = 2\n")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert read_settings(deep).every == 2
    write(tmp_path / "a", "[project]\nname = 'x'\n")
    assert read_settings(deep) == Settings()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("[tool.gradiometer]\nignored = ['lr-too-low']\n", "Unknown key 'ignored' .* Keys: ignore, budget, every"),
        ("[tool.gradiometer]\nfail_on = 'warn'\n", "Unknown key 'fail_on'"),
        ("[tool.gradiometer]\nignore = ['nonsense']\n", "names no known cause in 'nonsense'. Causes: gradient-blocked"),
        ("[tool.gradiometer]\nignore = 'lr-too-low'\n", "a list of"),
        ("[tool.gradiometer]\nbudget = 2\n", "above 0 and at most 1"),
        ("[tool.gradiometer]\nbudget = true\n", "above 0 and at most 1"),
        ("[tool.gradiometer]\nevery = 0\n", "1 or more"),
        ("[tool.gradiometer]\nout = 3\n", "folder for the runs"),
        ("[tool.gradiometer]\nfail-on = 'never'\n", '"warn" or "fail"'),
        ("[tool]\ngradiometer = 3\n", "is no table"),
        ("[tool.gradiometer\n", "Cannot read .*pyproject.toml"),
    ],
)
def test_a_wrong_table_is_refused_with_what_is_right(tmp_path: Path, table: str, words: str) -> None:
    write(tmp_path, table)
    with pytest.raises(UserError, match=words):
        read_settings(tmp_path)


def test_the_command_line_says_so_before_the_script_runs(tmp_path: Path) -> None:
    script(tmp_path, "print('ran')\n")
    write(tmp_path, "[tool.gradiometer]\nspeed = 3\n")
    done = gradiometer("run", "train.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"gradiometer: Unknown key 'speed'")
    (tmp_path / "pyproject.toml").unlink()
    assert gradiometer("run", "train.py", cwd=tmp_path).stdout == b"ran\n"
