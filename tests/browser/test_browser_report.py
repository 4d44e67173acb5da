"""The report of a run, opened from a file: what it draws, what it does, and that it asks for nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser
from playwright.sync_api import Page, expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "server"))

from server_runs import HOSTILE, hostile_run, vanishing_run

from gradiometer.diagnosis import diagnose
from gradiometer.records import Run
from gradiometer.views import html_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


@pytest.fixture(autouse=True)
def quiet(browser: Browser) -> Iterator[None]:
    """No error on the console, a refused script among them, and no request."""
    browser.complaints.clear()
    yield
    assert browser.complaints.errors == []
    assert browser.complaints.requests == []


def opened(browser: Browser, folder: Path, run: Run, width: int = 1440) -> Page:
    file = folder / "report.html"
    file.write_text(html_page(run, diagnose(run)), encoding="utf-8")
    page = browser.page(file.as_uri(), width)
    expect(page.locator("#profile .main-svg").first).to_be_visible()
    return page


@pytest.mark.parametrize("width", [1440, 800])
def test_every_chart_is_drawn_inside_the_page(browser: Browser, tmp_path: Path, width: int) -> None:
    page = opened(browser, tmp_path, vanishing_run(), width)
    ids = page.evaluate("[...document.querySelectorAll('.chart')].map((e) => e.id)")
    assert {"profile", "heat", "learning", "loss", "cure-0"} <= set(ids)
    for name in ids:
        expect(page.locator(f"#{name} .main-svg").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_table_of_a_chart_opens_by_keyboard_and_its_data_can_be_saved(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, vanishing_run())
    figure = page.locator("figure", has=page.locator("#profile"))
    figure.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(figure.locator("table")).to_be_visible()
    with page.expect_download() as saved:
        figure.get_by_role("button", name="CSV").click()
    rows = Path(saved.value.path()).read_text().splitlines()
    assert rows[0].startswith('"site"') and len(rows) == 1 + figure.locator("tbody tr").count()
    cells = [cell.strip('"') for row in rows[1:] for cell in row.split('","')[1:4]]
    assert min(float(cell) for cell in cells) < -10  # numbers, as a spreadsheet reads them
    with page.expect_download() as drawn:
        figure.get_by_role("button", name="SVG").click()
    assert Path(drawn.value.path()).read_text().lstrip().startswith("<svg")


def test_the_theme_is_followed_while_the_page_is_open(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, vanishing_run())
    ground = "getComputedStyle(document.body).backgroundColor"
    tick = "getComputedStyle(document.querySelector('#profile .xtick text')).fill"
    dark = page.evaluate(f"[{ground}, {tick}]")
    page.emulate_media(color_scheme="light")
    for _ in range(100):  # no function of a test may wait inside the page: it runs its own scripts alone
        if page.evaluate(tick) != dark[1]:
            break
        page.wait_for_timeout(50)
    light = page.evaluate(f"[{ground}, {tick}]")
    assert light[0] != dark[0] and light[1] != dark[1]


def test_definitions_open(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, vanishing_run())
    page.get_by_text("How each number is defined").click()
    expect(page.get_by_role("cell", name="‖ΔW‖ / ‖W‖", exact=True)).to_be_visible()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_run_nothing(browser: Browser, tmp_path: Path, text: str) -> None:
    page = opened(browser, tmp_path, hostile_run(text))
    assert page.locator("img").count() == 0 and page.evaluate("document.scripts.length") == 3
