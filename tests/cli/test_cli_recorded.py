"""``diagnose``, ``runs``, ``report``, ``export``: recorded runs by path, by name and as ``latest``, without torch."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli_runs import chain_file
from cli_tools import environment

from gradiometer.cli import main
from gradiometer.records import STATS, TrialArm, TrialSpec
from gradiometer.store import TrialWriter

VANISHES, KEEPS = 0.2, 1.0
Call = Callable[..., "Done"]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs; the vanishing one is the newer."""
    place = tmp_path_factory.mktemp("recorded")
    chain_file(place / "healthy.gmr", KEEPS, "2026-01-01T12:00:00+00:00")
    chain_file(place / "vanishing.gmr", VANISHES, "2026-01-02T12:00:00+00:00")
    return place


@pytest.fixture
def folder(tmp_path: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the two runs where runs lie."""
    shutil.copytree(recorded, tmp_path / "gradiometer-runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls the command line inside this process: without torch, nothing of it outlives a call."""

    def gradiometer(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["gradiometer", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Done(end.value.code, told.out, told.err)

    return gradiometer


@pytest.mark.parametrize("name", ["latest", "vanishing", "vanishing.gmr", "gradiometer-runs/vanishing.gmr"])
def test_a_run_is_found_by_every_name(folder: Path, call: Call, name: str) -> None:
    done = call("diagnose", name, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert (document["schema"], document["run"]) == (1, "vanishing")


def test_the_document_has_the_keys_of_schema_1(folder: Path, call: Call) -> None:
    assert call("diagnose", "latest", "--json", "d.json").stdout == ""
    document = json.loads((folder / "d.json").read_text(encoding="utf-8"))
    keys = {"schema", "run", "healthy", "coverage", "checked", "not_covered", "overhead_share", "findings"}
    assert keys <= set(document)
    assert document["healthy"] is False
    finding = document["findings"][0]
    assert finding["symptom"] == "vanishing"
    parts = {"model", "cause", "severity", "sites", "steps", "summary", "evidence", "cures", "alternatives"}
    assert parts <= set(finding)


def test_the_exit_code_is_1_only_where_it_was_asked_for_and_a_finding_is_there(folder: Path, call: Call) -> None:
    codes = {
        (run, *asked): call("diagnose", run, *asked).returncode
        for run in ("vanishing", "healthy")
        for asked in ((), ("--fail-on", "fail"), ("--fail-on", "warn"))
    }
    assert [run for run in codes if codes[run]] == [
        ("vanishing", "--fail-on", "fail"),
        ("vanishing", "--fail-on", "warn"),
    ]
    assert set(codes.values()) == {0, 1}


def test_an_accepted_finding_is_no_finding(folder: Path, call: Call) -> None:
    first = json.loads(call("diagnose", "latest", "--json", "-").stdout)
    causes = {f["cause"] for f in first["findings"]}
    ignore = [word for cause in causes for word in ("--ignore", cause)]
    done = call("diagnose", "latest", "--json", "-", "--fail-on", "warn", *ignore)
    assert done.returncode == 0
    assert json.loads(done.stdout)["findings"] == []
    assert json.loads(done.stdout)["accepted"]


def test_pyproject_holds_what_a_team_has_decided(folder: Path, call: Call) -> None:
    (folder / "pyproject.toml").write_text("[tool.gradiometer]\nfail-on = 'fail'\n")
    assert call("diagnose", "vanishing").returncode == 1
    (folder / "pyproject.toml").write_text("[tool.gradiometer]\nout = 'elsewhere'\n")
    assert call("diagnose", "vanishing").returncode == 2  # its runs lie elsewhere


def test_the_page_fits_a_pipe(folder: Path, call: Call) -> None:
    done = call("diagnose", "latest")
    text = done.stdout
    assert text.isascii()
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
def test_a_run_that_is_none(folder: Path, call: Call, command: str, name: str, words: str) -> None:
    (folder / "text.gmr").write_text("no run at all, though its name says so")
    extra = ["-o", "x.csv"] if command == "export" else []
    done = call(command, name, *extra)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"gradiometer: {words}")
    assert "Traceback" not in done.stderr


def test_without_any_run_latest_says_how_to_get_one(folder: Path, call: Call) -> None:
    shutil.rmtree(folder / "gradiometer-runs")
    done = call("diagnose", "latest")
    assert done.returncode == 2
    assert "There is no run in gradiometer-runs yet." in done.stderr
    assert call("runs").returncode == 0  # an empty list is no error
    assert json.loads(call("runs", "--json", "-").stdout) == []


def test_runs_lists_newest_first_and_a_damaged_file_is_a_row(folder: Path, call: Call) -> None:
    place = folder / "gradiometer-runs"
    (place / "broken.gmr").write_bytes((place / "healthy.gmr").read_bytes()[:3000])
    os.utime(place / "broken.gmr", (0, 0))
    rows = json.loads(call("runs", "--json", "-").stdout)
    assert [Path(r["path"]).stem for r in rows] == ["vanishing", "healthy", "broken"]
    assert [r["failed"] for r in rows] == [True, False, False]
    assert [bool(r["problem"]) for r in rows] == [False, False, True]
    table = call("runs", "gradiometer-runs")
    assert table.returncode == 0
    assert [name in table.stdout for name in ("vanishing", "healthy", "broken")] == [True] * 3
    assert call("runs", "gone").returncode == 2


def test_a_run_whose_error_was_never_a_number_is_a_row_like_any_other(folder: Path, call: Call) -> None:
    chain_file(folder / "gradiometer-runs" / "lost.gmr", gain=float("nan"))
    done = call("runs")
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("lost"))
    assert "cannot be read" not in row
    assert "finished" in row


def test_export_writes_the_table(folder: Path, call: Call) -> None:
    done = call("export", "latest", "-o", "x.csv")
    assert (done.returncode, done.stdout) == (0, "x.csv\n"), done.stderr
    with (folder / "x.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(STATS) <= set(rows[0])
    first = {row["site"]: float(row["err_norm"]) for row in rows if row["step"] == "0" and row["err_norm"]}
    assert first["20"] / first["22"] == pytest.approx(VANISHES)


def test_export_writes_parquet(folder: Path, call: Call) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert call("export", "healthy", "-o", "x.parquet").returncode == 0
    assert set(STATS) <= set(parquet.read_table(folder / "x.parquet").column_names)


def test_report_writes_one_page(folder: Path, call: Call) -> None:
    pytest.importorskip("plotly")
    done = call("report", "latest")
    assert (done.returncode, done.stdout) == (0, "gradiometer-runs/vanishing.html\n"), done.stderr
    assert call("report", "latest", "-o", "r.html").returncode == 0
    assert (folder / "r.html").read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")


def test_report_tells_a_trial_from_a_run_by_its_file(folder: Path, call: Call) -> None:
    pytest.importorskip("plotly")
    plan = TrialSpec((TrialArm("none", "none"), TrialArm("relu", "cure")), seeds=(11, 12), steps=9, script="deep.py")
    with TrialWriter.new(folder / "gradiometer-runs" / "deep-trial.gmr", plan):
        pass  # its process was killed here
    done = call("report", "deep-trial", "-o", "t.html")
    assert (done.returncode, done.stdout) == (0, "t.html\n"), done.stderr
    page = (folder / "t.html").read_text(encoding="utf-8")
    assert "No verdict yet" in page and "deep.py" in page
    assert call("report", "latest", "-o", "r.html").returncode == 0
    assert "No verdict yet" not in (folder / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "latest", "-o", "x.xlsx"], "-o x.xlsx: the ending says the format"),
        (["export", "latest", "-o", "gone/x.csv"], "-o gone/x.csv: there is no folder gone."),
        (["export", "latest", "-o", "folder.csv"], "-o folder.csv is a folder."),
        (["report", "latest", "-o", "gone/x.html"], "-o gone/x.html: there is no folder gone."),
        (["report", "latest", "-o", "gradiometer-runs/vanishing.gmr"], "-o gradiometer-runs/vanishing.gmr is the file"),
        (["report", "other.json"], "Cannot read other.json: its kind is 'diagnosis', and it holds no walk."),
        (["report", "other.json", "-o", "other.json"], "-o other.json is the file itself."),
        (["report", "other.json", "--pdf", "-o", "w.html"], "--pdf writes a PDF, and -o w.html is none by its name."),
        (["diagnose", "latest", "--json", "gone/x.json"], "--json gone/x.json: there is no folder gone."),
        (["diagnose", "latest", "--ignore", "nonsense"], "--ignore names no known cause in 'nonsense'."),
        (["runs", "--json", "gradiometer-runs"], "--json gradiometer-runs is a folder."),
    ],
)
def test_what_cannot_be_written_is_said_in_one_sentence(
    folder: Path, call: Call, arguments: list[str], words: str
) -> None:
    (folder / "folder.csv").mkdir()
    (folder / "other.json").write_text('{"kind": "diagnosis"}')
    done = call(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"gradiometer: {words}")
    assert done.stderr.count("\n") == 1


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
