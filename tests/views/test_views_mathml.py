"""Formulas: what is converted, where a line may break, and that nothing foreign reaches the page."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradiometer.records import UserError
from gradiometer.views.mathml import LONGEST_PIECE, check_mathml, formula

SCRIPTS = {"msub", "msup", "msubsup", "munder", "mover", "munderover"}
ALLOWED = {"math", "mrow", "mi", "mn", "mo", "mspace", "mfrac", "msqrt", "mroot", "code"} | SCRIPTS


def elements(tex: str) -> list[ET.Element]:
    """All elements of all pieces; what is no well-formed markup fails here."""
    return [e for piece in formula(tex) for e in ET.fromstring(piece).iter()]


def words(tex: str) -> str:
    return " ".join(e.text for e in elements(tex) if e.text)


def test_the_rule_of_a_hop() -> None:
    (piece,) = formula(r"\delta_{13} = \left(W_{14}^{\top} \delta_{14}\right) \odot \sigma'(z_{13})")
    assert piece.startswith("<math>") and piece.endswith("</math>")
    assert "<msub><mi>δ</mi><mn>13</mn></msub><mo>=</mo>" in piece
    assert "<msubsup><mi>W</mi><mn>14</mn><mo>⊤</mo></msubsup>" in piece
    assert "<mo>⊙</mo><msup><mi>σ</mi><mi>′</mi></msup>" in piece
    assert 'stretchy="true"' not in piece, "brackets need not grow where nothing is high"


def test_a_fraction_keeps_its_tall_brackets() -> None:
    (piece,) = formula(r"\left(\frac{\partial L}{\partial z}\right)")
    assert 'stretchy="true"' in piece
    assert "<mfrac><mrow><mi>∂</mi><mi>L</mi></mrow><mrow><mi>∂</mi><mi>z</mi></mrow></mfrac>" in piece


def test_a_sum_carries_its_index_below() -> None:
    assert "<munder><mo>∑</mo><mi>k</mi></munder>" in formula(r"\sum_{k} x_k")[0]


@pytest.mark.parametrize(
    ("tex", "name"),
    [
        (r"J_{\mathrm{layer norm}}^{\top}", "layer\N{NO-BREAK SPACE}norm"),
        (r"W_{\mathrm{blocks.3.fc1}}", "blocks.3.fc1"),
        (r"\delta_{\mathrm{fc2 \cdot fc1\#2\_a}}", "fc2·fc1#2_a"),
        (r"\operatorname{softmax}(x)", "softmax"),
        (r"\mathrm{ReLU}'(z)", "ReLU"),
        (r"x_{\mathrm{é}}", "é"),
    ],
)
def test_a_name_is_one_upright_word(tex: str, name: str) -> None:
    found = [e for e in elements(tex) if e.text == name]
    assert [e.tag for e in found] == ["mi"]
    assert len(name) > 1 or found[0].get("mathvariant") == "normal"


def test_signs_that_need_help() -> None:
    assert words(r"\mathbb{1}[z \gt 0]") == "𝟙 [ z > 0 ]"
    assert words(r"\hat m + \epsilon") == "m ˆ + ε"
    assert words("a<b") == "a < b"
    assert '<mo form="prefix"' in formula(r"\langle a, b \rangle")[0]


LONG = (
    r"\delta = W_1^{\top} ( W_2^{\top} \delta_2 \odot \varphi'(z_2) + W_3^{\top} \delta_3 \odot \sigma' + d \cdot -1)"
)


def test_a_long_formula_is_cut_ahead_of_its_operators() -> None:
    pieces = formula(LONG)
    assert len(pieces) > 3
    assert all(len("".join(ET.fromstring(p).itertext())) <= LONGEST_PIECE for p in pieces)
    starts = [next(e.text for e in ET.fromstring(p).iter() if e.text) for p in pieces[1:]]
    assert set(starts) <= {"=", "⊙", "+", "·"}
    assert all('<mo form="infix"' in p for p in pieces[1:]), "an operator at the start stands between two still"
    assert words(LONG).replace(" ", "").endswith("+d·−1)"), "a sign is not torn off its number"


def test_equations_in_a_row_are_cut_behind_their_commas() -> None:
    pieces = formula(r"\delta_P = \delta_y V^{\top}, \delta_Q = s \delta_S K, \delta_K = s \delta_S^{\top} Q; w_{1, 2}")
    assert [("".join(ET.fromstring(p).itertext())) for p in pieces][1:3] == ["δQ=sδSK,", "δK=sδS⊤Q;"]
    assert len(pieces) == 4, "a comma in a subscript parts nothing"


def test_a_word_does_not_touch_what_it_is_applied_to() -> None:
    assert '<mi>log</mi><mspace width=".17em"></mspace><mi>softmax</mi><mo' in formula(r"\log \mathrm{softmax}(z)")[0]
    assert "mspace" not in formula(r"\mathrm{softmax}(z)")[0]


def test_nothing_is_lost_by_cutting() -> None:
    assert words(LONG).split().count("δ") == 3
    assert words(LONG).count("(") == words(LONG).count(")") == 2


def test_a_short_formula_is_one_piece_and_none_is_none() -> None:
    assert len(formula(r"a + b = c")) == 1
    assert formula("") == formula("   ") == formula("{}") == ()


@pytest.mark.parametrize(
    "tex",
    [
        r"\href{javascript:alert(1)}{x}",
        r"\delta_{",
        "a & b",
        "<script>alert(1)</script>&",
        r"\unknown{x}",
        "x\ue000",
        "naïve \x1b[31m",
    ],
)
def test_what_is_no_formula_is_shown_as_written(tex: str) -> None:
    (piece,) = formula(tex)
    assert piece.startswith("<code>") and piece.endswith("</code>")
    assert "<script" not in piece and "\x1b" not in piece
    assert [e.tag for e in elements(tex)] == ["code"]


def test_a_hostile_name_stays_text() -> None:
    (piece,) = formula(r"W_{\mathrm{</mi><script>alert(1)</script>}}")
    assert "<script" not in piece
    assert "&lt;script&gt;" in piece


@given(st.text(alphabet=r"\abk{}()[]^_<>&'\"=+- 1δ.#" + "\ue000\x00", max_size=40))
def test_any_text_gives_known_elements_only(tex: str) -> None:
    assert {e.tag for e in elements(tex)} <= ALLOWED


@given(
    st.lists(
        st.sampled_from(
            [r"\delta", r"\frac{a}{b}", r"\left(", r"\right)", "(", ")", "=", "+", "-", r"_{3}", r"^{\top}"]
        )
    )
)
def test_any_order_of_parts_gives_well_formed_markup(parts: list[str]) -> None:
    assert {e.tag for e in elements(" ".join(parts))} <= ALLOWED


def test_without_the_converter_the_line_to_run_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    check_mathml()
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)
    with pytest.raises(UserError, match=r'pip install "gradiometer\[report\]"'):
        check_mathml()
