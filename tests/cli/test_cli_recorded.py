"""``diagnose``, ``runs``, ``report``, ``export``: recorded runs by path, by name and as ``latest``, without torch."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import chain_file
from cli_tools import environment, gradiometer

from gradiometer.records import STATS

VANISHES, KEEPS = 0.2, 1.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with two runs; the vanishing one is the newer."""
    place = tmp_path / "gradiometer-runs"
    place.mkdir()
    chain_file(place / "healthy.gmr", KEEPS, "2026-01-01T12:00:00+00:00")
    chain_file(place / "vanishing.gmr", VANISHES, "2026-01-02T12:00:00+00:00")
    return tmp_path


@pytest.mark.parametrize("name", ["latest", "vanishing", "vanishing.gmr", "gradiometer-runs/vanishing.gmr"])
def test_a_run_is_found_by_every_name(folder: Path, name: str) -> None:
    done = gradiometer("diagnose", name, "--json", "-", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    document = json.loads(done.stdout)
    assert (document["schema"], document["run"]) == (1, "vanishing")


def test_the_document_has_the_keys_of_schema_1(folder: Path) -> None:
    assert gradiometer("diagnose", "latest", "--json", "d.json", cwd=folder).stdout == b""
    document = json.loads((folder / "d.json").read_text(encoding="utf-8"))
    keys = {"schema", "run", "healthy", "coverage", "checked", "not_covered", "overhead_share", "findings"}
    assert keys <= set(document)
    assert document["healthy"] is False
    finding = document["findings"][0]
    assert finding["symptom"] == "vanishing"
    parts = {"model", "cause", "severity", "sites", "steps", "summary", "evidence", "cures", "alternatives"}
    assert parts <= set(finding)


def test_the_exit_code_is_1_only_where_it_was_asked_for_and_a_finding_is_there(folder: Path) -> None:
    codes = {
        (run, *asked): gradiometer("diagnose", run, *asked, cwd=folder).returncode
        for run in ("vanishing", "healthy")
        for asked in ((), ("--fail-on", "fail"), ("--fail-on", "warn"))
    }
    assert [run for run in codes if codes[run]] == [
        ("vanishing", "--fail-on", "fail"),
        ("vanishing", "--fail-on", "warn"),
    ]
    assert set(codes.values()) == {0, 1}


def test_an_accepted_finding_is_no_finding(folder: Path) -> None:
    first = json.loads(gradiometer("diagnose", "latest", "--json", "-", cwd=folder).stdout)
    causes = {f["cause"] for f in first["findings"]}
    ignore = [word for cause in causes for word in ("--ignore", cause)]
    done = gradiometer("diagnose", "latest", "--json", "-", "--fail-on", "warn", *ignore, cwd=folder)
    assert done.returncode == 0
    assert json.loads(done.stdout)["findings"] == []
    assert json.loads(done.stdout)["accepted"]


def test_pyproject_holds_what_a_team_has_decided(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.gradiometer]\nfail-on = 'fail'\n")
    assert gradiometer("diagnose", "vanishing", cwd=folder).returncode == 1
    (folder / "pyproject.toml").write_text("[tool.gradiometer]\nout = 'elsewhere'\n")
    assert gradiometer("diagnose", "vanishing", cwd=folder).returncode == 2  # its runs lie elsewhere


def test_the_page_fits_a_pipe(folder: Path) -> None:
    done = gradiometer("diagnose", "latest", cwd=folder)
    text = done.stdout.decode("ascii")
    assert "VANISHING" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone", "No run 'gone', neither as a file nor in gradiometer-runs. Newest runs: vanishing, healthy."),
        (".", ". is a folder. Name a run file in it; gradiometer runs . lists them."),
        ("text.gmr", "Cannot read text.gmr: "),
    ],
)
@pytest.mark.parametrize("command", ["diagnose", "report", "export"])
def test_a_run_that_is_none(folder: Path, command: str, name: str, words: str) -> None:
    (folder / "text.gmr").write_text("no run at all, though its name says so")
    extra = ["-o", "x.csv"] if command == "export" else []
    done = gradiometer(command, name, *extra, cwd=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"gradiometer: {words}")
    assert b"Traceback" not in done.stderr


def test_without_any_run_latest_says_how_to_get_one(tmp_path: Path) -> None:
    done = gradiometer("diagnose", "latest", cwd=tmp_path)
    assert done.returncode == 2
    assert b"There is no run in gradiometer-runs yet." in done.stderr
    assert gradiometer("runs", cwd=tmp_path).returncode == 0  # an empty list is no error
    assert json.loads(gradiometer("runs", "--json", "-", cwd=tmp_path).stdout) == []


def test_runs_lists_newest_first_and_a_damaged_file_is_a_row(folder: Path) -> None:
    place = folder / "gradiometer-runs"
    (place / "broken.gmr").write_bytes((place / "healthy.gmr").read_bytes()[:3000])
    os.utime(place / "broken.gmr", (0, 0))
    rows = json.loads(gradiometer("runs", "--json", "-", cwd=folder).stdout)
    assert [Path(r["path"]).stem for r in rows] == ["vanishing", "healthy", "broken"]
    assert [r["failed"] for r in rows] == [True, False, False]
    assert [bool(r["problem"]) for r in rows] == [False, False, True]
    table = gradiometer("runs", "gradiometer-runs", cwd=folder)
    assert table.returncode == 0
    assert [name in table.stdout.decode() for name in ("vanishing", "healthy", "broken")] == [True] * 3
    assert gradiometer("runs", "gone", cwd=folder).returncode == 2


def test_export_writes_the_table(folder: Path) -> None:
    done = gradiometer("export", "latest", "-o", "x.csv", cwd=folder)
    assert (done.returncode, done.stdout) == (0, b"x.csv\n"), done.stderr
    with (folder / "x.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(STATS) <= set(rows[0])
    first = {row["site"]: float(row["err_norm"]) for row in rows if row["step"] == "0" and row["err_norm"]}
    assert first["20"] / first["22"] == pytest.approx(VANISHES)


def test_export_writes_parquet(folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert gradiometer("export", "healthy", "-o", "x.parquet", cwd=folder).returncode == 0
    assert set(STATS) <= set(parquet.read_table(folder / "x.parquet").column_names)


def test_report_writes_one_page(folder: Path) -> None:
    pytest.importorskip("plotly")
    done = gradiometer("report", "latest", cwd=folder)
    assert (done.returncode, done.stdout) == (0, b"gradiometer-runs/vanishing.html\n"), done.stderr
    assert gradiometer("report", "latest", "-o", "r.html", cwd=folder).returncode == 0
    assert (folder / "r.html").read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "latest", "-o", "x.xlsx"], "-o x.xlsx: the ending says the format"),
        (["export", "latest", "-o", "gone/x.csv"], "-o gone/x.csv: there is no folder gone."),
        (["export", "latest", "-o", "folder.csv"], "-o folder.csv is a folder."),
        (["report", "latest", "-o", "gone/x.html"], "-o gone/x.html: there is no folder gone."),
        (["report", "latest", "-o", "gradiometer-runs/vanishing.gmr"], "-o gradiometer-runs/vanishing.gmr is the run"),
        (["diagnose", "latest", "--json", "gone/x.json"], "--json gone/x.json: there is no folder gone."),
        (["diagnose", "latest", "--ignore", "nonsense"], "--ignore names no known cause in 'nonsense'."),
        (["runs", "--json", "gradiometer-runs"], "--json gradiometer-runs is a folder."),
    ],
)
def test_what_cannot_be_written_is_said_in_one_sentence(folder: Path, arguments: list[str], words: str) -> None:
    (folder / "folder.csv").mkdir()
    done = gradiometer(*arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"gradiometer: {words}")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("arguments", [["runs"], ["diagnose", "latest"], ["diagnose", "latest", "--json", "-"]])
def test_a_reader_who_leaves_early_gets_no_traceback(folder: Path, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "gradiometer", *arguments],
        cwd=folder,
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == b""


LOADED = """
import sys
from gradiometer.cli import main
sys.argv[1:] = {arguments!r}
try:
    main()
except SystemExit:
    pass
print("\\ntorch" if "torch" in sys.modules else "\\nlight")
"""


@pytest.mark.parametrize("arguments", [["diagnose", "latest"], ["runs"], ["export", "latest", "-o", "x.csv"]])
def test_recorded_runs_need_no_torch(folder: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(arguments=arguments)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "light"
