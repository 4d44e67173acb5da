"""The loss as a slider: no peak is lost by thinning, axes hold what is drawn, findings and ends are marked."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from views_build import run_of, sigmoid_chain, vanishing

from gradiometer.views.dashboard import prove_command
from gradiometer.views.dashboard_loss import MOST_POINTS, loss_chart, thinned


def curve(losses: list[float]) -> np.ndarray:
    return np.stack([np.arange(len(losses), dtype=np.float64), np.array(losses)], axis=1)


def test_thinning_keeps_ends_peaks_and_the_first_broken_loss() -> None:
    rng = np.random.default_rng(0)
    losses = rng.normal(2, 0.1, 100_000)
    losses[41_234], losses[70_001], losses[90_000] = 50.0, -3.0, math.nan
    whole = curve(losses.tolist())
    kept = thinned(whole)
    assert len(kept) <= MOST_POINTS + 2
    assert np.isin([0, 41_234, 70_001, 90_000, 99_999], kept[:, 0]).all()
    assert (np.diff(kept[:, 0]) > 0).all()
    np.testing.assert_array_equal(thinned(whole[:10]), whole[:10])


def words(chart: dict[str, dict[str, list[dict[str, str]]]]) -> list[str]:
    return [note["text"] for note in chart["layout"]["annotations"]]


def test_a_loss_over_many_sizes_is_drawn_in_decades() -> None:
    drawn = loss_chart(curve([1e4, 1.0, 1e-3]), None, (), (0, 2))
    assert drawn.decades
    assert drawn.chart["traces"][0]["y"] == pytest.approx([4, 0, -3])
    assert "loss, decades" in words(drawn.chart)
    plain = loss_chart(curve([3.0, 2.0, 1.0]), None, (), (0, 2))
    assert not plain.decades and plain.chart["traces"][0]["y"] == [3, 2, 1]


def test_a_start_that_would_press_the_rest_flat_is_cut_and_named() -> None:
    drawn = loss_chart(curve([90.0, *[1.0] * 50]), None, (), (0, 50))
    assert drawn.cut == 8
    assert max(drawn.chart["traces"][0]["y"]) == 8
    assert "up to 90, cut here" in words(drawn.chart)
    assert math.isinf(loss_chart(curve([2.0, *[1.0] * 50]), None, (), (0, 50)).cut)


def test_a_loss_that_breaks_ends_in_a_cross() -> None:
    assert "✕" in words(loss_chart(curve([1.0, 2.0, math.nan]), None, (), (0, 2)).chart)
    assert "✕" not in words(loss_chart(curve([1.0, 2.0, 3.0]), None, (), (0, 2)).chart)


def test_a_failure_tints_from_its_first_step_on() -> None:
    finding = vanishing(sigmoid_chain())
    chart = loss_chart(curve([2.3] * 9), 2.3, (finding,), (0, 8)).chart
    box = next(s for s in chart["layout"]["shapes"] if s["type"] == "rect")
    assert (box["x0"], box["x1"]) == (0, 8)
    assert "step 0: activation-shrinks-error" in words(chart)
    assert "best constant 2.3" in words(chart)
    assert loss_chart(curve([2.3] * 9), None, (), (0, 8)).chart["layout"]["shapes"] == []


def test_an_empty_curve_is_an_empty_chart() -> None:
    drawn = loss_chart(np.empty((0, 2)), None, (), (0, 0))
    assert drawn.chart["traces"][0]["x"] == []
    assert drawn.chart["layout"]["xaxis"]["range"] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("script", "command"),
    [
        ("train.py", "gradiometer prove train.py --lr 0.1"),
        ("my.train", "gradiometer prove -m my.train --lr 0.1"),
        ("gradiometer train", ""),
        ("", ""),
    ],
)
def test_a_command_is_only_offered_where_it_can_run(script: str, command: str) -> None:
    run = run_of(sigmoid_chain())
    assert (
        prove_command(replace(run, info=msgspec.structs.replace(run.info, script=script, argv=("--lr", "0.1"))))
        == command
    )
