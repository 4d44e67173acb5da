"""``--causal`` of check and run: one line on what was found or why not, and a file that says the same later."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_tools import gradiometer, python, script
from test_cli_check import NETWORKS

pytestmark = pytest.mark.torch

TRAIN = """
import torch
from torch import nn
torch.manual_seed(0)
layers = [m for _ in range({depth}) for m in (nn.Linear(32, 32), nn.Sigmoid(), nn.Dropout(0.1))]
model = nn.Sequential(*layers, nn.Linear(32, 4))
optimizer = torch.optim.{optimizer}
inputs = torch.randn(128, 32)
targets = inputs[:, :4].argmax(dim=1)
for step in range(40):
    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        return loss
    loss = closure()
    optimizer.step({closure})
print(repr(loss.item()), torch.rand(1).item(), [p.sum().item() for p in model.parameters()])
"""
SGD = "SGD(model.parameters(), lr=0.1)"
LBFGS = "LBFGS(model.parameters(), max_iter=2)"
FREEZE = "loss change when the early half is frozen"


def quantities(document: dict[str, object]) -> list[str]:
    findings = document["findings"]
    assert isinstance(findings, list)
    return [e["quantity"] for f in findings for e in f["evidence"]]


def test_a_script_computes_the_same_and_the_page_ends_with_the_test(tmp_path: Path) -> None:
    script(tmp_path, TRAIN.format(depth=12, optimizer=SGD, closure=""))
    plain = python("train.py", cwd=tmp_path)
    asked = gradiometer("run", "--causal", "--out", "a.gmr", "--json", "a.json", "train.py", cwd=tmp_path)
    assert (asked.returncode, asked.stdout) == (0, plain.stdout)
    said = asked.stderr.decode().strip().splitlines()[-1]
    assert said.startswith(
        "gradiometer: Causal test: Freezing the first 6 of 13 layers for 20 steps changes the loss by"
    )
    document = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert FREEZE in quantities(document)
    again = gradiometer("diagnose", "a.gmr", "--json", "-", cwd=tmp_path)
    assert json.loads(again.stdout) == document
    without = gradiometer("run", "--json", "b.json", "train.py", cwd=tmp_path)
    assert (without.returncode, without.stdout) == (0, plain.stdout)
    assert b"Causal" not in without.stderr
    assert FREEZE not in quantities(json.loads((tmp_path / "b.json").read_text(encoding="utf-8")))


def test_what_is_not_made_is_told_with_its_reason(tmp_path: Path) -> None:
    script(tmp_path, TRAIN.format(depth=4, optimizer=LBFGS, closure="closure"))
    done = gradiometer("run", "--causal", "--quiet", "train.py", cwd=tmp_path)
    assert done.returncode == 0
    said = done.stderr.decode().strip().splitlines()
    assert len(said) == 2
    assert said[1].startswith("gradiometer: Causal test not made: ")
    assert said[1].endswith(".")


def test_check_tells_it_too(tmp_path: Path) -> None:
    script(tmp_path, NETWORKS, "networks.py")
    deep = gradiometer("check", "networks:deep", "--causal", cwd=tmp_path)
    assert deep.returncode == 1
    assert deep.stdout.decode().strip().splitlines()[-1].startswith("gradiometer: Causal test: Freezing the first 6")
    shallow = gradiometer("check", "networks:shallow", "--causal", cwd=tmp_path)
    assert shallow.returncode == 0
    told = "gradiometer: Causal test not made: The trunk has fewer than 4 trained layers of weights (2)."
    assert shallow.stdout.decode().strip().splitlines()[-1] == told
    document = gradiometer("check", "networks:deep", "--causal", "--json", "-", cwd=tmp_path)
    assert FREEZE in quantities(json.loads(document.stdout))
    assert b"Causal" not in gradiometer("check", "networks:deep", cwd=tmp_path).stdout
