"""Every ```bash and ```python block of the README and of the manual is executed, page by page, from top to bottom.

A page is one working folder: a copy of examples/, in which its blocks run one after the other. Blocks stand alone: each
is a process of its own. An HTML comment right above a block changes what happens to it:

    <!-- file: train.py -->        the block is written to that file, for the blocks below
    <!-- exits 1 -->               the block ends with that exit code
    <!-- executed by .ci/run -->   not executed here: .ci/run has the same lines
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from check_docs import RUN_LANGUAGES, Block, blocks  # noqa: E402

LIMIT_S = 300
BY_CI = "executed by .ci/run"


def run_blocks(page: Path) -> list[Block]:
    """The blocks of a page that are executed, here or by .ci/run."""
    found = blocks(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT)))
    return [b for b in found if b.language in RUN_LANGUAGES or b.directive.startswith("file:")]


PAGES = [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if run_blocks(p)]


def environment(folder: Path) -> dict[str, str]:
    """A user's environment: this Python's commands first on PATH, and `gradiometer` even where it is not installed."""
    here = Path(sys.executable).parent
    env = {k: v for k, v in os.environ.items() if not k.startswith("GRADIOMETER_")}
    env["PATH"] = f"{here}{os.pathsep}{env['PATH']}"
    if not (here / "gradiometer").exists():
        shim = folder.parent / "bin" / "gradiometer"
        shim.parent.mkdir(exist_ok=True)
        shim.write_text(f"#!{sys.executable}\nfrom gradiometer.cli import main\nmain()\n")
        shim.chmod(0o755)
        env["PATH"] = f"{shim.parent}{os.pathsep}{env['PATH']}"
        env["PYTHONPATH"] = str(ROOT / "src")
    return env


def execute(block: Block, folder: Path, env: dict[str, str]) -> None:
    """Run one block in `folder`; AssertionError with its output where the exit code is not the one it promises."""
    if block.directive == BY_CI:
        return
    if block.directive.startswith("file:"):
        (folder / block.directive.removeprefix("file:").strip()).write_text(block.text)
        return
    promised = re.fullmatch(r"exits (\d+)", block.directive)
    shell = ["bash", "-euo", "pipefail", "-c", block.text]
    command = shell if block.language == "bash" else [sys.executable, "-c", block.text]
    done = subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S
    )
    expected = int(promised[1]) if promised else 0
    assert done.returncode == expected, (
        f"{block.where} ended with {done.returncode}, not {expected}\n{block.text}\n{done.stdout}\n{done.stderr}"
    )


@pytest.fixture
def working_folder(tmp_path: Path) -> Path:
    """The folder that a reader of the manual stands in."""
    folder = tmp_path / "work"
    folder.mkdir()
    if (ROOT / "examples").is_dir():
        shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_block_of_the_page_runs(page: Path, working_folder: Path) -> None:
    env = environment(working_folder)
    for block in run_blocks(page):
        execute(block, working_folder, env)


@pytest.mark.parametrize(
    ("language", "text", "directive"),
    [
        ("bash", "false\n", ""),
        ("bash", "false | true\n", ""),
        ("bash", "false\ntrue\n", ""),
        ("python", "raise SystemExit(3)\n", ""),
        ("bash", "true\n", "exits 1"),
    ],
)
def test_a_block_that_fails_is_seen(working_folder: Path, language: str, text: str, directive: str) -> None:
    with pytest.raises(AssertionError, match=r"page\.md:1 ended with"):
        execute(Block("page.md", 1, language, text, directive), working_folder, dict(os.environ))


def test_a_block_may_write_a_file_for_the_next_one(working_folder: Path) -> None:
    env = dict(os.environ)
    execute(Block("page.md", 1, "python", "raise SystemExit(3)\n", "file: train.py"), working_folder, env)
    execute(Block("page.md", 5, "bash", f"{sys.executable} train.py\n", "exits 3"), working_folder, env)


def ci_lines() -> set[str]:
    """The commands of .ci/run, one a line."""
    return {line.strip() for line in (ROOT / ".ci" / "run").read_text().splitlines()}


def test_the_two_commands_of_the_readme_are_what_ci_executes() -> None:
    left_to_ci = [b for page in PAGES for b in run_blocks(page) if b.directive == BY_CI]
    commands = [line for b in left_to_ci for line in b.text.splitlines() if line and not line.startswith("#")]
    assert {"make demo", "make test"} <= set(commands)
    assert set(commands) <= ci_lines()
    assert "make nothing" not in ci_lines()
