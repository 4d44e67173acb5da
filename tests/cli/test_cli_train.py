"""``gradiometer train`` on real trainings: page, files, exit codes, and a training that the watch left alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_tools import gradiometer
from click.testing import Result
from typer.testing import CliRunner

import gradiometer as gm
from gradiometer.cli import app
from gradiometer.lab import Recipe
from gradiometer.lab.tasks import datasets
from gradiometer.records import RunFileError

pytestmark = pytest.mark.torch

DEEP = ("--depth", "12", "--width", "16", "--activation", "sigmoid", "--steps", "60")
SOUND = ("--depth", "2", "--width", "16", "--activation", "tanh", "--steps", "60")
TABLE = "a,b,y\n" + "\n".join(f"{i % 7},{i % 5},{i % 3}.5" for i in range(60)) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of this process."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*words: str) -> Result:
    """``gradiometer train WORDS`` in this process, into x.gmr where they do not say where."""
    out = () if {"--out", "--resume"} & set(words) else ("--out", "x.gmr")
    done = CliRunner().invoke(app, ["train", *words, *out])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def told(*words: str) -> dict[str, Any]:
    """The ``training`` of the document that a training makes."""
    done = train(*words, "--json", "-")
    assert (done.exit_code, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    found: dict[str, Any] = document["training"]
    return found


def tensors(path: Path) -> dict[str, Any]:
    return dict(gm.lab.read_weights(path).tensors)


def same_bits(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    return set(ours) == set(theirs) and all(ours[name].equal(theirs[name]) for name in theirs)


# ---- in a process of its own -----------------------------------------------------------------------------------


def test_a_vanishing_network_gets_its_page_its_files_and_the_code_that_was_asked_for(tmp_path: Path) -> None:
    done = gradiometer("train", *DEEP, "--fail-on", "fail", "--json", "d.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, b"")
    page = done.stdout.decode("ascii")
    assert "VANISHING" in page
    assert max(map(len, page.splitlines())) <= 80
    document = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    assert document["findings"][0]["symptom"] == "vanishing"
    files = sorted(p.name for p in (tmp_path / "gradiometer-runs").iterdir())
    stem = files[0].removesuffix(".gmr")
    assert stem.startswith("plain-digits-")
    assert files == [f"{stem}.gmr", f"{stem}.safetensors", f"{stem}.state.safetensors"]
    assert page.splitlines()[-1] == f"gradiometer train --resume {stem} --steps 60"
    recorded = gm.open(tmp_path / "gradiometer-runs" / files[0])
    assert (recorded.info.script, recorded.info.state) == ("gradiometer train", "finished")
    assert " ".join(recorded.info.argv).startswith("--task digits --network plain --depth 12 --width 16")
    assert recorded.steps()[0] == 0  # watched from the first step
    assert len(recorded.curve()) == 60


def test_a_sound_network_passes_the_same_gate_in_one_line(tmp_path: Path) -> None:
    done = gradiometer("train", *SOUND, "--fail-on", "fail", "--quiet", "--out", "kept.gmr", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"Nothing found: ")
    assert b"Test accuracy " in done.stdout
    assert done.stdout.count(b"\n") == 1
    assert (tmp_path / "kept.gmr").exists()


# ---- the watch changes nothing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "recipe"),
    [
        (" ".join(SOUND), Recipe(depth=2, width=16, activation="tanh", steps=60)),
        (
            " ".join((*DEEP, "--norm batch --optimizer adam --lr 0.01 --every 3")),
            Recipe(depth=12, width=16, activation="sigmoid", steps=60, norm="batch", optimizer="adam", lr=0.01),
        ),
        (
            "--network auxiliary --depth 4 --steps 20 --pretrain greedy --pretrain-steps 5",
            Recipe(network="auxiliary", depth=4, steps=20, pretrain="greedy", pretrain_steps=5),
        ),
        (
            "--network lstm --task adding --length 8 --width 8 --steps 20",
            Recipe(network="lstm", task="adding", length=8, width=8, steps=20),
        ),
        (
            "--task xor --optimizer lbfgs --batch 0 --steps 5 --activation tanh",
            Recipe(task="xor", optimizer="lbfgs", batch=0, steps=5, activation="tanh"),
        ),
        ("--task xor --optimizer muon --steps 9 --seed 3", Recipe(task="xor", optimizer="muon", steps=9, seed=3)),
    ],
    ids=lambda v: v.network if isinstance(v, Recipe) else "",
)
def test_the_weights_are_those_of_a_training_without_a_watch(folder: Path, words: str, recipe: Recipe) -> None:
    assert train(*words.split()).exit_code == 0
    assert len(gm.open("x.gmr").curve()) == recipe.steps
    plain = gm.lab.prepare(recipe)
    untrained = {name: t.clone() for name, t in plain.network.state_dict().items()}
    gm.lab.train(plain)
    ours = tensors(folder / "x.safetensors")
    assert same_bits(ours, plain.network.state_dict())
    assert not same_bits(ours, untrained)


def test_a_resumed_run_has_the_bits_of_one_that_never_stopped(folder: Path) -> None:
    words = ("--task", "xor", "--optimizer", "adam", "--norm", "batch", "--activation", "prelu")
    train(*words, "--steps", "50", "--out", "whole.gmr")
    train(*words, "--steps", "30", "--out", "gradiometer-runs/half.gmr")
    assert not same_bits(tensors(folder / "gradiometer-runs/half.safetensors"), tensors(folder / "whole.safetensors"))
    found = told("--resume", "half", "--steps", "20", "--out", "rest.gmr")
    assert same_bits(tensors(folder / "rest.safetensors"), tensors(folder / "whole.safetensors"))
    assert (found["begun"], found["steps"], found["recipe"]["steps"]) == (30, 50, 50)
    assert gm.open("rest.gmr").info.argv[-2:] == ("--resume", "half")
    assert len(gm.open("rest.gmr").curve()) == 20


def test_a_broken_off_run_is_resumed_to_its_end(folder: Path) -> None:
    def stops(step: gm.lab.StepSeen) -> None:
        if step.step == 13:
            raise KeyboardInterrupt

    broken = gm.lab.prepare(Recipe(task="xor", steps=40))
    with pytest.raises(KeyboardInterrupt):
        gm.lab.train(broken, stops)
    gm.lab.save_state("broken.safetensors", broken)
    done = train("--resume", "broken.safetensors", "--out", "rest.gmr")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "gradiometer train --resume rest.safetensors --steps 27"
    whole = gm.lab.prepare(Recipe(task="xor", steps=40))
    gm.lab.train(whole)
    assert same_bits(tensors(folder / "rest.safetensors"), whole.network.state_dict())
    again = train("--resume", "rest.safetensors")
    assert again.exit_code == 2
    assert "rest has made all its 40 steps. Say with --steps how many more" in again.stderr


# ---- what is told ----------------------------------------------------------------------------------------------


def test_the_document_is_the_diagnosis_and_the_training(folder: Path) -> None:
    done = train(*SOUND, "--json", "d.json")
    document = json.loads(Path("d.json").read_text())
    diagnosis = json.loads(CliRunner().invoke(app, ["diagnose", "x.gmr", "--json", "-"]).stdout)
    found = document.pop("training")
    assert document == diagnosis
    assert found["recipe"] == {**found["recipe"], "task": "digits", "depth": 2, "width": 16, "steps": 60}
    assert [found["run"], found["weights"]] == [str(folder / "x.gmr"), str(folder / "x.safetensors")]
    assert found["searched"] is found["started"] is found["resumed"] is found["diverged_at"] is None
    network = gm.lab.prepare(Recipe(depth=2, width=16, activation="tanh"))
    gm.lab.load_matching(network.network, tensors(folder / "x.safetensors"))
    for split, told_score in found["scores"].items():
        score = gm.lab.score(network.network, network.task, split)
        assert told_score["metric"] == score.metric
        assert told_score["loss"] == pytest.approx(score.loss)
        row = next(line for line in done.stdout.splitlines() if line.startswith(split))
        assert row.split()[1] == f"{100 * score.metric:.1f}".removesuffix(".0") or "%" in row
    assert list(found["scores"]) == ["train", "validation", "test"]


def test_learned_slopes_and_scales_are_told(folder: Path) -> None:
    found = told("--task", "xor", "--activation", "prelu", "--depth", "2", "--steps", "30")
    weights = tensors(folder / "x.safetensors")
    assert [name for name, _ in found["slopes"]] == ["blocks.1.act", "blocks.0.act"]  # loss first
    assert [v for _, v in found["slopes"]] == [float(weights[f"{n}.weight"].mean()) for n, _ in found["slopes"]]
    assert found["scales"] == []
    done = train("--task", "xor", "--network", "rezero", "--depth", "8", "--steps", "30", "--out", "r.gmr")
    alphas = [float(v) for n, v in tensors(folder / "r.safetensors").items() if n.endswith("alpha")]
    assert len(alphas) == 8
    assert "scales       8 from " in done.stdout
    assert "slopes " not in done.stdout


def test_a_training_that_diverges_says_so(folder: Path) -> None:
    done = train("--task", "article", "--lr", "1e9", "--steps", "30", "--activation", "prelu")
    assert "diverged     the loss did not stay finite" in done.stdout
    assert "slopes       3 of 3 are not finite (PReLU" in done.stdout
    assert "diverged" not in train("--task", "article", "--steps", "30", "--out", "y.gmr").stdout


def test_other_commands_read_what_it_wrote(folder: Path) -> None:
    train(*DEEP, "--out", "gradiometer-runs/deep.gmr")
    asked = [
        ["runs"],
        ["diagnose", "latest"],
        ["report", "latest", "-o", "r.html"],
        ["export", "latest", "-o", "t.csv"],
    ]
    said = [CliRunner().invoke(app, words) for words in asked]
    assert [r.exit_code for r in said] == [0, 0, 0, 0]
    assert "deep.gmr" in said[0].stdout
    assert "VANISHING" in said[1].stdout
    report = Path("r.html").read_text(encoding="utf-8")
    assert "gradiometer train --task digits --network plain --depth 12" in report


# ---- other ways to train ---------------------------------------------------------------------------------------


def test_a_teacher_and_a_start_are_found_by_the_name_of_their_run(folder: Path) -> None:
    small = ("--task", "xor", "--depth", "2", "--width", "8", "--steps", "20")
    train(*small, "--out", "gradiometer-runs/teacher.gmr")
    weights = str(folder / "gradiometer-runs" / "teacher.safetensors")
    taught = told(*small, "--teacher", "teacher", "--hints", "1", "--temperature", "3", "--out", "student.gmr")
    assert taught["recipe"]["teacher"] == weights
    assert not same_bits(tensors(folder / "student.safetensors"), tensors(Path(weights)))
    begun = told(*small, "--from", "latest", "--out", "begun.gmr")
    assert begun["recipe"]["start"] == weights
    assert len(begun["started"]["matched"]) == 6
    assert begun["started"]["missing"] == []
    done = train(*small, "--from", "latest", "--depth", "3", "--out", "deeper.gmr")
    assert "from 6 of 8 tensors matched by name and shape; not in the file: blocks.2" in " ".join(done.stdout.split())


def test_the_searched_rate_is_the_one_that_trains(folder: Path) -> None:
    found = told("--task", "article", "--depth", "1", "--width", "8", "--steps", "5", "--lr", "0.01", "--search-lr")
    rates = sorted({run["lr"] for run in found["searched"]["runs"]})
    assert found["recipe"]["lr"] == found["searched"]["lr"] in rates
    assert len(rates) >= 5
    assert {run["seed"] for run in found["searched"]["runs"]} == {1, 2, 3}
    argv = gm.open("x.gmr").info.argv
    assert argv[argv.index("--lr") + 1] == str(found["recipe"]["lr"])
    plain = gm.lab.prepare(Recipe(task="article", depth=1, width=8, steps=5, lr=found["recipe"]["lr"]))
    gm.lab.train(plain)
    assert same_bits(tensors(folder / "x.safetensors"), plain.network.state_dict())


@pytest.mark.parametrize(
    ("part", "words", "where"),
    [
        ("search_lr", ["--search-lr"], "the search for a learning rate"),
        ("pretrain", ["--pretrain", "greedy"], "the pre-training"),
    ],
)
def test_ctrl_c_before_the_first_step_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, part: str, words: list[str], where: str
) -> None:
    def pressed(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gm.lab, part, pressed)
    done = train("--task", "xor", "--steps", "3", *words)
    assert (done.exit_code, done.stdout) == (130, "")
    assert done.stderr == f"gradiometer: Interrupted in {where}, before the first step: nothing was written.\n"
    assert list(folder.iterdir()) == []


def test_own_data_trains(folder: Path) -> None:
    Path("t.csv").write_text(TABLE)
    words = ("--task", "table", "--data", "t.csv", "--target", "y", "--steps", "20")
    assert told(*words)["recipe"]["data"] == str(folder / "t.csv")


# ---- told in one sentence --------------------------------------------------------------------------------------


def refused(*words: str) -> str:
    """The one sentence with which a training is refused before it leaves anything behind."""
    before = sorted(Path.cwd().rglob("*"))
    done = train(*words, "--steps", "3")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("gradiometer: ")
    assert done.stderr.count("\n") == 1
    assert sorted(Path.cwd().rglob("*")) == before
    return done.stderr


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
        (["--network", "lstm", "--task", "article"], "lstm reads a sequence"),
        (["--network", "lstm", "--activation", "sigmoid"], "lstm"),
        (["--optimizer", "lbfgs", "--weight-decay", "0.1"], "lbfgs has no weight decay"),
    ],
)
def test_what_the_lab_refuses(folder: Path, words: list[str], complaint: str) -> None:
    Path("t.csv").write_text(TABLE)
    Path("words.csv").write_text("a,b,y\n1,2,3\n1,two,4\n")
    Path("same.csv").write_text("a,b,y\n" + "".join(f"{i},{i % 5},4.5\n" for i in range(60)))
    assert complaint in refused(*words)


def test_weights_that_do_not_fit(folder: Path) -> None:
    train("--task", "xor", "--width", "8", "--steps", "3", "--out", "xor.gmr")
    assert "learned xor, and the student learns digits" in refused("--teacher", "xor.gmr")
    assert "The weights match nothing in this" in refused("--from", "xor.gmr", "--width", "9", "--task", "article")
    Path("other.safetensors").write_bytes(b"no such thing")
    assert "no whole safetensors file" in refused("--from", "other.safetensors")
    assert "no whole safetensors file" in refused("--resume", "other.safetensors")


@pytest.mark.parametrize(("missing", "task"), [("sklearn", "digits"), ("safetensors", "xor"), ("mnist1d", "mnist1d")])
def test_a_missing_extra_names_the_line_that_installs_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, missing: str, task: str
) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    datasets._digits.cache_clear()
    datasets._mnist1d.cache_clear()
    assert 'pip install "gradiometer[lab]"' in refused("--task", task)


def test_weights_that_cannot_be_written_cost_the_page_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(path: Path, training: object) -> None:
        raise RunFileError(f"Cannot write {path}: no space.")

    monkeypatch.setattr(gm.lab, "save_state", refuses)
    done = train(*SOUND)
    assert done.exit_code == 2
    assert done.stderr == f"gradiometer: Cannot write {folder / 'x.safetensors'}: no space.\n"
    assert "NOTHING FOUND" in done.stdout
    assert "--resume" not in done.stdout
