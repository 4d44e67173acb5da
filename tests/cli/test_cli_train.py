"""``gradiometer train`` on real trainings: page, file, exit codes, and a training that the watch left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_tools import gradiometer
from typer.testing import CliRunner

import gradiometer as gm
from gradiometer.cli import app
from gradiometer.cli.train_loop import train_watched
from gradiometer.cli.train_plan import Watching, plan_of

pytestmark = pytest.mark.torch

DEEP = ("--depth", "12", "--width", "16", "--activation", "sigmoid", "--steps", "60")
SOUND = ("--depth", "2", "--width", "16", "--activation", "tanh", "--steps", "60")


def runs(folder: Path) -> list[Path]:
    return sorted((folder / "gradiometer-runs").glob("*.gmr"))


def test_a_vanishing_network_gets_its_page_its_file_and_the_code_that_was_asked_for(tmp_path: Path) -> None:
    done = gradiometer("train", *DEEP, "--fail-on", "fail", "--json", "d.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, b"")
    page = done.stdout.decode("ascii")
    assert "VANISHING" in page
    assert max(map(len, page.splitlines())) <= 80
    document = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    assert document["findings"][0]["symptom"] == "vanishing"
    (run,) = runs(tmp_path)
    assert run.name.startswith("plain-digits-")
    recorded = gm.open(run)
    assert recorded.info.script == "gradiometer train"
    assert " ".join(recorded.info.argv).startswith("--task digits --network plain --depth 12 --width 16")
    assert recorded.info.state == "finished"
    assert recorded.networks[0].name == "plain"
    assert recorded.steps()[0] == 0  # watched from the first step
    assert len(recorded.curve()) == 60


def test_a_sound_network_passes_the_same_gate_in_one_line(tmp_path: Path) -> None:
    done = gradiometer("train", *SOUND, "--fail-on", "fail", "--quiet", "--out", "kept.gmr", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"Nothing found: ")
    assert done.stdout.count(b"\n") == 1
    assert (tmp_path / "kept.gmr").exists()


@pytest.mark.parametrize("options", [SOUND, (*DEEP, "--norm", "batch", "--optimizer", "adam", "--lr", "0.01")])
def test_the_watch_leaves_the_training_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    given: dict[str, object] = {
        o.strip("-"): int(v) if v.isdigit() else float(v) if v[0] == "0" else v
        for o, v in zip(options[::2], options[1::2], strict=True)
    }
    plan = plan_of(given, Watching(every=3))
    watched = gm.lab.prepare(plan.recipe)
    assert train_watched(plan, watched).run is not None
    plain = gm.lab.prepare(plan.recipe)
    gm.lab.train(plain)
    ours, theirs = watched.network.state_dict(), plain.network.state_dict()
    assert all(ours[name].equal(theirs[name]) for name in theirs)
    untrained = gm.lab.prepare(plan.recipe).network.state_dict()
    assert not all(untrained[name].equal(theirs[name]) for name in theirs)


# ---- told in one sentence --------------------------------------------------------------------------------------

TABLE = "a,b,y\n" + "\n".join(f"{i % 7},{i % 5},{i % 3}.5" for i in range(60)) + "\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--task", "digts"], "There is no task 'digts'. Near it: digits"),
        (["--network", "plane"], "There is no network 'plane'. Near it: plain"),
        (["--task", "table"], "--data FILE"),
        (["--task", "table", "--data", "none.csv", "--target", "y"], "There is no file"),
        (["--task", "table", "--data", "t.csv", "--target", "z"], "has no column 'z'"),
        (["--task", "table", "--data", "words.csv", "--target", "y"], "column 'b', line 3 holds 'two'"),
        (["--task", "table", "--data", "same.csv", "--target", "y"], "'y'"),
        (["--data", "t.csv"], "The task digits uses no data"),
    ],
)
def test_what_the_lab_refuses_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "words.csv").write_text("a,b,y\n1,2,3\n1,two,4\n")
    (tmp_path / "same.csv").write_text("a,b,y\n" + "".join(f"{i},{i % 5},4.5\n" for i in range(60)))
    done = CliRunner().invoke(app, ["train", *words, "--steps", "3"])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert complaint in done.stderr
    assert done.stderr.startswith("gradiometer: ")
    assert done.stderr.count("\n") == 1
    assert runs(tmp_path) == []


def test_own_data_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(TABLE)
    done = CliRunner().invoke(app, ["train", "--task", "table", "--data", "t.csv", "--target", "y", "--steps", "20"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert runs(tmp_path)[0].name.startswith("plain-table-")
