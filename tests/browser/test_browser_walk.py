"""The page of a walk in a real browser, from a file: keys, addresses, widths, themes; no complaint, no request."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest
import torch
from chromium import Browser
from playwright.sync_api import Page
from torch import nn

from gradiometer.records.walk import Walk
from gradiometer.views.html_walk import walk_page
from gradiometer.walk.explain import explain

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "views"), str(TESTS / "walk")]

from test_views_html_walk_samples import ODD, attention, dozen, hostile, mixed, mlp_walk, residual, walk_of  # noqa: E402
from walk_networks import ZOO, classified, sigmoid_chain  # noqa: E402

pytestmark = pytest.mark.browser

MOST_BYTES = 2_000_000  # of a page of fifty layers
LEAST_TARGET = 24  # pixels, of whatever is clicked on


def written(folder: Path, walk: Walk) -> str:
    file = folder / "walk.html"
    file.write_text(walk_page(walk), encoding="utf-8")
    return file.as_uri()


def shown(page: Page) -> tuple[str, str]:
    """Number of the one screen that is shown, and how."""
    numbers = page.eval_on_selector_all(
        "section.screen", "all => all.filter(s => s.offsetHeight).map(s => s.dataset.n)"
    )
    assert len(numbers) == 1
    return numbers[0], page.evaluate("document.documentElement.dataset.mode")


@pytest.mark.parametrize(
    ("address", "screen", "how"),
    [("", "0", "hop"), ("#hop=7&focus", "7", "focus"), ("#hop=19&update", "19", "update"), ("#hop=99&x", "0", "hop")],
)
@pytest.mark.usefixtures("quiet")
def test_an_address_chooses_what_is_shown(
    browser: Browser, tmp_path: Path, address: str, screen: str, how: str
) -> None:
    page = browser.page(written(tmp_path, mlp_walk(20)) + address)
    assert shown(page) == (screen, how)
    assert bool(page.get_attribute("#lit", "d")) is (screen != "0")


KEYS = {
    "ArrowRight": ("1", "hop"),
    "ArrowRight PageDown ArrowLeft": ("1", "hop"),
    "ArrowLeft": ("0", "hop"),
    "End ArrowRight": ("3", "hop"),
    "End PageUp": ("2", "hop"),
    "End Home": ("0", "hop"),
    "ArrowRight f": ("1", "focus"),
    "ArrowRight f f": ("1", "hop"),
    "ArrowRight f ArrowRight": ("2", "focus"),
    "ArrowRight u": ("1", "update"),
    "ArrowRight u Escape": ("1", "hop"),
    "f": ("0", "hop"),
}


@pytest.mark.usefixtures("quiet")
def test_keys_step_through_the_walk(browser: Browser, tmp_path: Path) -> None:
    page = browser.page(written(tmp_path, mlp_walk(4)))
    for series, expected in KEYS.items():
        for key in ("Escape", "Home", *series.split(" ")):
            page.keyboard.press(key)
        assert shown(page) == expected, series
    page.keyboard.press("ArrowRight")
    page.keyboard.press("f")
    assert page.url.endswith("#hop=1&focus"), "what is shown can be linked to"


@pytest.mark.usefixtures("quiet")
def test_stations_and_buttons_are_clicked(browser: Browser, tmp_path: Path) -> None:
    page = browser.page(written(tmp_path, mlp_walk(12)))
    page.click(".rail .chain a >> nth=4")
    assert shown(page) == ("5", "hop")
    page.click('[data-do="next"]')
    page.click('[data-do="update"]')
    assert shown(page) == ("6", "update")
    heights = page.eval_on_selector_all("button", "all => all.map(b => b.offsetHeight)")
    small = [h for h in heights if 0 < h < LEAST_TARGET]
    assert small == []


@pytest.mark.usefixtures("quiet")
def test_a_hop_without_a_weight_has_nothing_to_enlarge(browser: Browser, tmp_path: Path) -> None:
    page = browser.page(written(tmp_path, mixed(4)))
    for key in ("ArrowRight", "f", "u"):
        page.keyboard.press(key)
    assert shown(page) == ("1", "hop")


@pytest.mark.usefixtures("quiet")
def test_help_and_theme_have_keys(browser: Browser, tmp_path: Path) -> None:
    page = browser.page(written(tmp_path, mlp_walk(4)))
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert page.evaluate(ground) != dark
    page.keyboard.press("?")
    assert page.is_visible("dialog#help")
    page.keyboard.press("ArrowRight")
    assert shown(page)[0] == "0", "no step behind the help"
    page.keyboard.press("Escape")
    assert not page.is_visible("dialog#help")


@pytest.mark.usefixtures("quiet")
def test_paper_has_every_hop(browser: Browser, tmp_path: Path) -> None:
    page = browser.page(written(tmp_path, mlp_walk(20)), 717)
    hidden = (
        "document.querySelector('#walk .scroll').scrollHeight - document.querySelector('#walk .scroll').clientHeight"
    )
    assert page.evaluate(hidden) > 0, "on a screen the long table scrolls"
    page.emulate_media(media="print")
    assert page.evaluate(hidden) == 0
    assert page.locator("#walk .scroll tbody tr").count() == page.locator("section.screen:visible").count() - 1


@pytest.mark.parametrize("width", [1440, 800, 600])
@pytest.mark.usefixtures("quiet")
def test_no_sideways_scrolling(browser: Browser, tmp_path: Path, width: int) -> None:
    focus = mlp_walk(4).hops[0].focus
    hops = [residual(), attention(), dozen(), hostile().hops[0], *mlp_walk(4).hops]
    hops = [msgspec.structs.replace(h, number=i + 1, focus=h.focus or focus) for i, h in enumerate(hops)]
    page = browser.page(written(tmp_path, walk_of(*hops)), width)
    page.eval_on_selector_all("details", "all => all.forEach(d => { d.open = true; })")
    for _ in range(len(hops) + 1):
        for key in ("f", "u", "Escape"):
            page.keyboard.press(key)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, shown(page)
        page.keyboard.press("ArrowRight")
    assert shown(page)[0] == str(len(hops))


@pytest.mark.usefixtures("quiet")
def test_no_trap_of_a_name_goes_off(browser: Browser, tmp_path: Path) -> None:
    page = browser.page(written(tmp_path, hostile()) + "#hop=1")
    assert page.query_selector("img") is None


@pytest.mark.parametrize("name", ["none", "nan"])
@pytest.mark.usefixtures("quiet")
def test_odd_walks_run_without_complaint(browser: Browser, tmp_path: Path, name: str) -> None:
    shown(browser.page(written(tmp_path, ODD[name]) + "#hop=2"))


@pytest.mark.parametrize("name", ["resnet", "transformer", "gru", "lstm"])
@pytest.mark.usefixtures("quiet")
def test_real_walks_are_stepped_through(browser: Browser, tmp_path: Path, name: str) -> None:
    walk = explain(*ZOO[name]())
    page = browser.page(written(tmp_path, walk), 800, "light")
    for hop in walk.hops:
        page.keyboard.press("ArrowRight")
        assert shown(page)[0] == str(hop.number)
        assert page.evaluate("document.documentElement.scrollWidth") <= 800
    unlabelled = page.eval_on_selector_all(
        "svg[role=img]", "all => all.filter(s => !s.getAttribute('aria-label')).length"
    )
    assert unlabelled == 0


@pytest.mark.usefixtures("quiet")
def test_fifty_layers_are_one_small_file(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model: nn.Module = sigmoid_chain(50, 64)
    url = written(tmp_path, explain(model, (torch.randn(32, 64), torch.randint(0, 10, (32,))), classified))
    assert (tmp_path / "walk.html").stat().st_size < MOST_BYTES
    page = browser.page(url)
    page.keyboard.press("End")
    assert shown(page)[0] == "50"
    height = page.evaluate("document.documentElement.scrollHeight")
    assert height <= 1200, "a hop is about one screen"
