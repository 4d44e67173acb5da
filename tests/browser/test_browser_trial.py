"""The page of a trial in a real browser, from a file: charts drawn, widths, themes; no complaint, no request."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from chromium import Browser, Complaints
from playwright.sync_api import Page, expect

from gradiometer.records import TrialResult
from gradiometer.views import trial_html

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "views"))

from test_views_html_trial import hostile, trained, whole
from test_views_trial import HELPS, RELU

pytestmark = pytest.mark.browser

CHARTS = ["forest", "curves-0", "curves-1", "curves-2", "mechanism"]


def written(folder: Path, result: TrialResult) -> str:
    file = folder / "trial.html"
    file.write_text(trial_html(result), encoding="utf-8")
    return file.as_uri()


def drawn(page: Page, chart: str) -> int:
    """How many lines and marks stand in a chart; waits until it is drawn."""
    page.wait_for_selector(f"#{chart} .main-svg", state="attached")
    return page.locator(f"#{chart} .main-svg .trace path").count()


def luminance(page: Page) -> float:
    """Of the ground that the page is written on, 0 to 1."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    numbers = [float(n) for n in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    return sum(numbers) / (3 * 255)


@pytest.mark.parametrize(("width", "scheme", "dark"), [(1440, "dark", True), (800, "light", False)])
def test_every_chart_is_drawn(
    browser: Browser, quiet: Complaints, tmp_path: Path, width: int, scheme: Literal["dark", "light"], dark: bool
) -> None:
    page = browser.page(written(tmp_path, whole()), width, scheme)
    assert page.locator(".chart").evaluate_all("all => all.map(x => x.id)") == CHARTS
    assert all(drawn(page, chart) for chart in CHARTS)
    assert (luminance(page) < 0.5) == dark
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"
    for chart in CHARTS:
        box, room = page.locator(f"#{chart} .main-svg").first.bounding_box(), page.locator(f"#{chart}").bounding_box()
        assert box is not None and room is not None and box["width"] <= room["width"] + 1, chart


def test_the_forest_has_a_row_an_arm_and_a_tick_a_pair(browser: Browser, quiet: Complaints, tmp_path: Path) -> None:
    page = browser.page(written(tmp_path, whole()))
    drawn(page, "forest")
    labels = " ".join(page.locator("#forest .main-svg text").all_text_contents())
    for arm in ("relu", "a-cure-with-a-name", "random", "sham"):
        assert arm in labels, arm
    marks = page.locator("#forest .main-svg .point").count()
    assert marks >= 3 * 8 + 4  # the pairs of three arms, four means
    fewer = browser.page(written(tmp_path, whole(HELPS)))
    drawn(fewer, "forest")
    assert fewer.locator("#forest .main-svg .point").count() < marks


def test_the_curves_of_every_seed_are_lines(browser: Browser, quiet: Complaints, tmp_path: Path) -> None:
    page = browser.page(written(tmp_path, whole()))
    drawn(page, "curves-0")
    assert page.locator("#curves-0 .main-svg path.js-line").count() >= 2
    ended = tuple(o for o in whole().outcomes if o.arm in ("none", "relu") and o.seed < 14)
    partial = browser.page(written(tmp_path, whole(outcomes=ended, verdicts=(), state="interrupted")))
    assert drawn(partial, "curves-0") and partial.locator("#forest").count() == 0


def test_arrow_keys_read_the_exact_numbers(browser: Browser, quiet: Complaints, tmp_path: Path) -> None:
    page = browser.page(written(tmp_path, whole()))
    assert read(page, "forest", "Home") == "arm relu: effect 1.970; from 1.610; to 2.140; decision helps"
    label(page, "forest", "relu: 1.97 (1.61 to 2.14)")
    assert read(page, "forest", "End") == "arm sham: effect 0; decision control"
    told = read(page, "curves-0", "End", *["ArrowDown"] * 8)  # the first seed with the cure, after eight without
    assert told == "step 10: relu, seed 11 0.3300"
    label(page, "curves-0", "relu, seed 11, step 10: 0.33")
    told = read(page, "mechanism", "Home", "ArrowDown")
    assert told.startswith("arm relu: after the cure, decades −0.2")
    label(page, "mechanism", "after the cure: −0.2 decades")
    told = read(page, "mechanism", "End")
    assert told.startswith("arm random: after the cure, decades zero")


def label(page: Page, chart: str, words: str) -> None:
    """What the picture itself says there, as soon as it is shown."""
    expect(page.locator(f"#{chart} .hoverlayer text").first).to_have_text(words)


def read(page: Page, chart: str, *keys: str) -> str:
    """What is written below a chart after these keys."""
    drawn(page, chart)
    page.locator(f"#{chart}").focus()
    for key in keys:
        page.keyboard.press(key)
    return page.locator(f"#{chart} + .told").inner_text()


def test_a_chart_is_saved_with_its_exact_numbers(browser: Browser, quiet: Complaints, tmp_path: Path) -> None:
    value, others = 0.1 + 1e-5 / 3, [o for o in whole().outcomes if (o.arm, o.seed) != ("relu", 11)]
    page = browser.page(written(tmp_path, whole(outcomes=(trained(RELU, 11, value, -0.2), *others))))
    rows = {}
    for chart in ("forest", "curves-0", "mechanism"):
        drawn(page, chart)
        with page.expect_download() as waiting:
            page.locator(f'button[data-save="csv"][data-for="{chart}"]').click()
        waiting.value.save_as(tmp_path / chart)
        rows[chart] = list(csv.reader((tmp_path / chart).read_text(encoding="utf-8").splitlines()))
    assert rows["forest"][0][:7] == ["arm", "effect", "from", "to", "decision", "there for", "seed 11"]
    assert float(rows["forest"][1][6]) == pytest.approx(2.3 - value, rel=5e-7)
    assert rows["forest"][4][2:4] == ["", ""]  # a control has no interval
    assert float(rows["curves-0"][-1][9]) == pytest.approx(value, rel=5e-7)
    after = [f"after the cure, decades{side}" for side in ("", ", from", ", to")]
    assert rows["mechanism"][0] == ["arm", "before, decades", *after, "predicted, decades"]
    assert rows["mechanism"][3] == ["random", "-18.115", "-inf", "-inf", "-inf", ""]


@pytest.mark.parametrize("state", ["finished", "interrupted"])
def test_hostile_text_does_nothing(browser: Browser, quiet: Complaints, tmp_path: Path, state: str) -> None:
    page = browser.page(written(tmp_path, msgspec.structs.replace(hostile(), state=state)))
    page.wait_for_selector(".main-svg", state="attached")
    assert page.locator("img").count() == 0
    assert "onerror" in page.inner_text("body")
