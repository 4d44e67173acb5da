"""Beside the way of the error: events, shares of units, steps of the optimizer and the tree, as figures and pages."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
from views_build import Chain, diagnosis_of, run_of

from gradiometer.records import STAT_INDEX, Event, Frame, Run
from gradiometer.views import html_page, pictures
from gradiometer.views.training import MOST_EVENTS, epsilon_figure, event_rows, health_figure, update_figure
from gradiometer.views.tree import module_tree

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'<b>"


def with_stats(run: Run, rows: dict[str, dict[str, float]], step: int) -> Run:
    """The run, with statistics of some sites replaced at one step."""
    names = [s.name for s in run.site_table]
    frames = []
    for frame in run.frames:
        values = frame.values.copy()
        if frame.step == step:
            for site, stats in rows.items():
                for stat, value in stats.items():
                    values[names.index(site), STAT_INDEX[stat]] = value
        frames.append(replace(frame, values=values))
    return replace(run, frames=tuple(frames))


def small(**more: Any) -> Run:
    return run_of(Chain([0.5] * 3, [0.2] * 3, needs=[10.0, 100.0, float("inf"), 1e6]), **more)


def charts(run: Run) -> dict[str, dict[str, Any]]:
    found = re.search(r'id="charts">(.*?)</script>', html_page(run, diagnosis_of(run)), re.S)
    assert found
    return json.loads(found[1])  # type: ignore[no-any-return]


def shown(run: Run) -> Any:
    got = pictures(run, diagnosis_of(run), "net")
    assert got is not None
    return got


def test_shares_stand_from_the_loss_to_the_input_at_the_first_and_last_step_that_measured_them() -> None:
    run = with_stats(small(), {"1": {"act_dead_share": 0.25}, "5": {"act_dead_share": 0.0}}, 0)
    run = with_stats(run, {"1": {"act_dead_share": 0.5}, "5": {"act_saturated_share": 1.0}}, 2)
    figure = health_figure(run, run.network("net"))
    assert figure is not None
    assert figure.axes[0].labels == ("5", "1")  # not 3, where nothing was measured
    told = {s.name: s.values for s in figure.series}
    assert told["dead, step 0"] == (0.0, 0.25)
    assert told["dead, step 2"][1] == 0.5 and np.isnan(told["dead, step 2"][0])
    assert told["saturated, step 2"][0] == 1.0
    assert "saturated, step 0" not in told


def test_no_share_measured_is_no_picture() -> None:
    run = small()
    assert health_figure(run, run.network("net")) is None
    assert epsilon_figure(run, shown(run).profile) is None
    assert not {"health", "epsilon"} & set(charts(run))


def test_step_against_the_weights_is_the_inverse_of_the_learning_time_in_decades() -> None:
    run = small()
    figure = update_figure(run, shown(run).profile)
    assert figure is not None
    assert figure.axes[1].labels == ("4", "3", "2", "1")
    last = [s.values[-1] for s in figure.series]
    assert np.allclose([last[0], last[1], last[3]], [-1, -2, -6])
    assert last[2] == -np.inf  # a step that left the weights as they were
    assert figure.axes[0].values == (0.0, 1.0, 2.0)


def test_share_of_epsilon_is_one_over_one_and_the_ratio() -> None:
    run = with_stats(small(), {"6.weight": {"epsilon_ratio": 3.0}, "0.weight": {"epsilon_ratio": 0.0}}, 1)
    figure = epsilon_figure(run, shown(run).profile)
    assert figure is not None
    (only,) = figure.series
    assert only.values[0] == 0.25 and only.values[3] == 1.0 and np.isnan(only.values[1])
    assert charts(run)["epsilon"]["traces"][0]["y"] == [0.25, None, None, 1.0]


def test_events_are_marks_on_the_time_axis_and_rows_of_their_model_alone() -> None:
    events = (
        Event(1, "non_finite", "net", detail=HOSTILE),
        Event(1, "step_skipped", "other"),
        Event(9, "step_skipped"),
    )
    curve = np.array([[s, 2.0 - 0.1 * s, 0.1] for s in range(5)])
    run = replace(small(curves={"net": curve}), events=events)
    (mark,) = [t for t in charts(run)["loss"]["traces"] if t.get("name") == "event"]
    assert mark["x"] == [1]  # step 9 is behind the end of the curve, and in the table
    assert mark["customdata"] == [f"non finite: {html.escape(HOSTILE)}"]
    rows = event_rows(run, "net")
    assert rows is not None and [r[:2] for r in rows.rows] == [("1", "non finite"), ("9", "step skipped")]
    assert HOSTILE not in html_page(run, diagnosis_of(run))


def test_many_events_are_counted_not_dropped_in_silence() -> None:
    run = replace(small(), events=tuple(Event(i, "step_skipped") for i in range(MOST_EVENTS + 7)))
    rows = event_rows(run, "net")
    assert rows is not None and rows.rows[-1][1] == "7 more"


def test_tree_begins_at_the_loss_and_says_the_gain_of_each_module() -> None:
    run = small()
    root = module_tree(run, run.network("net"), shown(run).profile)
    assert [m.name for m in root.children] == ["6", "5", "4", "3", "2", "1", "0"]
    by_name = {m.path: m for m in root.children}
    assert by_name["5"].gain == "×0.20" and by_name["5"].tone == "lose" and by_name["5"].depth == 70
    assert by_name["6"].gain == "×0.50"
    assert by_name["0"].gain == "" and by_name["0"].tone == ""  # nothing below it was measured


def test_deeper_modules_stand_under_their_own_parent_in_the_order_of_the_trunk() -> None:
    run = run_of(Chain([0.5] * 3, [0.2] * 3, prefix="body.layers."))
    root = module_tree(run, run.network("net"), shown(run).profile)
    (body,) = root.children
    assert [m.name for m in body.children[0].children] == ["6", "5", "4", "3", "2", "1", "0"]
    assert body.children[0].children[1].path == "body.layers.5"


def test_module_off_the_trunk_has_the_gain_of_its_own_two_ends() -> None:
    run = with_stats(small(), {"0": {"err_norm": 2.0, "err_in_norm": 6.0}}, 0)
    root = module_tree(run, run.network("net"), shown(run).profile)
    (node,) = [m for m in root.children if m.path == "0"]
    assert (node.gain, node.tone, node.depth) == ("×3.00", "grow", 48)


def test_frames_without_any_number_give_a_page_all_the_same() -> None:
    run = small()
    empty = tuple(Frame(f.model, f.step, np.nan, np.nan, 1.0, 0.0, 0.0, f.values * np.nan) for f in run.frames)
    assert "Over the training" not in html_page(replace(run, frames=empty), diagnosis_of(run))
