"""Where a skip has a prediction from the forward pass, it is right; where the two ways differ, there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from measurement_nets import recorded
from torch import Tensor, nn

from gradiometer import quantities
from gradiometer.lab import Recipe, build_network
from gradiometer.lab.networks.build import Ports

DEPTH, WIDTH, BATCH = 6, 128, 64


def block_gains(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(measured, predicted) gains of the hops that are a block with a skip or a concatenation, He and ReLU [hop]."""
    recipe = Recipe(network=name, depth=DEPTH, width=WIDTH, init="he", activation="relu")
    network = build_network(recipe, Ports((WIDTH,), 10))
    x, y = torch.randn(BATCH, WIDTH), torch.randint(0, 10, (BATCH,))
    run = recorded(network, lambda _: F.cross_entropy(network(x), y).backward())
    found, skips = quantities.profile(run), [hop.skip for hop in run.network().hops]
    assert sum(skips) >= DEPTH - 1
    return found.gain[skips], found.theory_gain[skips]


@pytest.mark.parametrize("name", ["preact", "preact-scaled", "rezero", "skipinit"])
def test_a_branch_that_ends_in_weights_passes_both_ways_alike(name: str) -> None:
    measured, predicted = block_gains(name)
    assert np.isfinite(predicted).all()
    assert predicted == pytest.approx(measured, rel=0.15)  # one draw of width 128: 3 standard errors of ½ √(5/128)
    assert predicted != pytest.approx(1.6 * measured, rel=0.15)


@pytest.mark.parametrize("name", ["residual", "dense"])
def test_a_mean_that_adds_up_and_a_concatenation_have_no_prediction(name: str) -> None:
    measured, predicted = block_gains(name)
    assert np.isfinite(measured).all()
    assert np.isnan(predicted).all()


class Beside(nn.Module):
    """[x, W₂ ReLU(W₁x)]: a concatenation whose branch ends in weights."""

    def __init__(self, below: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(below, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.branch(x)), dim=1)


def test_a_concatenation_has_no_prediction_either_where_its_branch_ends_in_weights() -> None:
    network = nn.Sequential(nn.Linear(WIDTH, WIDTH), *(Beside(k * WIDTH) for k in (1, 2, 3)), nn.Linear(4 * WIDTH, 10))
    x, y = torch.randn(BATCH, WIDTH), torch.randint(0, 10, (BATCH,))
    run = recorded(network, lambda _: F.cross_entropy(network(x), y).backward())
    joins = [any(part.kind == "beside" for part in hop.parts) for hop in run.network().hops]
    assert sum(joins) == 3
    assert np.isnan(quantities.profile(run).theory_gain[joins]).all()
