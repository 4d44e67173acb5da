"""What a notebook shows, in a real browser: every width and theme, under a notebook's own rules; no complaint."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from chromium import Browser, Complaints
from playwright.sync_api import Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "views"))

from test_views_html_trial import whole as whole_trial
from test_views_html_walk_samples import dozen, mlp_walk, residual
from views_build import Chain, diagnosis_of, run_of, sigmoid_chain, vanishing

from gradiometer.integrations.frame import framed
from gradiometer.integrations.notebook import forms
from gradiometer.integrations.picture import loss_picture
from gradiometer.integrations.show_run import live_html, run_html
from gradiometer.records import Change, NotCovered, Prescription, Receipt, Run
from gradiometer.views.tokens import DARK, LIGHT

pytestmark = pytest.mark.browser

Theme = Literal["dark", "light"]
LEAST_CONTRAST, LEAST_TARGET = 4.5, 24

NOTEBOOK_RULES = """
body{font:13px/1.5 sans-serif}
.jp-RenderedHTMLCommon table{margin-left:auto;margin-right:auto;border-collapse:collapse;font-size:20px;width:auto}
.jp-RenderedHTMLCommon td,.jp-RenderedHTMLCommon th{text-align:right;padding:40px;max-width:20px;white-space:pre}
.jp-RenderedHTMLCommon tbody tr:nth-child(odd){background:rgb(255,0,0)}
.jp-RenderedHTMLCommon pre,.jp-RenderedHTMLCommon code{background:rgb(255,0,0);font-size:30px}
.jp-RenderedHTMLCommon p{margin:50px}
.jp-RenderedHTMLCommon dl dt{float:left;width:20px;overflow-wrap:anywhere}
.jp-RenderedHTMLCommon dl dd{float:left;width:70%}
.jp-RenderedHTMLCommon svg{max-width:10px;height:auto}
"""
"""Rules as a notebook has them for outputs, only louder; they must lose."""


def hard() -> Run:
    """Long names, a gap, a model beside it, something that was not measured."""
    chain = Chain([0.5] * 14, [0.2] * 14, prefix="encoder.blocks.attention.", missing={5: "nan"}, numbered=False)
    return run_of(chain, Chain([1.0] * 3, [1.0] * 3, name="other"), not_covered=(NotCovered("head", "a view"),))


def changes(n: int) -> Receipt:
    change = Change("encoder.layers.3.linear.weight", "std", "0.1032", "0.1607, bias std 0.389")
    return Receipt(Prescription("tanh", {"seed": 0}, ("encoder",)), (change,) * n)


OUTPUTS: dict[str, Any] = {
    "run": lambda: run_html(run_of(sigmoid_chain()), diagnosis_of(run_of(sigmoid_chain()), vanishing(sigmoid_chain()))),
    "deep run": lambda: forms(run_of(sigmoid_chain(300)))["text/html"],
    "hard run": lambda: forms(hard())["text/html"],
    "live run": lambda: live_html(run_of(sigmoid_chain()), diagnosis_of(run_of(sigmoid_chain())), "live"),
    "findings": lambda: forms(diagnosis_of(hard(), vanishing(sigmoid_chain())))["text/html"],
    "loss": lambda: framed(loss_picture([(0.0, 2.4), (1.0, 2.31), (319.0, 2.3)], 2.28)),
    "walk": lambda: forms(mlp_walk())["text/html"],
    "hop": lambda: forms(residual())["text/html"],
    "long hop": lambda: forms(dozen())["text/html"],
    "trial": lambda: forms(whole_trial())["text/html"],
    "receipt": lambda: forms(changes(30))["text/html"],
}


@cache
def output(kind: str) -> str:
    return str(OUTPUTS[kind]())


def page_of(browser: Browser, folder: Path, kind: str, width: int, scheme: Theme, body: str = "") -> Page:
    """The output in a page like a notebook's: set in by a script, as notebooks do it."""
    file = folder / "notebook.html"
    inside = f'<div class="jp-RenderedHTMLCommon">{output(kind)}</div>'
    look = f"<meta charset=utf-8><style>{NOTEBOOK_RULES}</style>"
    file.write_text(f"{look}<body {body}><template>{inside}</template></body>", encoding="utf-8")
    page = browser.page(file.as_uri(), width, scheme)
    page.evaluate("document.body.innerHTML += document.querySelector('template').innerHTML")
    return page


WIDER = """() => {
  const frame = document.querySelector(".gradiometer"), box = frame.getBoundingClientRect();
  const out = document.documentElement.scrollWidth > innerWidth ? ["the page scrolls"] : [];
  for (const e of frame.querySelectorAll("td, th, span, .said, .lead, .note, .foot, pre, code")) {
    const own = e.getBoundingClientRect();
    if (own.width && (own.right > box.right + 1 || own.left < box.left - 1)) out.push(e.textContent.slice(0, 40));
  }
  return out;
}"""
OVERLAPS = """(kind) => [...document.querySelectorAll(".gradiometer :is(.pic, .stream)")].flatMap(picture => {
  const shown = [...picture.querySelectorAll(kind)].filter(e => e.offsetHeight);
  const all = shown.map(e => [e.textContent, e.getBoundingClientRect()]);
  const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3;
  return all.flatMap(([a, x], i) => all.slice(i + 1).filter(([, y]) => meet(x, y)).map(([b]) => `${a} / ${b}`));
})"""
PALE = """(least) => {
  const rgb = c => c.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => {
    const [r, g, b] = rgb(c).map(v => linear(v / 255));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if ((rgb(c)[3] ?? 1) > 0) return c;
    }
    return "rgb(255, 255, 255)";
  };
  const says = e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  const told = document.querySelectorAll(".gradiometer *:not(style, .inside)"); // inside: on the stream, a token pair
  const all = [...told].filter(e => e.offsetHeight && says(e));
  return all.flatMap(e => {
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    return ratio < least ? [`${e.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`] : [];
  });
}"""


@pytest.mark.parametrize(("width", "scheme"), [(800, "dark"), (480, "light")])
@pytest.mark.parametrize("kind", OUTPUTS)
def test_an_output_fits_and_can_be_read(
    browser: Browser, quiet: Complaints, tmp_path: Path, kind: str, width: int, scheme: Theme
) -> None:
    page = page_of(browser, tmp_path, kind, width, scheme)
    for summary in page.query_selector_all("summary"):
        summary.click()
    assert page.evaluate(WIDER) == []
    assert page.evaluate(OVERLAPS, ".end") == []
    assert page.evaluate(OVERLAPS, ".x") == []
    assert page.evaluate(OVERLAPS, ".loss :is(.x, .y, .end)") == []
    assert page.evaluate(OVERLAPS, ".name") == []
    assert page.evaluate(PALE, LEAST_CONTRAST) == []


def test_what_does_not_fit_or_cannot_be_read_would_be_seen(browser: Browser, tmp_path: Path) -> None:
    page = page_of(browser, tmp_path, "run", 800, "light")
    assert page.evaluate(PALE, 20) != []
    page.add_style_tag(content=".gradiometer td{white-space:pre!important}.gradiometer .pic span{top:0!important}")
    assert page.evaluate(OVERLAPS, ".end") != []
    page.evaluate("document.querySelector('.gradiometer td').textContent = 'x'.repeat(900)")
    assert page.evaluate(WIDER) != []


@pytest.mark.parametrize(
    ("body", "scheme", "wanted"),
    [
        ("", "light", "light"),
        ("", "dark", "dark"),
        ('data-jp-theme-light="true"', "dark", "light"),
        ('data-jp-theme-light="false"', "light", "dark"),
        ('class="vscode-light"', "dark", "light"),
        ('class="vscode-dark"', "light", "dark"),
        ('theme="dark"', "light", "dark"),
    ],
)
def test_the_notebooks_theme_decides(
    browser: Browser, quiet: Complaints, tmp_path: Path, body: str, scheme: Theme, wanted: Theme
) -> None:
    page = page_of(browser, tmp_path, "trial", 1040, scheme, body)
    colour = page.eval_on_selector(".gradiometer", "e => getComputedStyle(e).backgroundColor")
    paper = int({"light": LIGHT, "dark": DARK}[wanted]["paper"][1:], 16)
    assert colour == f"rgb({paper >> 16}, {paper >> 8 & 255}, {paper & 255})"


def test_the_notebooks_own_rules_lose(browser: Browser, quiet: Complaints, tmp_path: Path) -> None:
    page = page_of(browser, tmp_path, "run", 1040, "light")
    cell = page.eval_on_selector(
        ".gradiometer .finding td:nth-child(2)",
        "e => { const s = getComputedStyle(e); return [s.textAlign, s.paddingTop, s.whiteSpace, s.fontSize]; }",
    )
    assert cell == ["left", "5px", "normal", "13px"]
    red = "all => all.filter(e => getComputedStyle(e).backgroundColor === 'rgb(255, 0, 0)').length"
    assert page.eval_on_selector_all(".gradiometer *", red) == 0
    assert page.eval_on_selector(".gradiometer svg", "e => e.getBoundingClientRect().width") > 300
    fact = "all => all.map(e => [e.getBoundingClientRect().height, getComputedStyle(e).float])"
    assert page.eval_on_selector_all(".gradiometer .facts dt", fact) == [[23, "none"]] * 5, "a number is one line"
    assert {kind for _, kind in page.eval_on_selector_all(".gradiometer .facts dd", fact)} == {"none"}


def test_details_open_by_keyboard_and_targets_are_large_enough(
    browser: Browser, quiet: Complaints, tmp_path: Path
) -> None:
    page = page_of(browser, tmp_path, "run", 800, "dark")
    sizes = page.eval_on_selector_all("summary", "all => all.map(e => e.getBoundingClientRect().height)")
    assert sizes
    assert min(sizes) >= LEAST_TARGET
    assert not page.is_visible(".gradiometer details table")
    page.focus("summary")
    page.keyboard.press("Enter")
    assert page.is_visible(".gradiometer details table")
    labels = page.eval_on_selector_all("svg[role=img]", "all => all.map(e => e.getAttribute('aria-label'))")
    assert labels
    assert all(labels)
