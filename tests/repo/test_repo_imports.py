"""Who may import whom: the contracts of pyproject.toml hold, each goes red when broken, and light doors stay light."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS_BROKEN = "Each room imports only from the rooms below it BROKEN"
TORCH_BROKEN = "The rooms that judge and tell know no torch BROKEN"


def rooms() -> list[str]:
    """Every room that the layers contract names, from the top down."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    return [room.strip(" ()") for layer in layers for room in layer.split("|")]


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """A package with every room empty, under the contracts of the real one."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    package = tmp_path / "src" / "gradiometer"
    for room in rooms():
        (package / room).mkdir(parents=True)
        (package / room / "__init__.py").touch()
    (package / "__init__.py").touch()
    return tmp_path


def lint(folder: Path) -> tuple[int, str]:
    """Exit code and output of lint-imports in a folder that has src/ and pyproject.toml."""
    program = "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports_command; "
    done = subprocess.run(
        [sys.executable, "-c", program + "lint_imports_command(['--no-cache'])"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_empty_rooms_keep_the_contracts(skeleton: Path) -> None:
    code, output = lint(skeleton)
    assert code == 0, output
    assert "BROKEN" not in output


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("records/a.py", "import gradiometer.store", LAYERS_BROKEN),
        ("views/a.py", "from gradiometer.trial import x", LAYERS_BROKEN),  # strangers
        ("lab/a.py", "def f():\n    import gradiometer.measurement", LAYERS_BROKEN),  # hidden in a function
        ("kitchen/__init__.py", "", "kitchen"),  # a room that no layer names
        ("diagnosis/a.py", "import torch", TORCH_BROKEN),
        ("views/a.py", "def f():\n    import torch.nn", TORCH_BROKEN),
    ],
)
def test_a_planted_violation_turns_red(skeleton: Path, file: str, line: str, broken: str) -> None:
    planted = skeleton / "src" / "gradiometer" / file
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(line + "\n")
    code, output = lint(skeleton)
    assert code == 1, output
    assert broken in output


def test_torch_at_second_hand_turns_red(skeleton: Path) -> None:
    package = skeleton / "src" / "gradiometer"
    (package / "tools.py").write_text("import torch\n")
    (package / "catalog" / "a.py").write_text("import gradiometer.tools\n")
    code, output = lint(skeleton)
    assert code == 1
    assert TORCH_BROKEN in output


def loaded_by(statement: str) -> set[str]:
    """Top-level names of the modules that a fresh Python holds after a statement."""
    program = f"{statement}\nimport sys\nprint('loaded:', *{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=_with_source()
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


def _with_source() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src")}


HEAVY = {"torch", "numpy", "scipy", "plotly"}
HELP = """
import sys
from gradiometer.cli import main
sys.argv = ["gradiometer", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.mark.parametrize("statement", ["import gradiometer", HELP], ids=["import", "help"])
def test_the_light_doors_load_nothing_heavy(statement: str) -> None:
    assert not loaded_by(statement) & HEAVY


def test_the_pytest_plugin_loads_no_torch() -> None:
    assert "torch" not in loaded_by("import gradiometer.session.pytest_plugin")


@pytest.mark.parametrize("room", ["records", "theory", "quantities", "store", "catalog", "diagnosis", "views"])
def test_the_rooms_that_judge_and_tell_load_no_torch(room: str) -> None:
    assert "torch" not in loaded_by(f"import gradiometer.{room}")


def test_a_heavy_import_is_seen() -> None:
    assert loaded_by("import numpy") & HEAVY
