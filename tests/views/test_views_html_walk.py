"""The page of a walk: one file, nothing from outside, every hop on it, and no name that escapes its place."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from functools import lru_cache
from html.parser import HTMLParser

import msgspec
import pytest
from test_views_html_walk_samples import (
    HOSTILE,
    ODD,
    attention,
    hostile,
    mixed,
    mlp_walk,
    plain,
    residual,
    walk_of,
)

from gradiometer.records import UserError
from gradiometer.records.walk import Focus, Term, Walk
from gradiometer.views.html_walk import walk_page
from gradiometer.views.html_walk_focus import bars_of
from gradiometer.views.html_walk_rows import all_rows, hop_rows, size_words
from gradiometer.views.walk_words import agreement_line, coverage_line, headline, update_lines, walk_verdict

VOID = {"meta", "br", "input", "img", "hr", "link", "path", "rect"}
OPTIONAL = {"td", "tr", "th", "p"}


class Page(HTMLParser):
    """Start tags with attributes, words outside of scripts and styles, and elements that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.unclosed: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.unclosed += [t for t in self._open if t not in OPTIONAL]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open[-1] != tag and self._open[-1] in OPTIONAL:
            self._open.pop()
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.unclosed.append(tag)

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in ("script", "style"):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def having(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [a for t, a in self.tags if t == tag and all(a.get(k) == v for k, v in attributes.items())]


@lru_cache(maxsize=8)
def mlp_page(depth: int = 20) -> str:
    return walk_page(mlp_walk(depth))


def plain_words(text: str) -> str:
    return " ".join(text.replace("\u202f", " ").split())


EVERY = {"mlp": mlp_walk(4), "forks": mixed(4), "hostile": hostile(), **ODD}


# ---- one file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_the_page_is_whole(name: str) -> None:
    page = Page(walk_page(EVERY[name]))
    assert page.unclosed == []
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert len(page.having("h1")) == 1
    assert len(page.having("section")) == 1 + len(EVERY[name].hops)


@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_loaded_from_anywhere(name: str) -> None:
    text = walk_page(EVERY[name])
    for tag, attributes in Page(text).tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base")
        assert "src" not in attributes and "srcset" not in attributes
        assert not any(k.startswith("on") for k in attributes)
        assert str(attributes.get("href", "#")).startswith("#")
    assert "@import" not in text and "@font-face" not in text
    assert re.findall(r"url\(([^)]*)\)", text) == ["#hatch"]


def test_only_our_two_scripts_may_run() -> None:
    text = mlp_page()
    scripts = re.findall(r"<script>(.*?)</script>", text, re.S)
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    policy = Page(text).having("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert len(scripts) == 2
    allowed = " ".join(f"'sha256-{h}'" for h in hashes)
    assert f"script-src {allowed};" in str(policy)
    assert str(policy).startswith("default-src 'none';")
    assert "unsafe-inline" not in str(policy).split("style-src")[0]


def test_a_page_of_fifty_layers_is_small() -> None:
    assert len(mlp_page(50).encode()) < 700_000
    wide = walk_page(mlp_walk(50, width=256))
    assert len(wide.encode()) < 2_000_000


def test_it_is_dark_at_first_and_can_be_light() -> None:
    text = mlp_page()
    assert '<html lang="en" data-theme="dark" data-start="walk">' in text
    assert ":root{color-scheme:dark;--error: #7D9DF7;" in text
    assert ":root[data-theme=light]{color-scheme:light;--error: #2F3CC9;" in text
    assert "(prefers-color-scheme:light){:root[data-theme=system]" in text
    assert "@media print{:root,:root[data-theme]{color-scheme:light;" in text


def test_no_colour_but_those_of_the_tokens() -> None:
    css = re.sub(r"--[a-z0-9-]+: #[0-9A-F]{6};", "", mlp_page())
    found = set(re.findall(r"#[0-9a-fA-F]{3,8}\b", css)) - {"#fff", "#000"}  # the hatch of a print in grey
    assert {f for f in found if not f.startswith("#hop")} == set()


@pytest.mark.parametrize("name", ["css", "js"])
def test_sizes_and_keys_are_those_of_the_design(name: str) -> None:
    text = mlp_page()
    if name == "js":
        for key in ("ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End", "Escape", '"?"', "n: acts"):
            assert key in text
        return
    sizes = [float(v) for v in re.findall(r"font(?:-size)?:[^;}]*?(\d+(?:\.\d+)?)rem", text)]
    assert min(sizes) == 1.5, "15 pixels at least"
    assert "h2{font-size:3.4rem;line-height:4rem" in text
    assert "prefers-reduced-motion" in text and "outline:2px solid var(--error)" in text


# ---- what it says ------------------------------------------------------------------------------------------------


def test_the_sentences_are_those_of_the_terminal() -> None:
    walk = mlp_walk(20)
    words = plain_words(Page(mlp_page()).words)
    for sentence in (walk_verdict(walk), coverage_line(walk), agreement_line(walk, walk.dtype)):
        assert plain_words(sentence) in words
    for hop in walk.hops:
        assert plain_words(headline(hop)) in words
        update = hop.focus[0].update
        assert update is not None
        for line in update_lines(update):
            assert plain_words(line) in words


def test_a_hop_shows_its_numbers() -> None:
    words = plain_words(Page(mlp_page()).words)
    assert "never above 0.25" in words
    assert "theory 0.577" in words
    assert "magnified" in words and "within this hop, width is size, to scale" in words
    assert "Focused weight net.24.weight[3,5]" in words
    assert "64 terms, one a unit of net.26, largest first" in words
    assert "✓ the sum is autograd's gradient to 2 × 10⁻¹⁶ of its parts" in words


def test_every_picture_has_one_sentence_and_its_numbers() -> None:
    page = Page(mlp_page())
    pictures = [a for _, a in page.tags if a.get("role") == "img"]
    assert all(a.get("aria-label") for a in pictures)
    labels = {str(a["aria-label"]) for a in pictures}
    assert {headline(h).replace(" %", "\u202f%") for h in mlp_walk(20).hops} <= labels
    assert len(page.having("table", **{"class": "steps"})) == 19
    assert len(page.having("table", **{"class": "terms"})) == 19


def test_every_hop_can_be_reached_without_a_script() -> None:
    page = Page(mlp_page())
    links = {a["href"] for a in page.having("a")}
    targets = {f"#{a['id']}" for a in page.having("section")}
    assert targets == {"#walk", *(f"#hop={n}" for n in range(1, 20))}
    assert targets <= links
    assert ".live .screen{display:none}" in mlp_page(), "hidden only once a script runs"


def test_a_fork_tells_how_its_ways_meet() -> None:
    words = plain_words(Page(walk_page(walk_of(residual()))).words)
    assert "at 83° to each other; squares 1.26 = 1.00 + 0.16 + 0.10 of interference" in words
    rows = {r["name"]: r for r in hop_rows(residual())}
    assert rows["skip"]["times"] == "×1.00" and rows["branch"]["times"] == "×0.40"
    lost = walk_page(walk_of(attention()))
    assert "squares 0.89 = 1.00 + 0.09 − 0.20 of interference" in plain_words(Page(lost).words)


def test_a_formula_that_is_too_long_for_its_row_stands_in_the_table() -> None:
    long = r"\frac{1}{s} (I - \frac{1}{M} a b^{\top} - \frac{1}{M} x x^{\top}) (\gamma \odot \delta_{\mathrm{fc1}})"
    one = mlp_walk(4).hops[0]
    assert [row["rule"] != () for row in hop_rows(one)] == [False, True, True, False]
    steps = tuple(msgspec.structs.replace(f, rule=long) for f in one.factors)
    wide = msgspec.structs.replace(one, factors=steps)
    assert not any(row["rule"] for row in hop_rows(wide))
    assert all_rows(wide)[0]["rule"] != ()


def test_the_formula_of_one_step_alone_is_that_of_the_hop() -> None:
    one = plain(1.0, 0.5)
    assert [row["rule"] for row in hop_rows(one)] == [(), ()]
    assert '<p class="formula"><math>' in walk_page(walk_of(one))


def test_what_is_said_of_a_fork_stands_beside_its_ways() -> None:
    assert [row["notes"] for row in hop_rows(residual())] == [1, 3, 0, 0]
    page = Page(walk_page(walk_of(residual())))
    assert [a["rowspan"] for a in page.having("td") if "rowspan" in a] == ["3"]
    assert not any("rowspan" in a for a in Page(mlp_page()).having("td"))


def test_a_hop_without_a_law_says_so() -> None:
    words = Page(walk_page(ODD["no law"])).words
    assert "By autograd: no law is written for weights." in words
    assert "no law is written" not in Page(mlp_page()).words


@pytest.mark.parametrize(
    ("name", "words"),
    [("zero", "0, no error"), ("nan", "nan arrives"), ("inf", "infinite arrives"), ("tiny", "a hairline")],
)
def test_odd_sizes_are_words(name: str, words: str) -> None:
    assert words in Page(walk_page(ODD[name])).words
    assert words not in Page(mlp_page()).words


def test_a_walk_without_hops_is_a_page() -> None:
    words = Page(walk_page(ODD["none"])).words
    assert "There is no hop to walk." in words
    assert "No error was walked" in words


def test_sizes_have_four_digits() -> None:
    told = [size_words(v) for v in (1.0, 0.13049, 8.8021e-6, 12345.6, 2.5e9)]
    assert told == ["1", "0.1305", "8.802 × 10⁻⁶", "12\u202f346", "2.500 × 10⁹"]


# ---- the focused weight ------------------------------------------------------------------------------------------


def focus_of(*values: float, count: int = 0) -> Focus:
    terms = tuple(Term(f"unit {i}", v) for i, v in enumerate(values))
    up, down = sum(v for v in values if v > 0), sum(v for v in values if v < 0)
    total = up + down
    return Focus(
        "w", (0,), 1.0, total, total, "units", "up", "x", terms, count or len(terms), up, down, 0.0
    )  # fmt: skip


def test_bars_are_sorted_and_on_the_scale_of_the_sum() -> None:
    bars = bars_of(focus_of(-1.0, 3.0, 2.0))
    assert bars is not None
    assert bars.zero == 800, "from 4 above to 1 below"
    assert bars.positive == "M0 800V200h8V800ZM10 800V400h8V800Z"
    assert bars.negative == "M20 800V1000h8V800Z"
    assert bars.total == "M0 800V0H10V800Z"


def test_a_sum_below_zero_hangs_down() -> None:
    bars = bars_of(focus_of(1.0, -3.0))
    assert bars is not None
    assert bars.total == "M0 250V750H10V250Z"


def test_terms_that_are_all_zero_are_said() -> None:
    assert bars_of(focus_of(0.0, 0.0)) is None
    one = msgspec.structs.replace(plain(1.0, 0.5), focus=(focus_of(0.0),))
    assert "Every term is zero." in Page(walk_page(walk_of(one))).words


def test_what_is_left_out_of_many_terms_is_said() -> None:
    many = focus_of(*(1.0 / (i + 1) for i in range(100)), count=5000)
    one = msgspec.structs.replace(plain(1.0, 0.5), focus=(many,))
    words = plain_words(Page(walk_page(walk_of(one))).words)
    assert "Bars: the 100 largest of 5 000 terms. Table: the 64 largest in size." in words


def test_several_weights_of_a_hop_are_numbered() -> None:
    one = msgspec.structs.replace(plain(1.0, 0.5), focus=(focus_of(1.0), focus_of(2.0)))
    page = Page(walk_page(walk_of(one)))
    assert [a["data-k"] for a in page.having("div", **{"class": "focus"})] == ["1", "2"]
    assert "1 of 2" in page.words and "2 of 2" in page.words
    assert "No optimizer was given" in page.words


def test_a_weight_of_no_hop_stands_on_the_first_screen() -> None:
    walk = walk_of(plain(1.0, 0.5), focus=focus_of(1.0, -0.5))
    page = Page(walk_page(walk))
    assert len(page.having("div", **{"class": "focus"})) == 1
    assert page.words.index("Focused weight w[0]") < page.words.index("This hop, in")


def test_a_weight_of_a_hop_is_linked() -> None:
    assert any(a["href"] == "#hop=19&focus" for a in Page(mlp_page()).having("a"))


def test_the_page_opens_at_a_weight_that_the_user_has_chosen() -> None:
    walk = mlp_walk(4)
    assert 'data-start="walk"' in walk_page(walk)
    assert walk.focus is not None
    chosen = msgspec.structs.replace(walk, focus=msgspec.structs.replace(walk.focus, why=""))
    assert 'data-start="hop=3&amp;focus"' in walk_page(chosen)


# ---- hostile names -----------------------------------------------------------------------------------------------


def test_no_name_escapes_its_place() -> None:
    text = walk_page(hostile())
    assert "<img" not in text and '<b>&"' not in text
    assert text.count("</script>") == 2
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert all("onerror" not in a for _, a in Page(text).tags)


def test_control_characters_do_not_reach_the_page() -> None:
    walk: Walk = msgspec.structs.replace(walk_of(plain(1.0, 0.5)), network="a\x1b[31mb\x00")
    text = walk_page(walk)
    assert "\x1b" not in text and "\x00" not in text
    assert HOSTILE not in text


# ---- what it needs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["jinja2", "latex2mathml.converter"])
def test_what_is_missing_is_said(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UserError, match=r'pip install "gradiometer\[report\]"'):
        walk_page(ODD["one"])


def test_the_module_loads_neither_torch_nor_the_converter() -> None:
    code = (
        "import sys, gradiometer.views.html_walk\n"
        "print([m for m in ('torch', 'latex2mathml', 'plotly', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
