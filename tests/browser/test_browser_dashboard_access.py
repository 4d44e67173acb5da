"""Access to the dashboard: landmarks, headings, labels with tables, targets, contrast, width, one polite voice."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser
from playwright.sync_api import Page, expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "server"))

from server_process import Served, Writer, served
from server_runs import healthy_run, put, put_trial, trial, vanishing_run
from test_browser_walk_access import CONTRAST, HEADINGS, LEAST_CONTRAST, LEAST_TARGET, TARGETS

from gradiometer.server.names import identifier

pytestmark = pytest.mark.browser

A, B, TRIAL = (identifier(f"{name}.gmr") for name in ("vanishing", "healthy", "trial"))
PAGES = {
    "/": "table.runs tr[data-id] svg.spark",
    f"/runs/{A}?site=12": "#profile .main-svg",
    f"/compare?a={A}&b={B}": "#compare .main-svg",
    "/trials": "table.runs tr[data-id]",
    f"/trials/{TRIAL}": "#forest .main-svg",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("access")
    put(folder / "vanishing.gmr", vanishing_run())
    put(folder / "healthy.gmr", healthy_run())
    put_trial(folder / "trial.gmr", trial())
    with served(folder) as one:
        yield one


def opened(browser: Browser, server: Served, path: str) -> Page:
    page = browser.page(f"{server.base}{path}{'&' if '?' in path else '?'}token=right")
    page.wait_for_selector(PAGES[path])
    return page


PICTURES = """() => [...document.querySelectorAll("main [role=img]")].map(p => {
  const figure = p.closest("figure") || p.parentElement.parentElement;
  const tables = document.querySelectorAll(`table[data-of="${p.id}"]`).length;
  return [p.getAttribute("aria-label"), p.tagName === "svg" || tables];
})"""
NAMELESS = """() => [...document.querySelectorAll("a, button, input, select, summary, [tabindex='0']")].filter(e =>
  e.checkVisibility() && !(e.textContent.trim() || e.getAttribute("aria-label") || e.closest(".scroll")))
  .map(e => e.outerHTML.slice(0, 80))"""
OUTSIDE = """() => [...document.body.children].filter(e => e.offsetHeight > 1 &&
  !e.matches("header, main, footer, dialog, [role=status], .skip, noscript")).map(e => e.outerHTML.slice(0, 60))"""


@pytest.mark.parametrize("path", PAGES)
def test_a_page_can_be_read_without_being_seen(browser: Browser, server: Served, path: str) -> None:
    page = opened(browser, server, path)
    levels = [level for level, _ in page.evaluate(HEADINGS)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate("document.documentElement.lang") == "en" and page.title()
    labels = page.eval_on_selector_all("nav", "all => all.map(n => n.getAttribute('aria-label'))")
    assert len(set(labels)) == len(labels) == 2 and all(labels)
    pictures = page.evaluate(PICTURES)
    assert pictures or path == "/trials"
    for label, tables in pictures:
        assert label and label.strip() and "nan" not in label.split()
        assert tables
    assert page.evaluate(NAMELESS) == []
    assert page.locator("[role=status][aria-live=polite]").count() == 1


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_read_and_used_by_everybody_at_every_width(browser: Browser, server: Served, path: str) -> None:
    page = opened(browser, server, path)
    look = CONTRAST.replace("LEAST", str(LEAST_CONTRAST)).replace(".at.wide", ".at.wide, svg")
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = page.evaluate(look)
        assert found["out"] == [], scheme
        assert found["count"] > 10
    for width in (1440, 800, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(200)  # charts are drawn anew for the width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        small = page.evaluate(TARGETS.replace("LEAST", str(LEAST_TARGET)))
        assert [s for s in small if 'class="skip"' not in s] == [], width


def test_the_keys_are_listed_and_the_focus_is_seen(browser: Browser, server: Served) -> None:
    page = opened(browser, server, f"/runs/{A}?site=12")
    page.click("#keys")
    expect(page.locator("dialog")).to_contain_text("play or pause")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_be_hidden()
    page.focus(".brand a")
    page.keyboard.press("Shift+Tab")
    seen = set()
    for _ in range(16):
        page.keyboard.press("Tab")
        tag, style, width = page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.tagName, s.outlineStyle, parseFloat(s.outlineWidth)]; })()"
        )
        assert (style, width) == ("solid", 2), tag
        seen.add(tag)
    assert {"A", "BUTTON", "INPUT"} <= seen


def test_one_polite_voice_says_little_and_findings_at_once(browser: Browser, tmp_path: Path) -> None:
    with served(tmp_path) as server, Writer(tmp_path / "live.gmr") as writer:
        page = browser.page(f"{server.base}/runs/{identifier('live.gmr')}?token=right")
        page.wait_for_selector("#profile .main-svg")
        page.evaluate(
            "window.heard = []; const said = document.getElementById('said');"
            "new MutationObserver(() => window.heard.push(said.textContent)).observe(said, { childList: true });"
        )
        for step in (30, 40, 50):
            writer.say("grow")
            expect(page.locator(".pill")).to_have_text(f"live, step {step}", timeout=10_000)
        assert len(page.evaluate("window.heard")) <= 1
        page.evaluate("Dash.say('Finding: x', true)")
        assert page.evaluate("window.heard.at(-1)") == "Finding: x" or page.inner_text("#said") == "Finding: x"
