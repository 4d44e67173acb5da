"""The page of one hop in the terminal: its formula, its steps and ways, its laws, its time steps."""

from __future__ import annotations

import dataclasses
import math
import re

import msgspec
import pytest
from walk_samples import attention_walk, residual_walk, sigmoid_walk

from gradiometer.records.walk import Factor, WalkHop
from gradiometer.views import Style
from gradiometer.views.style import render
from gradiometer.views.text_walk import WalkAsked, walk_hop_page, walk_overview
from gradiometer.views.text_walk_table import _factor_cell, walk_rows
from gradiometer.views.text_walk_time import time_lines
from gradiometer.views.walk_words_time import layer_names, time_line, way_back

FANCY = Style(80, colour=False, unicode=True)
PLAIN = Style(80, colour=False, unicode=False)
ASKED = WalkAsked("gradiometer explain --depth 20 --activation sigmoid")
SAMPLES = {"sigmoid": sigmoid_walk(), "residual": residual_walk(), "attention": attention_walk()}


def number(text: str) -> float:
    """A number as the page writes it."""
    return float(text.replace("−", "-"))


# ---- one hop -----------------------------------------------------------------------------------------------------


def test_a_hop_shows_its_formula_its_steps_and_their_shares() -> None:
    walk = SAMPLES["sigmoid"]
    page = walk_hop_page(walk, walk.hops[6], FANCY, ASKED)
    assert page.startswith("hop 7 of 20  layer 14 → layer 13\nHop 7 keeps 14 % of the error")
    assert "\n  δ₁₃ = (W₁₄ᵀ δ₁₄) ⊙ σ′(z₁₃)\n" in page
    told = " ".join(page.split())
    for words in ("arrives δ₁₄", "weights W₁₄ᵀ δ₁₄", "theory 0.577", "mean slope", "0.244, never above 0.25"):
        assert words in told
    takes = [int(x) for x in re.findall(r"(\d+) %  ", page)]
    assert len(takes) == 2
    assert sum(takes) == 100
    assert "  σ(z) = 1/(1 + e⁻ᶻ)" in page  # the law, with its source
    assert "sigmoid (Rumelhart, Hinton, Williams 1986)" in page


def test_the_birth_of_the_error_stands_at_the_first_hop_alone() -> None:
    walk = SAMPLES["sigmoid"]
    born = [i + 1 for i, h in enumerate(walk.hops) if "born in the loss" in walk_hop_page(walk, h, FANCY)]
    assert born == [1]


def test_ways_are_told_apart_and_add_up() -> None:
    walk = SAMPLES["residual"]
    told = " ".join(walk_hop_page(walk, walk.hops[0], FANCY).split())
    assert re.search(r"along the skip 1\.21 ×1\.00 through the branch 0\.512 ×0\.42 ReLU", told)
    squares = re.search(r"squares ([\d.]+) = ([\d.]+) \+ ([\d.]+) ([+−]) ([\d.]+)", told)
    assert squares is not None
    whole, skip, branch, _, meeting = (number(x) if x[0].isdigit() else 0 for x in squares.groups())
    sign = -1 if squares[4] == "−" else 1
    assert whole == pytest.approx(skip + branch + sign * meeting, abs=0.016)
    assert "through the keys" in walk_hop_page(SAMPLES["attention"], SAMPLES["attention"].hops[0], FANCY)


def test_a_step_that_changes_nothing_is_left_out_of_a_way() -> None:
    hop = SAMPLES["residual"].hops[0]
    fork = hop.factors[0]
    for title, factor, told in (("scale", 1.0, False), ("scale", 0.5, True)):
        step = msgspec.structs.replace(fork.arms[1].factors[0], role="product", title=title, factor=factor)
        arm = msgspec.structs.replace(fork.arms[1], factors=(step, *fork.arms[1].factors))
        changed = msgspec.structs.replace(fork, arms=(fork.arms[0], arm))
        page = walk_hop_page(SAMPLES["residual"], msgspec.structs.replace(hop, factors=(changed,)), FANCY)
        assert ("scale" in page) is told


def law_heads(page: str) -> list[str]:
    """The names of the laws that a page lists, in its order."""
    listed = page.partition("\nlaws  value")[2].partition("\n\n")[0].splitlines()[1:]
    return [s.partition(" (")[0] for s in listed if not s.startswith("  ")]


def test_laws_stand_in_the_order_of_the_steps_and_those_that_move_numbers_are_left_out() -> None:
    walk = SAMPLES["sigmoid"]
    assert law_heads(walk_hop_page(walk, walk.hops[6], FANCY)) == ["weights, linear", "sigmoid"]
    hop = msgspec.structs.replace(walk.hops[6], factors=walk.hops[6].factors[::-1])
    assert law_heads(walk_hop_page(walk, hop, FANCY)) == ["sigmoid", "weights, linear"]
    rows = msgspec.structs.replace(hop.factors[0], role="index", title="picked rows", factor=0.5)
    moved = msgspec.structs.replace(hop, factors=(rows, hop.factors[1]))
    page = walk_hop_page(walk, moved, FANCY)
    assert "picked rows" in page
    assert law_heads(page) == ["weights, linear"]


@pytest.mark.parametrize(("shares", "told"), [((0.3, 0.7), True), ((1.003, -0.003), True), ((2.5, -1.5), False)])
def test_shares_are_told_where_no_step_adds(shares: tuple[float, float], told: bool) -> None:
    walk = SAMPLES["sigmoid"]
    factors = tuple(msgspec.structs.replace(f, share=s) for f, s in zip(walk.hops[6].factors, shares, strict=True))
    page = walk_hop_page(walk, msgspec.structs.replace(walk.hops[6], factors=factors), FANCY)
    assert ("takes" in page) is told
    assert "−0 %" not in page


def test_an_error_from_elsewhere_is_told_as_such() -> None:
    walk = SAMPLES["sigmoid"]
    hop = walk.hops[6]
    joins = msgspec.structs.replace(hop.factors[1], law="join", role="sum", title="other ways join", factor=1.2)
    joined = msgspec.structs.replace(hop, factors=(hop.factors[0], joins))
    told = walk_hop_page(walk, joined, FANCY)
    assert "where error from elsewhere joins." in " ".join(told.split())
    assert re.search(r"^error from elsewhere .*×1\.20", told, re.M)
    page = walk_overview(msgspec.structs.replace(walk, hops=(*walk.hops[:6], joined, *walk.hops[7:])), FANCY)
    assert re.search(r"^ +7 13 .*×0\.55 weights ×1\.20 (joined|error from elsewhere)", page, re.M)
    assert "other ways" not in told + page


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("skip", "fc2·fc1"), "×1.00 skip + ×0.42 branch"),
        (("gate", "fc2"), "×1.00 gate + ×0.42 fc2"),
        (("blocks.1·blocks.0", "fc2"), "×1.09 over 2 ways"),
    ],
)
def test_a_cell_names_two_ways_where_their_names_are_short(names: tuple[str, str], words: str) -> None:
    walk = SAMPLES["residual"]
    arms = tuple(
        msgspec.structs.replace(a, name=n, gain=g)
        for a, n, g in zip(walk.hops[0].factors[0].arms, names, (1.0, 0.42), strict=True)
    )
    fork = msgspec.structs.replace(walk.hops[0].factors[0], arms=arms, factor=1.09)
    row = walk_rows(msgspec.structs.replace(walk, hops=(msgspec.structs.replace(walk.hops[0], factors=(fork,)),)))[1]
    assert _factor_cell(row, FANCY, 40) == words
    beside = msgspec.structs.replace(walk.hops[0].factors[0].arms[1].factors[0], title="layer norm", factor=0.5)
    both = dataclasses.replace(row, factors=(beside, fork))
    short = "×1.09 skip+branch" if names[0] == "skip" else "×1.09 over 2 ways"
    assert _factor_cell(both, FANCY, 34) == f"×0.50 layer norm {short}"
    assert _factor_cell(both, FANCY, 20) == "×0.50 layer norm …"


@pytest.mark.parametrize("width", [56, 64, 80, 100])
def test_numbers_are_not_broken(width: int) -> None:
    walk = SAMPLES["sigmoid"]
    page = walk_hop_page(walk, walk.hops[6], Style(width, False, True))
    assert re.search(r"^sigmoid .* 2\.0 × 10⁻⁷ +×0\.25 +70 %", page, re.M)
    assert ("W₁₄ᵀ δ₁₄ " in page) is (width >= 80)  # the rule gives way first


def test_the_next_hop_and_the_way_back_are_named() -> None:
    walk = SAMPLES["sigmoid"]
    assert f"{ASKED.command} --hop 8  the next hop" in walk_hop_page(walk, walk.hops[6], FANCY, ASKED)
    last = walk_hop_page(walk, walk.hops[-1], FANCY, ASKED)
    assert "--hop" not in last
    assert f"{ASKED.command}  all hops" in last


# ---- through time ------------------------------------------------------------------------------------------------


def net(*layers: tuple[float, ...]) -> WalkHop:
    """A hop with one GRU of so many layers, each with its sizes, last step first."""
    gru = Factor("gru", "recurrent", "rnn", "GRU", "", 1.0, 0.5, 0.5, through_time=layers)
    return msgspec.structs.replace(SAMPLES["sigmoid"].hops[6], factors=(gru,))


def shown(hop: WalkHop, style: Style = FANCY) -> list[str]:
    """The lines of the section."""
    return render(time_lines(hop, style), style).splitlines()


FADING = tuple(10.0 ** (-k / 4) for k in range(9))


def test_the_steps_through_time_fall_as_their_sizes_do() -> None:
    head, row = shown(net(FADING))
    assert head == "through time  GRU, 9 time steps, the last one first"
    found = re.fullmatch(r"  GRU  ([▁-█]+)  1 → 0\.01  falls 2\.0 decades, ×0\.56 a step", row)
    assert found is not None
    heights = [ord(c) for c in found[1]]
    assert len(heights) == 9
    assert heights == sorted(heights, reverse=True)
    assert (found[1][0], found[1][-1]) == ("█", "▁")
    grown = shown(net(FADING[::-1]))[1]
    assert found[1][::-1] in grown
    assert "0.01 → 1  grows 2.0 decades, ×1.78 a step" in grown


def test_layers_stand_on_one_scale() -> None:
    _, upper, lower = shown(net((1.0, 0.1), (0.1, 0.01)))
    assert upper.startswith("  layer 2  █▅")
    assert lower.startswith("  layer 1  ▅▁")
    flat = shown(net((1.0, 0.99, 1.0)))[1]
    assert "███" in flat  # a net that keeps its error is not drawn as a fall
    assert flat.endswith("keeps its size")
    assert layer_names(net(FADING, FADING).factors[0]) == ["layer 2", "layer 1"]


def test_a_long_sequence_shows_some_of_its_steps_and_both_ends() -> None:
    sizes = tuple(0.9**k for k in range(1000))
    head, row = shown(net(sizes), Style(100, False, True))
    assert "1\u202f000 time steps" in head
    signs = re.search(r"[▁-█]+", row)
    assert signs is not None
    assert 12 <= len(signs[0]) <= 32
    assert (signs[0][0], signs[0][-1]) == ("█", "▁")


def test_one_step_is_no_way_through_time() -> None:
    assert shown(net((1.0,))) == []
    assert time_lines(SAMPLES["sigmoid"].hops[0], FANCY) == []
    assert "through time" not in walk_hop_page(SAMPLES["sigmoid"], SAMPLES["sigmoid"].hops[0], FANCY)
    assert "through time  GRU" in walk_hop_page(SAMPLES["sigmoid"], net(FADING), FANCY)


def test_a_net_on_a_way_of_a_fork_is_told_too() -> None:
    fork = SAMPLES["residual"].hops[0].factors[0]
    arm = msgspec.structs.replace(fork.arms[1], factors=net(FADING).factors)
    hop = msgspec.structs.replace(net(), factors=(msgspec.structs.replace(fork, arms=(fork.arms[0], arm)),))
    assert shown(hop) == shown(net(FADING))


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ((1.0, 0.1, 0.0, 0.0), "stops: before step 3 there is none"),
        ((0.0, 0.0), "is zero everywhere"),
        ((0.0, 0.0, 1.0, 2.0), "is born at step 2 and before"),
        ((1.0, math.nan, 1.0), "is nan at step 2"),
        ((1.0, 1.0, math.inf), "is infinite at step 1"),
        ((1.0, 2.0, 4.0), "grows 0.6 decades, ×2.00 a step"),
        ((1.0, 1e-300), "falls 300.0 decades, −300.0 decades a step"),
    ],
)
def test_what_becomes_of_the_error_through_time(sizes: tuple[float, ...], words: str) -> None:
    assert way_back(sizes) == words
    assert words in " ".join(" ".join(shown(net(sizes))).split())
    assert time_line(net(sizes).factors[0]).startswith(f"Through {len(sizes)} time steps the error {words}")


def test_all_layers_in_one_sentence() -> None:
    told = time_line(net((1.0, 0.1), (0.1, 0.1)).factors[0])
    assert told == (
        "The error through 2 time steps: in layer 2 it falls 1.0 decades, ×0.10 a step; in layer 1 it keeps its size."
    )


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_plain_time_steps_are_ascii_and_fit(width: int) -> None:
    hop = net(tuple(0.5**k for k in range(300)), (1.0, math.nan, 0.0) * 100)
    lines = shown(hop, Style(width, False, False))
    assert all(s.isascii() and len(s) <= width for s in lines)
    assert "@" in "".join(lines)
    assert lines[1].split()[:2] == ["layer", "2"]
