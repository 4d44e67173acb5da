"""The article's program: each formula beside autograd, each rule beside a program that must break it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from gradiometer.reproduction import article, article_defects, article_lab
from gradiometer.reproduction import article_program as program
from gradiometer.reproduction.article_defects import DEFECTS, GRADIENT_DEFECTS, Measured
from gradiometer.reproduction.article_program import Data, Weights, draw, forward
from gradiometer.reproduction.experiment import Order, Outcome

BY_NUMBER = {d.number: d for d in DEFECTS}


def autograd(data: Data, w: Weights, output: str) -> list[np.ndarray]:
    """The gradient of the mean squared error by torch, from its own formula."""
    W1, b1, W2, b2 = (torch.tensor(one, requires_grad=True) for one in w)
    X, y = torch.tensor(data.X), torch.tensor(data.y)
    p = torch.sigmoid(X @ W1 + b1) @ W2 + b2
    p = torch.sigmoid(p) if output == "sigmoid" else p
    return [g.numpy() for g in torch.autograd.grad(torch.nn.functional.mse_loss(p, y), (W1, b1, W2, b2))]


@pytest.mark.parametrize("hidden", [1, 3])
@pytest.mark.parametrize("output", ["identity", "sigmoid"])
def test_the_right_gradients_are_autograds(hidden: int, output: str) -> None:
    data, w = draw(4, hidden)
    how = program.backward if output == "identity" else program.backward_sigmoid_output
    for own, true in zip(how(data, w, forward(data.X, w, output)), autograd(data, w, output), strict=True):
        np.testing.assert_allclose(own, true, rtol=1e-12)
    other = "identity" if output == "sigmoid" else "sigmoid"
    wrong = how(data, w, forward(data.X, w, other))
    assert not np.allclose(wrong.W2, autograd(data, w, output)[2])


def literal(data: Data, w: Weights, epochs: int) -> tuple[list[float], float]:
    """The printed program in scalars, one hidden unit: losses before each update, and b2 at the end."""
    x, y = data.X[:, 0].tolist(), data.y[:, 0].tolist()
    w1, b1, w2, b2 = (float(one[0, 0]) for one in w)

    def s(z: float) -> float:
        return 1 / (1 + math.exp(-z)) if z > -700 else 0.0

    losses = []
    for _ in range(epochs):
        a = [s(xi * w1 + b1) for xi in x]
        z2 = [ai * w2 + b2 for ai in a]
        p = [s(z) for z in z2]
        losses.append(sum((yi - pi) ** 2 for yi, pi in zip(y, p, strict=True)) / 100)
        d2 = [2 * (yi - pi) for yi, pi in zip(y, p, strict=True)]
        d1 = [d * w2 * s(z) * (1 - s(z)) * w1 for d, z in zip(d2, z2, strict=True)]
        g2, gb2 = sum(pi * ai for pi, ai in zip(p, a, strict=True)), sum(d2)
        g1, gb1 = sum(xi * d for xi, d in zip(x, d1, strict=True)), sum(d1)
        w1, b1, w2, b2 = w1 - 0.1 * g1, b1 - 0.1 * gb1, w2 - 0.1 * g2, b2 - 0.1 * gb2
    return losses, b2


def test_the_printed_program_is_the_article_s() -> None:
    data, w = draw(0)
    assert w.W1[0, 0] == pytest.approx(0.3117958819941026)  # NumPy's legacy stream, which never changes
    out = article.run_printed(0)
    losses, bias = literal(data, w, 1000)
    assert out.losses[:1000] == pytest.approx(losses, rel=1e-9)
    assert out.biases[1000] == pytest.approx(bias, rel=1e-12)
    assert out.losses[0] == pytest.approx(11.93, abs=0.005)
    assert out.biases[1] == pytest.approx(-66.57, abs=0.005)
    assert out.true_gradients[0] == pytest.approx(1.118, abs=1e-3)
    assert out.true_gradients[1] == pytest.approx(8.54e-30, rel=1e-3)
    assert out.true_gradients[9] > 0
    assert out.true_gradients[10] == 0
    assert out.losses[1000] == pytest.approx(16.37, abs=0.005)
    assert out.biases[999] == pytest.approx(-78838, abs=0.5)


def test_the_corrected_program_fits_the_line() -> None:
    out = article.run_corrected(0)
    assert [out.losses[e] for e in (0, 10, 100, 1000)] == pytest.approx([13.05, 0.704, 0.446, 0.0743], rel=1e-3)
    ratio = out.losses[1000] / out.floor
    assert 0.9 <= ratio <= 1.1
    bias, to_printed, to_mean = article_defects.on_test_points(out.end)
    assert 0.35 <= bias <= 0.62
    assert to_mean < 0.02 < to_printed


def test_least_squares_is_the_textbook_line() -> None:
    data, _ = draw(3)
    x, y = data.X[:, 0], data.y[:, 0]
    slope = np.cov(x, y, ddof=0)[0, 1] / x.var()
    assert program.least_squares(data) == pytest.approx(np.mean((y - y.mean() - slope * (x - x.mean())) ** 2))


def test_finite_differences_agree_and_see_a_wrong_gradient() -> None:
    data, w = draw(1, hidden=3)
    assert program.gradient_check(data, w, program.backward) < 1e-8
    for number in ("3", "4", "9", "10"):
        assert program.gradient_check(data, w, BY_NUMBER[number].how) > 1e-3
    data, w = draw(1)
    for number in ("7", "8"):
        assert program.gradient_check(data, w, BY_NUMBER[number].how) > 1e-4


@pytest.fixture(scope="module")
def measured() -> dict[str, Measured]:
    return {d.number: article.measured_defect((d.number, (0, 1))) for d in DEFECTS}


def test_what_each_defect_does(measured: dict[str, Measured]) -> None:
    sign, total = measured["3"], measured["9"]
    assert (sign.error, sign.cosine) == (pytest.approx(2), pytest.approx(-1))  # -g beside g
    assert (total.error, total.cosine) == (pytest.approx(99), pytest.approx(1))  # 100 g beside g
    assert sign.diverged and total.diverged
    assert total.diverged < sign.diverged
    assert measured["2"].error == 0  # a right gradient, of an output that cannot fit
    assert measured["2"].last > 8
    assert measured["2"].left < 0.01
    assert measured["6"].cosine > 0.99 and measured["6"].error > 1
    assert measured["4"].part_errors[2] > 0.1 and measured["4"].part_errors[0] == 0
    for number in ("7", "8"):
        assert measured[number].part_errors[2:] == (0, 0)
        assert min(measured[number].part_errors[:2]) > 0.01
    assert measured["10"].part_errors[1] > 0.1 and measured["10"].part_errors[0] == 0
    assert measured["all"].cosine < 0
    assert all(measured[n].error > 1e-3 for n in GRADIENT_DEFECTS)


def test_a_defect_that_is_none_changes_nothing() -> None:
    none = article_defects.measure(replace(BY_NUMBER["3"], how=program.backward), (0,))
    assert (none.error, none.diverged, none.part_errors) == (0, 0, (0, 0, 0, 0))
    one_unit = article_defects.measure(replace(BY_NUMBER["10"], hidden=1), (0,))
    assert one_unit.error == pytest.approx(0, abs=1e-12)


def test_what_python_and_numpy_say() -> None:
    assert article_defects.name_error() == "name 'z2' is not defined"
    assert "(100,1) and (3,1)" in article_defects.shape_error()
    assert article_defects.second_layer_derivative("U(0, 1)") < 1e-6
    assert article_defects.second_layer_derivative("N(0, 1/n)") > 0.1


def test_the_table_has_all_fourteen(measured: dict[str, Measured]) -> None:
    told = {n: (f"what {n}", f"does {n}") for n in ("1", "5", "11", "12", "13", "14")}
    table = article_defects.defect_table(measured, told)
    assert [row[0] for row in table.rows] == [*map(str, range(1, 15)), "all"]
    assert all(len(row) == len(table.columns) and all(row) for row in table.rows)
    assert table.rows[2][2:4] == ("2", "−1.00")
    assert table.rows[0][2:5] == ("—", "—", "—")
    with pytest.raises(KeyError):
        article_defects.defect_table(measured, {})


@pytest.fixture(scope="module")
def quick() -> Outcome:
    return article.EXPERIMENT.run(Order(quick=True, processes=1))


def test_it_reproduces(quick: Outcome) -> None:
    assert [row.name for row in quick.rows if not row.holds] == []
    assert quick.reproduced
    assert len(quick.tables[0].rows) == 15
    words = " ".join(" ".join(row) for row in quick.tables[0].rows)
    assert "11.9, then 16.4" in words


def judged_with(quick: Outcome, monkeypatch: pytest.MonkeyPatch, how: object, seeds: tuple[int, ...]) -> list[str]:
    """Names of the rows that fail where the corrected program has another gradient in it."""
    rows = article._corrected_rows([article.run_corrected(seed, how) for seed in seeds])  # type: ignore[arg-type]
    return [row.name for row in rows if not row.holds]


def test_a_program_with_a_defect_does_not_reproduce(quick: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged_with(quick, monkeypatch, program.backward, (0, 1)) == []
    failing = judged_with(quick, monkeypatch, BY_NUMBER["7"].how, (0, 1))
    assert "corrected: loss over that of least squares" in failing


def test_a_printed_program_that_is_corrected_does_not_reproduce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(article, "backward_as_printed", program.backward_sigmoid_output)
    rows = article._printed_rows([article.run_printed(0)])
    assert sum(not row.holds for row in rows) >= 4
    monkeypatch.undo()
    assert all(row.holds for row in article._printed_rows([article.run_printed(0)]))


def test_the_lab_has_the_same_network(monkeypatch: pytest.MonkeyPatch) -> None:
    found = article_lab.agreement(7)
    assert found.loss < 1e-5
    assert found.weights < 1e-4
    monkeypatch.setattr(article_lab, "backward", BY_NUMBER["7"].how)
    apart = article_lab.agreement(7)
    assert apart.loss > 1e-2
