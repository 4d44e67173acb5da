"""The error through the time steps of a recurrent net, as a picture with its numbers."""

from __future__ import annotations

import math

import msgspec
from test_views_html_walk_samples import mlp_walk, walk_of

from gradiometer.records.walk import WalkHop
from gradiometer.views.html_walk import walk_page
from gradiometer.views.html_walk_time import Times, times_of


def recurrent(*layers: tuple[float, ...]) -> WalkHop:
    """A hop through a recurrent net whose error has these sizes, the last layer first, the last step first."""
    hop = mlp_walk(3).hops[0]
    first = msgspec.structs.replace(hop.factors[0], law="gru", role="recurrent", title="GRU", through_time=layers)
    return msgspec.structs.replace(hop, factors=(first,))


def picture(*layers: tuple[float, ...]) -> Times:
    (found,) = times_of(recurrent(*layers))
    return found


def test_a_fading_error_falls_over_the_steps() -> None:
    times = picture(tuple(10.0**-i for i in range(5)))
    (line,) = times.lines
    assert [y for _, y in line.dots] == [0, 25, 50, 75, 100]
    assert (line.name, line.total) == ("GRU", "−4.0")
    assert [(m.at, m.words) for m in times.rows] == [(0, "0"), (25, "−1"), (50, "−2"), (75, "−3"), (100, "−4")]
    assert [m.words for m in times.steps] == ["5", "4", "3", "2", "1"]
    assert [row[0] for row in times.table] == ["5", "4", "3", "2", "1"]
    assert "falls 4.0 decades" in times.says


def test_an_error_that_stays_does_not_fall() -> None:
    times = picture((2.0,) * 6)
    assert {y for _, y in times.lines[0].dots} == {0}
    assert times.lines[0].total == "as large"


def test_layers_are_drawn_on_one_scale_the_last_one_filled() -> None:
    times = picture((1.0, 0.1, 0.01), (0.1, 0.1, 0.1))
    last, first = times.lines
    assert (last.name, last.lower, first.name, first.lower) == ("layer 2", False, "layer 1", True)
    assert last.dots[1] == first.dots[1]
    assert abs(last.at - first.at) > 5


def test_zero_and_nan_leave_a_gap() -> None:
    times = picture((1.0, 0.1, 0.0, 0.0))
    assert len(times.lines[0].dots) == 2
    assert times.lines[0].crosses == ()
    broken = picture((1.0, 0.1, math.nan, math.nan))
    assert len(broken.lines[0].crosses) == 1


def test_one_step_and_other_hops_have_no_picture() -> None:
    assert times_of(recurrent((1.0,))) == []
    assert times_of(mlp_walk(3).hops[0]) == []


def test_the_page_shows_it_with_its_table() -> None:
    page = walk_page(walk_of(recurrent((1.0, 0.5, 0.25))))
    assert page.count('<figure class="time">') == 1
    assert "decades left, last step first" in page
    assert '<figure class="time">' not in walk_page(mlp_walk(3))
