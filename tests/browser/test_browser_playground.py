"""The playground in a real browser: its script beside `theory`, controls, address, ring, tables; no complaint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from chromium import Browser, Complaints, until
from playground_reference import by_theory, plain, random_settings
from playwright.sync_api import Page

from gradiometer import theory
from gradiometer.views.html_playground import playground_page

pytestmark = pytest.mark.browser

TOLERANCE_DECADES = 1e-3
"""Of the change over a whole network, of up to 100 layers, by interpolated tables; told with one decimal."""
TOLERANCE_GAIN = 1e-4
NODES = [float(weight) for weight in np.linspace(0.05, 4, 40)]
MAPPED = [setting | {"skip": "none", "norm": "none"} for setting in random_settings()[:60]]
NORMED = ("relu", "tanh", "sigmoid")
LINES = (("tanh", 0.05), ("tanh", 0.4), ("hardtanh", 0.1), ("relu", 0.0), ("elu", 0.2), ("sigmoid", 0.1))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("playground") / "play.html"
    file.write_text(playground_page(), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def answers(browser: Browser, address: str) -> dict[str, list[Any]]:
    """What the page's own script says to every setting that is asked here, in one go."""
    page = browser.page(address)
    asks = {
        "predict": ("all => all.map((s) => Playground.theory.predict(s))", random_settings()),
        "gain": ("all => all.map((s) => Playground.theory.gain(s))", MAPPED),
        "norm": ("all => all.map((s) => Playground.theory.gain(s))", [plain(k) | {"norm": "layer"} for k in NORMED]),
        "critical": (f"all => all.map((s) => Playground.theory.critical(s, {NODES}))", [plain(*at) for at in LINES]),
    }
    return {name: page.evaluate(script, asked) for name, (script, asked) in asks.items()}


def test_the_pages_script_predicts_what_theory_does_at_200_random_settings(answers: dict[str, list[Any]]) -> None:
    for setting, answer in zip(random_settings(), answers["predict"], strict=True):
        chain, variances = by_theory(setting)
        line, band, q = (np.array(answer[key], dtype=float) for key in ("decades", "band", "variances"))
        assert np.max(np.abs(line[1:] - chain.decades), initial=0) < TOLERANCE_DECADES, setting
        assert np.max(np.abs(band[1:] - chain.band_decades), initial=0) < TOLERANCE_DECADES, setting
        np.testing.assert_allclose(q, variances, rtol=1e-3, err_msg=str(setting))


def test_a_layer_norm_without_biases_is_the_hop_of_theory(answers: dict[str, list[Any]]) -> None:
    expected = [theory.ln_hop(theory.activation(kind)) ** 0.5 for kind in NORMED]
    assert answers["norm"] == pytest.approx(expected, rel=1e-6)


def test_the_phase_map_is_the_outlook_of_theory(answers: dict[str, list[Any]]) -> None:
    for setting, gain in zip(MAPPED, answers["gain"], strict=True):
        expected = theory.outlook(theory.activation(setting["activation"]), setting["weight"], setting["bias"]).gain
        assert gain == pytest.approx(expected, rel=TOLERANCE_GAIN), setting


def test_the_critical_line_is_the_one_of_theory(answers: dict[str, list[Any]]) -> None:
    for (kind, bias), found in zip(LINES, answers["critical"], strict=True):
        expected = theory.critical_at_bias(theory.activation(kind), bias)
        reached = [] if expected is None or expected.sigma_w2 > NODES[-1] else [expected.sigma_w2]
        assert found == pytest.approx(reached, rel=1e-4), kind


def told(page: Page, selector: str = "#headline") -> str:
    return page.inner_text(selector)


def test_the_sentence_follows_the_sliders_by_keyboard(browser: Browser, address: str, quiet: Complaints) -> None:
    page = browser.page(address)
    before = told(page)
    assert "predicted" in before
    assert "40 layers" in before
    page.focus("#depth")
    page.keyboard.press("End")
    until(page, "document.querySelector('#headline').textContent.includes('100 layers')")
    page.focus("input[name=activation]:checked")
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('#map-caption').textContent.startsWith('ReLU')")
    assert told(page) != before


def test_the_address_keeps_the_settings_and_forgives_nonsense(
    browser: Browser, address: str, quiet: Complaints
) -> None:
    page = browser.page(address)
    page.focus("#weight")
    page.keyboard.press("ArrowRight")
    until(page, "location.hash.includes('weight=1.31')")
    again = browser.page(page.url)
    assert again.evaluate("Playground.read().weight") == pytest.approx(1.31)
    odd = browser.page(address + "#weight=99&depth=x&activation=%3Cb%3E&width=100&skip=root")
    read = odd.evaluate("Playground.read()")
    assert read == {
        "activation": "tanh", "depth": 40, "width": 128, "weight": 4, "bias": 0.05, "skip": "root", "norm": "none",
    }  # fmt: skip


def test_the_ring_is_dragged_and_the_cure_keeps_the_error(browser: Browser, address: str, quiet: Complaints) -> None:
    page = browser.page(address)
    box = page.locator("#ring").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y - 60, steps=4)
    page.mouse.up()
    until(page, "Playground.read().weight > 1.8 && Playground.read().bias > 0.1")
    after = page.locator("#ring").bounding_box()
    assert after is not None
    assert after["x"] == pytest.approx(box["x"] + 120, abs=3)
    assert after["y"] == pytest.approx(box["y"] - 60, abs=8)  # a step of the bias variance is 8 pixels
    page.click("#cure")
    until(page, "Math.abs(Playground.theory.gain(Playground.read()) - 1) < 3e-3")


def test_tables_hold_the_data_of_both_pictures(browser: Browser, address: str, quiet: Complaints) -> None:
    page = browser.page(address + "#depth=12")
    until(page, "document.querySelectorAll('table[data-of=profile] tbody tr').length === 12")
    rows = page.eval_on_selector_all("table[data-of=profile] tbody tr", "all => all.map(r => r.cells[1].textContent)")
    total = page.evaluate("Playground.theory.predict(Playground.read()).total")
    assert float(rows[-1].replace("−", "-")) == pytest.approx(total, abs=6e-4)
    with page.expect_download() as saved:
        page.click("button[data-for=profile][data-save=csv]")
    text = Path(saved.value.path()).read_text(encoding="utf-8")
    assert len(text.splitlines()) == 13
    with page.expect_download() as drawn:
        page.click("button[data-for=map][data-save=svg]")
    assert "<svg" in Path(drawn.value.path()).read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_at_any_width(
    browser: Browser, address: str, quiet: Complaints, scheme: Literal["dark", "light"]
) -> None:
    page = browser.page(address, scheme=scheme)
    for width in (1440, 800, 390):
        page.set_viewport_size({"width": width, "height": 900})
        until(page, f"document.querySelector('#map').clientWidth < {width}")
        page.wait_for_timeout(60)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    script = "all => all.filter(e => e.getBoundingClientRect().height < 23.9).map(e => e.outerHTML)"
    assert page.eval_on_selector_all("input, button, summary", script) == []


def test_no_other_script_may_run(browser: Browser, address: str) -> None:
    page = browser.page(address)
    alien = "const s = document.createElement('script'); s.textContent = 'window.alien = 1'; document.body.append(s);"
    page.evaluate(f"() => {{ {alien} }}")
    assert page.evaluate("window.alien") is None
    browser.complaints.clear()


def test_the_sentence_knows_what_to_move(browser: Browser, address: str, quiet: Complaints) -> None:
    page = browser.page(address)
    for hash_, words in (
        ("#activation=tanh&weight=1.3&bias=0.05", "σw² = 1.76 would"),
        ("#activation=sigmoid", "No weight variance up to 4 keeps it."),
        ("#activation=relu&norm=layer&weight=2&bias=0.2", "σb² = 0.00 would"),
        ("#activation=relu&weight=2&bias=0", "This is the critical line."),
        ("#activation=relu&weight=2&bias=0&skip=one", "With a skip of 1/√L it would grow 0."),
        ("#activation=relu&norm=batch", "Batch norm multiplies it by 1.21 a hop"),
    ):
        page.evaluate("hash => { location.hash = hash; }", hash_)
        until(page, f"document.querySelector('#headline').textContent.replaceAll('\\u00a0', ' ').includes({words!r})")
