"""The public surface is frozen: names, commands, options. The doors open without torch and numpy."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from cli_tools import SOURCE, environment, gradiometer

import gradiometer as gm
from gradiometer.cli import app

NAMES = [
    "GradiometerError",
    "ModelError",
    "RunFileError",
    "Setup",
    "UserError",
    "__version__",
    "assert_healthy",
    "check",
    "cure",
    "diagnose",
    "explain",
    "lab",
    "open",
    "prove",
    "report",
    "theory",
    "watch",
]
OPTIONS = {
    "causes": ["[NAME]", "--json", "--help"],
    "cures": ["[NAME]", "--json", "--help"],
    "run": [
        "SCRIPT",
        "ARGS",
        "-m",
        "--every",
        "--budget",
        "--steps",
        "--out",
        "--json",
        "--causal",
        "--cure",
        "--fail-on",
        "--ignore",
        "--live",
        "--quiet",
        "--help",
    ],
    "prove": [
        "SCRIPT",
        "ARGS",
        "-m",
        "--cure",
        "--budget",
        "--seeds",
        "--steps",
        "--workers",
        "--metric",
        "--log",
        "--higher",
        "--lr-search",
        "--out",
        "--resume",
        "--model",
        "--json",
        "--quick",
        "--help",
    ],
    "train": [
        "--task",
        "--network",
        "--depth",
        "--width",
        "--activation",
        "--init",
        "--norm",
        "--optimizer",
        "--lr",
        "--weight-decay",
        "--batch",
        "--steps",
        "--seed",
        "--data-seed",
        "--data",
        "--target",
        "--length",
        "--raw",
        "--teacher",
        "--temperature",
        "--soft-share",
        "--hints",
        "--hint-steps",
        "--pretrain",
        "--pretrain-steps",
        "--from",
        "--resume",
        "--search-lr",
        "--by-hand",
        "--out",
        "--every",
        "--budget",
        "--json",
        "--fail-on",
        "--ignore",
        "--quiet",
        "--list",
        "--help",
    ],
    "check": ["FACTORY", "--json", "--causal", "--ignore", "--help"],
    "explain": [
        "FACTORY",
        "--hop",
        "--focus",
        "--examples",
        "--html",
        "--json",
        "--task",
        "--network",
        "--depth",
        "--width",
        "--activation",
        "--init",
        "--norm",
        "--optimizer",
        "--lr",
        "--batch",
        "--steps",
        "--seed",
        "--data-seed",
        "--data",
        "--target",
        "--length",
        "--raw",
        "--help",
    ],
    "reproduce": [
        "[NAME]...",
        "--quick",
        "--list",
        "--json",
        "-o",
        "--output",
        "--processes",
        "--help",
    ],
    "diagnose": ["RUN", "--json", "--ignore", "--fail-on", "--help"],
    "runs": ["[DIR]", "--json", "--help"],
    "compare": ["A", "B", "--step", "--json", "--help"],
    "playground": ["-o", "--output", "--help"],
    "serve": ["[DIR]", "--port", "--host", "--expose", "--open", "--help"],
    "report": ["RUN|TRIAL|WALK", "-o", "--output", "--pdf", "--png", "--help"],
    "export": ["RUN", "-o", "--output", "--help"],
}
ROOMS = [
    "records",
    "theory",
    "quantities",
    "store",
    "catalog",
    "diagnosis",
    "views",
    "measurement",
    "lab",
    "session",
    "walk",
    "surgery",
    "trial",
]


def python_says(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_public_names_are_frozen() -> None:
    assert gm.__all__ == NAMES
    assert set(NAMES) <= set(dir(gm))


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'gradiometer' has no attribute 'fly'"):
        gm.fly  # noqa: B018


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((SOURCE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert gm.__version__ == project["version"]


@pytest.mark.torch
def test_no_room_hides_a_door() -> None:
    for room in ROOMS:
        importlib.import_module(f"gradiometer.{room}")
    for name in ("session.watch", "session.check", "trial.prove"):  # modules of that name lie in the room of the door
        importlib.import_module(f"gradiometer.{name}")
    for name in NAMES:
        assert getattr(gm, name) is not None
    for name in ("watch", "check", "explain", "assert_healthy", "diagnose", "open", "prove", "report", "Setup"):
        door = getattr(gm, name)
        assert callable(door), f"{name} is {door!r}"


@pytest.mark.torch
def test_star_import_gives_every_name(tmp_path: Path) -> None:
    program = (
        "import gradiometer\nfrom gradiometer import *\nprint([n for n in gradiometer.__all__ if n not in globals()])"
    )
    assert python_says(program, tmp_path) == "[]\n"


HEAVY = (
    "sorted({'torch', 'numpy', 'scipy', 'plotly', 'rich', 'typer', 'msgspec'} & {m.split('.')[0] for m in sys.modules})"
)


def test_importing_the_package_imports_nothing_else(tmp_path: Path) -> None:
    assert python_says(f"import sys, gradiometer\ndir(gradiometer)\nprint({HEAVY})", tmp_path) == "[]\n"
    assert "numpy" in python_says(f"import sys, gradiometer\ngradiometer.UserError\nprint({HEAVY})", tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["prove", "--help"],
        ["check", "--help"],
        ["explain", "--help"],
        ["train", "--help"],
    ],
)
def test_help_and_version_load_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    program = f"""
import sys
from gradiometer.cli import main
sys.argv[1:] = {arguments!r}
try:
    main()
except SystemExit as end:
    assert not end.code
print()
print({HEAVY}, sys.excepthook is sys.__excepthook__)
"""
    assert python_says(program, tmp_path).splitlines()[-1] == "['typer'] True"


def test_the_commands_and_their_options_are_frozen() -> None:
    group = typer.main.get_command(app)
    commands = group.commands  # type: ignore[attr-defined]
    found = {}
    for name, command in commands.items():
        context = command.make_context(name, [], resilient_parsing=True)
        parameters = command.get_params(context)
        found[name] = [n for p in parameters for n in ([p.metavar] if p.param_type_name == "argument" else p.opts)]
    assert found == OPTIONS


def test_the_version_command(tmp_path: Path) -> None:
    done = gradiometer("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"gradiometer {gm.__version__}\n".encode())


@pytest.mark.parametrize("name", OPTIONS)
def test_every_command_shows_examples_that_name_it(tmp_path: Path, name: str) -> None:
    done = gradiometer(name, "--help", cwd=tmp_path)
    assert done.returncode == 0
    text = done.stdout.decode()
    examples = text.partition("Examples:\n")[2]
    assert f"  gradiometer {name} " in examples or f"  gradiometer {name}\n" in examples
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fly"], "No such command 'fly'"),
        (["run"], "Missing argument"),
        (["run", "--fast", "train.py"], "--fast"),
        (["run", "--steps", "0", "train.py"], "--steps"),
        (["run", "--fail-on", "all", "train.py"], "all"),
        (["export", "latest"], "Missing option"),
    ],
)
def test_wrong_usage_ends_in_2(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = gradiometer(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == b""
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr
