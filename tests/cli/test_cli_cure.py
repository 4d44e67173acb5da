"""``gradiometer run --cure``: the same training as with the printed patch in the script, or a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_tools import gradiometer, python, script

pytestmark = pytest.mark.torch

TRAINING = """
import random
import numpy
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(8))
        self.head = nn.Linear(16, 4)

    def forward(self, x, scale=1.0):
        for layer in self.layers:
            x = torch.sigmoid(layer(x)) * 1.0
        return self.head(x)

torch.manual_seed(0)
model = Net()
inputs = torch.randn(64, 16)
# here
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
targets = inputs[:, :4].argmax(dim=1)
for step in range(20):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(inputs, scale=1.0), targets)
    loss.backward()
    optimizer.step()
print(loss.item().hex(), torch.rand(1).item(), numpy.random.rand() < 2, random.random() < 2)
"""
PATCHED = """
import gradiometer as gm
from copy import deepcopy
twin = deepcopy(model)
text = gm.cure(twin, "gelu", batch=inputs, seed=3).as_patch()
names = {"__name__": "patch"}
exec(text, names)
names["cure"](model)
"""


def test_a_script_is_cured_as_if_the_patch_had_been_written_into_it(tmp_path: Path) -> None:
    script(tmp_path, TRAINING)
    script(tmp_path, TRAINING.replace("# here", PATCHED), "patched.py")
    plain, patched = (python(name, cwd=tmp_path).stdout.split() for name in ("train.py", "patched.py"))
    ours = gradiometer("run", "--quiet", "--cure", "gelu:seed=3", "train.py", cwd=tmp_path)
    assert ours.returncode == 0
    assert ours.stdout.split() == patched
    assert ours.stdout.split()[0] != plain[0]
    assert ours.stdout.split()[1] == plain[1]  # the random numbers that follow are the script's own
    told = ours.stderr.decode("ascii")
    assert "Cured with gelu: Net, 17 changes" in told
    assert "sigmoid -> gelu" in told
    assert "and 5 more" in told
    assert max(map(len, told.splitlines())) <= 80 or "gradiometer:" in told


@pytest.mark.parametrize(
    ("cure", "told"),
    [
        ("snake-oil", "There is no cure 'snake-oil'"),
        ("leaky:slope=steep", "slope='steep'. It wants a number"),
        ("leaky:slope", "'slope' is no SETTING=VALUE"),
        ("minimise", "cannot be applied: it is an edit of the code"),
    ],
)
def test_what_is_no_cure_is_refused_before_the_script_begins(tmp_path: Path, cure: str, told: str) -> None:
    script(tmp_path, "print('begun')")
    done = gradiometer("run", "--cure", cure, "train.py", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == b""
    assert told in done.stderr.decode()


def test_a_network_that_cannot_take_the_cure_does_not_train_without_it(tmp_path: Path) -> None:
    script(tmp_path, TRAINING)
    done = gradiometer("run", "--cure", "true-fan", "train.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    told = done.stderr.decode()
    assert "no grouped convolution" in told
    assert "stopped before its first step" in told
    assert len(told.splitlines()) == 1


def test_a_script_that_trains_nothing_is_told_so(tmp_path: Path) -> None:
    script(tmp_path, "import torch\ntorch.nn.Linear(2, 2)(torch.ones(1, 2))\nprint('done')")
    done = gradiometer("run", "--cure", "critical", "train.py", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == b"done\n"
    assert "No cure was applied" in done.stderr.decode()


def test_numpy_is_the_scripts_to_load_first(tmp_path: Path) -> None:
    script(tmp_path, "import sys\nprint([m for m in ('torch', 'numpy') if m in sys.modules])\n")
    assert gradiometer("run", "--cure", "critical", "train.py", cwd=tmp_path).stdout == b"[]\n"
