"""The playground's data and page, without a browser; and its law of skips and norms beside real random networks."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradiometer import theory
from gradiometer.diagnosis import limits
from gradiometer.views import playground
from gradiometer.views.html_playground import playground_page

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))

from playground_reference import by_theory, plain


@pytest.fixture(scope="module")
def page() -> str:
    return playground_page()


def test_the_table_is_the_one_of_theory() -> None:
    table, q = playground.table("gelu"), np.exp(playground.log_variances())
    act = theory.activation("gelu")
    at = len(q) // 2
    assert q[0] == pytest.approx(1e-14)
    assert q[-1] == pytest.approx(1e12)
    assert math.exp(table["m2"][at]) == pytest.approx(float(act.m2(q[at])), rel=1e-8)
    assert math.exp(table["d2"][at]) == pytest.approx(float(act.d2(q[at])), rel=1e-8)
    assert math.exp(table["noise"][at]) - 1 == pytest.approx(float(act.kappa_backward(q[at])), rel=1e-8)


def test_limits_and_controls_are_those_of_the_package() -> None:
    data = playground.page_data()
    assert data["limits"]["fail"] == limits.DROP_FAIL_DECADES.value
    assert data["limits"]["grow_warn"] == limits.GROWTH_WARN_DECADES.value
    assert {choice.key for choice in playground.ACTIVATIONS} <= set(theory.ACTIVATION_KINDS)
    assert all(s.low <= s.start <= s.high for s in playground.SLIDERS)


def test_every_script_is_trusted_by_its_hash_and_nothing_is_loaded(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "script-src 'sha256-" in policy[1]
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert len(scripts) == 6
    for text in scripts:
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy[1]
    assert not re.search(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=", page)


def drawn(setting: dict[str, Any], rng: np.random.Generator) -> float:
    """Decades that the error of one example changes in one random network with skips, and a layer norm or none."""
    act, n, alpha = theory.activation(setting["activation"]), setting["width"], 1.0

    def weights() -> np.ndarray:
        return rng.standard_normal((n, n)) * math.sqrt(setting["weight"] / n)

    def biases() -> np.ndarray:
        return rng.standard_normal(n) * math.sqrt(setting["bias"])

    x = rng.standard_normal(n)
    h = weights() @ (x / math.sqrt(float(np.mean(x**2)))) + biases()
    layers = []
    for _ in range(setting["depth"] - 1):
        spread = float(np.std(h)) if setting["norm"] == "layer" else 1.0
        y = (h - np.mean(h)) / spread if setting["norm"] == "layer" else h
        layers.append((weights(), y, spread))
        h = h + alpha * (layers[-1][0] @ act.value(y) + biases())
    delta = rng.standard_normal(n)
    first = float(np.linalg.norm(delta))
    for matrix, y, spread in reversed(layers):
        back = (matrix.T @ delta) * act.derivative(y)
        if setting["norm"] == "layer":
            back = (back - np.mean(back) - y * np.mean(back * y)) / spread
        delta = delta + alpha * back
    return math.log10(float(np.linalg.norm(delta)) / first)


@pytest.mark.parametrize("norm", ["none", "layer"])
@pytest.mark.parametrize("kind", ["tanh", "relu"])
def test_real_random_networks_with_skips_lie_in_the_band(kind: str, norm: str) -> None:
    rng = np.random.default_rng(3)
    setting = plain(kind, 0.05) | {"skip": "one", "norm": norm, "depth": 30}
    chain, _ = by_theory(setting)
    ends = [drawn(setting, rng) for _ in range(60)]
    expected, band = float(chain.decades[-1]), float(chain.band_decades[-1])
    assert np.mean(ends) == pytest.approx(expected, abs=0.1)
    assert np.sum(np.abs(np.array(ends) - expected) > band) <= 1  # three standard errors hold 99.7 %
    allowance = (setting["depth"] - 1) * 0.05 * theory.chains.DECADES_PER_LN_GAIN2
    # A norm divides by a variance that fluctuates as well: of that the band's allowance takes care.
    assert 3 * np.std(ends) == pytest.approx(band - allowance, rel=0.35 if norm == "none" else 0.6)
