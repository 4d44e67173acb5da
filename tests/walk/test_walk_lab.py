"""Every network of the lab: its walk has the gains that the watch records on the same batch."""

from __future__ import annotations

import math
from functools import lru_cache

import pytest
from torch import Tensor, nn

from gradiometer import lab
from gradiometer.lab.objective import task_loss
from gradiometer.records import Walk
from gradiometer.reproduction.measure import FirstPass, first_pass
from gradiometer.walk.explain import explain

NETWORKS = sorted(lab.KINDS["network"])
TEXT = frozenset({"rnn", "gru", "lstm", "transformer-pre", "transformer-post"})
FLOAT32 = 5e-5  # relative: two passes, one in float32


def recipe(network: str) -> lab.Recipe:
    task = "adding" if network in TEXT else "digits"
    return lab.Recipe(task=task, network=network, depth=3, width=16, length=8 if task == "adding" else 0)


@lru_cache(maxsize=1)
def both(network: str) -> tuple[Walk, FirstPass]:
    training = lab.prepare(recipe(network))
    task = training.task
    inputs = task.read(task.train.inputs[:12], training.form)
    batch = (inputs, task.train.targets[:12])

    def loss(model: nn.Module, given: tuple[Tensor, Tensor]) -> Tensor:
        return task_loss(task.goal, model(given[0]), given[1])

    return explain(training.network, batch, loss), first_pass(training.network, batch, loss)


@pytest.mark.parametrize("network", NETWORKS)
def test_gains_are_the_same_numbers(network: str) -> None:
    walk, watched = both(network)
    hops = [h for h in walk.hops if h.lower != "input"]
    assert tuple(h.lower for h in hops) == watched.profile.stations[1:]
    assert hops
    for hop, gain in zip(hops, watched.profile.gain, strict=True):
        if math.isnan(gain):
            continue  # a spine: part of the error bypasses this stretch
        assert hop.gain == pytest.approx(gain, rel=FLOAT32)
        assert hop.gain_autograd == pytest.approx(gain, rel=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_laws_carry_the_whole_error(network: str) -> None:
    walk, _ = both(network)
    assert walk.without_law == ()
    assert walk.gap < 1e-11
    for hop in walk.hops:
        if not math.isnan(hop.gain):
            assert math.prod(f.factor for f in hop.factors) == pytest.approx(hop.gain, rel=1e-6)
    assert walk.focus is not None
    assert walk.focus.gap < 1e-10
