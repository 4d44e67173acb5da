"""The stream: its width is the size of the error, linear and to scale; wedges, forks, odd sizes; the rail."""

from __future__ import annotations

import itertools
import math
import re

import msgspec
import pytest
from test_views_html_walk_samples import (
    ODD,
    attention,
    chain,
    dozen,
    factor,
    hop,
    mixed,
    mlp_walk,
    plain,
    residual,
    walk_of,
)

from gradiometer.records.walk import Arm, Walk, WalkHop
from gradiometer.views.html_walk_pen import Stream
from gradiometer.views.html_walk_plan import MOST_ARMS, MOST_STATIONS, arms_of, steps_of, tones
from gradiometer.views.html_walk_rail import rail_of
from gradiometer.views.html_walk_stream import relative, stream_of

BAND = re.compile(r"M[\d.]+ ([\d.]+)H[\d.]+V([\d.]+)H[\d.]+Z")
"""A straight stretch: upper and lower edge."""


def heights(picture: Stream) -> list[float]:
    """Heights of the straight stretches in pixels, from left to right as they were drawn."""
    found = [BAND.fullmatch(s.d) for s in picture.shapes if s.kind == "error"]
    return [(float(m[2]) - float(m[1])) * picture.height / 1000 for m in found if m]


def told(picture: Stream, kind: str) -> list[str]:
    return [" ".join(w.lines) for w in picture.words if w.kind.split(" ")[0] == kind]


def kinds(picture: Stream) -> set[str]:
    return {s.kind for s in picture.shapes}


# ---- to scale ----------------------------------------------------------------------------------------------------


def test_heights_are_sizes_to_scale() -> None:
    one = mlp_walk(6).hops[2]
    found = heights(stream_of(one))
    sizes = [one.error_in, one.factors[0].after, one.error_out]
    widest = max(found)
    for size in sizes:
        assert any(h / widest == pytest.approx(size / sizes[0], abs=2e-3) for h in found)
    assert min(found) / widest == pytest.approx(one.gain, abs=2e-3)


def test_another_size_is_another_height() -> None:
    """The twin of the test above: what is drawn follows the record."""
    one = mlp_walk(6).hops[2]
    wrong = msgspec.structs.replace(one, error_out=2 * one.error_out)
    assert min(heights(stream_of(one))) < max(heights(stream_of(wrong))) * one.gain * 1.01
    last = heights(stream_of(wrong))[-1]
    assert last / max(heights(stream_of(wrong))) == pytest.approx(2 * one.gain, abs=2e-3)


def test_growth_widens_and_takes_no_wedge() -> None:
    picture = stream_of(plain(1.0, 4.0))
    found = heights(picture)
    assert found[-1] == pytest.approx(4 * found[0], rel=0.01)
    assert not kinds(picture) & {"guilty", "guilty-2", "neutral", "band"}


def test_numbers_are_in_units_of_what_arrives() -> None:
    assert told(stream_of(mlp_walk(6).hops[0]), "end")[0] == "error at layer 6 1.000"
    assert [relative(v) for v in (1.0, 0.5309, 5.3e-4, 12.0)] == ["1.000", "0.531", "5.3 × 10⁻⁴", "12"]


def test_a_stream_too_thin_to_draw_is_a_hairline() -> None:
    picture = stream_of(plain(1.0, 1e-6))
    assert "hair" in kinds(picture)
    assert "hair" not in kinds(stream_of(plain(1.0, 0.5)))


# ---- guilt -------------------------------------------------------------------------------------------------------


def test_the_step_with_most_of_the_loss_is_guilty() -> None:
    one = mlp_walk(6).hops[0]
    assert tones(one, one.factors) == ["guilty-2", "guilty"]
    assert kinds(stream_of(one)) >= {"guilty", "guilty-2"}


def test_a_hop_within_its_limit_has_no_guilty_step() -> None:
    inside = hop(*chain([1.0, 0.95, 0.9], [("weights", "weights"), ("tanh", "activation")]))
    assert tones(inside, inside.factors) == ["band", "neutral"]
    assert "guilty" not in kinds(stream_of(inside))
    assert "guilty" in kinds(stream_of(plain(1.0, 0.79)))


def test_a_step_that_changes_nothing_carries_no_hop_beyond_its_limit() -> None:
    steps = [("rows", "unknown"), ("batch norm", "norm")]
    grown = stream_of(hop(*chain([1.0, 1.0003, 3.0], steps)))
    assert [w.kind for w in grown.words if w.kind.startswith("times")] == ["times", "times beyond"]
    lost = stream_of(hop(*chain([1.0, 0.9997, 0.3], steps)))
    assert [w.kind for w in lost.words if w.kind.startswith("times")] == ["times", "times beyond"]


def test_the_caption_lies_in_the_picture_only_where_it_has_room() -> None:
    assert stream_of(mlp_walk(6).hops[0]).corner
    assert not stream_of(dozen()).corner
    assert not stream_of(residual()).corner


def test_the_stream_is_lower_where_a_picture_of_time_stands_below() -> None:
    one = mlp_walk(6).hops[0]
    weights, sigmoid = one.factors
    timed = msgspec.structs.replace(weights, through_time=((1.0, 0.5),))
    assert stream_of(msgspec.structs.replace(one, factors=(timed, sigmoid))).height < stream_of(one).height - 80


# ---- many steps --------------------------------------------------------------------------------------------------


def test_reshapes_are_left_out_and_neighbours_that_do_little_are_one() -> None:
    many = dozen()
    steps = steps_of(many.factors)
    assert steps.left_out == 2
    assert len(steps.drawn) == MOST_STATIONS
    assert math.prod(f.factor for f in steps.drawn) == pytest.approx(many.gain)
    assert [f.title for f in steps.drawn if f.role == "several"] == ["2 steps"]
    assert "reshape" not in told(stream_of(many), "name")


def test_a_hop_of_one_reshape_still_has_its_station() -> None:
    only = hop(factor("reshape", 1.0, 1.0, "reshape"))
    assert told(stream_of(only), "name") == ["reshape"]


def test_a_step_by_autograd_is_never_left_out() -> None:
    steps = hop(factor("weights", 1.0, 0.5), factor("Roll", 0.5, 0.5, "reshape", by_law=False))
    assert "Roll" in told(stream_of(steps), "name")


def test_names_that_fit_on_wide_pages_only_have_numbers() -> None:
    picture = stream_of(dozen())
    assert picture.crowded and not picture.numbered
    numbers = [w.number for w in picture.words if w.kind == "name"]
    assert numbers == list(range(1, MOST_STATIONS + 1))
    assert not stream_of(mlp_walk(6).hops[0]).crowded


# ---- forks -------------------------------------------------------------------------------------------------------


def test_ways_are_as_wide_as_what_they_bring() -> None:
    picture = stream_of(residual())
    found = heights(picture)
    skip = max(found, key=found.count)
    assert any(h == pytest.approx(0.4 * found[0], rel=0.02) for h in found), "the branch brings 40 %"
    assert found[0] == pytest.approx(skip, rel=0.02), "the skip brings all"
    assert found[-1] / found[0] == pytest.approx(residual().gain, rel=0.02)
    assert sum(s.kind == "pale" for s in picture.shapes) == 4, "two ways part and join"


def test_a_fork_names_its_ways_and_their_steps() -> None:
    picture = stream_of(residual())
    assert told(picture, "way") == ["skip ×1.00", "branch"]
    assert told(picture, "name") == ["skip and branch", "weights", "GELU", "weights", "layer norm"]
    assert told(picture, "times")[0] == "×1.12"


def test_a_fork_inside_a_fork_is_drawn() -> None:
    picture = stream_of(attention())
    assert told(picture, "way")[1:4] == ["queries ×0.15", "keys ×0.20", "values: attention ×0.90"]
    assert picture.height < 480


@pytest.mark.parametrize("one", [residual(), attention(), dozen(), mlp_walk(6).hops[0]])
def test_everything_lies_inside_the_picture(one: WalkHop) -> None:
    picture = stream_of(one)
    for shape in picture.shapes:
        assert all(0 <= float(v) <= 1000 for v in re.findall(r"[\d.]+", shape.d)), shape
        assert "-" not in shape.d
    for word in picture.words:
        assert 0 <= word.x <= 100 and 0 <= word.y <= 100
    for box in picture.boxes:
        assert box.x >= 0 and box.x + box.width <= 100.1 and box.y + box.height <= 100.1


def test_many_ways_become_the_widest_and_all_others() -> None:
    arms = tuple(Arm(f"way {i}", 0.1 * i, 0.1 * i) for i in range(1, 8))
    fork = factor("ways", 1.0, 1.0, "fork", arms=arms, interference=0.0)
    drawn = arms_of(fork)
    assert [a.name for a in drawn] == ["way 5", "way 6", "way 7", "4 others"]
    assert len(drawn) == MOST_ARMS
    assert drawn[-1].size == pytest.approx(0.1 * math.sqrt(1 + 4 + 9 + 16))


def test_a_way_that_brings_nothing_is_a_dashed_line() -> None:
    arms = (Arm("skip", 1.0, 1.0), Arm("branch", 0.0, 0.0))
    fork = factor("skip and branch", 1.0, 1.0, "fork", arms=arms, interference=0.0)
    picture = stream_of(hop(fork))
    assert "gone" in kinds(picture)
    assert told(picture, "way") == ["skip ×1.00", "branch 0"]


# ---- zero, nan, inf ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "word"), [("zero", "0"), ("nan", "✕ nan"), ("inf", "✕ infinite")])
def test_where_it_ends_is_said(name: str, word: str) -> None:
    first, ends, after = (stream_of(h) for h in ODD[name].hops)
    assert "gone" not in kinds(first)
    assert "gone" in kinds(ends) and told(ends, "end")[-1].endswith(f" {word}")
    assert kinds(after) == {"gone"}
    assert told(after, "size") == ["0, no error arrives" if word == "0" else f"{word} arrives"]


def test_no_size_is_written_into_a_path() -> None:
    for walk in ODD.values():
        for one in walk.hops:
            assert not any(re.search("nan|inf|e-", s.d) for s in stream_of(one).shapes)


# ---- the rail ----------------------------------------------------------------------------------------------------


def edges(walk: Walk) -> list[tuple[float, float]]:
    """Height of the rail at both ends of every hop, of 100."""
    out = []
    for one in rail_of(walk).hops:
        a, b, c, d = (float(v) for v in re.findall(r"[ V]([\d.]+)", one.d))
        out.append((d - a, c - b))
    return out


def test_the_rail_is_as_high_as_decades_are_left() -> None:
    walk = mlp_walk(20)
    high = [edges(walk)[0][0], *(b for _, b in edges(walk))]
    left = [math.log10(e / walk.errors[-1]) for e in walk.errors]
    for h, decades in zip(high, left, strict=True):
        assert h == pytest.approx(3 + 97 * decades / left[0], abs=0.3)


def test_a_walk_that_keeps_its_error_is_no_fall() -> None:
    kept = edges(walk_of(plain(1.0, 0.9), plain(0.9, 0.81, number=2)))
    assert min(min(pair) for pair in kept) > 90


def test_a_gap_in_the_rail_is_a_gap() -> None:
    assert [h.drawn for h in rail_of(ODD["nan"]).hops] == [True, False, False]
    assert [h.d == "" for h in rail_of(ODD["zero"]).hops] == [False, False, True]
    assert rail_of(ODD["zero"]).end == "zero"
    assert rail_of(ODD["inf"]).end == "infinite"
    assert rail_of(mlp_walk(20)).end == "−16.2 decades"
    assert rail_of(ODD["none"]).hops == ()


def test_long_walks_mark_every_nth_station() -> None:
    sizes = [0.9**i for i in range(201)]
    walk = walk_of(*(plain(a, b, number=i + 1) for i, (a, b) in enumerate(itertools.pairwise(sizes))))
    stations = rail_of(walk).stations
    assert 5 < len(stations) < 30
    assert stations[0].left == 0 and stations[-1].left == 100
    assert len(rail_of(walk).hops) == 200
    assert len(rail_of(mlp_walk(50)).stations) == 50


def test_labels_do_not_touch() -> None:
    for walk in (mlp_walk(50), mixed(30)):
        for pages, width in (({"all", "wide"}, 1312), ({"all", "narrow"}, 720)):
            shown = [s for s in rail_of(walk).stations if s.shown in pages]
            for a, b in itertools.pairwise(shown):
                assert (b.left - a.left) / 100 * width >= 8 * max(len(a.label), len(b.label))
