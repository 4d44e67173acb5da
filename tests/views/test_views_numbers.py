"""Numbers are written in one way, in letters and in ASCII."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradiometer.views.numbers import ASCII, UNICODE, clean


@pytest.mark.parametrize(
    ("value", "words", "plain"),
    [
        (0.0, "0", "0"),
        (0.1391, "0.139", "0.139"),
        (0.8, "0.8", "0.8"),
        (1.9, "1.9", "1.9"),
        (99.96, "100", "100"),
        (1500.0, "1\u202f500", "1 500"),
        (-3.0, "−3", "-3"),
        (5.3e17, "5.3 × 10¹⁷", "5.3e17"),
        (1.94e-9, "1.9 × 10⁻⁹", "1.9e-9"),
        (math.nan, "—", "-"),
        (-math.inf, "−∞", "-inf"),
    ],
)
def test_numbers(value: float, words: str, plain: str) -> None:
    assert (UNICODE.number(value), ASCII.number(value)) == (words, plain)


def test_decades_gains_shares_and_times() -> None:
    assert [UNICODE.decades(v) for v in (-16.34, 0.0, 0.04, 0.8, -math.inf, math.nan)] == [
        "−16.3",
        "0",
        "0",
        "+0.8",
        "zero",
        "—",
    ]
    assert [UNICODE.gain(v) for v in (0.139, 1.0, 12.3, 0.0, math.nan)] == ["×0.14", "×1.00", "×12", "×0", "—"]
    assert [UNICODE.percent(v) for v in (1.0, 0.9999, 0.007, 0.0004, 0.41)] == [
        "100 %",
        "99.9 %",
        "0.7 %",
        "< 0.1 %",
        "41 %",
    ]
    assert [UNICODE.steps(v) for v in (29.0, 2.1e5, math.inf)] == ["29", "2.1 × 10⁵", "never"]
    assert [UNICODE.duration(v) for v in (0.0033, 12.0, 5.3e17 * 0.0033)] == ["3.3 ms", "12 s", "55 million years"]


def test_no_share_is_less_than_none_by_rounding() -> None:
    assert [UNICODE.percent(v) for v in (-0.002, -0.004, 0.0, -0.07)] == ["0 %", "0 %", "0 %", "−7 %"]


def test_a_share_below_one_is_never_written_as_all() -> None:
    assert UNICODE.percent(39_999 / 40_000) != UNICODE.percent(1.0)


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_what_is_written_can_be_read_back(value: float) -> None:
    read = float(ASCII.number(value).replace(" ", ""))
    assert read == pytest.approx(value, rel=0.051)  # two digits in a power


@given(st.text())
def test_ascii_is_ascii_and_no_control_character_passes(text: str) -> None:
    assert ASCII.text(text).isascii()
    assert all(c.isprintable() or c == "\u202f" for c in UNICODE.text(text))


def test_known_signs_become_words() -> None:
    assert ASCII.text("needs 5.3 × 10⁻¹⁷ steps → ✕ √n") == "needs 5.3e-17 steps -> x sqrt n"
    assert ASCII.text("a · fc2·fc1 at 97°") == "a | fc2*fc1 at 97 degrees"
    assert ASCII.text("网络") == "\\u7f51\\u7edc"
    assert clean("a\x1b[31mb\n") == "a [31mb "


def test_the_ends_of_an_interval_have_the_digits_that_tell_them_apart() -> None:
    assert UNICODE.interval(0.21, 0.4223) == "0.21 to 0.422"
    assert UNICODE.interval(2.2684, 2.2707) == "2.268 to 2.271"
    assert (
        UNICODE.interval(-1234.4, -1234.1)
        == f"{UNICODE.minus}1{UNICODE.thin}234.4 to {UNICODE.minus}1{UNICODE.thin}234.1"
    )
    assert UNICODE.interval(2.5, 2.5) == "2.5 to 2.5"
    assert UNICODE.interval(math.nan, 1.0) == ""
