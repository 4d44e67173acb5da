"""``gradiometer reproduce``: what is listed, refused, shown, written, and how it ends."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_tools import LIMIT_S, environment, gradiometer
from click.testing import Result
from typer.testing import CliRunner

from gradiometer.cli import app
from gradiometer.reproduction.experiment import Experiment, Order, Outcome, Row
from gradiometer.reproduction.menu import offered

TESTS = Path(__file__).resolve().parents[1]
Invoke = Callable[..., Result]


def experiment(name: str, run: Callable[[Order], Outcome]) -> Experiment:
    return Experiment(name, f"What {name} shows", "Toy 2001", "it floats", "a bath", run)


def floats(height: float, name: str) -> Experiment:
    """An experiment that reproduces from 1 on."""
    row = Row(name="height", published="2", values=(height,), low=1.0)
    return experiment(name, lambda order: Outcome(name=name, rows=(row,), reasons=("it is of lead",)))


def broken_off(order: Order) -> Outcome:
    raise KeyboardInterrupt


def faulty(order: Order) -> Outcome:
    raise ZeroDivisionError("over the edge")


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """The command line in this process, with toys behind the names of the menu."""
    monkeypatch.chdir(tmp_path)
    menu = importlib.import_module("gradiometer.reproduction.menu")
    runner = importlib.import_module("gradiometer.reproduction.runner")

    def call(*arguments: str, **toys: Experiment) -> Result:
        entries = tuple(menu.Entry(name, f"what {name} shows") for name in toys)
        monkeypatch.setattr(menu, "offered", lambda: entries)
        monkeypatch.setattr(runner, "load", lambda entry: toys[entry.name])
        return CliRunner().invoke(app, ["reproduce", *arguments])

    return call


def toys(**heights: float) -> dict[str, Experiment]:
    return {name: floats(height, name) for name, height in heights.items()}


def test_the_list_loads_no_torch(tmp_path: Path) -> None:
    program = """
import sys
from gradiometer.cli import main
sys.argv[1:] = ["reproduce", "--list"]
try:
    main()
except SystemExit as end:
    assert not end.code
print({"torch", "numpy", "scipy", "plotly"} & {m.split(".")[0] for m in sys.modules})
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[-1] == "set()"
    names = [line.split()[0] for line in lines[:-1]]
    assert names[0] == "article"
    assert "loss" in names
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[0] for line in lines[:-1] if not line.startswith(" ")] == [e.name for e in offered()]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name an experiment, or all. gradiometer reproduce --list shows them."),
        (["artikle"], "There is no experiment 'artikle'. Near it: article."),
        (["loss", "--json", "nowhere/x.json"], "--json nowhere/x.json: there is no folder nowhere."),
        (["loss", "-o", "nowhere/x.html"], "-o nowhere/x.html: there is no folder nowhere."),
        (["loss", "--processes", "0"], "--processes"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = gradiometer("reproduce", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == b""
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_missing_extra_is_asked_for_before_the_work(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    done = invoke("a", "-o", "page.html", a=experiment("a", faulty))
    assert done.exit_code == 2
    assert 'pip install "gradiometer[report]"' in done.stderr


def test_the_exit_code_says_whether_it_reproduces(invoke: Invoke) -> None:
    good = invoke("a", **toys(a=2.0))
    assert (good.exit_code, good.stderr) == (0, "")
    assert "ok REPRODUCED   a" in good.stdout
    bad = invoke("a", **toys(a=0.5))
    assert (bad.exit_code, bad.stderr) == (1, "")
    assert "x NOT REPRODUCED   a" in bad.stdout
    assert "likely reason  it is of lead" in bad.stdout
    assert "lead" not in good.stdout


def test_several_end_in_a_summary(invoke: Invoke) -> None:
    done = invoke("all", "--quick", **toys(a=2.0, b=0.5, c=3.0))
    assert done.exit_code == 1
    pages, _, summary = done.stdout.rpartition("2 of 3 experiments reproduce.")
    assert [pages.count(f"REPRODUCED   {name}  quick form") for name in "abc"] == [1, 1, 1]
    rows = [line.split()[:2] for line in summary.splitlines() if line[:2].strip()]
    assert rows == [["ok", "a"], ["x", "b"], ["ok", "c"]]
    assert "experiments reproduce" not in invoke("a", **toys(a=2.0)).stdout


def test_the_document_instead_of_the_pages(invoke: Invoke) -> None:
    done = invoke("b", "a", "--json", "-", **toys(a=2.0, b=0.5))
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [(e["name"], e["reproduced"], e["quick"]) for e in found["experiments"]] == [
        ("b", False, False),
        ("a", True, False),
    ]
    assert found["complete"] is True
    row = found["experiments"][0]["rows"][0]
    assert {k: row[k] for k in ("name", "published", "measured", "low", "high", "holds")} == {
        "name": "height",
        "published": "2",
        "measured": 0.5,
        "low": 1.0,
        "high": None,
        "holds": False,
    }
    to_file = invoke("a", "--json", "out.json", **toys(a=2.0))
    assert (to_file.exit_code, to_file.stdout) == (0, "")
    assert json.loads(Path("out.json").read_text())["experiments"][0]["name"] == "a"


def test_the_html_page_beside_the_pages(invoke: Invoke) -> None:
    done = invoke("a", "b", "-o", "page.html", **toys(a=2.0, b=0.5))
    assert done.exit_code == 1
    assert "REPRODUCED   a" in done.stdout
    page = Path("page.html").read_text(encoding="utf-8")
    assert "1 of 2 experiments reproduces." in page
    assert "What a shows" in page and "What b shows" in page


def test_processes_are_at_most_the_cores(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Order] = []

    def look(order: Order) -> Outcome:
        seen.append(order)
        return Outcome(name="a", rows=(Row(name="r", values=(1.0,), low=1.0),))

    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    for asked in ([], ["--processes", "1"], ["--processes", "3"], ["--processes", "64", "--quick"]):
        assert invoke("a", *asked, a=experiment("a", look)).exit_code == 0
    assert [(order.processes, order.quick) for order in seen] == [(2, False), (1, False), (3, False), (3, True)]


def test_what_is_broken_off_shows_what_is_finished(invoke: Invoke) -> None:
    stopped = toys(a=2.0) | {"b": experiment("b", broken_off)} | toys(c=2.0)
    done = invoke("all", "-o", "page.html", **stopped)
    assert done.exit_code == 130
    assert "REPRODUCED   a" in done.stdout
    assert "1 of 1 experiments reproduces." in done.stdout
    assert done.stderr == "gradiometer: Interrupted. Not run to the end: b, c.\n"
    assert "What a shows" in Path("page.html").read_text(encoding="utf-8")
    found = json.loads(invoke("all", "--json", "-", **stopped).stdout)
    assert found["complete"] is False
    assert [e["name"] for e in found["experiments"]] == ["a"]


def test_a_fault_of_ours_keeps_what_is_finished(invoke: Invoke) -> None:
    done = invoke("a", "b", "--json", "out.json", **toys(a=2.0), b=experiment("b", faulty))
    assert done.exit_code == 70
    assert "ZeroDivisionError: over the edge" in done.stderr
    assert [e["name"] for e in json.loads(Path("out.json").read_text())["experiments"]] == ["a"]


@pytest.mark.torch
def test_the_real_one_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = gradiometer("reproduce", "loss", "--quick", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode("ascii")
    assert "ok REPRODUCED   loss  quick form" in text
    assert max(map(len, text.splitlines())) <= 80


CUT = """
import sys
import reproduction_jobs as jobs
from gradiometer.cli import main
from gradiometer.reproduction import runner
from gradiometer.reproduction.experiment import Experiment, Outcome, Row
from gradiometer.reproduction.workers import each

def stays(order):
    each(jobs.stay_or_leave, [("stay", "first"), ("stay", "second")], order, "staying")

def at_once(order):
    return Outcome(name="article", rows=(Row(name="height", values=(1.0,), low=1.0),))

made = {"article": at_once, "loss": stays}
runner.load = lambda entry: Experiment(entry.name, "Toys", "Toy 2001", "they float", "a bath", made[entry.name])
sys.argv[1:] = ["reproduce", "article", "loss"]
main()
"""


def runs(pid: int) -> bool:
    """A process that has ended, and that nobody has asked for yet, does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.torch
@pytest.mark.parametrize("whole_group", [True, False], ids=["as a terminal does", "this process alone"])
def test_ctrl_c_ends_the_workers_too(tmp_path: Path, whole_group: bool) -> None:
    env = environment()
    env["PYTHONPATH"] += os.pathsep + str(TESTS / "reproduction")
    process = subprocess.Popen(
        [sys.executable, "-c", CUT],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    notes = [tmp_path / "first", tmp_path / "second"]
    until_s = time.monotonic() + LIMIT_S
    while not all(note.exists() for note in notes):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until_s
        time.sleep(0.02)
    pids = [int(note.read_text()) for note in notes]
    if whole_group:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    page, told = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130, told.decode()
    assert b"REPRODUCED   article" in page
    assert told.decode() == "gradiometer: Interrupted. Not run to the end: loss.\n"
    assert [pid for pid in pids if runs(pid)] == []
    assert runs(os.getpid())
