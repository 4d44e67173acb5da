"""The words right of the bars of a profile: limits at their places, what the factors take, and none over another."""

from __future__ import annotations

import itertools
import math
import re

import pytest
from views_build import Chain, diagnosis_of, run_of, vanishing

from gradiometer.integrations.picture import profile_picture
from gradiometer.views import pictures
from gradiometer.views.plot_profile import SIDE_LINE, beside_bars, profile_chart
from gradiometer.views.signals import Pictures

CHAINS = {
    "a deep limit": Chain([0.93] * 9, [0.85] * 9),  # its limit lies in the middle of the bars
    "a shallow limit": Chain([0.4] * 9, [0.2] * 9),
    "growth": Chain([1.9] * 9, [1.3] * 9),
    "one hop far below the others": Chain([0.95] * 8 + [1e-4], [0.9] * 9),
}


def shown_of(chain: Chain) -> Pictures:
    run = run_of(chain)
    shown = pictures(run, diagnosis_of(run, vanishing(chain)), "net")
    assert shown is not None
    return shown


def apart(places: list[float]) -> float:
    """The least distance between two of them."""
    return min(b - a for a, b in itertools.pairwise(sorted(places)))


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("limits", [[0.8], [0.8, 1.25], [0.5, 0.52], []])
def test_no_word_stands_over_another(name: str, limits: list[float]) -> None:
    shown = shown_of(CHAINS[name])
    layout = profile_chart(shown.error, shown.hops, limits)["layout"]
    words = [n for n in layout["annotations"] if re.search("^limit: gain|takes? 0|adds? 0", n["text"])]
    low, high = layout["yaxis2"]["range"]
    assert len(words) == 2 + sum(low <= math.log10(g) <= high for g in limits)
    assert len({n["y"] for n in words}) == 1
    assert apart([n["yshift"] for n in words]) >= SIDE_LINE - 1e-9


@pytest.mark.parametrize("name", CHAINS)
def test_no_word_stands_over_another_in_a_notebook(name: str) -> None:
    shown = shown_of(CHAINS[name])
    html = str(profile_picture(shown.error, shown.hops, [0.8]))
    ends = re.findall(r'class="end" style="top:([^%]*)%;[^>]*>([^<]*)', html)
    places = {words: float(top) for top, words in ends if re.search("^limit: gain|takes? 0|adds? 0", words)}
    assert len(places) == 3 and apart(list(places.values())) >= 100 * 15 / 72  # a line of 15 px in a picture of 72


def test_factors_stand_above_the_first_limit_where_there_is_room_and_else_below_the_last() -> None:
    assert beside_bars([], 2, 10) == ([], [5.0, 15.0])
    assert beside_bars([25.0], 2, 10) == ([25.0], [5.0, 15.0])
    assert beside_bars([24.0], 2, 10) == ([24.0], [34.0, 44.0])
    assert beside_bars([4.0, 6.0], 1, 10) == ([4.0, 14.0], [24.0])


@pytest.mark.parametrize("decades", [0.9, 2.9, 7.0, 10.2, 16.0, 40.0])
def test_the_decades_have_ticks_to_read_by(decades: float) -> None:
    shown = shown_of(Chain([10 ** (-decades / 10)] * 10, [1.0] * 10, activation="linear"))
    axis = profile_chart(shown.error, shown.hops, [])["layout"]["yaxis"]
    inside = [t for t in axis["tickvals"] if axis["range"][0] <= t <= axis["range"][1]]
    low, high = axis["range"]
    assert min(4, 1 + int(high - low)) <= len(inside) <= 7, (low, high, inside)
    assert 0 in inside
    assert len({b - a for a, b in itertools.pairwise(inside)}) == 1
