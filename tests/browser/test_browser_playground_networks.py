"""The networks that the playground draws in the browser: their functions, their two passes, and theory beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from chromium import Browser
from playground_reference import by_theory, plain
from playwright.sync_api import Page

from gradiometer import theory
from gradiometer.views import playground
from gradiometer.views.html_playground import playground_page

pytestmark = pytest.mark.browser

DRAWS = 24


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    file = tmp_path_factory.mktemp("playground") / "play.html"
    file.write_text(playground_page(), encoding="utf-8")
    with Browser() as browser:
        yield browser.page(file.as_uri() + "#width=8&depth=4")


def test_every_activation_and_its_slope_are_those_of_theory(page: Page) -> None:
    x = [-30.0, -4.0, -1.3, -0.4, -1e-3, 1e-3, 0.7, 2.5, 30.0]
    script = "([kind, xs]) => Playground.networks.activations[kind].map((f) => xs.map((x) => f(x)))"
    for choice in playground.ACTIVATIONS:
        act = theory.activation(choice.key)
        value, slope = page.evaluate(script, [choice.key, x])
        np.testing.assert_allclose(value, act.value(x), rtol=0, atol=5e-6, err_msg=choice.key)
        np.testing.assert_allclose(slope, act.derivative(x), rtol=0, atol=5e-6, err_msg=choice.key)


@pytest.mark.parametrize("kind", ["layer", "batch"])
def test_the_way_back_through_a_norm_is_its_derivative(page: Page, kind: str) -> None:
    rng = np.random.default_rng(5)
    n, step = 6, 1e-5
    h, delta = rng.standard_normal(4 * n), rng.standard_normal(4 * n)
    back = page.evaluate(
        "([k, h, d, n]) => Array.from(Playground.networks.unnormed(k, d, Playground.networks.normed(k, h, n), n))",
        [kind, h.tolist(), delta.tolist(), n],
    )
    moved = [(h + sign * step * unit).tolist() for unit in np.eye(h.size) for sign in (1, -1)]
    script = "([k, all, n]) => all.map((h) => Array.from(Playground.networks.normed(k, h, n).y))"
    ends = np.array(page.evaluate(script, [kind, moved, n])) @ delta  # [unit, two sides]
    np.testing.assert_allclose(back, (ends[::2] - ends[1::2]) / (2 * step), rtol=0, atol=1e-8)


CASES = [
    plain("tanh", 0.05),
    plain("relu", 0.05),
    plain("gelu") | {"skip": "one"},
    plain("tanh", 0.05) | {"skip": "root"},
    plain("tanh", 0.05) | {"norm": "layer"},
    plain("relu", 0.2) | {"norm": "layer", "skip": "one"},
    plain("relu", 0.05) | {"norm": "batch"},
    plain("tanh", 0.05) | {"norm": "batch", "skip": "root"},
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['activation']}-{c['skip']}-{c['norm']}")
def test_real_networks_end_where_theory_says(page: Page, case: dict[str, Any]) -> None:
    setting = case | {"depth": 12, "width": 64}
    script = "([s, n]) => Array.from({ length: n }, (_, k) => Playground.networks.draw(s, 100 + k))"
    draws = np.array(page.evaluate(script, [setting, DRAWS]), dtype=float)  # [draw, layer]
    chain, _ = by_theory(setting)
    band = chain.band_decades[-1]
    noise = max(float(np.std(draws[:, -1])), 0.02) / DRAWS**0.5
    assert draws.shape == (DRAWS, 12)
    assert np.all(draws[:, 0] == 0)
    assert np.sum(np.abs(draws[:, -1] - chain.decades[-1]) > band) <= 1
    # What is left is mean field's own error at width 64; a forgotten factor of a hop would be thirty times as large.
    assert abs(float(np.mean(draws[:, -1])) - chain.decades[-1]) < 4 * noise + 0.04


def test_a_seed_is_a_network(page: Page) -> None:
    setting = plain("tanh") | {"depth": 5, "width": 16}
    script = "s => [Playground.networks.draw(s, 7), Playground.networks.draw(s, 7), Playground.networks.draw(s, 8)]"
    first, again, other = page.evaluate(script, setting)
    assert first == again
    assert first != other


def test_what_is_too_large_is_not_drawn(page: Page) -> None:
    large = plain("tanh") | {"depth": 100, "width": 4096}
    assert page.evaluate("s => Playground.networks.small(s)", large) is False
    assert page.evaluate("s => Playground.networks.small(s)", plain("tanh") | {"width": 512}) is True
    assert page.evaluate("s => Playground.networks.small(s)", plain("tanh") | {"width": 512, "norm": "batch"}) is False


def test_the_page_draws_five_of_them_and_draws_them_anew(page: Page) -> None:
    def column() -> list[str]:
        return page.eval_on_selector_all(
            "table[data-of=profile] tbody tr", "all => all.map(r => r.cells[3].textContent)"
        )

    for _ in range(200):
        before = column()
        if "real networks" in page.inner_text("#lead") and len(before) == 4 and "—" not in before:
            break
        page.wait_for_timeout(25)
    assert float(before[0]) == 0
    page.click("#redraw")
    for _ in range(200):
        after = column()
        if after != before and "—" not in after:
            break
        page.wait_for_timeout(25)
    assert after[0] == before[0]
    assert after[-1] != before[-1]
