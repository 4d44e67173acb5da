"""Trainings as their users write them, and one run of them in a process of its own."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch._dynamo  # else every fork imports it at its first step
import trial_treatments

from gradiometer.records import Job, Outcome, Primary, TrialArm
from gradiometer.trial.onerun import train
from gradiometer.trial.watchrun import watch
from gradiometer.trial.wire import Order, Work

HEAD = """
import torch
from torch import nn
import torch.nn.functional as F
torch.manual_seed(0)
X = torch.randn(256, 8)
y = (X[:, :4].sum(1) > 0).long() + 2 * (X[:, 4:].sum(1) > 0).long()
"""

LOOP = """
opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for step in range(40):
    i = torch.randint(0, 256, (32,))
    loss = F.cross_entropy(model(X[i]), y[i])
    opt.zero_grad()
    loss.backward()
    opt.step()
print("acc=%.4f" % (model(X).argmax(1) == y).float().mean())
"""

DEEP = """
layers = []
for k in range(10):
    layers += [nn.Linear(8 if k == 0 else 16, 16), nn.Sigmoid()]
model = nn.Sequential(*layers, nn.Linear(16, 4))
"""

SIGMOID = HEAD + DEEP + LOOP
SHALLOW = HEAD + "model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))\n" + LOOP

NONE = TrialArm("none", "none")


def arm(treat: str, role: str = "cure", **params: Any) -> TrialArm:
    """An arm of one of the treatments in ``trial_treatments``."""
    return TrialArm(treat, role, f"trial_treatments:{treat}", params)  # type: ignore[arg-type]


def job(which: TrialArm = NONE, seed: int = 1, factor: float = 1.0, steps: int | None = 25) -> Job:
    return Job(which, seed, factor, steps, "trial")


def work(folder: Path, script: str, primary: Primary | None = None, **more: Any) -> Work:
    """The work of a script that lies in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.py").write_text(script)
    return Work("train.py", (), "file", str(folder), str(folder.parent / "scratch"), primary or Primary(), **more)


assert torch._dynamo and trial_treatments  # loaded here, because a script's folder takes the place of this one
_count = iter(range(10**6))


def run(given: Work, job: Job, ruler: str = "make", **order: Any) -> Outcome:
    """One run, in a process forked from this one. The ruler of a folder is that of its scratch and seed."""
    how = ruler if given.primary.kind == "loss" else ""
    made = Order(job, how, str(Path(given.scratch) / f"{job.seed}.ruler"), **order)  # type: ignore[arg-type]
    return _forked(given, made, train)


def run_watched(given: Work, file: Path) -> Outcome:
    """The watched run of a trial, in a process of its own; what it recorded lies in ``file``."""
    return _forked(given, Order(job(seed=0), watch=str(file), stop_s=60.0), watch)


def _forked(given: Work, made: Order, runs: Callable[[Work, Order, Path], Outcome]) -> Outcome:
    scratch = Path(given.scratch)
    scratch.mkdir(exist_ok=True)
    path = scratch / f"said-{next(_count)}"
    pid = os.fork()
    if pid == 0:
        try:
            outcome = runs(given, made, scratch / f"run-{os.getpid()}")
            path.write_bytes(pickle.dumps(outcome))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert path.exists(), "the run died"
    return pickle.loads(path.read_bytes())  # type: ignore[no-any-return]
