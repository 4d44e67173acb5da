"""The terminal pages of a walk: their arithmetic, their width, their states, and what they send the reader to."""

from __future__ import annotations

import math
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from walk_samples import (
    attention_walk,
    example_focus,
    lawless_walk,
    odd_walk,
    residual_walk,
    sigmoid_walk,
)

from gradiometer.records.walk import Focus, Term, Walk
from gradiometer.views import Style
from gradiometer.views.text_walk import WalkAsked, walk_hop_page, walk_overview
from gradiometer.views.text_walk_table import mean_gain, walk_rows

FANCY = Style(80, colour=False, unicode=True)
PLAIN = Style(80, colour=False, unicode=False)
ASKED = WalkAsked("gradiometer explain --depth 20 --activation sigmoid")
SAMPLES = {
    "sigmoid": sigmoid_walk(),
    "residual": residual_walk(),
    "attention": attention_walk(),
    "lawless": lawless_walk(),
    "stopped": odd_walk(1, 0.5, 0, 0),
    "nan": odd_walk(1, 0.1, math.nan, 2),
    "inf": odd_walk(1, math.inf, math.nan),
    "unborn": odd_walk(0, 0),
    "growth": odd_walk(1, 30, 4e4),
    "nothing": msgspec.structs.replace(odd_walk(1, 1), hops=(), stations=(), labels=(), errors=()),
}


def pages(walk: Walk, style: Style, asked: WalkAsked = ASKED) -> list[str]:
    """Every page of a walk."""
    return [walk_overview(walk, style, asked), *(walk_hop_page(walk, h, style, asked) for h in walk.hops)]


def number(text: str) -> float:
    """A number as the page writes it."""
    return float(text.replace("−", "-").replace(" × 10", "e").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))


# ---- the overview ------------------------------------------------------------------------------------------------

ROW = re.compile(
    r"^ *(\d+) (\S+) +[█▏▎▍▌▋▊▉]+ +([\d.]+(?: × 10[⁻⁰-⁹¹²³]+)?) ×([\d.]+) ×([\d.]+) weights(?: ×([\d.]+) sigmoid)?"
)


def rows_of(page: str) -> list[tuple[int, str, float, float, float]]:
    """Hop, station, size, gain and product of the factors of each row."""
    found = [m for m in map(ROW.match, page.splitlines()) if m]
    return [(int(m[1]), m[2], number(m[3]), float(m[4]), float(m[5]) * float(m[6] or 1)) for m in found]


def sizes_hold(rows: list[tuple[int, str, float, float, float]], first: float) -> bool:
    """Each size shown is the one above it times the gain shown, and that is the product of the factors shown."""
    before = first
    for _, _, size, gain, product in rows:
        if abs(math.log10(size / before / gain)) > 0.05 or abs(math.log10(product / gain)) > 0.05:
            return False
        before = size
    return bool(rows)


def test_the_table_holds_its_own_arithmetic() -> None:
    walk = SAMPLES["sigmoid"]
    rows = rows_of(walk_overview(walk, FANCY, ASKED))
    assert [r[0] for r in rows] == list(range(1, 21))
    assert [r[1] for r in rows] == [str(n) for n in range(19, 0, -1)] + ["in"]
    assert sizes_hold(rows, walk.errors[0])
    assert not sizes_hold([(*r[:3], r[3] * 1.3, r[4]) for r in rows], walk.errors[0])
    assert not sizes_hold([(*r[:4], r[4] * 1.3) for r in rows], walk.errors[0])


def test_on_a_narrow_page_theory_gives_way_to_what_was_measured() -> None:
    narrow, wide = (walk_overview(SAMPLES["sigmoid"], Style(width, False, True)) for width in (60, 80))
    assert len(re.findall(r"weights ×[\d.]+ sigmoid", narrow)) == 19
    heads = [re.findall(r"^hop to .*$", page, re.M) for page in (narrow, wide)]
    assert [len(h) for h in heads] == [1, 1]
    assert [h[0].endswith(" theory") for h in heads] == [False, True]
    assert "theory says ×0.152 a hop" in narrow


def test_bars_shrink_with_the_error() -> None:
    bars = re.findall(r"[█▏▎▍▌▋▊▉]+", walk_overview(SAMPLES["sigmoid"], FANCY, ASKED))
    lengths = [len(b) for b in bars]
    assert len(bars) == 21
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 5 * lengths[-1]


def test_the_overview_says_what_where_and_how_sure() -> None:
    page = walk_overview(SAMPLES["sigmoid"], FANCY, ASKED)
    told = " ".join(page.split())
    assert told.startswith("MLP · 32 examples · cross-entropy 3.47 · in float64 · SGD The error dies on its way back")
    assert "born in the loss: δ₂₀ = 1/N · (softmax(z₂₀) − y)" in told
    assert "INPUT theory says ×0.152 a hop, measured ×0.148" in told
    assert "All 40 operations went by a hand-written law." in told
    assert "✓ agrees with autograd to 3 × 10⁻¹⁶" in told
    assert "focused weight net.26.weight[3,5] has the gradient −3.6 × 10⁻⁷" in told
    assert page.endswith("\n")


def test_it_sends_the_reader_to_the_hop_that_does_most() -> None:
    walk = SAMPLES["sigmoid"]
    worst = min(walk.hops, key=lambda h: h.gain).number
    page = walk_overview(walk, FANCY, ASKED)
    assert f"  {ASKED.command} --hop {worst}\n" in page
    assert "next" not in walk_overview(walk, FANCY)
    assert f"  {ASKED.command} --hop 2\n" in walk_overview(SAMPLES["stopped"], FANCY, ASKED)


def test_a_long_command_is_folded_and_whole() -> None:
    asked = WalkAsked("gradiometer explain some/folder/with/networks.py:make_it --focus 'a.b.c  [3,5]' --examples 3")
    page = walk_overview(SAMPLES["sigmoid"], FANCY, asked)
    assert f"    {asked.command} --hop 17\n" in page.replace(" \\\n     ", "")  # as a shell reads it
    assert "  the hop that changes it most:\n" in page


def test_an_option_keeps_its_value_where_a_command_is_folded() -> None:
    options = {"--network": "residual", "--task": "circles", "--focus": "'a b.c[3,5]'", "--lr": "0.1", "--depth": "12"}
    words = " ".join(f"{name} {value}" for name, value in options.items())
    for width in range(44, 100):
        page = walk_overview(
            SAMPLES["sigmoid"], Style(width, False, True), WalkAsked(f"gradiometer explain --raw {words}")
        )
        lines = page.partition("\nnext\n")[2].splitlines()
        assert any("--raw" in s for s in lines)
        for name, value in options.items():
            assert sum(f"{name} {value}" in s for s in lines) == 2, (width, name)


def test_a_chosen_weight_is_told_at_length() -> None:
    short = walk_overview(SAMPLES["sigmoid"], FANCY, ASKED)
    long = walk_overview(SAMPLES["sigmoid"], FANCY, WalkAsked(chosen=True))
    assert "focused weight  net.26.weight[3,5] = −0.159" in long
    assert "unit 25" in long
    assert "unit 25" not in short


def test_disagreement_is_marked() -> None:
    walk = SAMPLES["sigmoid"]
    wrong = msgspec.structs.replace(walk.hops[0], gap=0.02)
    page = walk_overview(msgspec.structs.replace(walk, hops=(wrong, *walk.hops[1:])), FANCY)
    assert "✕ differs from autograd by 2 %" in page
    assert "agrees" not in page


def test_what_has_no_law_is_named_where_it_is_met() -> None:
    walk = SAMPLES["lawless"]
    told = " ".join(walk_overview(walk, FANCY).split())
    assert "9 of 12 operations (75 %) went by a hand-written law; autograd made 3: Roll ×2, FftR2C." in told
    assert "! The input carries no error" in told
    assert "by autograd: no law" in walk_hop_page(walk, walk.hops[0], FANCY)


@pytest.mark.parametrize(
    ("name", "words"), [("stopped", "✕ zero"), ("nan", "✕ non-finite"), ("inf", "✕ non-finite"), ("nothing", "no hop")]
)
def test_states_have_their_words(name: str, words: str) -> None:
    assert words in walk_overview(SAMPLES[name], FANCY, ASKED)


def test_not_finite_is_no_bar_and_zero_is_not_small() -> None:
    tiny = walk_overview(odd_walk(1, 1e-300), FANCY)
    assert "zero" not in tiny
    assert re.search(r"1\.0 × 10⁻³⁰⁰", tiny)
    assert "█" not in next(s for s in walk_overview(SAMPLES["inf"], FANCY).splitlines() if "non-finite" in s)


# ---- many hops ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [61, 150, 1000])
def test_many_hops_share_rows_and_the_worst_stands_alone(count: int) -> None:
    sizes = [0.999**i for i in range(count + 1)]
    worst = count // 3
    for i in range(worst, count + 1):
        sizes[i] *= 0.01
    walk = odd_walk(*sizes)
    rows = walk_rows(walk)
    assert len(rows) <= 61
    assert rows[0].first == 0
    assert [r.first for r in rows[1:]] == [r.last + 1 for r in rows[:-1]]  # no hop is left out, none told twice
    assert rows[-1].last == count
    assert [(r.first, r.last) for r in rows if 0 < r.gain < 0.5] == [(worst, worst)]
    for row in rows[1:]:
        told = row.gain ** (row.last - row.first + 1)
        assert told == pytest.approx(sizes[row.last] / sizes[row.first - 1], rel=1e-9)
    page = walk_overview(walk, FANCY)
    assert len(page.splitlines()) <= 80
    assert "the geometric mean of their gains" in " ".join(page.split())
    assert "geometric mean" not in walk_overview(SAMPLES["sigmoid"], FANCY)


def test_a_mean_of_what_is_not_known_is_not_known() -> None:
    assert mean_gain([0.1, 10.0]) == pytest.approx(1.0)
    assert mean_gain([0.0, 10.0]) == 0.0
    assert math.isnan(mean_gain([math.nan, 10.0]))
    assert math.isnan(mean_gain([]))


# ---- the focused weight ------------------------------------------------------------------------------------------


def terms_of(page: str) -> list[tuple[str, str, float]]:
    """Label, bar and value of each term."""
    found = re.findall(r"^  (unit \d+|example \d+|the other \d+|sum)  +([█▏▎▍▌▋▊▉░]*) +(\S+(?: × 10\S+)?)$", page, re.M)
    return [(label, bar, number(value)) for label, bar, value in found]


def page_of(focus: Focus) -> str:
    return walk_overview(msgspec.structs.replace(SAMPLES["sigmoid"], focus=focus), FANCY, WalkAsked(chosen=True))


def test_the_terms_shown_and_the_rest_are_the_sum() -> None:
    focus = SAMPLES["sigmoid"].focus
    assert focus is not None
    told = terms_of(page_of(focus))
    values = [v for _, _, v in told]
    assert [label for label, _, _ in told][-2:] == ["the other 22", "sum"]
    assert len(told) == 10
    assert math.fsum(values[:-1]) == pytest.approx(values[-1], rel=0.03)
    sizes = [abs(v) for v in values[:-2]]
    assert sizes == sorted(sizes, reverse=True)
    for _, bar, value in told:
        assert ("░" in bar) == (value < 0)  # the sign is seen without colour
        assert len(bar) == pytest.approx(abs(value) / max(map(abs, values)) * 24, abs=1.01)


def test_terms_may_come_in_any_order_and_with_bare_numbers() -> None:
    focus = example_focus()
    bare = tuple(Term(t.label.removeprefix("example "), t.value) for t in sorted(focus.terms, key=lambda t: t.value))
    shuffled = msgspec.structs.replace(focus, terms=bare)
    assert terms_of(page_of(shuffled)) == terms_of(page_of(focus))
    assert len(terms_of(page_of(focus))) == 9  # all eight and the sum: no rest of one term


def test_the_sum_says_whether_autograd_agrees() -> None:
    focus = example_focus()
    assert "✓ the sum is autograd's gradient to the last bit" in page_of(focus)
    wrong = msgspec.structs.replace(focus, gap=0.5, by_autograd=7.0)
    assert "✕ autograd's gradient is 7" in page_of(wrong)
    assert "was not compared" in page_of(msgspec.structs.replace(focus, gap=math.nan))


def test_the_update_is_told_with_its_rule() -> None:
    page = page_of(example_focus())
    assert "w ← w − η · m\u0302/(√v\u0302 + ε)" in page
    assert "lr 0.001, eps 1.0 × 10⁻⁸, beta1 0.9, beta2 0.999" in page
    assert "ε binds" in page
    assert "It has the largest gradient of the last layer." in page


# ---- every page --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_plain_pages_are_ascii_without_escapes(name: str) -> None:
    for page in pages(SAMPLES[name], PLAIN):
        assert page.isascii()
        assert "\x1b" not in page
        assert not re.search(r"\\[uUx]", page)  # every sign that we write has letters


@pytest.mark.parametrize("name", SAMPLES)
def test_colour_says_nothing_that_words_do_not(name: str) -> None:
    for colour, plain in zip(pages(SAMPLES[name], Style(80, True, True)), pages(SAMPLES[name], FANCY), strict=True):
        assert "\x1b[" in colour
        bare = [s.rstrip() for s in re.sub(r"\x1b\[[\d;]*m", "", colour).splitlines()]
        assert bare == [s.rstrip() for s in plain.splitlines()]


@given(
    name=st.sampled_from(sorted(SAMPLES)),
    label=st.sampled_from(["", "7", "net.encoder." * 9, "网络.编码器" * 8, "x\x1b[31m", "a b\nc", "é́."]),
    style=st.builds(Style, st.integers(40, 150), st.booleans(), st.booleans()),
    chosen=st.booleans(),
)
@settings(max_examples=60)
def test_no_line_is_wider_than_the_page(name: str, label: str, style: Style, chosen: bool) -> None:
    walk, asked = renamed(SAMPLES[name], label), WalkAsked("gradiometer explain " + "a" * 90 + ".py:make", chosen)
    hops = [h for h in walk.hops if h.number in (1, 6, len(walk.hops))]
    for page in (walk_overview(walk, style, asked), *(walk_hop_page(walk, h, style, asked) for h in hops)):
        for shown in re.sub(r"\x1b\[[\d;]*m", "", page).splitlines():
            assert cell_len(shown) <= min(style.width, 100), shown
        assert "\x1b[31m" not in page
        assert style.unicode or page.isascii()


def renamed(walk: Walk, label: str) -> Walk:
    """The walk with this label at every station, in every title, place and note."""
    hops = tuple(
        msgspec.structs.replace(
            h,
            upper_label=label,
            lower_label=label,
            factors=tuple(msgspec.structs.replace(f, title=label, place=label) for f in h.factors),
            focus=tuple(msgspec.structs.replace(f, parameter=label, site=label, why=label) for f in h.focus),
        )
        for h in walk.hops
    )
    return msgspec.structs.replace(walk, hops=hops, labels=(label,) * len(walk.labels), cls=label, notes=(label * 3,))
