"""The runner of scripts: how a script's end is told, when torch's import is noticed, and that torch's children work."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradiometer.session.script_torch import after_import

SOURCE = Path(__file__).resolve().parents[2] / "src"
LIMIT_S = 300


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT_S
    )


OUTCOME = """
import sys
from gradiometer.session.script import ScriptTarget, run_script
print(run_script(ScriptTarget(sys.argv[1], ("a",))), "numpy" in sys.modules)
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pass", "exit_code=0, state='finished', error=''"),
        ("import sys; sys.exit(3)", "exit_code=3, state='finished', error='exit code 3'"),
        ("import sys; sys.exit('no data')", "exit_code=1, state='finished', error='no data'"),
        ("{}['x']", "exit_code=1, state='crashed', error=\"KeyError: 'x'\""),
        ("raise KeyboardInterrupt", "exit_code=130, state='interrupted', error=''"),
        (
            "from gradiometer.session import StopTraining\ntry:\n    raise StopTraining\nfinally:\n    print('kept')",
            "exit_code=0, state='stopped', error=''",
        ),
        ("import threading, _thread\nthreading.Thread(target=_thread.interrupt_main).start()\nwhile True: pass", "130"),
    ],
)
def test_how_a_script_ended(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "train.py").write_text(text)
    done = run(tmp_path, "-c", OUTCOME, "train.py")
    assert told in done.stdout, done.stderr
    assert done.stdout.endswith(" False\n")  # and without numpy


def test_a_script_that_is_not_there_is_a_user_error(tmp_path: Path) -> None:
    done = run(tmp_path, "-c", OUTCOME, "gone.py")
    assert done.returncode == 1
    assert "gradiometer.records.errors.UserError: There is no script 'gone.py'" in done.stderr


def test_a_user_error_of_the_script_itself_is_a_crash(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("from gradiometer.records import UserError\nraise UserError('mine')")
    assert (
        "state='crashed', error='gradiometer.records.errors.UserError: mine'"
        in run(tmp_path, "-c", OUTCOME, "train.py").stdout
    )


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that nobody has imported yet."""
    name = "imported_late"
    (tmp_path / f"{name}.py").write_text("import os\nif os.environ.get('LATE_FAILS'):\n    raise ImportError\nx = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_the_call_comes_once_when_the_module_is_whole(module: str) -> None:
    seen: list[int] = []
    finders = len(sys.meta_path)
    after_import(module, lambda: seen.append(sys.modules[module].x))
    assert importlib.util.find_spec(module) is not None  # asking for it is not importing it
    assert seen == []
    late = importlib.import_module(module)
    assert seen == [1]
    importlib.reload(late)
    assert seen == [1]
    assert len(sys.meta_path) == finders
    assert "exec_module" not in vars(late.__spec__.loader)  # the loader is as Python made it
    after_import(module, lambda: seen.append(2))
    assert seen == [1, 2]  # at once where the module is there already


def test_a_failed_import_does_not_count(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    after_import(module, lambda: seen.append(1))
    monkeypatch.setenv("LATE_FAILS", "1")
    with pytest.raises(ImportError):
        importlib.import_module(module)
    assert seen == []
    monkeypatch.delenv("LATE_FAILS")
    importlib.import_module(module)
    assert seen == [1]


def test_another_module_is_let_by(module: str) -> None:
    after_import(f"{module}_other", lambda: pytest.fail("called for the wrong module"))
    importlib.import_module(module)


CHILDREN = """
import os
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "2"  # the tests say 1
import torch
import torch.multiprocessing as mp
from torch.utils.data import DataLoader, Dataset

class Numbers(Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, i):
        return torch.full((4,), float(i))

def collate(batch):
    return torch.stack(batch)

def child(rank, queue):
    from torch.nn.modules.module import _global_forward_hooks
    model = torch.nn.Linear(4, 1)
    model(torch.ones(2, 4)).sum().backward()
    queue.put((rank, __name__, len(_global_forward_hooks)))

if __name__ == "__main__":
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for way in ("fork", "spawn"):
        loader = DataLoader(Numbers(), batch_size=4, num_workers=2, collate_fn=collate, multiprocessing_context=way)
        for batch in loader:
            optimizer.zero_grad()
            loss = model(batch).square().mean()
            loss.backward()
            optimizer.step()
            print(loss.item().hex())
    queue = mp.get_context("spawn").SimpleQueue()
    mp.spawn(child, (queue,), nprocs=1)
    print(queue.get(), torch.get_num_threads())
"""


def test_workers_and_spawned_children_of_a_training_run_as_usual_and_unwatched(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(CHILDREN)
    plain = run(tmp_path, "train.py")
    ours = run(tmp_path, "-m", "gradiometer", "run", "train.py")
    assert ours.stdout == plain.stdout
    assert "(0, '__mp_main__', 0)" in ours.stdout, ours.stderr
    assert ours.returncode == plain.returncode == 0
    assert "was not watched" not in ours.stderr
