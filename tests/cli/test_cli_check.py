"""``gradiometer check``: finds the factory, says what is wrong with it, and ends in 1 where a finding fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_tools import gradiometer, script

from gradiometer.cli.check_factory import load_factory
from gradiometer.records import UserError

NETWORKS = """
import torch
from torch import nn
import gradiometer as gm

def loss(model, batch):
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs), targets)

def setup(seed, middle, depth, loss=loss):
    torch.manual_seed(seed)
    layers = [module for _ in range(depth) for module in (nn.Linear(32, 32), middle())]
    model = nn.Sequential(*layers, nn.Linear(32, 4))
    inputs = torch.randn(256, 32)
    batches = [(inputs, inputs[:, :4].argmax(dim=1))]
    return gm.Setup(model, batches, loss, torch.optim.SGD(model.parameters(), lr=0.1))

def deep(seed):
    return setup(seed, nn.Sigmoid, 12)

def shallow(seed):
    return setup(seed, nn.ReLU, 1)

def wrong_loss(seed):
    return setup(seed, nn.ReLU, 1, lambda model, batch: model(batch))

def no_setup(seed):
    return deep(seed).model, None

def raises(seed):
    raise FileNotFoundError("data.csv")
"""


@pytest.mark.torch
def test_a_network_that_fails_ends_in_1_and_one_that_does_not_in_0(tmp_path: Path) -> None:
    script(tmp_path, NETWORKS, "networks.py")
    deep = gradiometer("check", "networks:deep", "--json", "d.json", cwd=tmp_path)
    assert deep.returncode == 1, deep.stderr
    document = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    assert document["healthy"] is False
    cause = document["findings"][0]["cause"]
    shallow = gradiometer("check", "./networks.py:shallow", cwd=tmp_path)
    assert shallow.returncode == 0, shallow.stdout
    assert shallow.stdout.decode("ascii").strip()
    ignored = gradiometer("check", "networks:deep", "--ignore", cause, "--json", "-", cwd=tmp_path)
    assert cause not in [f["cause"] for f in json.loads(ignored.stdout)["findings"]]
    assert list(tmp_path.rglob("*.gmr")) == []


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_setup", "networks:no_setup returned a tuple. It must return gm.Setup(model, batches, loss, optimizer)."),
        ("raises", "networks:raises raised FileNotFoundError when it was called with seed 0."),
        ("wrong_loss", "networks:wrong_loss made a setup whose training raises TypeError."),
    ],
)
def test_a_factory_that_makes_no_training(tmp_path: Path, name: str, words: str) -> None:
    script(tmp_path, NETWORKS, "networks.py")
    done = gradiometer("check", f"networks:{name}", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    lines = done.stderr.decode().splitlines()
    assert lines[-1].startswith(f"gradiometer: {words}")
    assert not any("gradiometer/cli" in line for line in lines)


FACTORIES = """
number = 3
def make(seed):
    return seed
def _hidden(seed):
    return seed
def without_seed():
    return 1
def with_more(seed, *, width=3):
    return seed
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with factories in a module, in a package and in a broken file."""
    script(tmp_path, FACTORIES, "cli_factories.py")
    script(tmp_path, FACTORIES, "cli_package/inner.py")
    script(tmp_path, "import nowhere_to_be_found\n", "cli_broken.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # restored afterwards, with what the command puts there
    return tmp_path


@pytest.mark.parametrize(
    "spec", ["cli_factories:make", "cli_package.inner:make", "cli_package/inner.py:make", "cli_factories:with_more"]
)
def test_a_factory_is_found_by_module_and_by_file(folder: Path, spec: str) -> None:
    assert load_factory(spec)(7) == 7


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("cli_factories", "names no factory"),
        ("cli_factories:", "names no factory"),
        (":make", "names no factory"),
        ("cli_factories:make()", "names no factory"),
        ("cli_gone:make", "There is no module 'cli_gone'"),
        ("cli_package.gone:make", "There is no module 'cli_package.gone'"),
        ("cli_gone.py:make", "There is no file cli_gone.py"),
        ("cli_factories:mak", "has no 'mak'. Its functions: make, without_seed, with_more."),
        ("cli_factories:number", "is a int, not a function"),
        ("cli_factories:without_seed", "cannot be called with a seed alone"),
        ("cli_broken:make", "cli_broken cannot be imported."),
        ("cli_broken.py:make", "cli_broken.py cannot be imported."),
    ],
)
def test_a_factory_that_is_none(folder: Path, spec: str, words: str) -> None:
    with pytest.raises(UserError) as refusal:
        load_factory(spec)
    assert words in str(refusal.value)
