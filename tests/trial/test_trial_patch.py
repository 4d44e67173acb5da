"""The change that a trial prints is the one that its arm was trained with, to the last bit of every weight drawn."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from gradiometer.records import Prescription
from gradiometer.surgery import apply
from gradiometer.trial import seeding


@pytest.mark.parametrize("name", ["relu", "orthogonal", "skip"])
def test_a_cure_draws_in_a_trial_what_its_patch_draws_in_the_script(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [m for k in range(4) for m in (nn.Linear(8 if k == 0 else 12, 12), nn.Sigmoid())]
    model = nn.Sequential(*layers, nn.Linear(12, 3))
    twin, x = copy.deepcopy(model), torch.randn(16, 8)
    with monkeypatch.context() as trial:
        trial.setattr(torch, "Generator", seeding._generator_class(5))
        assert torch.Generator().manual_seed(1).initial_seed() != 1
        receipt = apply(model, Prescription(name, {"seed": 7}), batch=x)
    names: dict[str, object] = {"__name__": "patch"}
    exec(receipt.as_patch(), names)
    names["cure"](twin)  # type: ignore[operator]
    ours, theirs = model.state_dict(), twin.state_dict()
    assert list(ours) == list(theirs) and all(torch.equal(ours[k], theirs[k]) for k in ours)
