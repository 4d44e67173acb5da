"""What is shipped: the wheel holds the package with its data and its entry points, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import gradiometer

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from this tree with what is installed (no network)."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel: zipfile.ZipFile) -> None:
    source = ROOT / "src"
    files = {str(p.relative_to(source)) for p in source.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    shipped = {n for n in wheel.namelist() if ".dist-info/" not in n}
    assert shipped == files
    assert "gradiometer/py.typed" in shipped


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    names = {n.rpartition("/")[2]: n for n in wheel.namelist() if ".dist-info/" in n}
    entry_points = wheel.read(names["entry_points.txt"]).decode()
    assert "gradiometer = gradiometer.cli:main" in entry_points
    assert "gradiometer = gradiometer.session.pytest_plugin" in entry_points
    assert "License-Expression: Apache-2.0" in wheel.read(names["METADATA"]).decode()
    assert "Apache License" in wheel.read(names["LICENSE"]).decode()


def pinned() -> dict[str, str]:
    """Name -> version of every line of constraints.txt."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    return {name.lower().replace("_", "-"): version for name, _, version in (line.partition("==") for line in lines)}


def wanted() -> set[str]:
    """Every distribution that pyproject.toml asks for, extras included."""
    extras = PROJECT["optional-dependencies"]
    asked = [*PROJECT["dependencies"], *(d for e in extras.values() for d in e)]
    return {re.split(r"[\[<>=!~ ]", d)[0].lower() for d in asked} - {"gradiometer"}


def test_everything_that_is_asked_for_is_pinned() -> None:
    assert wanted() - set(pinned()) == set()
    assert pinned()["torch"] == "2.13.0"


def test_the_package_says_the_version_that_is_shipped() -> None:
    assert gradiometer.__version__ == PROJECT["version"]


def test_the_changelog_knows_this_version() -> None:
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
