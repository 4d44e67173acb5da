"""The report: one file, nothing from outside, no name that escapes its place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from page_elements import Elements
from views_build import Chain, diagnosis_of, run_of, sigmoid_chain, vanishing

from gradiometer.records import Alternative, Cure, Diagnosis, Evidence, Finding, NotCovered, Run, RunInfo
from gradiometer.views import Style, html_page, pictures, text_page
from gradiometer.views.plot_profile import factor_words, kept_words, profile_chart
from gradiometer.views.plot_rows import learning_chart
from gradiometer.views.report import strapline

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'<b>"


def without_plotly(page: str) -> str:
    """Plotly's own script left out: what is ours is looked at."""
    return re.sub(r"<script>/\*.*?</script>", "", page, flags=re.S)


def example() -> tuple[Run, Diagnosis]:
    chain = sigmoid_chain()
    run = run_of(chain)
    return run, diagnosis_of(run, vanishing(chain))


@pytest.fixture(scope="module")
def page() -> str:
    return html_page(*example())


def hostile() -> tuple[Run, Diagnosis]:
    chain = Chain([0.5] * 4, [0.2] * 4, prefix=HOSTILE + ".", name=HOSTILE)
    run = run_of(chain, name=HOSTILE, problems=(HOSTILE,), not_covered=(NotCovered(HOSTILE, HOSTILE),), error=HOSTILE)
    finding = Finding(
        HOSTILE,
        "vanishing",
        HOSTILE,
        "fail",
        tuple(chain.paths()),
        (0, 2),
        HOSTILE,
        (Evidence(HOSTILE, -3.0, "decades", -1.0, HOSTILE, True),),
        (Cure(HOSTILE, HOSTILE, 0.1, 1.0, True, HOSTILE),),
        (Alternative(HOSTILE, HOSTILE),),
    )
    return run, diagnosis_of(run, finding, note=HOSTILE)


def charts_of(page: str) -> dict[str, dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])  # type: ignore[no-any-return]


def test_verdict_facts_charts_and_cures_stand_on_the_page(page: str) -> None:
    text = " ".join("".join(Elements(without_plotly(page)).text).split())
    for words in (
        "The error dies in the sigmoids.",
        "−16.3",
        "loss → layer 1, at step 0",
        "gain per hop, median",
        "100 %",
        "0.7 %",
    ):
        assert words in text
    for words in ("tanh, critical point", "×0.14 → ×1.00", "init-too-small", "Looked for: 33 causes, 32 clear"):
        assert words in text
    assert {"profile", "heat", "learning", "cure-0"} <= set(charts_of(page))
    assert "gradiometer prove train.py" in text and "How each number is defined" in text


def test_the_line_under_the_name_and_what_the_factors_take(page: str) -> None:
    run, diagnosis = example()
    shown = pictures(run, diagnosis, "net")
    assert shown is not None
    assert strapline(run, shown).startswith("MLP, 19 hops · ") and strapline(run, shown).endswith(
        "step 0 – 2 · finished"
    )
    assert strapline(run, shown) in " ".join("".join(Elements(without_plotly(page)).text).split())
    taken, weights = factor_words(shown.hops)
    assert taken.startswith("σ′ takes 0.") and weights.startswith("weights take 0.")
    drawn = json.dumps(charts_of(page)["profile"], ensure_ascii=False)
    assert taken in drawn and weights in drawn


def test_only_the_scripts_of_the_page_may_run(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy and "unsafe" not in policy[1].partition("style-src")[0]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert len(scripts) == 2
    for text in scripts:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy[1]


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    for tag, attributes in Elements(without_plotly(page)).tags:
        assert tag not in ("link", "img", "iframe"), tag
        assert "src" not in attributes
        assert not str(attributes.get("href", "")).startswith("http")
    assert "default-src 'none'" in page
    assert "@import" not in page


def test_light_and_dark_are_both_there(page: str) -> None:
    assert "--error: #2F3CC9" in page
    assert "prefers-color-scheme:dark" in page
    assert "--error: #7D9DF7" in page


def test_every_chart_has_a_label_and_its_table(page: str) -> None:
    tags = Elements(without_plotly(page)).tags
    charts = {a["id"] for t, a in tags if t == "div" and a.get("role") == "img" and a.get("aria-label")}
    tables = {a["data-of"] for t, a in tags if t == "table" and "data-of" in a}
    assert {"profile", "heat", "learning"} <= tables
    assert tables <= charts


def test_hostile_names_stay_text() -> None:
    page = without_plotly(html_page(*hostile()))
    assert "<img" not in page
    assert all("onerror" not in attributes for _, attributes in Elements(page).tags)
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert page.count("<script") == page.count("</script>")


def test_hostile_labels_are_escaped_for_plotly_too() -> None:
    run = run_of(Chain([0.5] * 2, [0.2] * 2))
    shown = pictures(run, diagnosis_of(run), "net")
    assert shown is not None
    error = replace(shown.error, axes=(replace(shown.error.axes[0], labels=(HOSTILE,) * 3), shown.error.axes[1]))
    chart = json.dumps([profile_chart(error, shown.hops, [0.8]), learning_chart(error, 0.1, 5)])
    assert "<img" not in chart
    assert "&lt;img" in chart


def test_hostile_paths_are_escaped_on_the_whole_page() -> None:
    run = run_of(Chain([0.5] * 3, [0.2] * 3, prefix=HOSTILE, numbered=False))
    page = without_plotly(html_page(run, diagnosis_of(run)))
    assert "<img" not in page
    assert any("onerror=alert(1)" in str(label) for label in charts_of(page)["profile"]["layout"]["xaxis"]["ticktext"])


def test_an_unescaped_name_would_be_found_out() -> None:
    assert any("onerror" in a for _, a in Elements(f"<p>{HOSTILE}</p>").tags)


def test_page_and_terminal_say_the_same_numbers(page: str) -> None:
    run, diagnosis = example()
    terminal = text_page(run, diagnosis, Style(100, colour=False))
    text = " ".join("".join(Elements(without_plotly(page)).text).split())
    for number in ("−16.3 decades", "1.9 × 10⁻⁹", "×0.14 → ×0.41", "58 million years at 3.3 ms a step"):
        assert number in text
        assert number in " ".join(terminal.split())


def test_states_of_the_page() -> None:
    run = run_of(Chain([0.5] * 3, [0.5] * 3), state="crashed", problems=("a hook failed",))
    page = without_plotly(html_page(run, diagnosis_of(run, healthy=None, coverage=0.68)))
    assert "Coverage 68 %" in page
    assert "Nothing found" not in page
    assert "a hook failed" in page
    assert "the script raised an error" in page
    empty = Run(RunInfo("train"))
    page = without_plotly(html_page(empty, diagnosis_of(empty, healthy=None)))
    assert "Nothing measured" in page
    assert charts_of(page) == {}


def test_words_for_what_a_hop_keeps() -> None:
    assert kept_words(0.14, 19) == ", each keeps 14 % of the error"
    assert kept_words(1e-4, 1) == ", it loses 4.0 decades"
    assert kept_words(1.21, 2) == ", each multiplies the error by 1.21"
    assert kept_words(0.0, 2) == ", each keeps nothing"


def test_plotly_is_loaded_only_for_a_page() -> None:
    code = "import sys, gradiometer.views; print(sorted(m for m in sys.modules if m in ('plotly', 'jinja2', 'torch')))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
