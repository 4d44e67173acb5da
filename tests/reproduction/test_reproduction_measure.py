"""The measured side of an experiment against plain autograd written apart, and the plain trainings against a loop."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradiometer.records import ModelError
from gradiometer.reproduction.measure import (
    classified,
    finite_width_bounds,
    first_pass,
    first_profile,
    injected,
    seeded,
    slope_per_hop,
)
from gradiometer.reproduction.plain import (
    Budget,
    batch_of,
    dense_network,
    digits,
    drawn,
    last_loss,
    layer_sites,
    normal_draw,
    pixels,
    standard_draw,
    torch_draw,
    train_losses,
    xavier_draw,
)


def network(seed: int = 3) -> nn.Sequential:
    return drawn(dense_network([64, 20, 30, 20, 10], nn.Tanh), normal_draw(2.0, 0.1), seed)


def by_hand(net: nn.Sequential, x: Tensor, y: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Outputs and their gradients by name, with ``retain_grad`` and nothing of ours."""
    values, out = {}, x
    for name, module in net.named_children():
        out = module(out)
        out.retain_grad()
        values[name] = out
    (-torch.log_softmax(out, 1)[torch.arange(len(y)), y].mean()).backward()
    return values, {name: value.grad for name, value in values.items() if value.grad is not None}


def test_every_number_of_a_pass_is_what_autograd_gives() -> None:
    batch = batch_of(digits(), 16, 0)
    seen = first_pass(network(), batch, classified)
    plain = network()
    values, errors = by_hand(plain, *batch)
    names = [*layer_sites(3), "act2", "head"]
    assert layer_sites(3) == ("layer3", "layer2", "layer1")
    norms = np.array([float(errors[n].double().norm()) for n in names])
    assert seen.error_norms(names) == pytest.approx(norms, rel=1e-5)
    assert seen.error_norms(names) != pytest.approx(norms[::-1], rel=1e-2)
    rms = [float(errors[n].double().square().mean().sqrt()) for n in names]
    assert seen.error_rms(names) == pytest.approx(rms, rel=1e-5)
    powers = [float(values[n].detach().double().square().mean()) for n in names]
    assert seen.value_power(names) == pytest.approx(powers, rel=1e-5)
    parameters = ["layer1.weight", "layer2.bias", "head.weight"]
    gradients = [float(plain.get_parameter(p).grad.double().norm()) for p in parameters]  # type: ignore[union-attr]
    assert seen.gradient_norms(parameters) == pytest.approx(gradients, rel=1e-5)
    sent = float((errors["layer2"].double() @ plain.get_parameter("layer2.weight").detach().double()).norm())
    assert seen.sent_gain(["layer2"]) == pytest.approx([sent / norms[1]], rel=1e-5)
    assert np.isnan(seen.error_norms(["no such site"])).all()


def test_the_profile_is_that_of_the_pass() -> None:
    batch = batch_of(digits(), 16, 0)
    shown = first_profile(network(), batch, classified)
    _, errors = by_hand(network(), *batch)
    assert shown.stations == ("head", "layer3", "layer2", "layer1")
    expected = [float(errors[b].norm() / errors[a].norm()) for a, b in pairwise(shown.stations)]
    assert shown.gain == pytest.approx(expected, rel=1e-5)


def test_a_pass_changes_neither_weights_nor_the_global_generator() -> None:
    net, before = network(), network()
    state = torch.get_rng_state()
    first_pass(net, batch_of(digits(), 16, 0), classified)
    assert torch.equal(torch.get_rng_state(), state)
    for p, q in zip(net.parameters(), before.parameters(), strict=True):
        assert torch.equal(p, q)


def test_an_infinite_error_leaves_the_weights_finite() -> None:
    net = network()
    first_pass(net, batch_of(digits(), 4, 0), lambda model, batch: model(batch[0]).sum() * 1e30 * 1e30)
    assert not torch.isfinite(net.get_parameter("layer1.weight").grad).all()  # type: ignore[arg-type]
    assert all(bool(torch.isfinite(p).all()) for p in net.parameters())


def test_a_loss_that_reaches_no_parameter_is_refused() -> None:
    with pytest.raises(ModelError, match="could not be measured"):
        first_pass(network(), torch.ones(2, 64, requires_grad=True), lambda model, x: x.sum())


def test_an_injected_error_is_what_arrives() -> None:
    x, error = torch.randn(5, 64, generator=seeded(1)), torch.randn(5, 10, generator=seeded(2))
    seen = first_pass(network(), (x, error), injected)
    assert seen.error_norms(["head"]) == pytest.approx([float(error.norm())], rel=1e-6)


def test_slope_of_a_line_and_of_what_is_none() -> None:
    assert slope_per_hop(np.array([3.0, 2.5, 2.0, 1.5])) == pytest.approx(-0.5)
    assert slope_per_hop(np.array([0.0, 1.0, 0.0])) == pytest.approx(0.0)
    assert math.isnan(slope_per_hop(np.array([1.0])))
    assert math.isnan(slope_per_hop(np.array([1.0, -math.inf])))


def test_bounds_of_finite_width_hold_linear_chains_and_refuse_others() -> None:
    """A linear chain has κ = 2: each draw of ln ‖Wᵀδ‖²/‖δ‖² sums hops of ln χ²_n/n."""
    draws, hops, n = 200, 10, 40
    chi = np.random.default_rng(0).chisquare(n, (draws, hops)) / n
    total = np.log(chi).sum(axis=1)
    low, high = finite_width_bounds("linear", 1.0, hops / n, draws)
    assert low < total.mean() < high
    assert not low < (total + 0.5).mean() < high
    assert not low < (total - 0.5).mean() < high


@pytest.mark.parametrize(
    ("draw", "weight_variance", "bias_variance"),
    [
        (normal_draw(2.0, 0.5), 2 / 300, 0.5),
        (xavier_draw, 2 / 500, 0.0),
        (standard_draw, 1 / 900, 0.0),
        (torch_draw, 1 / 900, 1 / 900),
    ],
)
def test_draws_have_the_variance_that_they_name(draw: object, weight_variance: float, bias_variance: float) -> None:
    layer = nn.Linear(300, 200)
    with torch.no_grad():
        draw(layer, seeded(0))  # type: ignore[operator]
    weight, bias = (float(p.detach().var()) for p in (layer.weight, layer.bias))
    assert weight == pytest.approx(weight_variance, rel=0.03)
    assert bias == pytest.approx(bias_variance, rel=0.3)
    assert weight != pytest.approx(weight_variance * 1.5, rel=0.03)


def test_a_drawn_network_is_a_function_of_its_seed() -> None:
    a, b, c = (network(seed).get_parameter("layer2.weight") for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_pixels_are_the_digits_between_zero_and_one() -> None:
    raw, scaled = pixels(), digits()
    assert raw.inputs.min() == 0
    assert raw.inputs.max() == 1
    assert float(scaled.inputs.std()) == pytest.approx(1.0, abs=1e-3)
    ratio = (raw.inputs - raw.inputs.mean()) / raw.inputs.std()
    assert torch.allclose(ratio, (scaled.inputs - scaled.inputs.mean()) / scaled.inputs.std(), atol=1e-4)
    x, y = batch_of(raw, 50, 0)
    assert len(torch.unique(x, dim=0)) == 50
    assert len(y) == 50


def test_a_training_is_the_plain_loop() -> None:
    budget, lr = Budget(6, 8, 5), 0.1
    net = network()
    seen: list[int] = []
    losses = train_losses(net, torch.optim.SGD(net.parameters(), lr=lr), budget, seen.append)
    plain, split, generator = network(), digits(), torch.Generator().manual_seed(5)
    expected = []
    for _ in range(6):
        rows = torch.randint(len(split), (8,), generator=generator)
        loss = nn.functional.cross_entropy(plain(split.inputs[rows]), split.targets[rows])
        grads = torch.autograd.grad(loss, list(plain.parameters()))
        with torch.no_grad():
            for p, g in zip(plain.parameters(), grads, strict=True):
                p -= lr * g
        expected.append(float(loss.detach()))
    assert losses == pytest.approx(expected, rel=1e-5)
    assert seen == list(range(6))
    assert losses[-1] != pytest.approx(losses[0], rel=1e-3)


def test_the_last_loss_is_a_mean_and_a_nan_stays_one() -> None:
    assert last_loss([9.0, *[1.0] * 10, *[2.0] * 10]) == pytest.approx(1.5)
    assert math.isnan(last_loss([1.0, math.nan]))
