"""``gradiometer run`` on real trainings: the page, the findings' exit code, the file, and a script left as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_tools import gradiometer, python, script

pytestmark = pytest.mark.torch

TRAINING = """
import os, sys
os.chdir(sys.argv[1])
import torch
from torch import nn

torch.manual_seed(0)
middle = nn.Sigmoid if "deep" in sys.argv else nn.Tanh
depth = 12 if "deep" in sys.argv else 2
layers = [module for _ in range(depth) for module in (nn.Linear(32, 32), middle())]
model = nn.Sequential(*layers, nn.Linear(32, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
inputs = torch.randn(256, 32)
targets = inputs[:, :4].argmax(dim=1)
for step in range(60):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(inputs), targets)
    loss.backward()
    optimizer.step()
print(step, loss.item().hex(), torch.rand(1).item().hex())
if "crash" in sys.argv:
    raise RuntimeError("at the end")
if "code" in sys.argv:
    sys.exit(5)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with the script, and another folder that the script changes to before it imports torch."""
    script(tmp_path, TRAINING)
    (tmp_path / "data").mkdir()
    return tmp_path


def recordings(folder: Path) -> list[Path]:
    return sorted((folder / "gradiometer-runs").glob("train-*.gmr"))


def test_a_vanishing_training_gets_its_page_its_file_and_the_code_that_was_asked_for(folder: Path) -> None:
    plain = python("train.py", "data", "deep", cwd=folder)
    ours = gradiometer("run", "--fail-on", "fail", "--json", "d.json", "train.py", "data", "deep", cwd=folder)
    assert ours.stdout == plain.stdout
    assert plain.stdout
    assert ours.returncode == 1
    page = ours.stderr.decode("ascii")
    assert "VANISHING" in page
    assert max(map(len, page.splitlines())) <= 80
    document = json.loads((folder / "d.json").read_text(encoding="utf-8"))
    assert document["findings"][0]["symptom"] == "vanishing"
    assert len(recordings(folder)) == 1  # where the command was called, not where the script went
    again = gradiometer("diagnose", "latest", "--json", "-", cwd=folder)
    assert json.loads(again.stdout) == document


def test_a_healthy_training_passes_the_same_gate(folder: Path) -> None:
    plain = python("train.py", "data", cwd=folder)
    ours = gradiometer("run", "--fail-on", "fail", "--quiet", "--out", "kept.gmr", "train.py", "data", cwd=folder)
    assert ours.stdout == plain.stdout
    assert ours.returncode == 0, ours.stderr
    assert ours.stderr.count(b"\n") == 1
    assert ours.stderr.startswith(b"gradiometer: Nothing found: ")
    assert (folder / "kept.gmr").exists()


def test_a_crash_keeps_its_traceback_and_code_and_the_page_follows(folder: Path) -> None:
    plain = python("train.py", "data", "deep", "crash", cwd=folder)
    ours = gradiometer("run", "--fail-on", "fail", "train.py", "data", "deep", "crash", cwd=folder)
    assert (ours.stdout, ours.returncode) == (plain.stdout, plain.returncode)
    assert ours.stderr.startswith(plain.stderr)
    assert b"VANISHING" in ours.stderr.removeprefix(plain.stderr)


def test_the_scripts_own_code_wins_over_a_finding(folder: Path) -> None:
    ours = gradiometer("run", "--fail-on", "warn", "--quiet", "train.py", "data", "deep", "code", cwd=folder)
    assert ours.returncode == 5
    assert ours.stderr.startswith(b"gradiometer: Vanishing ")


def test_steps_end_the_script_cleanly(folder: Path) -> None:
    ours = gradiometer("run", "--steps", "3", "--quiet", "train.py", "data", "code", cwd=folder)
    assert (ours.returncode, ours.stdout) == (0, b""), ours.stderr
    assert b"Traceback" not in ours.stderr
    rows = json.loads(gradiometer("runs", "--json", "-", cwd=folder).stdout)
    assert [row["state"] for row in rows] == ["stopped"]


def test_an_accepted_finding_opens_the_gate(folder: Path) -> None:
    gate = ["run", "--fail-on", "fail", "--quiet", "--json", "d.json"]
    assert gradiometer(*gate, "train.py", "data", "deep", cwd=folder).returncode == 1
    causes = [f["cause"] for f in json.loads((folder / "d.json").read_text())["findings"]]
    script(folder, f"[tool.gradiometer]\nignore = {json.dumps(causes)}\n", "pyproject.toml")
    assert gradiometer(*gate, "train.py", "data", "deep", cwd=folder).returncode == 0


def test_torch_without_a_training_gets_one_sentence_and_no_file(tmp_path: Path) -> None:
    script(tmp_path, "import torch\nprint(torch.nn.Linear(2, 1)(torch.ones(2)).shape)\n")
    ours = gradiometer("run", "train.py", cwd=tmp_path)
    assert (ours.returncode, ours.stdout) == (0, b"torch.Size([1])\n")
    told = b"gradiometer: train.py never trained in this process (no backward pass), so there was nothing to measure.\n"
    assert ours.stderr == told
    assert [p.name for p in tmp_path.rglob("*.gmr")] == []
