"""The report in a real browser, opened from a file: silent, offline, by keyboard, in both themes, its files saved."""

from __future__ import annotations

import csv
import math
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chromium import Browser, until
from playwright.sync_api import Page, expect

sys.path.insert(0, str(Path(__file__).parent.parent / "views"))

from views_build import Chain, diagnosis_of, run_of, sigmoid_chain, vanishing

from gradiometer.records import Event
from gradiometer.views import html_page

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'<b>"
CURVE = np.array([[s, 2.31 - 0.01 * s, 0.1] for s in range(3)])


pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("report")
    chain = sigmoid_chain()
    run = run_of(chain, curves={"net": CURVE})
    (where / "plain.html").write_text(html_page(run, diagnosis_of(run, vanishing(chain))), encoding="utf-8")
    for name, numbered in (("modules", True), ("labels", False)):
        bad = Chain([0.5] * 4, [0.2] * 4, prefix=HOSTILE + "." * numbered, name=HOSTILE, numbered=numbered)
        run = replace(run_of(bad, curves={HOSTILE: CURVE}), events=(Event(1, HOSTILE, HOSTILE, detail=HOSTILE),))
        (where / f"{name}.html").write_text(html_page(run, diagnosis_of(run, vanishing(bad))), encoding="utf-8")
    chain = Chain([0.9] * 129, [0.9] * 129, numbered=False, prefix=HOSTILE)
    run = run_of(chain)
    (where / "deep.html").write_text(html_page(run, diagnosis_of(run, vanishing(chain))), encoding="utf-8")
    return where


def opened(browser: Browser, path: Path, width: int = 1440, dark: bool = False) -> Page:
    browser.complaints.clear()
    page = browser.page(path.as_uri(), width, "dark" if dark else "light")
    expect(page.locator("#profile .main-svg").first).to_be_visible()
    return page


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (800, True)])
def test_report_is_silent_and_fits(browser: Browser, folder: Path, width: int, dark: bool) -> None:
    page = opened(browser, folder / "plain.html", width, dark)
    assert (browser.complaints.errors, browser.complaints.requests) == ([], [])
    assert page.evaluate("document.documentElement.scrollWidth") == width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(18, 20, 23)" if dark else "rgb(255, 255, 255)")
    drawn = page.evaluate("[...document.querySelectorAll('.chart')].every((c) => c.querySelector('.main-svg'))")
    assert drawn


def test_names_of_a_run_stay_text(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder / "modules.html")
    assert page.locator(".tree code", has_text="onerror=alert(1)").count() > 0
    assert page.locator("main img").count() == 0
    assert (browser.complaints.errors, browser.complaints.requests) == ([], [])
    page = opened(browser, folder / "labels.html")
    assert (browser.complaints.errors, browser.complaints.requests) == ([], [])
    assert page.locator("main img").count() == 0
    page.locator("#profile").focus()
    page.keyboard.press("End")
    assert "onerror=alert(1)" in page.locator("#profile + .told").inner_text()
    assert page.locator(".told img").count() == 0


def test_policy_runs_no_script_but_ours(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder / "plain.html")
    page.evaluate("""() => {
      const own = document.createElement("script");
      own.textContent = "window.broken = true";
      document.body.append(own);
    }""")
    assert page.evaluate("window.broken") is None
    assert any("Content Security Policy" in text for text in browser.complaints.errors)


def test_arrow_keys_read_the_exact_numbers(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder / "plain.html")
    told = page.locator("#profile + .told")
    assert told.get_attribute("aria-live") == "polite"
    page.locator("#profile").focus()
    page.keyboard.press("ArrowRight")
    assert told.inner_text().startswith("layer 20: activation, decades 0")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    assert told.inner_text().startswith("layer 1: error, decades −16.27")
    page.keyboard.press("ArrowRight")  # the last place stays the last
    assert told.inner_text().startswith("layer 1: ")
    page.keyboard.press("Escape")
    assert told.inner_text() == ""
    page.locator("#heat").focus()
    page.keyboard.press("ArrowRight")
    assert told.count() == 1
    assert page.locator("#heat + .told").inner_text().startswith("layer 20: step 0 0")
    assert browser.complaints.errors == []


def test_table_and_files_of_a_chart(browser: Browser, folder: Path, tmp_path: Path) -> None:
    page = opened(browser, folder / "plain.html")
    table = page.locator('table[data-of="profile"]')
    assert not table.is_visible()
    page.locator("figure", has=page.locator("#profile")).locator("summary").press("Enter")
    assert table.is_visible()
    for kind in ("csv", "svg", "png"):
        with page.expect_download() as waiting:
            page.locator(f'button[data-save="{kind}"][data-for="profile"]').click()
        waiting.value.save_as(tmp_path / f"profile.{kind}")
    rows = list(csv.reader((tmp_path / "profile.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0][:4] == ["layer", "activation, decades", "elasticity, decades", "error, decades"]
    assert len(rows) == 21 and float(rows[-1][3]) == pytest.approx(-16.3, abs=0.1)
    assert (tmp_path / "profile.svg").read_bytes()[:4] == b"<svg"
    assert (tmp_path / "profile.png").read_bytes()[1:4] == b"PNG"
    assert browser.complaints.errors == []


def test_group_of_a_deep_trunk_is_opened_by_key_by_click_and_by_address(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder / "deep.html", 800)
    assert page.evaluate("document.documentElement.scrollWidth") == 800
    assert page.locator("#opened").is_hidden()
    page.locator("#groups").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("#group .main-svg")
    title = page.locator("#opened h3").inner_text()
    assert title.endswith(", 4 sites") and "onerror" in title
    assert page.url.endswith("#group=1")
    page.locator("#group").focus()
    page.keyboard.press("Home")
    assert page.locator("#group + .told").inner_text().endswith("decades 0; on the trunk")
    for place in ("heat", "learning", "updates"):
        assert page.locator(f"#{place}-group").is_visible(), place
    assert len(page.evaluate("document.getElementById('heat-group').data[0].z")) == 2
    cell = page.locator("#groups .barlayer .point path").nth(3).bounding_box()
    assert cell is not None
    page.mouse.click(cell["x"] + cell["width"] / 2, cell["y"] + cell["height"] / 2)
    expect(page).to_have_url(re.compile("#group=3$"))
    again = browser.page(page.url, 1440, "dark")
    again.wait_for_selector("#group .main-svg")
    again.wait_for_selector("#learning-group .main-svg")
    assert again.locator("main img").count() == 0
    assert (browser.complaints.errors, browser.complaints.requests) == ([], [])


def test_rows_of_groups_tell_every_number_and_open(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder / "deep.html")
    page.locator("#heat").focus()
    for key in ("Home", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    told = page.locator("#heat + .told").inner_text()
    law = [f"{k * 2 * math.log10(0.9):.4f}".replace("-", "−") for k in (2, 3)]
    assert f": step 1 {law[1]}; " in told and told.endswith(f"; at site {HOSTILE}252; 2 sites: {law[1]} to {law[0]}")
    label = page.locator("#heat .hoverlayer text")
    expect(label).to_contain_text(f"step 1: {law[1]} decades")
    expect(label).to_contain_text(f"2 sites: {law[1]} to {law[0]}")
    page.keyboard.press("Enter")
    page.wait_for_selector("#heat-group .main-svg")
    assert page.url.endswith("#group=1")
    assert (
        page.locator("#heat-group")
        .evaluate("box => box.parentElement.querySelector('h3').textContent")
        .endswith(", 2 sites")
    )
    page.locator("#heat-group").focus()
    page.keyboard.press("Home")
    assert page.locator("#heat-group + .told").inner_text().startswith(f"site {HOSTILE}254: step 0 {law[0]}")
    page.locator("#learning .scatterlayer .point").nth(5).scroll_into_view_if_needed()
    dot = page.locator("#learning .scatterlayer .point").nth(5).bounding_box()
    assert dot is not None
    page.mouse.click(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
    expect(page).to_have_url(re.compile("#group=5$"))
    assert page.locator("main img").count() == 0
    assert (browser.complaints.errors, browser.complaints.requests) == ([], [])


SHEET = "[...document.styleSheets[0].cssRules].filter((r) => r instanceof CSSPageRule).map((r) => r.cssText).join()"


def test_on_paper_guilt_is_hatched_and_nothing_is_to_be_clicked(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder / "plain.html", 717, dark=True)
    bar = "document.querySelector('#profile').data.find((t) => t.name === 'σ′').marker"
    assert page.evaluate(f"{bar}.pattern") is None
    assert not page.locator(".definitions table").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    until(page, f"{bar}.pattern && {bar}.color.includes('#BA1400')")  # that of the light palette
    colours = page.evaluate(f"{bar}.color")
    assert page.evaluate(f"{bar}.pattern.shape") == ["/" if colour == "#BA1400" else "" for colour in colours]
    dots = "document.querySelector('#learning').data[0].marker.color"
    until(page, f"{dots}[0] === '#FFFFFF'")  # hollow at the loss, to which no guilty hop leads
    assert page.evaluate(dots) == ["#FFFFFF"] + ["#BA1400"] * 19
    for what in ("button", "summary:has-text('Table')", ".told", ".by-hand"):
        assert not any(one.is_visible() for one in page.locator(what).all()), what
    assert page.locator(".definitions table").is_visible()
    for what in (".card", "figure", "pre"):
        assert page.locator(what).first.evaluate("one => getComputedStyle(one).breakInside") == "avoid", what
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    until(page, f"!{bar}.pattern")
    expect(page.locator(".definitions table")).to_be_hidden()
    assert (browser.complaints.errors, browser.complaints.requests) == ([], [])


def test_no_chart_on_paper_is_taller_than_180_mm(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder / "deep.html", 717)
    tallest = "Math.max(...[...document.querySelectorAll('.chart')].map((c) => c.clientHeight))"
    assert page.evaluate(tallest) > 680
    page.emulate_media(media="print")
    until(page, f"{tallest} === 680")


def test_foot_of_a_sheet_names_the_run_and_no_name_ends_its_rule(browser: Browser, folder: Path) -> None:
    name = 'a"}</style><img src=x onerror=alert(1)>*{color:red}'
    run = run_of(sigmoid_chain(), name=name)
    (folder / "named.html").write_text(html_page(run, diagnosis_of(run)), encoding="utf-8")
    page = opened(browser, folder / "named.html")
    sheet = page.evaluate(SHEET)
    assert "counter(page)" in sheet and name.replace('"', '\\"') in sheet
    assert page.locator("img").count() == 0
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(71, 76, 84)"
    assert (browser.complaints.errors, browser.complaints.requests) == ([], [])
