"""At initialisation the measured gain of a hop is the one that mean-field theory gives, within its finite-width band.

Compared are medians over the hidden hops of several networks. The tolerance has two parts: three standard errors of the
median, from the scatter that the hops themselves show, and the bias of a finite network, of the order of one part in
its width (or in its batch of 64, where that is smaller). Each twin must lie outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from measurement_nets import recorded
from torch import nn

from gradiometer import quantities

pytestmark = pytest.mark.torch

WIDTH, DEPTH, SEEDS, BATCH = 192, 9, 4, 64


@dataclass(frozen=True)
class Setting:
    """A network by its hidden layers; gain: what theory says of one hop."""

    gain: float
    act: Callable[[], nn.Module]
    init: Callable[[nn.Linear], None] = lambda layer: None
    norm: bool = False
    widths: tuple[int, ...] = (WIDTH,) * DEPTH
    seeds: int = SEEDS
    settle: int = 2  # hops nearest to the input that are left out: the variance is still on its way to its fixed point


def he(layer: nn.Linear) -> None:
    """Kaiming's: Var W = 2/n, no bias."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)


def nielsen(layer: nn.Linear) -> None:
    """W ~ N(0, 1/n), b ~ N(0, 1)."""
    nn.init.normal_(layer.weight, 0.0, layer.in_features**-0.5)
    nn.init.normal_(layer.bias, 0.0, 1.0)


SETTINGS: dict[str, Setting] = {
    "torch default tanh": Setting(3**-0.5, nn.Tanh),
    "torch default relu": Setting(6**-0.5, nn.ReLU),
    "torch default gelu": Setting(12**-0.5, nn.GELU),
    "torch default sigmoid": Setting(0.141, nn.Sigmoid),
    "he relu": Setting(1.0, nn.ReLU, he),
    "batch norm relu": Setting(math.sqrt(math.pi / (math.pi - 1)), nn.ReLU, norm=True, settle=3),
    "nielsen": Setting(0.205, nn.Sigmoid, nielsen, widths=(30, 30, 30), seeds=40, settle=0),
}
TWINS: dict[str, str] = {  # whose networks must not pass for it
    "torch default tanh": "he relu",
    "torch default relu": "torch default tanh",
    "torch default gelu": "torch default relu",
    "torch default sigmoid": "nielsen",
    "he relu": "batch norm relu",
    "batch norm relu": "he relu",
    "nielsen": "torch default sigmoid",
}


def network(setting: Setting) -> nn.Sequential:
    """784 inputs, hidden layers, 10 classes."""
    layers: list[nn.Module] = []
    below = 784
    for width in setting.widths:
        linear = nn.Linear(below, width)
        setting.init(linear)
        layers += [linear, *([nn.BatchNorm1d(width)] if setting.norm else []), setting.act()]
        below = width
    head = nn.Linear(below, 10)
    setting.init(head)
    return nn.Sequential(*layers, head)


def profiles(setting: Setting) -> list[quantities.Profile]:
    """One profile a seed, of the first backward pass."""
    found = []
    for seed in range(setting.seeds):
        torch.manual_seed(seed)
        model = network(setting)
        x, y = torch.rand(BATCH, 784), torch.randint(0, 10, (BATCH,))
        run = recorded(model, lambda _, m=model, x=x, y=y: F.cross_entropy(m(x), y).backward())
        found.append(quantities.profile(run))
    return found


_gains: dict[str, tuple[np.ndarray, np.ndarray]] = {}


def hidden_gains(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(measured, theoretical) gains of the hidden hops of all seeds [hop]; the hop at the classes is left out."""
    if name not in _gains:
        setting = SETTINGS[name]
        last = len(setting.widths) - setting.settle
        found = profiles(setting)
        measured, theory = ([p.gain[1:last] for p in found], [p.theory_gain[1:last] for p in found])
        _gains[name] = np.concatenate(measured), np.concatenate(theory)
    return _gains[name]


def tolerance(name: str) -> float:
    """What the median may be off by, as a share of the gain."""
    gains = hidden_gains(name)[0]
    error = 1.2533 * float(np.std(gains)) / math.sqrt(len(gains)) / float(np.median(gains))
    return 3 * error + 1 / min(BATCH, *SETTINGS[name].widths)


@pytest.mark.parametrize("name", SETTINGS)
def test_measured_gain_is_the_theoretical_one(name: str) -> None:
    measured, _ = hidden_gains(name)
    median = float(np.median(measured))
    assert len(measured) >= 20
    assert median == pytest.approx(SETTINGS[name].gain, rel=tolerance(name))


@pytest.mark.parametrize("name", SETTINGS)
def test_another_network_does_not_pass(name: str) -> None:
    median = float(np.median(hidden_gains(TWINS[name])[0]))
    assert median != pytest.approx(SETTINGS[name].gain, rel=tolerance(name))


@pytest.mark.parametrize("name", SETTINGS)
def test_the_theory_line_of_the_profile_lies_at_the_measured_one(name: str) -> None:
    """Theory is told the weights' variance and the widths that were recorded, nothing else."""
    measured, theory = hidden_gains(name)
    known = np.isfinite(theory)
    assert known.all()
    assert float(np.median(measured / theory)) == pytest.approx(1.0, rel=tolerance(name))


def test_single_networks_lie_in_their_bands() -> None:
    """The band is three standard errors: a network may leave it now and then, and doubled hops must."""
    inside = []
    for name in ("torch default tanh", "torch default relu", "he relu"):
        for p in profiles(SETTINGS[name]):
            away = np.abs(p.error_decades - p.theory_decades)[1:]
            inside.append(bool((away <= p.band_decades[1:]).all()))
    assert sum(inside) >= len(inside) - 1
    p = profiles(SETTINGS["he relu"])[0]
    doubled = p.error_decades + np.log10(2) * np.arange(len(p.stations))
    assert (np.abs(doubled - p.theory_decades) > p.band_decades)[2:].all()
