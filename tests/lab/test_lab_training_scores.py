"""Scores beside the best constant, in eval mode; what a network learned besides its weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gradiometer.lab import Recipe, learned_scales, learned_slopes, predict, prepare, score, train
from gradiometer.lab.networks.base import LabNetwork
from gradiometer.records import UserError


def test_a_classification_is_scored_as_plain_numpy_scores_it() -> None:
    training = prepare(Recipe(depth=2, width=16, steps=60))
    train(training)
    split = training.task.test
    logits = training.network.eval()(split.inputs.flatten(1)).detach().numpy().astype(np.float64)
    y = split.targets.numpy()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    found = score(training.network, training.task, "test")
    assert found.loss == pytest.approx(-log_p[np.arange(len(y)), y].mean(), rel=1e-5)
    assert found.metric == (logits.argmax(1) == y).mean() and found.metric_name == "accuracy"
    shares = np.bincount(training.task.train.targets.numpy(), minlength=10) / len(training.task.train)
    assert found.constant_loss == pytest.approx(-np.log(shares[y]).mean(), rel=1e-5)
    assert found.constant_metric == (y == shares.argmax()).mean()
    assert found.metric > 0.5 > found.constant_metric
    assert found != score(training.network, training.task, "validation")


def test_a_regression_is_scored_in_the_units_of_its_source() -> None:
    training = prepare(Recipe(task="article", depth=1, width=4, steps=300, batch=0, activation="tanh"))
    train(training)
    task = training.task
    out = training.network(task.test.inputs).detach().numpy().astype(np.float64) * task.target_sd
    y = task.test.targets.numpy().astype(np.float64) * task.target_sd
    found = score(training.network, task, "test")
    assert found.metric == pytest.approx(((out - y) ** 2).mean(), rel=1e-5)
    constant = task.train.targets.numpy().astype(np.float64).mean() * task.target_sd
    assert found.constant_metric == pytest.approx(((y - constant) ** 2).mean(), rel=1e-4)
    assert found.metric < 0.5 * found.constant_metric


def test_scoring_reads_running_statistics_and_changes_nothing() -> None:
    training = prepare(Recipe(depth=2, width=8, norm="batch", steps=20))
    train(training)
    network = training.network
    network.blocks[0].eval()  # a mode of its own
    modes = [m.training for m in network.modules()]
    before = {name: t.clone() for name, t in network.state_dict().items()}
    found = score(network, training.task, "test")
    assert [m.training for m in network.modules()] == modes
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())
    assert all(p.grad is None or p.grad.grad_fn is None for p in network.parameters())
    with_batch = nn.functional.cross_entropy(
        network.train()(training.task.test.inputs.flatten(1)), training.task.test.targets
    )
    assert found.loss != pytest.approx(float(with_batch.detach()), rel=1e-3)
    assert not predict(network, training.task, training.task.test.inputs).requires_grad


def test_scores_in_chunks_are_those_of_the_whole() -> None:
    training = prepare(Recipe(depth=1, width=8))
    x = torch.randn(2500, 64)
    whole = training.network.eval()(x).detach()
    assert torch.allclose(predict(training.network, training.task, x), whole, atol=1e-6)


def test_the_form_is_found_by_the_network() -> None:
    for name in ("cnn", "lstm", "plain"):
        training = prepare(Recipe(network=name, depth=1, width=4, activation="tanh" if name == "lstm" else "relu"))
        assert np.isfinite(score(training.network, training.task, "validation").loss)

    class Mine(LabNetwork):
        """A network of the user's own."""

    mine = Mine(nn.Identity(), nn.ModuleList([nn.Linear(64, 3)]), nn.Linear(3, 10))
    task = prepare(Recipe()).task
    with pytest.raises(UserError, match="Mine is not known to read digits"):
        score(mine, task, "test")
    assert np.isfinite(score(mine, task, "test", form="vector").loss)


def test_learned_slopes_and_scales_loss_first() -> None:
    network = prepare(Recipe(depth=3, activation="prelu")).network
    with torch.no_grad():
        for at, block in enumerate(network.blocks):
            block.act.weight.fill_(at / 10)
    slopes = learned_slopes(network)
    assert [path for path, _ in slopes] == ["blocks.2.act", "blocks.1.act", "blocks.0.act"]
    assert [slope for _, slope in slopes] == pytest.approx([0.2, 0.1, 0.0])
    assert learned_scales(network) == ()

    training = prepare(Recipe(network="rezero", depth=2, width=8, steps=5))
    assert [scale for _, scale in learned_scales(training.network)] == [0.0, 0.0]
    train(training)
    scales = learned_scales(training.network)
    assert [path for path, _ in scales] == ["blocks.1.alpha", "blocks.0.alpha"]
    assert all(scale != 0 for _, scale in scales)
    assert learned_slopes(training.network) == ()
