"""Experiments as one HTML file: nothing from outside, no name that escapes, every picture with its table."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from page_elements import Elements
from test_views_experiment import experiment, row, single

from gradiometer.views import Axis, Figure, Series, ToldExperiment, ToldTable, experiments_page

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'<b>"


def ours(*told: ToldExperiment) -> str:
    """The page without Plotly's own script."""
    return re.sub(r"<script>/\*.*?</script>", "", experiments_page(told), flags=re.S)


def figure(name: str = "measured") -> Figure:
    axes = (Axis("layer", "", "sites", ("3", "2")), Axis("norm", "", "log"))
    return Figure("Norms", axes, (Series(name, "error", "dots", (1.0, 0.1), (0.9, 0.09), (1.1, 0.11)),))


def charts_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])  # type: ignore[no-any-return]


def test_one_experiment_says_its_sentence_first() -> None:
    table = ToldTable("Defects", ("number", "what"), (("1", "it sinks"),))
    one = experiment(row(), row("depth", holds=False), figures=(figure(),), tables=(table,), reasons=("Lead.",))
    page = ours(one)
    found = Elements(page)
    words = " ".join(found.words.split())
    assert "✕ Not reproduced toy Toys float" in words
    assert "✓ gain a hop 0.20 0.2 0.19 to 0.21 0.17 to 0.23 Table 1" in words
    assert "Likely reason: Lead." in words
    assert "1 it sinks" in words
    assert page.count("<h1>") == 1
    assert list(charts_of(page)) == ["toy-0"]
    assert "plotly.js" in experiments_page([one])


def test_several_begin_with_their_summary() -> None:
    page = ours(experiment(row()), experiment(row(holds=False), name="other"))
    words = " ".join(Elements(page).words.split())
    assert "1 of 2 experiments reproduces." in words
    links = [a["href"] for t, a in Elements(page).tags if t == "a"]
    ids = {a.get("id") for t, a in Elements(page).tags if t == "section"}
    assert links == ["#toy", "#other"]
    assert {"toy", "other"} <= ids


def test_every_picture_has_a_label_and_its_numbers() -> None:
    page = ours(experiment(row(), figures=(figure(), figure())))
    tags = Elements(page).tags
    charts = {a["id"] for t, a in tags if t == "div" and a.get("role") == "img" and a.get("aria-label")}
    tables = {a["data-of"] for t, a in tags if t == "table" and "data-of" in a}
    assert charts == tables == {"toy-0", "toy-1"} == set(charts_of(page))
    words = " ".join(Elements(page).words.split())
    assert "layer measured measured, from measured, to 3 1 0.9 1.1 2 0.1 0.09 0.11" in words


def test_nothing_is_loaded_and_both_grounds_are_there() -> None:
    page = ours(experiment(row(), figures=(figure(),)))
    for tag, attributes in Elements(page).tags:
        assert tag not in ("link", "img", "iframe")
        assert "src" not in attributes
        assert not str(attributes.get("href", "")).startswith("http")
    assert "default-src 'none'" in page
    assert "--error: #2F3CC9" in page and "--error: #7D9DF7" in page


def test_no_name_escapes_its_place() -> None:
    table = ToldTable(HOSTILE, (HOSTILE,), ((HOSTILE,),))
    one = experiment(
        row(HOSTILE, published=HOSTILE, source=HOSTILE),
        title=HOSTILE,
        source=HOSTILE,
        setting=HOSTILE,
        rule=HOSTILE,
        notes=(HOSTILE,),
        tables=(table,),
        figures=(figure(HOSTILE),),
    )
    page = ours(one)
    assert "<img" not in page
    assert page.count("</script>") == 2, "the charts' and our own"
    label = charts_of(page)["toy-0"]["traces"][0]["name"]
    assert "<" not in label and "&lt;img" in label


@pytest.mark.parametrize(("published", "there"), [("", False), ("0.2", True)])
def test_columns_without_content_are_left_out(published: str, there: bool) -> None:
    page = ours(experiment(single("height", 1.0, published=published, source=published)))
    assert ("<th>published</th>" in page) is there
    assert ("where published" in page) is there
    assert '<th class="n">spread</th>' not in page
