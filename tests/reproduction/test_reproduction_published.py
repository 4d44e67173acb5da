"""Published experiments: their closed forms, their quick form, and a wrong ingredient for each, which must fail."""

from __future__ import annotations

import functools
import importlib
import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from gradiometer.reproduction import (
    adam_epsilon,
    depthwise_fan,
    gelu_critical,
    glorot2010,
    hanin2018,
    he2015,
    nielsen,
    yang2019,
)
from gradiometer.reproduction.experiment import Experiment, Order, Outcome, Row
from gradiometer.reproduction.plain import alone, normal_draw

NAMES = (
    "nielsen",
    "he2015",
    "glorot2010",
    "yang2019",
    "hanin2018",
    "adam-epsilon",
    "depthwise-fan",
    "gelu-critical",
)
QUICK = Order(quick=True, processes=1)
VALUES_MOST = 500  # of one row: they are stored and told


def experiment(name: str) -> Experiment:
    found: Experiment = importlib.import_module(f"gradiometer.reproduction.{name.replace('-', '_')}").EXPERIMENT
    return found


@functools.cache
def quick(name: str) -> tuple[Outcome, tuple[tuple[int, int, str], ...]]:
    ticks: list[tuple[int, int, str]] = []
    state = torch.get_rng_state()
    out = experiment(name).run(Order(quick=True, processes=1, tick=lambda *t: ticks.append(t)))
    assert torch.equal(torch.get_rng_state(), state)  # it draws from generators of its own
    return out, tuple(ticks)


def failing(rows: tuple[Row, ...] | list[Row]) -> list[str]:
    return [row.name for row in rows if row.judged and not row.holds]


@pytest.mark.parametrize("name", NAMES)
def test_its_quick_form_reproduces(name: str) -> None:
    out, _ = quick(name)
    assert failing(out.rows) == []
    assert out.reproduced
    assert out.reasons == ()
    assert out.name == experiment(name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_what_it_tells_is_whole(name: str) -> None:
    out, ticks = quick(name)
    assert out.notes
    assert all(0 < len(row.values) <= VALUES_MOST for row in out.rows)
    assert all(math.isfinite(row.measured) for row in out.rows)
    assert len({row.name for row in out.rows}) == len(out.rows)
    assert msgspec.json.decode(msgspec.json.encode(out))["name"] == name  # no number of numpy's own types
    for figure in out.figures:
        first = figure.axes[0]
        places = max(len(first.labels), len(first.values))
        assert all(len(series.values) == places for series in figure.series)
        assert any(np.isfinite(series.values).any() for series in figure.series)
    assert all(0 <= done <= total and words for done, total, words in ticks)
    assert any(done == total for done, total, _ in ticks)


# ---- Nielsen ---------------------------------------------------------------------------------------------------------


def test_mean_field_of_nielsen_is_a_fifth_a_hop() -> None:
    """√χ with q = 1 + E σ(√q g)², by a plain sum over a fine grid."""
    g = np.linspace(-9, 9, 20001)
    weight = np.exp(-(g**2) / 2) / math.sqrt(2 * math.pi) * (g[1] - g[0])
    q = 1.0
    for _ in range(200):
        q = 1 + float(weight @ (1 / (1 + np.exp(-math.sqrt(q) * g))) ** 2)
    s = 1 / (1 + np.exp(-math.sqrt(q) * g))
    assert nielsen.mean_field_ratio() == pytest.approx(math.sqrt(float(weight @ (s * (1 - s)) ** 2)), rel=1e-6)
    assert nielsen.mean_field_ratio() == pytest.approx(0.2048, abs=5e-5)


def test_tanh_does_not_reproduce_nielsen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nielsen, "PUBLISHED", {4: nielsen.PUBLISHED[4]})
    out = nielsen.outcome(QUICK, nn.Tanh)
    assert not out.reproduced
    assert out.reasons
    assert "4 hidden layers: layer 3 over layer 4" in failing(out.rows)


def test_the_bias_gradient_of_nielsen_is_the_mean_error() -> None:
    found = nielsen.layer_gradients(nielsen.Case(2, nn.Sigmoid, 7))
    generator = torch.Generator().manual_seed(7)
    sizes, a = [784, 30, 30, 10], nielsen._data()[0].double()
    layers, values = [], [a]
    for below, above in pairwise(sizes):
        weight = torch.empty(above, below).normal_(0, below**-0.5, generator=generator).double()
        layers.append((weight, torch.empty(above).normal_(0, 1, generator=generator).double()))
        values.append(torch.sigmoid(values[-1] @ weight.T + layers[-1][1]))
    error = values[-1] - nielsen._data()[1].double()
    norms = []
    for (weight, _), x in zip(layers[:0:-1], values[-2:0:-1], strict=True):
        error = (error @ weight) * x * (1 - x)
        norms.append(float(error.mean(0).norm()))
    assert found == pytest.approx(norms, rel=1e-4)


# ---- He --------------------------------------------------------------------------------------------------------------


def test_the_formula_of_he_gives_the_printed_number() -> None:
    factors = [math.sqrt(2 / (9 * c)) / 0.01 for c in (64, 128, 128, 256, 256, 512, 512, 512, 512)]
    assert he2015.formula_loss() == pytest.approx(math.prod(factors), rel=1e-12)
    assert f"{he2015.formula_loss():.1e}" == "1.7e+04"
    assert he2015.formula_loss(0.02) == pytest.approx(he2015.formula_loss() / 2**9)


def test_other_weights_do_not_reproduce_the_loss_of_a_vgg() -> None:
    rows, _ = he2015._convolutions(QUICK, he2015.Ingredients(fixed_sd=0.011))
    assert len(failing(list(rows))) == 2


def test_hes_variance_in_the_arm_of_xavier_does_not_reproduce() -> None:
    gains, _ = he2015._gains(QUICK, he2015.Ingredients(xavier=2.0))
    assert failing(list(gains)) == ["30 layers, Xavier: error at the input, log2"]
    trained, _ = he2015._trainings(QUICK, he2015.Ingredients(xavier=2.0))
    assert failing(list(trained)) == ["Xavier: loss after 120 steps (trivial 2.303)"]


def test_xaviers_variance_in_the_arm_of_he_does_not_reproduce() -> None:
    trained, _ = he2015._trainings(QUICK, he2015.Ingredients(he=1.0))
    assert failing(list(trained)) == ["He: loss after 120 steps"]


# ---- Glorot ----------------------------------------------------------------------------------------------------------


def test_the_two_initialisations_of_glorot_exchanged_do_not_reproduce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glorot2010, "WIDTH", 300)
    made_of = glorot2010.Ingredients(standard=glorot2010.normalised_draw, normalised=glorot2010.standard_draw)
    out = glorot2010.outcome(QUICK, made_of)
    assert not out.reproduced
    assert "standard: slope of ln ‖δ‖ a hop" in failing(out.rows)
    assert "normalised: slope of ln ‖δ‖ a hop" in failing(out.rows)
    assert "loss of tanh standard over that of tanh normalised" in failing(out.rows)


def test_weights_without_a_fan_do_not_hide_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Biases bend tanh: forward and backward no longer shrink alike, and ∇W shows it."""
    monkeypatch.setattr(glorot2010, "WIDTH", 300)
    cases = [glorot2010.Case(normal_draw(4.0, 1.0), seed) for seed in range(4)]
    found = np.array([glorot2010.first_sizes(case) for case in cases])
    rows = glorot2010._profile_rows({"standard": found, "normalised": found})
    assert len(failing(list(rows))) == 4


# ---- Yang ------------------------------------------------------------------------------------------------------------


def test_growth_with_skips_is_the_product_of_its_blocks() -> None:
    product, power = 1.0, 1.0
    for _ in range(20):
        product *= 1 + 0.5 / power
        power += 0.5 - 1 / (2 * math.pi)
    assert yang2019.skip_growth(20) == pytest.approx(0.5 * math.log10(product), rel=1e-9)
    assert yang2019.skip_growth(0) == 0


def test_without_the_normalisation_yang_does_not_reproduce() -> None:
    out = yang2019.outcome(QUICK, norm=nn.Identity)
    assert not out.reproduced
    assert "ReLU: squared-norm gain of a hop" in failing(out.rows)
    assert "ReLU: gain of a hop at σw² = 8 over that at 2" in failing(out.rows)


# ---- Hanin -----------------------------------------------------------------------------------------------------------


def test_a_gain_of_hanin_is_that_of_autograd() -> None:
    cell = hanin2018.Cell(width=12, hops=4, draws=3, seed=5)
    found = hanin2018.log_gains(cell)
    generator = torch.Generator().manual_seed(5)
    W = torch.randn(4, 3, 12, 12, generator=generator).double() * math.sqrt(2 / 12)
    x = torch.randn(3, 12, 1, generator=generator).double()
    error = torch.randn(3, 12, 1, generator=generator).double()
    for draw in range(3):
        start = x[draw].clone().requires_grad_()
        out = start
        for weights in W[:, draw]:
            out = torch.relu(weights @ out)
        (sent,) = torch.autograd.grad(out, start, error[draw])
        assert found[draw] == pytest.approx(float((sent.norm() / error[draw].norm()).log() * 2), rel=1e-4)


def test_linear_layers_do_not_reproduce_hanin() -> None:
    out = hanin2018.outcome(QUICK, power=1.0, slope=1.0)
    assert not out.reproduced
    slope = next(row for row in out.rows if row.name.startswith("variance of"))
    assert 1.6 < slope.measured < 2.4  # linear: κ = 2


def test_xaviers_variance_does_not_reproduce_hanin() -> None:
    out = hanin2018.outcome(QUICK, power=1.0)
    assert failing(out.rows) == ["mean of ln ‖J‖² over β: slope over the grid"]


# ---- Adam ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", adam_epsilon.DEPTHS)
def test_the_depths_are_those_of_mean_field(pair: tuple[str, str]) -> None:
    assert adam_epsilon.expected_depth(*pair) == adam_epsilon.DEPTHS[pair]
    depth = adam_epsilon.DEPTHS[pair]
    assert adam_epsilon.expected_error(*pair, depth) < 1e-8 <= adam_epsilon.expected_error(*pair, depth - 1)


def test_with_another_epsilon_the_depths_do_not_reproduce() -> None:
    rows = adam_epsilon._start_rows(QUICK, ("sigmoid", "xavier"), 1e-20)
    assert len(failing(list(rows))) == 2


def test_in_a_shallow_network_epsilon_does_not_rule() -> None:
    trained = adam_epsilon._trained(QUICK, adam_epsilon.Ingredients(depth=3))
    rows = adam_epsilon._training_rows(trained, QUICK)
    assert rows[0].measured == pytest.approx(1.0, abs=0.05)
    assert rows[0].name in failing(list(rows))


def test_with_the_default_epsilon_twice_the_first_layer_does_not_move_again() -> None:
    trained = adam_epsilon._trained(QUICK, adam_epsilon.Ingredients(tiny=1e-8))
    rows = adam_epsilon._training_rows(trained, QUICK)
    assert failing(list(rows)) == [rows[0].name, rows[1].name]


# ---- depthwise -------------------------------------------------------------------------------------------------------


def test_with_the_true_fan_the_fault_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depthwise_fan, "_padding_rows", lambda order: ())
    out = depthwise_fan.outcome(QUICK, depthwise_fan.true_fan_out)
    assert not out.reproduced
    assert len(failing(out.rows)) == 3


def test_a_torch_that_counts_groups_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.init, "_calculate_fan_in_and_fan_out", lambda weight: (9, 9))
    assert not depthwise_fan._fan_row().holds


def test_zero_padding_by_counting_the_taps_that_stay() -> None:
    kernel = torch.ones(1, 1, 3, 3, dtype=torch.float64) / 9
    power = torch.ones(1, 1, 8, 8, dtype=torch.float64)
    for _ in range(6):
        power = nn.functional.conv2d(power, kernel, padding=1)
    left = float(power.mean())  # of the squared error: every tap has a ninth of the power
    assert depthwise_fan.padding_gain(8, 6) == pytest.approx(left ** (1 / 12), rel=1e-12)
    assert depthwise_fan.padding_gain(8, 400) == pytest.approx((1 + 2 * math.cos(math.pi / 9)) / 3, abs=1e-3)


def test_wrapped_edges_do_not_pass_for_zero_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    real = depthwise_fan._measured

    def wrapped(order: Order, inits: int, case: depthwise_fan.Case, words: str) -> object:
        return real(order, inits, depthwise_fan.dataclasses.replace(case, padding="circular"), words)

    monkeypatch.setattr(depthwise_fan, "_measured", wrapped)
    assert failing(list(depthwise_fan._padding_rows(QUICK)))[:1] == ["true fan-out, zero padding, 8 × 8: gain of a hop"]


# ---- GELU ------------------------------------------------------------------------------------------------------------


def test_mean_field_of_he_and_of_the_double_critical_point() -> None:
    he = np.diff(gelu_critical.expected_decades("gelu", gelu_critical.he_arm()))
    assert he[0] == pytest.approx(0.5 * math.log10(0.5), abs=1e-3)
    assert he[-1] > he[0] + 0.05  # at the input q is not small yet
    critical = gelu_critical.expected_decades("gelu", gelu_critical.critical_arm("gelu"))
    assert abs(critical[-1]) < 1e-4
    unmatched = gelu_critical.expected_decades("gelu", gelu_critical.unmatched_arm("gelu"))
    assert unmatched[-1] < -0.1


def test_the_critical_arm_in_place_of_he_does_not_reproduce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gelu_critical, "MODULES", {"gelu": nn.GELU})
    out = gelu_critical.outcome(QUICK, gelu_critical.critical_arm("gelu"))
    assert not out.reproduced
    assert len(failing(out.rows)) == 3


def test_he_in_place_of_the_critical_arm_does_not_reproduce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gelu_critical, "MODULES", {"gelu": nn.GELU})
    monkeypatch.setattr(gelu_critical, "critical_arm", lambda kind: gelu_critical.he_arm())
    out = gelu_critical.outcome(QUICK)
    names = failing(out.rows)
    assert "GELU, double critical: gain of a hop" in names
    assert any(name.startswith("GELU, double critical: loss") for name in names)


def test_an_order_alone_keeps_the_rest() -> None:
    order = Order(quick=True, processes=4)
    assert alone(order) == Order(quick=True, processes=1, tick=order.tick)
