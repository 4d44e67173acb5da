"""The playground of the dashboard in a browser: the network in PyTorch beside theory, and its training."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser
from playwright.sync_api import Page, expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "server"))

from server_process import Served, served_with_worker, worker_pid

pytestmark = [pytest.mark.browser, pytest.mark.torch, pytest.mark.usefixtures("quiet")]

SMALL = "#depth=6&width=16&weight=1.7"
SLOW_MS = 60_000  # the worker loads torch, on a machine that may be busy


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_with_worker(tmp_path_factory.mktemp("runs")) as one:
        yield one


def opened(browser: Browser, server: Served, width: int = 1440) -> Page:
    """The page, once the network of its controls was measured."""
    page = browser.page(f"{server.base}/playground?token=right{SMALL}", width)
    expect(page.locator("#loss-caption")).to_contain_text("at initialisation", timeout=SLOW_MS)
    return page


def shown(page: Page) -> list[str]:
    """The column of the network in PyTorch in the table of the profile."""
    return page.eval_on_selector_all("table[data-of=profile] tbody tr", "all => all.map(r => r.cells[6]?.textContent)")


def test_the_network_is_measured_again_where_a_control_moves(browser: Browser, server: Served) -> None:
    page = opened(browser, server)
    assert "within the band of theory" in page.inner_text("#loss-caption")
    before = shown(page)
    assert before[0] == "0.000"
    assert len(before) == 6
    page.focus("#depth")
    page.keyboard.press("ArrowRight")
    expect(page.locator("table[data-of=profile] tbody tr:nth-child(7) td:nth-child(7)")).not_to_have_text("—")
    page.click("#redraw")
    drawn = page.locator("table[data-of=profile] tbody tr:nth-child(7) td:nth-child(7)")
    last = drawn.inner_text()
    expect(drawn).not_to_have_text(last)


def test_a_training_moves_the_profile_and_the_loss_and_is_stopped(browser: Browser, server: Served) -> None:
    page = opened(browser, server)
    first = shown(page)
    page.check("input[name=optimizer][value=adam]", force=True)
    assert page.inner_text("#rate-out") == "0.001"
    page.keyboard.press("t")
    expect(page.locator("#train")).to_have_text("Stop")
    expect(page.locator("#loss-caption")).to_contain_text("of 400, Adam at 0.001: loss", timeout=SLOW_MS)
    page.wait_for_selector("#loss .main-svg")
    expect(page.locator("#loss-caption")).to_contain_text("Trained 400 steps", timeout=SLOW_MS)
    assert "of the test digits right" in page.inner_text("#loss-caption")
    assert shown(page) != first
    rows = page.locator("table[data-of=loss] tbody tr")
    assert rows.last.locator("td").first.text_content() == "400"
    page.click("#train")
    expect(page.locator("#loss-caption")).to_contain_text("Step ", timeout=SLOW_MS)
    page.click("#train")
    expect(page.locator("#loss-caption")).to_contain_text("Stopped after step")
    expect(page.locator("#train")).to_have_text("Train this network")
    for width in (1440, 800, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_says_what_happened_to_the_worker_and_goes_on(browser: Browser, server: Served) -> None:
    page = opened(browser, server)
    page.click("#train")
    expect(page.locator("#loss-caption")).to_contain_text("Step ", timeout=SLOW_MS)
    os.kill(worker_pid(), signal.SIGKILL)
    expect(page.locator("#loss-caption")).to_contain_text("ended by SIGKILL")
    expect(page.locator("#train")).to_have_text("Train this network")
    page.focus("#depth")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#loss-caption")).to_contain_text("at initialisation", timeout=SLOW_MS)
