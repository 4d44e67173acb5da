"""The adding problem, beside recurrences written out in numpy."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from gradiometer.reproduction import lag
from gradiometer.reproduction.experiment import Order, Outcome
from gradiometer.reproduction.fair import Searched, lower_end, order_rows, rates_table, search
from gradiometer.reproduction.lag_network import BASELINE, Reader, Training, adding_batch, judged_error, squared_error
from gradiometer.reproduction.lag_slope import LAGS, Start, faded, lstm_logs, rnn_slope, slope

ALONE = Order(quick=True, processes=1)


def failing(out: Outcome) -> str:
    return " | ".join(row.name for row in out.rows if not row.holds)


def test_two_values_are_marked_and_summed() -> None:
    x, targets = adding_batch(30, 4000, torch.Generator().manual_seed(0))
    values, marks = x[..., 0], x[..., 1]
    places = marks.nonzero()[:, 1].reshape(-1, 2)
    assert marks.sum(1).unique().tolist() == [2.0]
    assert places[:, 0].max() == 2 and places[:, 1].min() == 15 and places[:, 1].max() == 29
    assert torch.allclose((values * marks).sum(1), targets)
    assert float((targets - 1).square().mean()) == pytest.approx(BASELINE, rel=0.05)
    assert float((targets - 0.8).square().mean()) > 1.1 * BASELINE


def numpy_rnn_slope(n: int, seed: int) -> float:
    """Nats a step of the error in a tanh RNN of weights U(±1/√n), by a product of Jacobians in float64."""
    rng, bound = np.random.default_rng(seed), n**-0.5
    W, U = rng.uniform(-bound, bound, (n, n)), rng.uniform(-bound, bound, (n, 2))
    b = rng.uniform(-bound, bound, n) + rng.uniform(-bound, bound, n)
    h, states = np.zeros(n), []
    for _ in range(60):
        h = np.tanh(W @ h + U @ np.array([rng.uniform(), float(rng.uniform() < 0.05)]) + b)
        states.append(h)
    error, logs = rng.standard_normal(n), []
    for h in reversed(states[-LAGS:]):
        error = W.T @ ((1 - h**2) * error)
        logs.append(math.log(np.linalg.norm(error)))
    return float(np.polyfit(np.arange(len(logs)), logs, 1)[0])


def test_slope_of_the_rnn_against_numpy() -> None:
    expected = np.mean([numpy_rnn_slope(128, seed) for seed in range(20)])
    assert rnn_slope(128) == pytest.approx(expected, rel=0.05)
    assert rnn_slope(8) < 1.1 * rnn_slope(128) < 0  # few units: larger biases, smaller slopes of tanh
    assert rnn_slope(10**6) == pytest.approx(0.5 * math.log(1 / 3), rel=1e-3)


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_all_ways_through_an_lstm_against_powers_of_a_matrix(bias: float) -> None:
    rng, n, kept = np.random.default_rng(0), 600, 1 / (1 + math.exp(-bias))
    logs = []
    for _ in range(4):
        J = kept * np.eye(n) + 0.25 * rng.uniform(-1, 1, (n, n)) / math.sqrt(n)
        error = rng.standard_normal(n)
        norms = [np.linalg.norm(error)]
        for _ in range(LAGS):
            error = J.T @ error
            norms.append(np.linalg.norm(error))
        logs.append(np.log(np.array(norms) / norms[0]))
    assert lstm_logs(bias) == pytest.approx(np.mean(logs, axis=0), abs=0.15)
    assert slope(lstm_logs(bias)) == pytest.approx(slope(np.mean(logs, axis=0)), rel=0.02)
    assert slope(lstm_logs(bias)) > 0.8 * math.log(kept)  # the cell alone fades faster


def test_measured_error_over_time_is_that_of_cells() -> None:
    rnn, lstm = faded(Start("tanh RNN", 3, width=32)), faded(Start("LSTM", 3, 2.0, width=32))
    for found in (rnn, lstm):
        assert found.measured == pytest.approx(found.autograd, abs=1e-4)
        assert found.measured != pytest.approx(found.autograd[::-1], abs=1e-1)
    assert rnn.cell == ()
    assert slope(lstm.cell) == pytest.approx(-math.log1p(math.exp(-2)), rel=0.1)
    assert math.isnan(slope(rnn.measured[:5]))


def test_forget_bias_is_exactly_the_given_one() -> None:
    core = Reader("LSTM", 8, 0, 1.5).core
    gate = slice(8, 16)
    total = core.get_parameter("bias_ih_l0")[gate] + core.get_parameter("bias_hh_l0")[gate]
    assert total.tolist() == [1.5] * 8
    assert core.get_parameter("bias_ih_l0")[:8].unique().numel() == 8


def test_a_training_follows_its_seed_and_leaves_the_global_generator() -> None:
    before = torch.get_rng_state()
    job = Training("LSTM", 6, 0.02, 120, 0, width=16)
    assert judged_error(job) == judged_error(job) < 0.8 * BASELINE
    assert judged_error(replace(job, seed=1)) != judged_error(job)
    assert torch.equal(torch.get_rng_state(), before)
    model, batch = Reader("tanh RNN", 4, 0), adding_batch(5, 7, torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert float(squared_error(model, batch)) == pytest.approx(float(((model(batch[0]) - batch[1]) ** 2).mean()))


def test_quick_form_reproduces() -> None:
    ticks: list[tuple[int, int, str]] = []
    out = lag.EXPERIMENT.run(Order(quick=True, processes=1, tick=lambda *t: ticks.append(t)))
    assert out.reproduced, failing(out)
    assert ticks[0][0] == 0 and ticks[-1][0] == ticks[-1][1] == 12


def test_too_few_steps_and_another_forget_bias_do_not_reproduce() -> None:
    plan = replace(lag.QUICK, lengths=(6, 12), steps=20, bias=0.0, draws=3)
    out = lag.outcome(ALONE, plan)
    assert not out.reproduced and out.reasons
    named = failing(out)
    assert "LSTM, T = 12" in named and "tanh RNN, T = 6" in named
    assert "forget bias 1" in named and "forget bias 0" in named
    assert "tanh RNN: ln of the error" not in named and "loop of cells" not in named


def test_search_takes_the_best_mean_and_counts_nan_as_the_worst() -> None:
    jobs = {"a": {0.1: [1.0, 2.0], 0.2: [0.5, 2.0], 0.4: [math.nan, 0.0]}, "b": {0.3: [9.0]}}
    found = search(abs, jobs, ALONE, "rates")
    assert (found["a"].rate, found["b"].rate) == (0.2, 0.3)
    assert found["a"].losses[0.4] == math.inf
    assert not found["a"].at_edge and Searched({0.1: 1.0, 0.2: 2.0}).at_edge
    assert Searched({0.1: 5.0, 0.2: 5.0, 0.3: 5.0}).rate == 0.2
    told = dict(zip(("a", "b"), (row[3] for row in rates_table(found).rows), strict=True))
    assert told == {"a": "inside the grid", "b": "given, not searched"}


def test_an_order_needs_its_interval() -> None:
    clear, unclear = (
        order_rows("x", (2.0, 2.1, 2.2), (1.0, 1.0, 1.0)),
        order_rows("x", (2.0, 0.9, 2.2), (1.0, 1.0, 1.0)),
    )
    assert all(row.holds for row in clear)
    assert unclear[0].holds and not unclear[1].holds
    assert lower_end((1.0, 2.0, 3.0)) == pytest.approx(2 - 4.302653 / math.sqrt(3))
    assert lower_end((1.0,)) == 1.0 and math.isnan(lower_end((1.0, math.inf))) and math.isnan(lower_end(()))
