"""The saturated neuron, beside the update written out by hand."""

from __future__ import annotations

import math

import pytest

from gradiometer.reproduction import loss
from gradiometer.reproduction.experiment import Order, Outcome


def by_hand(weight: float, bias: float, cost: str, lr: float) -> list[float]:
    """Nielsen's equations (55), (56) and (61) in plain Python: outputs before each of 301 steps."""
    out = []
    for _ in range(301):
        a = 1 / (1 + math.exp(-(weight + bias)))
        out.append(a)
        error = a * a * (1 - a) if cost == "squared" else a
        weight, bias = weight - lr * error, bias - lr * error
    return out


@pytest.mark.parametrize(
    ("start", "cost", "lr"),
    [((0.6, 0.9), "squared", 0.15), ((2.0, 2.0), "squared", 0.15), ((2.0, 2.0), "cross-entropy", 0.15)],
)
def test_the_neuron_moves_as_by_hand(start: tuple[float, float], cost: str, lr: float) -> None:
    curve = loss.train_neuron(start, cost, lr)
    expected = by_hand(*start, cost, lr)
    assert curve.outputs == pytest.approx(expected, rel=1e-12)
    assert curve.outputs != pytest.approx(by_hand(*start, cost, 2 * lr), rel=1e-3)
    derivative = [a * a * (1 - a) if cost == "squared" else a for a in expected]
    assert curve.errors == pytest.approx(derivative, rel=1e-9)


def test_it_reproduces_in_both_forms() -> None:
    ticks: list[tuple[int, int, str]] = []
    for quick in (True, False):
        out = loss.EXPERIMENT.run(Order(quick=quick, tick=lambda *t: ticks.append(t)))
        assert out.reproduced
        assert all(row.holds for row in out.rows)
    assert [t[:2] for t in ticks] == [(0, 1), (1, 1)] * 2


def failing(out: Outcome) -> list[str]:
    return [row.name for row in out.rows if not row.holds]


@pytest.mark.parametrize("lr", [0.075, 0.2, 0.005])
def test_another_learning_rate_does_not_reproduce(lr: float) -> None:
    out = loss.outcome(lr)
    assert not out.reproduced
    assert "… after 300 steps" in failing(out)


def test_the_same_cost_twice_does_not_reproduce(monkeypatch: pytest.MonkeyPatch) -> None:
    real = loss.train_neuron
    monkeypatch.setattr(loss, "train_neuron", lambda start, cost, lr: real(start, "squared", lr))
    out = loss.outcome(loss.LR)
    assert not out.reproduced
    assert any("cross-entropy" in name for name in failing(out))
