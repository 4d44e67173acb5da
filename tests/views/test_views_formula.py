"""Formulas in one line: each word of the walk's TeX, brackets that keep the meaning, and nothing that raises."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from gradiometer.views import Style
from gradiometer.views.formula import ascii_formula, formula_line, formula_lines, unicode_formula

CASES = [
    (
        r"\delta_{13} = \left(W_{14}^{\top} \delta_{14}\right) \odot \sigma'(z_{13})",
        "δ₁₃ = (W₁₄ᵀ δ₁₄) ⊙ σ′(z₁₃)",
        "delta_13 = (W_14^T delta_14) .* sigma'(z_13)",
    ),
    (
        r"\frac{\partial L}{\partial w_{3, 5}} = \sum_{k} \frac{\partial L}{\partial z_{k}} "
        r"\frac{\partial z_{k}}{\partial w_{3, 5}}",
        "∂L/∂w₃,₅ = Σₖ ∂L/∂zₖ · ∂zₖ/∂w₃,₅",
        "dL/dw_(3,5) = sum_k dL/dz_k * dz_k/dw_(3,5)",
    ),
    (r"W_{14}^{\top}\delta_{14}", "W₁₄ᵀ δ₁₄", "W_14^T delta_14"),
    (
        r"m_t = \beta_1 m_{t-1} + (1-\beta_1) g_t",
        "mₜ = β₁ mₜ₋₁ + (1 − β₁) gₜ",
        "m_t = beta_1 m_(t-1) + (1 - beta_1) g_t",
    ),
    (
        r"-\eta \frac{\hat m}{\sqrt{\hat v} + \epsilon}",
        "−η · m\u0302/(√v\u0302 + ε)",
        "-eta * hat(m)/(sqrt(hat(v)) + epsilon)",
    ),
    (r"\frac{1}{N}\left(\operatorname{softmax}(z) - y\right)", "1/N · (softmax(z) − y)", "1/N * (softmax(z) - y)"),
    (r"\frac{p - y}{N C}", "(p − y)/(N C)", "(p - y)/(N C)"),
    (r"\frac{\frac{a}{b}}{c}", "(a/b)/c", "(a/b)/c"),
    (r"\frac{a}{\frac{b}{c}}", "a/(b/c)", "a/(b/c)"),
    (r"\mathrm{ReLU}'(z_3) = \mathbb{1}[z_3 \gt 0]", "ReLU′(z₃) = 1[z₃ > 0]", "ReLU'(z_3) = 1[z_3 > 0]"),
    (r"\tanh'(z) = 1 - \tanh^2(z)", "tanh′(z) = 1 − tanh²(z)", "tanh'(z) = 1 - tanh^2(z)"),
    (r"\| x \|^2 \leq \infty", "‖x‖² ≤ ∞", "||x||^2 <= inf"),
    (r"\langle a, b \rangle \geq -1", "⟨a, b⟩ ≥ −1", "<a, b> >= -1"),
    (r"\delta_x = W \ast \delta, a \circ b \times c", "δₓ = W ∗ δ, a ∘ b × c", "delta_x = W (*) delta, a o b x c"),
    (r"e^{-z} \cdot \sum_{i=1}^{n} x_i \ldots", "e⁻ᶻ · Σᵢ₌₁ⁿ xᵢ …", "e^(-z) * sum_(i=1)^n x_i ..."),
    (r"\bar{\delta} + \bar{x y}", "δ\u0304 + bar(x y)", "bar(delta) + bar(x y)"),
    (r"\sqrt{a + b} x", "√(a + b) x", "sqrt(a + b) x"),
    (r"e^{\beta z}", "e^βz", "e^(beta z)"),
    (r"\sum_{j \in b} x_j", "Σ_(j∈b) xⱼ", "sum_(j in b) x_j"),
    (r"\delta_{\mathrm{blocks.3.fc\_1\#2}}", "δ_(blocks.3.fc_1#2)", "delta_(blocks.3.fc_1#2)"),
    (r"\delta_{\mathrm{layer-norm in}}", "δ_(layer-norm in)", "delta_(layer-norm in)"),
    (r"\delta_{\mathrm{head}} W_{hh}", "δ_head Wₕₕ", "delta_head W_hh"),
    (r"2 x \frac{1}{2} 3 a", "2x · 1/2 · 3a", "2x * 1/2 * 3a"),
    (r"\mathrm{reshape}(\delta_{15})", "reshape(δ₁₅)", "reshape(delta_15)"),
    (r"w_{ij}^{(3)} \| y", "wᵢⱼ⁽³⁾ ‖y", "w_ij^(3) ||y"),
    (r"\Delta w = \Delta_t + \nabla L", "Δw = Δₜ + ∇L", "Delta w = Delta_t + grad L"),
    (r"2 \Delta w + 3 \beta + 2 x", "2Δw + 3β + 2x", "2 Delta w + 3 beta + 2x"),
    ("", "", ""),
]


@pytest.mark.parametrize(("tex", "fancy", "plain"), CASES)
def test_each_word_in_both_letters(tex: str, fancy: str, plain: str) -> None:
    assert unicode_formula(tex) == fancy
    assert ascii_formula(tex) == plain
    assert formula_line(tex, Style(80, False, True)) == fancy
    assert formula_line(tex, Style(80, False, False)) == plain


@pytest.mark.parametrize(
    ("tex", "readable"),
    [
        (r"\foo{x} + 1", "foo x + 1"),
        (r"\Widehat \delta", "Widehat δ"),
        ("}{", ""),
        ("a } b", "a b"),
        ("{{{{a", "a"),
        ("x_", "x"),
        ("^{2}", "²"),
        (r"\frac", ""),
        (r"\frac{a}", "a"),
        (r"\left", ""),
        (r"\sqrt", "√"),
        ("\\", ""),
        ("中文 \x1b[31m", "中文 [31m"),
    ],
)
def test_what_it_does_not_know_stays_readable(tex: str, readable: str) -> None:
    assert unicode_formula(tex).split() == readable.split()


def test_meaning_is_not_changed_by_missing_brackets() -> None:
    assert unicode_formula(r"\frac{a}{b + c}") != unicode_formula(r"\frac{a}{b} + c")
    assert unicode_formula(r"\frac{a}{b c}") != unicode_formula(r"\frac{a}{b} c")
    assert unicode_formula(r"\sqrt{a} b") != unicode_formula(r"\sqrt{a b}")
    assert unicode_formula(r"x^{a + b}") != unicode_formula("x^a + b")
    assert ascii_formula(r"x_{a-1}") != ascii_formula("x_a - 1")


ATOMS = [
    "x",
    "W",
    r"\delta",
    r"\sigma'",
    r"\partial L",
    "z_{14}",
    r"W_{14}^{\top}",
    r"\mathrm{ReLU}",
    "2",
    r"\hat v",
    r"\infty",
]
SIGNS = [" + ", " - ", r" \odot ", r" \cdot ", " = ", " ", r" \ast ", r" \leq ", ", "]


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(SIGNS), inner).map("".join),
        st.tuples(inner, inner).map(lambda p: rf"\frac{{{p[0]}}}{{{p[1]}}}"),
        inner.map(lambda t: rf"\sqrt{{{t}}}"),
        inner.map(lambda t: rf"\left( {t} \right)"),
        inner.map(lambda t: rf"\| {t} \|"),
        st.tuples(inner, inner).map(lambda p: rf"{{{p[0]}}}_{{{p[1]}}}"),
        inner.map(lambda t: rf"\sum_{{k}} {t}"),
    )


@given(st.recursive(st.sampled_from(ATOMS), grown, max_leaves=12))
def test_no_tex_is_left_of_what_it_knows(tex: str) -> None:
    for told in (unicode_formula(tex), ascii_formula(tex)):
        assert not set(told) & set("\\{}")
        assert "  " not in told
        assert told == told.strip()
        assert told.count("(") == told.count(")")
    assert ascii_formula(tex).isascii()
    assert letters(unicode_formula(tex)) == letters(tex.replace("sqrt", "").replace("sum", ""))


def letters(text: str) -> list[str]:
    """How often W, L and ReLU stand in a formula: nothing may be lost or doubled."""
    counts: Iterable[tuple[str, int]] = ((w, len(re.findall(w, text))) for w in ("W", "L(?!U)", "ReLU"))
    return [f"{w} {n}" for w, n in counts]


@given(st.text(max_size=60))
def test_any_text_is_one_printable_line(text: str) -> None:
    for told in (unicode_formula(text), ascii_formula(text)):
        assert "\n" not in told
        assert "\x1b" not in told
        assert cell_len(told) >= 0
    assert ascii_formula(text).isascii()


@given(st.text(alphabet="\\{}^_'()[]|$&~ abz0123fracqt", max_size=80))
def test_broken_tex_raises_nothing(text: str) -> None:
    assert isinstance(unicode_formula(text), str)
    assert ascii_formula(text).isascii()


def test_equations_stay_whole() -> None:
    adam = r"\Delta w = -\eta \frac{m}{v}, m = \beta m, f(a = 1, b) = c; d = e"
    assert formula_lines(adam, Style(80, False, True), 30) == ["Δw = −η · m/v, m = β m,", "f(a = 1, b) = c; d = e"]
    assert formula_lines(adam, Style(80, False, True), 1) == ["Δw = −η · m/v,", "m = β m,", "f(a = 1, b) = c;", "d = e"]
    assert formula_lines("a, b", Style(80, False, True), 1) == ["a, b"]  # no equation of its own
    assert formula_lines("", Style(80, False, True), 80) == []


def test_deep_nesting_ends() -> None:
    assert unicode_formula("{" * 5000 + "a" + "}" * 5000) == "a"
    assert unicode_formula(r"\sqrt" * 3000 + "a").endswith("a")
    assert "q" in unicode_formula(r"\left" * 3000 + r"\hat" * 3000 + "q")
