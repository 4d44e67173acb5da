"""Figures hold what was measured, and nothing where nothing was."""

from __future__ import annotations

import math

import numpy as np
import pytest
from views_build import Chain, diagnosis_of, run_of, sigmoid_chain, vanishing

from gradiometer.records import Run
from gradiometer.views import Pictures, pictures
from gradiometer.views.signals import HEAT_COLUMNS, told_model


def shown_of(run: Run, *findings: object) -> Pictures:
    shown = pictures(run, diagnosis_of(run, *findings), run.main)  # type: ignore[arg-type]
    assert shown is not None
    return shown


def test_error_profile_starts_at_zero_and_falls_by_the_gains() -> None:
    shown = shown_of(run_of(Chain([0.5] * 4, [0.2] * 4)))
    error = shown.error.named("error")
    assert error is not None
    np.testing.assert_allclose(error.values, [-i for i in range(5)], atol=1e-12)  # 0.5 · 0.2 is a decade


def test_factors_of_a_hop_add_up_to_its_loss() -> None:
    shown = shown_of(run_of(Chain([0.5, 0.7], [0.2, 0.3])))
    weights, slope, total = shown.hops.series
    assert (weights.name, slope.name, total.kind) == ("weights", "σ′", "total")
    np.testing.assert_allclose(np.add(weights.values, slope.values), total.values)
    np.testing.assert_allclose(slope.values, np.log10([0.2, 0.3]))


def test_a_gap_stays_a_gap() -> None:
    shown = shown_of(run_of(Chain([0.5] * 5, [0.5] * 5, missing={2: "nan", 3: "zero", 4: "inf"})))
    values = shown.error.series[2].values
    assert math.isnan(values[2])
    assert values[3] == -math.inf
    words = [shown.error.marked("word", i) for i in range(6)]
    assert [w.text if w else "" for w in words] == ["", "", "not reached", "zero", "non-finite", ""]


def test_guilty_marks_follow_the_sites_of_the_finding() -> None:
    chain = sigmoid_chain()
    run = run_of(chain)
    assert shown_of(run, vanishing(chain)).hops.places("guilty") == tuple(range(19))
    assert shown_of(run).hops.places("guilty") == ()


def test_hollow_where_there_is_no_single_path() -> None:
    shown = shown_of(run_of(Chain([0.5] * 3, [0.5] * 3, spine=frozenset({1}))))
    assert shown.hops.places("hollow") == (1,)
    mark = shown.hops.marked("passage", 1)
    assert mark is not None
    assert mark.text == "spine"


def test_heatmap_keeps_the_first_and_the_last_step() -> None:
    chain = Chain([0.5] * 2, [0.5] * 2, steps=tuple(range(0, 3000, 3)))
    heat = shown_of(run_of(chain)).heat
    assert len(heat.axes[0].values) == HEAT_COLUMNS
    assert (heat.axes[0].values[0], heat.axes[0].values[-1]) == (0, 2997)
    assert len(heat.series) == 3


def test_learning_time_is_weight_over_update() -> None:
    shown = shown_of(run_of(Chain([0.5] * 2, [0.5] * 2, needs=[10.0, 1000.0, math.inf])))
    assert shown.learning.series[0].values == pytest.approx((10.0, 1000.0, math.inf))


def test_the_failing_model_is_shown_before_the_longest_one() -> None:
    long, short = sigmoid_chain(name="long"), sigmoid_chain(4, name="short")
    run = run_of(long, short)
    assert told_model(run, diagnosis_of(run)) == "long"
    assert told_model(run, diagnosis_of(run, vanishing(short))) == "short"
