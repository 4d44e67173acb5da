"""Every cure on reference networks of every make: it is applied, patched and undone bit for bit, or refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from surgery_state import whole

from gradiometer.lab import Recipe
from gradiometer.lab.networks.base import LabNetwork, Ports
from gradiometer.lab.networks.build import build_network
from gradiometer.records import ModelError, Prescription
from gradiometer.surgery import apply, operations

SHAPES = {"cnn": (16, 8), "separable": (16, 8), "lstm": (6, 16), "rnn": (6, 16), "transformer-pre": (6, 16)}
NETWORKS = [
    ("plain", "sigmoid"),
    ("cnn", "relu"),
    ("separable", "tanh"),
    ("preact-scaled", "relu"),
    ("highway", "tanh"),
    ("dense", "gelu"),
    ("cross-v2", ""),
    ("transformer-pre", "gelu"),
    ("lstm", ""),
]


def build(network: str, activation: str) -> LabNetwork:
    more: dict[str, Any] = {"activation": activation} if activation else {}
    recipe = Recipe(network=network, init="torch", depth=3, width=16, seed=1, **more)
    return build_network(recipe, Ports(SHAPES.get(network, (16,)), 4))


@pytest.mark.parametrize(("network", "activation"), NETWORKS)
def test_applied_and_undone_or_refused(network: str, activation: str) -> None:
    x = torch.randn(8, *SHAPES.get(network, (16,)))
    model = build(network, activation)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model(x).square().sum().backward()
    optimizer.step()
    before, applied = whole(model, optimizer), []
    for cure, operation in operations().items():
        if operation.needs & {"loss", "teacher"}:
            continue
        twin = copy.deepcopy(model)
        try:
            receipt = apply(model, Prescription(cure), optimizer, x)
        except ModelError as refused:
            assert len(str(refused)) > 40
            assert whole(model, optimizer) == before, f"{cure} was refused and left traces"
            continue
        applied.append(cure)
        names: dict[str, Any] = {"__name__": "patch"}
        exec(receipt.as_patch(), names)
        if "optimizer" not in operation.needs:
            names["cure"](twin)
            now, patched = model.state_dict(), twin.state_dict()
            assert list(now) == list(patched), cure
            assert all(torch.equal(now[k], patched[k]) for k in now), cure
        assert torch.isfinite(model(x)).all()  # after the comparison: a pass moves running statistics
        receipt.undo()
        assert whole(model, optimizer) == before, f"{cure} was not undone"
    assert len(applied) >= (0 if network == "lstm" else 3)
