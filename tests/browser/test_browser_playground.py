"""The playground in a real browser: its script beside `theory`, controls, address, ring, tables; no complaint."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from chromium import Browser, Complaints
from playwright.sync_api import Page

from gradiometer import theory
from gradiometer.views import playground
from gradiometer.views.html_playground import playground_page

pytestmark = pytest.mark.browser

TOLERANCE_DECADES = 1e-3
"""Of the change over a whole network, of up to 100 layers, by interpolated tables; told with one decimal."""
TOLERANCE_GAIN = 1e-4
SETTINGS = 200


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("playground") / "play.html"
    file.write_text(playground_page(), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def quiet(browser: Browser) -> Iterator[Complaints]:
    browser.complaints.clear()
    yield browser.complaints
    assert browser.complaints.errors == []
    assert browser.complaints.requests == []


def settings() -> list[dict[str, Any]]:
    """Random settings all over the controls, the same ones each time."""
    rng = np.random.default_rng(20)
    kinds, skips, norms = (
        [c.key for c in all_] for all_ in (playground.ACTIVATIONS, playground.SKIPS, playground.NORMS)
    )
    return [
        {
            "activation": kinds[i % len(kinds)],
            "skip": str(rng.choice(skips)),
            "norm": str(rng.choice(norms)),
            "depth": int(rng.integers(2, 101)),
            "width": int(2 ** rng.integers(3, 13)),
            "weight": round(float(rng.uniform(0.05, 4)), 2),
            "bias": float(rng.choice([0.0, round(float(rng.uniform(0, 0.4)), 2)])),
        }
        for i in range(SETTINGS)
    ]


def plain(kind: str, bias: float = 0.0) -> dict[str, Any]:
    """A setting without skip and norm."""
    numbers = {"depth": 40, "width": 64, "weight": 1.7, "bias": bias}
    return {"activation": kind, "skip": "none", "norm": "none"} | numbers


def by_theory(s: dict[str, Any]) -> tuple[theory.ErrorChain, list[float]]:
    """The same prediction by the functions of `theory` alone; and the variance at each layer, layer 1 first."""
    act, w, b = theory.activation(s["activation"]), s["weight"], s["bias"]
    alpha = {"none": 0.0, "one": 1.0, "root": 1 / math.sqrt(s["depth"])}[s["skip"]]
    q = w if s["norm"] == "batch" else w + b
    gains, noises, variances = [], [], [q]
    for _ in range(s["depth"] - 1):
        seen = q if s["norm"] == "none" else 1.0
        added = w * float(act.variance(1.0)) if s["norm"] == "batch" else float(theory.variance_map(act, w, b, seen))
        chi, noise = float(theory.chi(act, w, seen)), float(act.kappa_backward(seen))
        if s["skip"] != "none":
            chi = chi if s["norm"] == "none" else chi / q
            total = float(theory.residual_gain(chi, alpha)) ** 2
            part = 1 - 1 / total
            gains.append(total)
            noises.append(part**2 * noise + 4 * part * (1 - part))
            q += alpha**2 * added
        else:
            hop = {"none": chi, "batch": theory.bn_hop(act), "layer": chi / added}[s["norm"]]
            gains.append(hop)
            noises.append(noise)
            q = added
        variances.append(q)
    return theory.error_chain(gains[::-1], noises[::-1], s["width"]), variances


def test_the_pages_script_predicts_what_theory_does_at_200_random_settings(
    browser: Browser, address: str, quiet: Complaints
) -> None:
    page = browser.page(address)
    asked = settings()
    told = page.evaluate("all => all.map((s) => Playground.theory.predict(s))", asked)
    for setting, answer in zip(asked, told, strict=True):
        chain, variances = by_theory(setting)
        line, band, q = (np.array(answer[key], dtype=float) for key in ("decades", "band", "variances"))
        assert np.max(np.abs(line[1:] - chain.decades), initial=0) < TOLERANCE_DECADES, setting
        assert np.max(np.abs(band[1:] - chain.band_decades), initial=0) < TOLERANCE_DECADES, setting
        np.testing.assert_allclose(q, variances, rtol=1e-3, err_msg=str(setting))


def test_a_layer_norm_without_biases_is_the_hop_of_theory(browser: Browser, address: str, quiet: Complaints) -> None:
    page = browser.page(address)
    for kind in ("relu", "tanh", "sigmoid"):
        setting = {
            "activation": kind,
            "depth": 9,
            "width": 64,
            "weight": 1.7,
            "bias": 0,
            "skip": "none",
            "norm": "layer",
        }
        gain = page.evaluate("s => Playground.theory.gain(s)", setting)
        assert gain**2 == pytest.approx(theory.ln_hop(theory.activation(kind)), rel=1e-6)


def test_the_phase_map_is_the_outlook_of_theory(browser: Browser, address: str, quiet: Complaints) -> None:
    asked = [s | {"skip": "none", "norm": "none"} for s in settings()[:60]]
    told = browser.page(address).evaluate("all => all.map((s) => Playground.theory.gain(s))", asked)
    for setting, gain in zip(asked, told, strict=True):
        expected = theory.outlook(theory.activation(setting["activation"]), setting["weight"], setting["bias"]).gain
        assert gain == pytest.approx(expected, rel=TOLERANCE_GAIN), setting


def test_the_critical_line_is_the_one_of_theory(browser: Browser, address: str, quiet: Complaints) -> None:
    page = browser.page(address)
    nodes = [float(x) for x in np.linspace(0.05, 4, 40)]
    for kind, bias in (("tanh", 0.05), ("tanh", 0.4), ("hardtanh", 0.1), ("relu", 0.0), ("elu", 0.2)):
        setting = plain(kind, bias)
        found = page.evaluate("([s, n]) => Playground.theory.critical(s, n)", [setting, nodes])
        expected = theory.critical_at_bias(theory.activation(kind), bias)
        assert expected is not None
        assert found == [pytest.approx(expected.sigma_w2, rel=1e-4)], kind
    assert page.evaluate("([s, n]) => Playground.theory.critical(s, n)", [plain("sigmoid", 0.1), nodes]) == []


def told(page: Page, selector: str = "#headline") -> str:
    return page.inner_text(selector)


def test_the_sentence_follows_the_sliders_by_keyboard(browser: Browser, address: str, quiet: Complaints) -> None:
    page = browser.page(address)
    before = told(page)
    assert "predicted" in before
    assert "40 layers" in before
    page.focus("#depth")
    page.keyboard.press("End")
    page.wait_for_function("document.querySelector('#headline').textContent.includes('100 layers')")
    page.focus("input[name=activation]:checked")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('#map-caption').textContent.startsWith('ReLU')")
    assert told(page) != before


def test_the_address_keeps_the_settings_and_forgives_nonsense(
    browser: Browser, address: str, quiet: Complaints
) -> None:
    page = browser.page(address)
    page.focus("#weight")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("location.hash.includes('weight=1.31')")
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
    page.wait_for_function("Playground.read().weight > 1.8 && Playground.read().bias > 0.1")
    after = page.locator("#ring").bounding_box()
    assert after is not None
    assert after["x"] == pytest.approx(box["x"] + 120, abs=3)
    assert after["y"] == pytest.approx(box["y"] - 60, abs=8)  # a step of the bias variance is 8 pixels
    page.click("#cure")
    page.wait_for_function("Math.abs(Playground.theory.gain(Playground.read()) - 1) < 3e-3")


def test_tables_hold_the_data_of_both_pictures(browser: Browser, address: str, quiet: Complaints) -> None:
    page = browser.page(address + "#depth=12")
    page.wait_for_function("document.querySelectorAll('table[data-of=profile] tbody tr').length === 12")
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


@pytest.mark.parametrize("width", [1440, 800, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_at_any_width(
    browser: Browser, address: str, quiet: Complaints, width: int, scheme: Any
) -> None:
    page = browser.page(address, width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.eval_on_selector_all(
        "input, button, summary",
        "all => all.filter(e => e.getBoundingClientRect().height < 23.9).map(e => e.id)",
    )
    assert small == []


def test_no_other_script_may_run(browser: Browser, address: str) -> None:
    page = browser.page(address)
    alien = "const s = document.createElement('script'); s.textContent = 'window.alien = 1'; document.body.append(s);"
    page.evaluate(f"() => {{ {alien} }}")
    assert page.evaluate("window.alien") is None
    browser.complaints.clear()
