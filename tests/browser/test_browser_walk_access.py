"""Access to the page of a walk: landmarks, headings, labels with tables, targets, focus ring, contrast, one screen."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from chromium import Browser, until
from playwright.sync_api import Page

from gradiometer.records.walk import Walk, WalkHop
from gradiometer.views.html_walk import walk_page

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "views"))

from test_views_html_walk_samples import attention, dozen, mlp_walk, residual, walk_of

pytestmark = pytest.mark.browser

LEAST_TARGET = 24  # pixels
LEAST_CONTRAST = 4.5  # text to its ground
LEAST_RING = 3.0  # a mark to its ground
WIDE, NARROW = (1440, 960), (800, 1000)


def timed() -> WalkHop:
    """A hop through a recurrent net of two layers and 30 time steps."""
    hop = mlp_walk(4).hops[0]
    layers = (tuple(0.8**i for i in range(30)), tuple(0.3 * 0.9**i for i in range(30)))
    step = msgspec.structs.replace(hop.factors[0], law="gru", role="recurrent", title="GRU", through_time=layers)
    return msgspec.structs.replace(hop, factors=(step,))


def every() -> Walk:
    """One hop of each kind."""
    focus = mlp_walk(4).hops[0].focus
    hops = [mlp_walk(4).hops[0], residual(), attention(), dozen(), timed()]
    return walk_of(*(msgspec.structs.replace(h, number=i + 1, focus=focus) for i, h in enumerate(hops)))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("walk") / "walk.html"
    file.write_text(walk_page(every()), encoding="utf-8")
    return file.as_uri()


HEADINGS = """() => [...document.querySelectorAll("h1, h2, h3, h4")]
  .filter(h => h.offsetHeight && !h.closest("dialog")).map(h => [Number(h.tagName[1]), h.textContent.trim()])"""


@pytest.mark.parametrize("address", ["#walk", "#hop=1", "#hop=5", "#hop=1&focus", "#hop=1&update", "#hop=2&numbers"])
def test_headings_go_down_one_by_one(browser: Browser, url: str, address: str) -> None:
    levels = [level for level, _ in browser.page(url + address).evaluate(HEADINGS)]
    assert levels[0] == 1
    assert levels.count(1) == levels.count(2) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_everything_stands_in_a_landmark(browser: Browser, url: str) -> None:
    page = browser.page(url)
    counts = page.evaluate("['header', 'main', 'footer'].map(tag => document.querySelectorAll(`body > ${tag}`).length)")
    assert counts == [1, 1, 1]
    names = page.eval_on_selector_all("nav", "all => all.map(n => n.getAttribute('aria-label'))")
    assert len(set(names)) == len(names) == 2 and all(names)
    outside = page.evaluate(
        "[...document.body.children].filter(e => e.offsetHeight > 1 && !e.matches('header, nav, main, footer, dialog'))"
        ".map(e => e.outerHTML.slice(0, 60))"
    )
    assert outside == []
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.title()


PICTURES = """() => [...document.querySelectorAll(".screen.now [role=img]")].map(p => {
  const screen = p.closest(".screen");
  return [p.getAttribute("aria-label"), screen.querySelectorAll("table").length];
})"""


@pytest.mark.parametrize("number", range(6))
def test_every_picture_has_one_sentence_and_a_table(browser: Browser, url: str, number: int) -> None:
    page = browser.page(f"{url}#hop={number}")
    pictures = page.evaluate(PICTURES)
    assert len(pictures) == (0 if number == 0 else 5 if number == 5 else 4) - (0 if number == 0 else 1)
    for label, tables in pictures:
        assert label.strip() and not label.startswith("nan")
        assert "\n" not in label
        assert tables > 0
    hidden = page.eval_on_selector_all(
        ".screen.now svg", "all => all.filter(s => !s.closest('[role=img], [aria-hidden=true]')).length"
    )
    assert hidden == 0, "every drawing is labelled, or inside of what is"


def test_the_table_of_time_has_every_step(browser: Browser, url: str) -> None:
    page = browser.page(f"{url}#hop=5&numbers")
    rows = page.eval_on_selector_all(
        ".screen.now table.through tbody tr", "all => all.map(r => [...r.cells].map(c => c.textContent.trim()))"
    )
    assert [row[0] for row in rows] == [str(30 - i) for i in range(30)]
    assert rows[0] == ["30", "1", "0", "0.3", "−0.5"]
    assert page.is_visible(".screen.now table.through")


TARGETS = """() => [...document.querySelectorAll("a, button, summary")].filter(e => {
  const box = e.getBoundingClientRect();
  return e.checkVisibility({ visibilityProperty: true }) && (box.width < LEAST || box.height < LEAST) &&
    !(e.tagName === "A" && e.closest("p"));
}).map(e => e.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize(("width", "height"), [WIDE, NARROW])
@pytest.mark.parametrize("address", ["#walk", "#hop=3", "#hop=1&update"])
def test_targets_are_large_enough(browser: Browser, url: str, width: int, height: int, address: str) -> None:
    page = browser.page(url + address, width, height=height)
    assert page.evaluate(TARGETS.replace("LEAST", str(LEAST_TARGET))) == []
    assert page.evaluate(TARGETS.replace("LEAST", "60")) != [], "small ones would be seen"


RING = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  return [at.tagName, style.outlineStyle, Number.parseFloat(style.outlineWidth), style.outlineColor];
}"""


def test_the_focus_ring_is_seen_wherever_the_keys_go(browser: Browser, url: str) -> None:
    page = browser.page(url)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    seen = []
    for _ in range(14):
        page.keyboard.press("Tab")
        tag, style, width, colour = page.evaluate(RING)
        if tag == "BODY":
            break
        assert (style, width) == ("solid", 2), (tag, seen)
        seen.append((tag, colour))
    assert {tag for tag, _ in seen} >= {"BUTTON", "A", "SUMMARY"}
    assert sum(tag == "A" for tag, _ in seen) == 2, "the rail is two stops: its start, and the hop that is shown"


CONTRAST = """() => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const linear = (v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = (colour) => [.2126, .7152, .0722].reduce((sum, w, i) => sum + w * linear(colour[i] / 255), 0);
  const root = getComputedStyle(document.documentElement), error = root.getPropertyValue("--error").trim();
  const ground = (e) => {
    if (e.closest(".inside")) return rgb(error);
    for (let at = e; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const out = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let least = 99, count = 0;
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !e.checkVisibility({ visibilityProperty: true })) continue;
    if (e.closest("script, style, :disabled, .sr, .at.wide")) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    count += 1;
    least = Math.min(least, ratio);
    if (ratio < LEAST) out.push([ratio.toFixed(2), e.className, texts.currentNode.data.trim().slice(0, 40)]);
  }
  return { out, least, count };
}"""


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_text_is_read_against_its_ground(browser: Browser, url: str, scheme: Literal["dark", "light"]) -> None:
    page = browser.page(url, scheme=scheme)
    page.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
    for address in ("#walk", "#hop=1", "#hop=3", "#hop=5", "#hop=1&focus", "#hop=1&update", "#hop=3&numbers"):
        page.evaluate(f"location.hash = '{address}'")
        until(page, f"document.documentElement.dataset.at === '{address[5:6] if 'hop' in address else 0}'")
        found = page.evaluate(CONTRAST.replace("LEAST", str(LEAST_CONTRAST)))
        assert found["out"] == [], address
        assert found["count"] > 30
    assert page.evaluate(CONTRAST.replace("LEAST", "21.5"))["out"] != [], "a faint text would be seen"


def beyond(page: Page) -> int:
    """Pixels of the page below the screen."""
    return int(page.evaluate("document.documentElement.scrollHeight - innerHeight"))


def test_a_hop_of_up_to_three_steps_is_one_screen(browser: Browser, url: str) -> None:
    page = browser.page(url)
    for number in (1, 2, 5):
        page.evaluate(f"location.hash = '#hop={number}'")
        until(page, f"document.documentElement.dataset.at === '{number}'")
        assert beyond(page) <= 0, number
    page.keyboard.press("n")
    page.set_viewport_size({"width": 1440, "height": 500})
    assert beyond(page) > 0, "less would be seen"


def test_numbers_stand_in_place_of_the_picture(browser: Browser, url: str) -> None:
    page = browser.page(f"{url}#hop=3")
    assert page.is_visible(".screen.now .picture") and not page.is_visible(".screen.now .numbers table")
    page.keyboard.press("n")
    assert page.url.endswith("#hop=3&numbers")
    assert page.is_visible(".screen.now .numbers table") and page.is_visible(".screen.now .law")
    assert not page.is_visible(".screen.now .picture") and not page.is_visible(".screen.now .weight")
    page.keyboard.press("ArrowRight")
    assert page.url.endswith("#hop=4&numbers")
    page.keyboard.press("Escape")
    assert page.is_visible(".screen.now .picture") and not page.is_visible(".screen.now .numbers table")
    page.keyboard.press("Home")
    page.keyboard.press("n")
    assert page.url.endswith("#walk"), "the whole walk has no numbers of its own"


def test_back_goes_to_where_a_link_was_clicked(browser: Browser, url: str) -> None:
    page = browser.page(url)
    page.click(".rail .chain a >> nth=1")
    page.click(".rail .chain a >> nth=3")
    until(page, "document.documentElement.dataset.at === '4'")
    page.keyboard.press("ArrowRight")
    assert page.url.endswith("#hop=5"), "keys leave no trace behind them"
    page.go_back()
    until(page, "document.documentElement.dataset.at === '2'")
    page.go_back()
    until(page, "document.documentElement.dataset.at === '0'")
