"""``gradiometer explain``: its pages, its files, what it walks, and the one sentence where it cannot."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from cli_tools import gradiometer, script
from click.testing import Result
from typer.testing import CliRunner

import gradiometer as gm
from gradiometer.cli import app, explain_page
from gradiometer.cli.explain_source import Asked, first_examples, focus_name
from gradiometer.records.walk import Arm, Factor, Focus, LawUsed, Update, Walk, WalkHop

pytestmark = pytest.mark.torch

NETWORKS = """
import torch
from torch import nn
import gradiometer as gm

def loss(model, batch):
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs), targets)

def setup(seed, middle, depth, loss=loss, optimizer=None):
    torch.manual_seed(seed)
    layers = [module for _ in range(depth) for module in (nn.Linear(12, 12), middle())]
    model = nn.Sequential(*layers, nn.Linear(12, 4))
    inputs = torch.randn(20, 12)
    batches = [(inputs, inputs[:, :4].argmax(dim=1))]
    return gm.Setup(model, batches, loss, optimizer(model.parameters()) if optimizer else None)

def deep(seed):
    return setup(seed, nn.Sigmoid, 6)

def shallow(seed):
    return setup(seed, nn.ReLU, 1, optimizer=torch.optim.Adam)

def wrong_loss(seed):
    return setup(seed, nn.ReLU, 1, lambda model, batch: model(batch))

def vector_loss(seed):
    return setup(seed, nn.ReLU, 1, lambda model, batch: model(batch[0]))

def no_batch(seed):
    made = setup(seed, nn.ReLU, 1)
    return gm.Setup(made.model, [], made.loss)

def bad_batches(seed):
    def batches():
        raise FileNotFoundError("data.csv")
        yield
    made = setup(seed, nn.ReLU, 1)
    return gm.Setup(made.model, batches(), made.loss)

def fitted(seed):
    return setup(seed, nn.ReLU, 1, optimizer=torch.optim.LBFGS)
"""
LAB = ("--depth", "2", "--width", "8", "--batch", "16", "--task", "circles", "--activation", "sigmoid")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of this process, with the factories in it."""
    monkeypatch.chdir(tmp_path)
    script(tmp_path, NETWORKS, "networks.py")
    return tmp_path


def explain(*words: str) -> Result:
    """``gradiometer explain WORDS`` in this process."""
    done = CliRunner().invoke(app, ["explain", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def told(*words: str) -> dict[str, Any]:
    """The document of a walk."""
    done = explain(*words, "--json", "-")
    assert (done.exit_code, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def page(*words: str) -> str:
    """The page of a walk: in a pipe, so plain and at most 80 columns wide."""
    done = explain(*words)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert max(map(len, done.stdout.splitlines())) <= 80
    return done.stdout


# ---- pages -------------------------------------------------------------------------------------------------------


def test_a_deep_sigmoid_network_in_a_process_of_its_own(tmp_path: Path) -> None:
    script(tmp_path, NETWORKS, "networks.py")
    done = gradiometer("explain", "networks:deep", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    text = " ".join(done.stdout.decode("ascii").split())
    assert "The error dies on its way back" in text
    assert "in the sigmoids" in text
    assert re.search(r"All \d+ operations went by a hand-written law", text)
    assert re.search(r"ok agrees with autograd to \de-1\d", text)
    assert list(tmp_path.rglob("*.gmr")) == []


def test_one_hop_at_length(folder: Path) -> None:
    text = page("networks.py:deep", "--hop", "2")
    assert text.startswith("hop 2 of 7  layer 6 -> layer 5\n")
    assert "delta_5 = (W_6^T delta_6) .* sigma'(z_5)" in text
    assert "never above 0.25" in text
    assert "focused weight" in text


def test_the_pages_that_it_names_are_there(folder: Path) -> None:
    text = page(*LAB).replace(" \\\n     ", "")
    named = re.findall(r"^ +(gradiometer explain .*?--(?:hop|html) \S+)", text, re.M)
    assert len(named) == 2
    for line in named:
        done = explain(*shlex.split(line)[2:])
        assert done.exit_code == 0
    assert page(*shlex.split(named[0])[2:]).startswith("hop 2 of 3")
    assert (folder / "walk.html").is_file()


def test_the_command_names_what_was_given_and_quotes_it() -> None:
    given = {"task": "table", "data": "my file.csv", "standardise": False, "lr": 0.1, "steps": None}
    asked = Asked(None, given, 3, "a.weight[3,5]")
    words = "explain --task table --data 'my file.csv' --raw --lr 0.1 --examples 3 --focus 'a.weight[3,5]'"
    assert asked.command == f"gradiometer {words}"


def test_the_manual_names_every_key_of_the_document() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "explain.md").read_text(encoding="utf-8")
    table = manual.partition("## The document")[2].partition("## From Python")[0]
    named = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]+)`", table))))
    told = {f for kind in (Walk, WalkHop, Factor, Arm, Focus, Update, LawUsed) for f in kind.__struct_fields__}
    assert told - named == {"upper_label", "lower_label"}  # as `upper` and `lower` "with their `_label`"
    assert "_label" in named


# ---- what is walked ----------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_gm_explain(folder: Path) -> None:
    document = told("networks.py:deep")
    sys.path.insert(0, str(folder))
    try:
        import networks

        setup = networks.deep(0)
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("networks", None)
    walk = gm.explain(setup.model, setup.batches[0], setup.loss)
    assert (document["kind"], document["schema"], document["examples"]) == ("walk", 1, 20)
    assert [h["gain"] for h in document["hops"]] == pytest.approx([h.gain for h in walk.hops], rel=1e-12)
    assert document["hops"][0]["theory"] is not None
    assert document["hops"][-1]["theory"] is None  # nan: theory knows no hop to the input


def test_the_lab_network_stands_before_its_first_step(folder: Path) -> None:
    losses: list[float] = []
    recipe = gm.lab.Recipe(depth=2, width=8, batch=16, task="circles", activation="sigmoid", steps=3)
    gm.lab.train(gm.lab.prepare(recipe), on_step=lambda step: losses.append(step.loss))
    assert told(*LAB)["loss"] == pytest.approx(losses[0], rel=1e-6)
    assert told(*LAB, "--steps", "2")["loss"] == pytest.approx(losses[2], rel=1e-6)
    assert losses[0] != pytest.approx(losses[2], rel=1e-6)


def test_the_optimizer_of_the_lab_makes_the_update(folder: Path) -> None:
    update = told(*LAB, "--optimizer", "adam", "--lr", "0.5")["focus"]["update"]
    assert (update["optimizer"], update["settings"]["lr"]) == ("Adam", 0.5)


def test_first_examples_of_the_batch(folder: Path) -> None:
    assert told("networks.py:deep", "--examples", "3")["examples"] == 3
    assert told(*LAB, "--examples", "1")["examples"] == 1


def test_examples_of_any_batch() -> None:
    x, y, table = torch.arange(12.0).reshape(6, 2), torch.arange(6), torch.eye(3)
    cut = first_examples({"x": x, "rest": [y, table, "name", torch.tensor(1.0)]}, 4)
    assert cut["x"].equal(x[:4])
    assert cut["rest"][0].equal(y[:4])
    assert cut["rest"][1].equal(table)  # not as long as the batch
    assert cut["rest"][2:] == ["name", torch.tensor(1.0)]
    with pytest.raises(gm.UserError, match=r"--examples 7: the batch has 6\."):
        first_examples((x, y), 7)
    with pytest.raises(gm.UserError, match="a tensor whose first axis runs over the examples"):
        first_examples(("words", torch.tensor(1.0)), 1)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("a.weight[3,5]", "a.weight[3,5]"),
        ("a.weight:3,5", "a.weight[3,5]"),
        ("a.bias:-1", "a.bias[-1]"),
        ("a.bias", "a.bias"),
        (None, None),
    ],
)
def test_a_weight_may_be_named_without_brackets(typed: str | None, name: str | None) -> None:
    assert focus_name(typed) == name


def test_the_chosen_weight(folder: Path) -> None:
    by_colon, by_bracket = (told("networks.py:deep", "--focus", f)["focus"] for f in ("0.weight:3,5", "0.weight[3, 5]"))
    assert by_colon == by_bracket
    assert (by_colon["parameter"], by_colon["index"]) == ("0.weight", [3, 5])
    last = told("networks.py:deep", "--focus", "0.weight:-1,-2")["focus"]
    assert last["index"] == [11, 10]  # from the end, as in Python
    text = page("networks.py:deep", "--focus", "0.weight:3,5")
    assert "12 terms, one a unit of layer 2, largest first" in text
    assert "--focus 0.weight:3,5 --hop" in text
    assert "12 terms, one a unit of layer 2" in page("networks.py:deep", "--focus", "0.weight:3,5", "--hop", "1")


# ---- files -------------------------------------------------------------------------------------------------------


def test_files_beside_the_page_and_instead_of_it(folder: Path) -> None:
    done = explain("networks.py:shallow", "--html", "w.html")
    assert done.exit_code == 0
    assert done.stdout.endswith("\nw.html\n")
    assert "--html" not in done.stdout
    html = (folder / "w.html").read_text(encoding="utf-8")
    assert html.lstrip().lower().startswith("<!doctype html>")
    quiet = explain("networks.py:shallow", "--json", "w.json")
    assert (quiet.exit_code, quiet.stdout) == (0, "")
    assert json.loads((folder / "w.json").read_text(encoding="utf-8"))["kind"] == "walk"
    both = explain("networks.py:shallow", "--json", "-", "--html", "v.html")
    assert json.loads(both.stdout)["kind"] == "walk"
    assert (folder / "v.html").is_file()


def test_a_document_becomes_the_page_that_explain_writes(folder: Path) -> None:
    assert explain("networks.py:shallow", "--json", "w.json", "--html", "at-once.html").exit_code == 0
    done = CliRunner().invoke(app, ["report", "w.json"])
    assert (done.exit_code, done.stdout) == (0, "w.html\n"), done.stderr
    assert (folder / "w.html").read_bytes() == (folder / "at-once.html").read_bytes()
    assert explain("networks.py:deep", "--json", "deep.json").exit_code == 0
    assert CliRunner().invoke(app, ["report", "deep.json", "-o", "w.html"]).exit_code == 0
    assert (folder / "w.html").read_bytes() != (folder / "at-once.html").read_bytes()


# ---- told in one sentence ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["networks.py:deep", "--depth", "3"], "networks.py:deep makes the network, so --depth has no place beside it"),
        (["networks.py:deep", "--raw"], "so --raw has no place beside it"),
        (["networks.py:deep", "--hop", "8"], "--hop 8: this walk has 7 hops, from 1 (nearest to the loss) to 7."),
        (["networks.py:deep", "--focus", "0.weight:12,0"], "0.weight[12,0] lies outside"),
        (["networks.py:deep", "--focus", "0.weigth:1,1"], "0.weigth"),
        (["networks.py:deep", "--focus", "0.weight"], "layer.weight[3,5]"),
        (["networks.py:deep", "--examples", "21"], "--examples 21: the batch has 20."),
        (["networks.py:deep", "--html", "no/w.html"], "--html no/w.html: there is no folder no."),
        (["networks.py:deep", "--json", "no/w.json"], "--json no/w.json: there is no folder no."),
        (["networks.py:deep", "--html", "w", "--json", "./w"], "--json and --html are both w."),
        (["networks.py:deep", "--hop", "1", "--json", "-"], "so --hop says nothing beside it"),
        (["networks.py:none"], "networks.py has no 'none'."),
        (["networks.py:vector_loss"], "scalar"),
        (["networks.py:no_batch"], "networks.py:no_batch made no batch"),
        (["networks.py:fitted"], "LBFGS has no update written by hand"),
        (["--task", "digts"], "There is no task 'digts'. Near it: digits"),
        (["--task", "table"], "--data FILE"),
        (["--network", "lstm", "--task", "article"], "lstm reads a sequence"),
        (["--lr", "-1"], "learning rate"),
    ],
)
def test_one_clear_sentence(folder: Path, words: list[str], complaint: str) -> None:
    before = sorted(folder.iterdir())
    done = explain(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert done.stderr.startswith("gradiometer: ")
    assert done.stderr.count("\n") == 1
    assert [p for p in sorted(folder.iterdir()) if p.name != "__pycache__"] == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wrong_loss", "networks.py:wrong_loss raises TypeError in its forward or backward pass."),
        ("bad_batches", "networks.py:bad_batches made batches that raise FileNotFoundError."),
    ],
)
def test_an_error_of_the_user_has_its_traceback(folder: Path, name: str, words: str) -> None:
    done = explain(f"networks.py:{name}")
    assert (done.exit_code, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert lines[-1] == f"gradiometer: {words} The lines above are its traceback."
    assert "networks.py" in done.stderr
    assert not any("gradiometer/cli" in shown or "gradiometer/walk" in shown for shown in lines)


def test_an_error_of_ours_is_called_ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradiometer.walk import explain as room

    monkeypatch.setattr(room, "hops_of", lambda walked: torch.zeros(2) @ torch.zeros(3))
    monkeypatch.setitem(room.hops_of.__globals__, "__name__", "gradiometer.walk.hops")
    done = explain("networks.py:deep")
    assert (done.exit_code, done.stdout) == (70, "")
    assert "This is a fault of Gradiometer" in done.stderr


@pytest.mark.parametrize("words", [["--hop", "0"], ["--examples", "0"], ["--steps", "-1"], ["--fast"], ["a:b", "c:d"]])
def test_wrong_usage(folder: Path, words: list[str]) -> None:
    assert explain(*words).exit_code == 2


# ---- while one waits ---------------------------------------------------------------------------------------------


class Terminal:
    """A stderr that is a terminal."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


def test_a_long_walk_says_what_it_does_and_takes_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with explain_page.waiting("walking"):
        pass
    assert terminal.text == ""  # a short one says nothing
    monkeypatch.setattr(explain_page, "WAIT_S", 0.0)
    with explain_page.waiting("walking"):
        while not terminal.text:
            time.sleep(0.001)
    assert terminal.text == "walking\r\x1b[2K"
    monkeypatch.setenv("NO_COLOR", "1")
    terminal.text = ""
    with explain_page.waiting("walking"):
        while not terminal.text:
            time.sleep(0.001)
    assert terminal.text == "walking\n"
