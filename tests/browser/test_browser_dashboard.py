"""The dashboard in a browser: list, run, slider, live, comparison, trial, states; nothing leaves the machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser
from playwright.sync_api import Page, expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "server"))

from server_process import Served, Writer, served
from server_runs import HOSTILE, healthy_run, put, put_all, put_trial, trial

from gradiometer.server.names import identifier

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("quiet")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("shown") / "runs"
    put_all(folder)
    put_trial(folder / "trial.gmr", trial())
    with served(folder) as one:
        yield one


def at(served_at: Served, path: str) -> str:
    """An address with the token."""
    return f"{served_at.base}{path}{'&' if '?' in path else '?'}token=right"


def expected(browser: Browser, page: Page, status: str) -> None:
    """Wait for the browser's own word on an answer that a test asks for, which may come late, and take it out."""
    for _ in range(100):
        if any(status in error for error in browser.complaints.errors):
            break
        page.wait_for_timeout(50)
    assert any(status in error for error in browser.complaints.errors)
    browser.complaints.errors[:] = [error for error in browser.complaints.errors if status not in error]


def run_page(browser: Browser, server: Served, name: str, query: str = "", width: int = 1440) -> Page:
    page = browser.page(at(server, f"/runs/{identifier(name)}{query}"), width)
    page.wait_for_selector("#profile .main-svg")
    return page


def judged_list(browser: Browser, server: Served, query: str = "", width: int = 1440) -> Page:
    page = browser.page(at(server, f"/{query}"), width)
    page.wait_for_selector("table.runs")
    expect(page.locator("table.runs")).not_to_contain_text("not yet judged")
    return page


def names(page: Page) -> list[str]:
    return page.locator("table.runs tbody tr[data-id] a code").all_inner_texts()


def test_the_list_shows_all_and_names_what_it_cannot_read(browser: Browser, server: Served) -> None:
    page = judged_list(browser, server)
    assert "token" not in page.url
    assert set(names(page)) >= {"digits-sigmoid-20", "healthy", HOSTILE[0]}
    text = page.inner_text("table.runs")
    assert "Vanishing" in text and "Nothing found" in text
    assert "out.gmr is a link that leads out of the folder" in text
    assert page.locator("tr[data-problem]").count() == 2
    assert page.locator("svg.spark").count() >= 4
    assert page.evaluate("document.querySelectorAll('main script, main img').length") == 0


def test_the_list_is_filtered_and_sorted_and_the_address_keeps_it(browser: Browser, server: Served) -> None:
    page = judged_list(browser, server)
    page.keyboard.press("/")
    page.keyboard.type("activation-shrinks")
    expect(page.locator("table.runs tbody tr[data-id]")).not_to_have_count(0)
    assert "healthy" not in names(page)
    assert "filter=activation-shrinks" in page.url
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("nothing-of-the-kind")
    expect(page.locator("main")).to_contain_text("No run matches")
    again = judged_list(browser, server, "?show=clear&sort=run&order=up")
    assert names(again)[0] == "healthy" and "digits-sigmoid-20" not in names(again)
    assert again.get_attribute("th:has-text('run')", "aria-sort") == "ascending"
    again.click("th button:has-text('last')")
    assert "sort=loss" in again.url
    again.click("button:has-text('Findings')")
    assert "healthy" not in names(again)


def test_a_run_is_opened_and_two_are_compared_by_keys(browser: Browser, server: Served) -> None:
    page = judged_list(browser, server, "?sort=run&order=up")
    at_healthy = names(page).index("healthy")
    for _ in range(at_healthy):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("x")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("x")
    expect(page.locator("tr.marked")).to_have_count(2)
    page.keyboard.press("c")
    page.wait_for_selector("#compare .main-svg")
    assert "/compare?a=" in page.url
    page.go_back()
    page.wait_for_selector("table.runs")
    page.click("a:has-text('healthy')")
    page.wait_for_selector("#profile .main-svg")
    assert page.url.endswith(f"/runs/{identifier('healthy.gmr')}")


def test_the_slider_moves_the_profile_through_the_training(browser: Browser, server: Served) -> None:
    page = run_page(browser, server, "healthy.gmr")
    title = page.locator(".middle h2").first
    expect(title).to_have_text("Error profile at step 20, against step 0")
    page.keyboard.press("ArrowLeft")
    expect(title).to_have_text("Error profile at step 10, against step 0")
    assert "step=10" in page.url
    page.keyboard.press("Home")
    expect(title).to_have_text("Error profile at step 0")
    page.focus("input[type=range]")
    page.keyboard.press("ArrowRight")
    expect(title).to_have_text("Error profile at step 10, against step 0")
    assert page.get_attribute("input[type=range]", "aria-valuetext") == "step 10"
    box = page.locator("input[type=range]").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 8 + 0.5 * (box["width"] - 16), box["y"] + box["height"] / 2)
    expect(title).to_have_text("Error profile at step 20, against step 0")  # nearest to the middle of 0 to 39


def test_play_goes_through_all_steps_and_stops(browser: Browser, server: Served) -> None:
    page = run_page(browser, server, "healthy.gmr")
    page.evaluate(
        "window.titles = []; const title = document.querySelector('.middle h2');"
        "new MutationObserver(() => window.titles.push(title.textContent)).observe(title, { childList: true });"
    )
    page.keyboard.press(" ")
    expect(page.locator("button:has-text('Pause')")).to_be_visible()
    expect(page.locator("button:has-text('Play')")).to_be_visible(timeout=10_000)
    seen = page.evaluate("window.titles")
    assert [t.split(",")[0] for t in seen] == [f"Error profile at step {s}" for s in (0, 10, 20)]


def test_a_deep_link_opens_model_step_and_site(browser: Browser, server: Served) -> None:
    page = run_page(browser, server, "vanishing.gmr", "?model=net&step=1&site=12")
    expect(page.locator(".middle h2").first).to_have_text("Error profile at step 1, against step 0")
    expect(page.locator(".middle h2").nth(1)).to_have_text("At 12")
    assert page.locator("tr[aria-current=true]").inner_text().startswith("13 → 12")
    page.click("button[data-site='5']")
    assert "site=5" in page.url
    expect(page.locator(".middle h2").nth(1)).to_have_text("At 5")


def test_findings_stand_with_their_evidence_and_the_command(browser: Browser, server: Served) -> None:
    page = run_page(browser, server, "vanishing.gmr")
    card = page.locator("article.card").first
    expect(card).to_contain_text("Vanishing")
    expect(card).to_contain_text("limit −3")
    expect(page.locator(".right pre")).to_have_text("gradiometer prove train.py")
    expect(page.locator(".happened li").filter(has_text="finding")).to_contain_text("activation-shrinks-error")
    assert page.locator(".gains tr.beyond").count() == 19
    assert page.inner_text(".gains tr.beyond td.n >> nth=0") == "×0.14"


@pytest.mark.parametrize("i", range(len(HOSTILE)))
def test_hostile_names_are_text(browser: Browser, server: Served, i: int) -> None:
    page = run_page(browser, server, f"hostile-{i}.gmr")
    assert page.title().startswith(HOSTILE[i].replace("\0", "\ufffd")[:6]) or "\0" in HOSTILE[i]
    assert page.evaluate("document.querySelectorAll('main script, main img, header img').length") == 0
    assert page.locator("#crumbs code").inner_text().strip() != ""


def test_a_growing_run_is_followed_and_a_moved_slider_stays(browser: Browser, tmp_path: Path) -> None:
    with served(tmp_path) as server, Writer(tmp_path / "live.gmr") as writer:
        page = run_page(browser, server, "live.gmr")
        title = page.locator(".middle h2").first
        expect(title).to_have_text("Error profile at step 20, against step 0")
        expect(page.locator(".pill")).to_have_text("live, step 20")
        writer.say("grow")
        expect(title).to_have_text("Error profile at step 30, against step 0", timeout=10_000)
        expect(page.locator(".pill")).to_have_text("live, step 30")
        assert page.input_value("input[type=range]") == "30"
        page.keyboard.press("ArrowLeft")
        expect(title).to_have_text("Error profile at step 20, against step 0")
        writer.say("grow")
        expect(page.locator(".pill")).to_have_text("live, step 40", timeout=10_000)
        expect(title).to_have_text("Error profile at step 20, against step 0")
        page.keyboard.press("g")
        expect(title).to_have_text("Error profile at step 40, against step 0")
        assert "step=" not in page.url
        writer.say("close")
        expect(page.locator(".pill")).to_have_text("done, step 40", timeout=10_000)
        page.goto("about:blank")


def test_a_lost_connection_is_told_and_comes_back_by_itself(browser: Browser, tmp_path: Path) -> None:
    with Writer(tmp_path / "live.gmr") as writer:
        with served(tmp_path) as server:
            page = run_page(browser, server, "live.gmr")
            expect(page.locator(".pill")).to_have_text("live, step 20")
        box = page.locator("#connection")
        expect(box).to_contain_text("Not connected since")
        expect(box).to_contain_text("Showing step 20, the last that arrived.")
        writer.say("grow")
        with served(tmp_path, int(server.base.rpartition(":")[2])):
            expect(page.locator(".pill")).to_have_text("live, step 30", timeout=10_000)
            expect(box).to_be_hidden()
            page.goto("about:blank")
    refused = [e for e in browser.complaints.errors if "ERR_CONNECTION_REFUSED" in e or "ERR_INCOMPLETE" in e]
    browser.complaints.errors[:] = [e for e in browser.complaints.errors if e not in refused]


def test_an_empty_folder_says_how_it_is_filled_and_then_is(browser: Browser, tmp_path: Path) -> None:
    with served(tmp_path) as server:
        page = browser.page(at(server, "/"))
        expect(page.locator("main")).to_contain_text("gradiometer run train.py")
        put(tmp_path / "healthy.gmr", healthy_run())
        expect(page.locator("table.runs a")).to_have_text("healthy", timeout=5000)
        page.goto(f"{server.base}/trials")
        expect(page.locator("main")).to_contain_text("gradiometer prove train.py")
        page.goto("about:blank")


def test_a_page_opened_before_its_run_waits_for_it(browser: Browser, tmp_path: Path) -> None:
    with served(tmp_path) as server:
        page = browser.page(at(server, f"/runs/{identifier('later.gmr')}?wait=1"))
        expect(page.locator("main")).to_contain_text("Waiting for the training to begin")
        put(tmp_path / "later.gmr", healthy_run())
        page.wait_for_selector("#profile .main-svg")
        page.goto("about:blank")
    browser.complaints.errors[:] = [e for e in browser.complaints.errors if "404" not in e]


def test_before_the_first_backward_pass_the_axes_stand(browser: Browser, tmp_path: Path) -> None:
    import dataclasses

    run = healthy_run()
    put(tmp_path / "early.gmr", dataclasses.replace(run, frames=(), curves={}), close=False)
    with served(tmp_path) as server:
        page = browser.page(at(server, f"/runs/{identifier('early.gmr')}"))
        expect(page.locator(".waiting")).to_contain_text("10 sites found, first backward pass not seen yet")
        expect(page.locator(".waiting")).to_contain_text("LOSS")
        page.goto("about:blank")


@pytest.mark.parametrize("name", ["damaged.gmr", "out.gmr"])
def test_what_cannot_be_read_has_a_page_that_says_why(browser: Browser, server: Served, name: str) -> None:
    page = browser.page(at(server, f"/runs/{identifier(name)}"))
    expect(page.locator("main h1")).to_have_text(f"{name} cannot be read")
    expected(browser, page, "409")


def test_without_the_token_there_is_one_sentence(browser: Browser, server: Served) -> None:
    page = browser.page(f"{server.base}/")
    expect(page.locator("body")).to_contain_text("Open the whole address that gradiometer printed")
    expected(browser, page, "403")


def test_a_trial_has_its_charts(browser: Browser, server: Served) -> None:
    page = browser.page(at(server, "/trials"))
    page.click("a:has-text('train.py')")
    page.wait_for_selector("#forest .main-svg")
    expect(page.locator("h1")).to_contain_text("With tanh the loss ends 2.1 lower")


def test_two_runs_at_a_step_of_both(browser: Browser, server: Served) -> None:
    a, b = identifier("vanishing.gmr"), identifier("healthy.gmr")
    page = browser.page(at(server, f"/compare?a={a}&b={b}"))
    page.wait_for_selector("#compare .main-svg")
    expect(page.locator("h1")).to_contain_text("decades more error")
    expect(page.locator(".pairs")).to_contain_text("at step 0 of both")


def test_colours_follow_the_system(browser: Browser, server: Served) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page = browser.page(at(server, "/"), scheme=scheme)  # type: ignore[arg-type]
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(255, 255, 255)", "rgb(18, 20, 23)"]


def test_files_of_a_chart_are_saved(browser: Browser, server: Served, tmp_path: Path) -> None:
    page = run_page(browser, server, "vanishing.gmr")
    for kind in ("csv", "svg", "png"):
        with page.expect_download() as waiting:
            page.click(f"button[data-save={kind}][data-for=profile]")
        path = tmp_path / f"saved.{kind}"
        waiting.value.save_as(path)
        assert os.path.getsize(path) > 500
    assert (tmp_path / "saved.csv").read_text(encoding="utf-8").startswith('"site"')


def test_the_playground_is_a_place_of_the_dashboard(browser: Browser, server: Served) -> None:
    page = browser.page(at(server, "/"))
    page.click("nav.places >> text=Playground")
    expect(page.locator("#headline")).to_contain_text("40 layers")
    expect(page.locator("#lead")).to_contain_text("real networks")
    page.locator("h1").click()
    page.keyboard.press("c")
    expect(page.locator("#headline")).to_contain_text("This is the critical line.")
