"""Treatments of the tests' own, named to a trial as ``trial_treatments:NAME``."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from gradiometer.records import ModelError, Scalar
from gradiometer.trial.treating import Moment


def he(moment: Moment, params: Mapping[str, Scalar]) -> str:
    """Every Sigmoid becomes a ReLU, every Linear is drawn by He's recipe."""
    for path, module in list(moment.model.named_modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Sigmoid):
                setattr(module, name, nn.ReLU())
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
        assert path is not None
    return "def cure(model): ...\n"


def sham(moment: Moment, params: Mapping[str, Scalar]) -> None:
    """Draws from every global generator, overwrites the weights, and puts them back."""
    import random

    import numpy as np

    kept = {k: v.clone() for k, v in moment.model.state_dict().items()}
    for p in moment.model.parameters():
        p.data.normal_()
    np.random.rand()
    random.random()
    moment.model(*moment.args, **moment.kwargs)
    moment.model.load_state_dict(kept)


def looking_sham(moment: Moment, params: Mapping[str, Scalar]) -> None:
    """Looks by a backward pass of its own, whose loss is none of the script's, and clears what it has left."""
    (moment.model(*moment.args, **moment.kwargs).sum() / 32).backward()
    for p in moment.model.parameters():
        p.grad = None


def costly_sham(moment: Moment, params: Mapping[str, Scalar]) -> None:
    """Changes nothing, and takes half a second of the processor for it."""
    began = time.process_time()
    while time.process_time() - began < 0.5:
        pass


def leaky_sham(moment: Moment, params: Mapping[str, Scalar]) -> None:
    """A sham that leaves a trace."""
    next(moment.model.parameters()).data.mul_(1.0001)


def double(moment: Moment, params: Mapping[str, Scalar]) -> None:
    """Every weight of a square layer twice as large."""
    for module in moment.model.modules():
        if isinstance(module, nn.Linear) and module.in_features == module.out_features:
            module.weight.data.mul_(2)


def refuse(moment: Moment, params: Mapping[str, Scalar]) -> None:
    raise ModelError("It has no activation to exchange.")


def blow_up(moment: Moment, params: Mapping[str, Scalar]) -> None:
    """A network whose loss is nan after a few steps."""
    for group in moment.optimizers[0].param_groups:
        group["lr"] = float("nan")


class Wider(nn.Module):
    """An output of another shape."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x], dim=-1)


def widen(moment: Moment, params: Mapping[str, Scalar]) -> None:
    moment.model.register_forward_hook(lambda module, args, out: Wider()(out))


def die_once(moment: Moment, params: Mapping[str, Scalar]) -> None:
    """Kills its process the first ``times`` times; ``mark`` is a file that counts."""
    mark = Path(str(params["mark"]))
    count = len(mark.read_text()) if mark.exists() else 0
    if count < int(params["times"] or 0):
        mark.write_text("x" * (count + 1))
        os.kill(os.getpid(), signal.SIGKILL)


def leave_processes(moment: Moment, params: Mapping[str, Scalar]) -> None:
    """Leaves a command and a copy of this process behind; the copy writes a file if it lives for ten seconds."""
    mark = Path(str(params["mark"]))
    command = subprocess.Popen(["sleep", "60"])
    copied = os.fork()
    if copied == 0:
        time.sleep(10)
        mark.with_suffix(".late").write_text("it lived on")
        os._exit(0)
    mark.write_text(f"{command.pid} {copied}")


def batch_of(moment: Moment, params: Mapping[str, Scalar]) -> str:
    """Tells what it was given."""
    rates = [group["lr"] for group in moment.optimizers[0].param_groups]
    return f"{tuple(moment.args[0].shape)} {len(list(moment.model.parameters()))} {rates} {moment.seed}"
