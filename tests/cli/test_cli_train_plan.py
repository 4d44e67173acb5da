"""``gradiometer train`` before it trains: its options are the recipe, bad ones are refused in one sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from cli_tools import environment
from typer.testing import CliRunner

from gradiometer.cli import app, train_recipe
from gradiometer.cli import train as train_command
from gradiometer.cli.train_list import FORMS, list_page
from gradiometer.cli.train_plan import TrainPlan
from gradiometer.cli.train_recipe import command_words, option_of
from gradiometer.cli.train_sources import find_weights
from gradiometer.lab import KINDS, Recipe
from gradiometer.records import UserError
from gradiometer.views import Style


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[TrainPlan]:
    """The plans of the trainings that were asked for, none of which is run."""
    plans: list[TrainPlan] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_command, "_trained", lambda plan: plans.append(plan) or 0)
    return plans


def asked(*words: str) -> tuple[int, str]:
    """Exit code and stderr of ``gradiometer train WORDS`` in this process."""
    result = CliRunner().invoke(app, ["train", *words])
    assert not isinstance(result.exception, Exception), result.exception
    return result.exit_code, result.stderr


def test_no_option_is_the_default_recipe(planned: list[TrainPlan]) -> None:
    assert asked() == (0, "")
    assert planned[0].recipe == Recipe()


FULL = {
    "task": "xor",
    "network": "plain",
    "depth": 30,
    "width": 16,
    "activation": "sigmoid",
    "init": "he",
    "norm": "batch",
    "optimizer": "adam",
    "lr": 0.03,
    "weight_decay": 1e-4,
    "batch": 0,
    "steps": 7,
    "seed": 3,
    "data_seed": 4,
    "data": "/data/houses.csv",
    "target": "price",
    "length": 50,
    "standardise": False,
    "teacher": "/runs/teacher.safetensors",
    "temperature": 4.0,
    "soft_share": 0.9,
    "hints": 2,
    "hint_steps": 3,
    "pretrain": "greedy",
    "pretrain_steps": 20,
    "start": "/runs/start.safetensors",
}


def test_the_words_of_a_recipe_are_its_command_line(planned: list[TrainPlan], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a report shows makes the same training again, for every field."""
    monkeypatch.setattr(train_recipe, "find_weights", lambda name, folder, option: Path(name))
    assert set(FULL) == set(Recipe.__struct_fields__)
    for recipe in (Recipe(), Recipe(**FULL)):  # type: ignore[arg-type]
        assert asked(*command_words(recipe)) == (0, "")
        assert planned[-1].recipe == recipe
    assert planned[-1].recipe != Recipe()


def test_default_is_another_word_for_what_torch_does(planned: list[TrainPlan]) -> None:
    asked("--init", "default")
    asked("--init", "he")
    assert [p.recipe.init for p in planned] == ["torch", "he"]


def help_defaults() -> dict[str, str]:
    """Option -> what its help says that the default is."""
    command = typer.main.get_command(app).commands["train"]  # type: ignore[attr-defined]
    found = {}
    for option in command.params:
        match = re.search(r"\[default: (.*)\]", getattr(option, "help", "") or "")
        if match:
            found[option.opts[0]] = match[1]
    return found


def test_the_help_tells_the_recipes_defaults() -> None:
    said, usual = help_defaults(), Recipe()
    for field in usual.__struct_fields__:
        value, option = getattr(usual, field), option_of(field)
        if value is not None and option in said and field != "length":
            assert said.pop(option) == (f"{value:g}" if isinstance(value, float) else str(value)), option
    assert sorted(said) == ["--budget", "--length", "--lr", "--out", "--weight-decay"]


def test_run_and_weights_lie_side_by_side(planned: list[TrainPlan], tmp_path: Path) -> None:
    asked()
    (tmp_path / "pyproject.toml").write_text('[tool.gradiometer]\nout = "kept"\nbudget = 0.5\n')
    asked("--out", "mine.gmr")
    asked("--out", "here")
    asked()
    made = rf"plain-digits-\d{{8}}-\d{{6}}-{os.getpid()}\.gmr"
    wanted = (f"gradiometer-runs/{made}", r"mine\.gmr", f"here/{made}", f"kept/{made}")
    for plan, name in zip(planned, wanted, strict=True):
        assert re.fullmatch(name, str(plan.path.relative_to(tmp_path)))
    assert [p.weights.name for p in planned] == [p.path.stem + ".safetensors" for p in planned]
    assert [p.watching.budget for p in planned] == [0.01, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--out", "there.gmr"], "--out there.gmr is there already, and a run is never written over"),
        (["--out", "old.gmr"], "old.safetensors is there already, and weights are never written over"),
        (["--budget", "2"], "--budget 2 is no share of the wall time"),
        (["--json", "none/x.json"], "--json none/x.json: there is no folder none"),
        (["--ignore", "nonsense"], "--ignore names no known cause in 'nonsense'"),
        (["--temperature", "3"], "--temperature says nothing without --teacher"),
        (["--hint-steps", "3"], "--hint-steps says nothing without --hints"),
        (["--pretrain-steps", "3"], "--pretrain-steps says nothing without --pretrain"),
        (["--teacher", "nobody"], "No run 'nobody'"),
        (["--from", "there.gmr"], "the run there.gmr has no weights beside it"),
        (["--from", "x.safetensors"], "--from x.safetensors: there is no such file"),
        (["--resume", "there.gmr"], "the run there.gmr has no weights beside it"),
        (["--resume", "old.safetensors", "--depth", "3"], "so --depth has no place beside it"),
        (["--resume", "old.safetensors", "--search-lr"], "so --search-lr has no place beside it"),
        (["--depth", "3", "--hints", "3", "--teacher", "old.safetensors"], "3 hints do not fit"),
        (["--lr", "0"], "The learning rate is 0"),
        (["--seed", "-1"], "seed is -1"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(
    planned: list[TrainPlan], tmp_path: Path, words: list[str], complaint: str
) -> None:
    (tmp_path / "there.gmr").write_text("")
    (tmp_path / "old.safetensors").write_text("")
    code, said = asked(*words)
    assert code == 2
    assert complaint in said
    assert said.count("\n") == 1
    assert not planned


@pytest.mark.parametrize("words", [["--depth", "0"], ["--steps", "0"], ["--batch", "-1"], ["--lr", "fast"]])
def test_numbers_that_cannot_be_are_wrong_usage(planned: list[TrainPlan], words: list[str]) -> None:
    code, said = asked(*words)
    assert code == 2
    assert words[0] in said
    assert not planned


# ---- --list ----------------------------------------------------------------------------------------------------


def test_the_list_shows_every_choice_and_fits() -> None:
    page = list_page(Style(80, False, False))
    lines = page.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\\" not in page  # every letter of a formula has one in ASCII
    for kind, choices in KINDS.items():
        group = page.partition(f"--{kind}")[2].partition("\n\n")[0]
        for name, choice in choices.items():
            row = next(line for line in group.splitlines() if f"{line} ".startswith(f"  {name} "))
            letters = row[len(name) + 2 :].split()[: len(choice.forms)]
            assert letters == [form[0] for form in FORMS if form in choice.forms]
        assert f"  {getattr(Recipe(), kind)} " in page
    assert page.count("(default)") == len(KINDS)


def test_the_list_needs_no_torch(tmp_path: Path) -> None:
    program = """
import sys
from gradiometer.cli import main
sys.argv[1:] = ["train", "--list"]
try:
    main()
except SystemExit as end:
    assert not end.code
print("torch" in sys.modules, "numpy" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "--activation" in done.stdout
    assert done.stdout.splitlines()[-1] == "False True"
    assert list(tmp_path.iterdir()) == []


# ---- weights by the name of a run ------------------------------------------------------------------------------


def test_weights_are_found_by_run_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "gradiometer-runs"
    folder.mkdir()
    weights = folder / "net.safetensors"
    weights.write_bytes(b"")
    (folder / "net.gmr").write_bytes(b"")
    for name in ("net", "net.gmr", "gradiometer-runs/net.gmr", "gradiometer-runs/net.safetensors", "net.safetensors"):
        assert find_weights(name, folder, "--from") == weights
    weights.unlink()
    with pytest.raises(UserError, match=r"--teacher net: the run net\.gmr has no weights beside it"):
        find_weights("net", folder, "--teacher")
    with pytest.raises(UserError, match=r"--from other\.safetensors: there is no such file"):
        find_weights("other.safetensors", folder, "--from")
    with pytest.raises(UserError, match="No run 'other'"):
        find_weights("other", folder, "--from")
