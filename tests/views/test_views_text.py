"""The terminal page: golden pages, its arithmetic, its width, its states."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from views_build import Chain, diagnosis_of, run_of, sigmoid_chain, vanishing

from gradiometer.records import (
    STAT_INDEX,
    Alternative,
    Diagnosis,
    Evidence,
    Finding,
    Network,
    NotCovered,
    Run,
    RunInfo,
    Site,
)
from gradiometer.views import Style, text_page, text_svg
from gradiometer.views.rows import rows
from gradiometer.views.signals import guilty_hops, pictures

GOLDEN = Path(__file__).parent / "golden"
PLAIN = Style(80, colour=False, unicode=True)
ASCII = Style(80, colour=False, unicode=False)


def healthy_run() -> Run:
    return run_of(Chain([1.414] * 8, [0.71] * 8, activation="relu", needs=[900.0 + 40 * i for i in range(9)]))


def exploding() -> tuple[Run, Diagnosis]:
    chain = Chain([2.0] * 24, [1.21] * 24, activation="relu", needs=[5000.0 / 2.42**i for i in range(25)])
    evidence = (Evidence("growth of the error, loss → layer 1", 9.2, "decades", 3.0, "depth scale", True),)
    said = "The error grows 9 decades on its way back."
    sites = tuple(chain.paths())
    return run_of(chain), diagnosis_of(
        run_of(chain), Finding("net", "exploding", "init-too-large", "fail", sites, (0, 2), said, evidence)
    )


def odd_run() -> Run:
    chain = Chain(
        [0.9] * 10,
        [0.9] * 10,
        prefix="model.blocks.",
        skip=frozenset({1, 2}),
        spine=frozenset({4}),
        missing={6: "nan", 8: "zero", 10: "inf"},
    )
    missed = (NotCovered("model.head", "inside a compiled region"),)
    return run_of(chain, state="crashed", error="ValueError: boom", problems=("a hook failed",), not_covered=missed)


def recurrent_run(n_times: int = 100) -> Run:
    chain = Chain([0.9] * 3, [0.9] * 3)
    run = run_of(chain)
    times = tuple(Site("net", "rnn", t, "time", "rnn") for t in range(n_times))
    frames = []
    for frame in run.frames:
        extra = np.full((n_times, frame.values.shape[1]), np.nan)
        extra[:, STAT_INDEX["err_norm"]] = 0.8 ** np.arange(n_times)[::-1]
        frames.append(replace(frame, values=np.vstack((frame.values, extra))))
    return replace(run, site_table=run.site_table + times, frames=tuple(frames))


def pages() -> dict[str, tuple[Run, Diagnosis, Style]]:
    deep = sigmoid_chain()
    bad = run_of(deep)
    pair = run_of(deep, Chain([0.9] * 3, [1.1] * 3, name="critic"))
    odd = odd_run()
    empty = Run(RunInfo("train"))
    both = diagnosis_of(pair, vanishing(deep), replaced(vanishing(deep), model="critic", severity="warn", sites=()))
    times = recurrent_run()
    return {
        "vanishing": (bad, diagnosis_of(bad, vanishing(deep)), PLAIN),
        "vanishing-ascii": (bad, diagnosis_of(bad, vanishing(deep)), ASCII),
        "vanishing-wide": (bad, diagnosis_of(bad, vanishing(deep)), Style(140, False, True)),
        "healthy": (healthy_run(), diagnosis_of(healthy_run()), PLAIN),
        "exploding": (*exploding(), PLAIN),
        "partial": (odd, diagnosis_of(odd, healthy=None, coverage=0.68), PLAIN),
        "two-models": (pair, both, PLAIN),
        "recurrent": (times, diagnosis_of(times), PLAIN),
        "nothing-measured": (empty, diagnosis_of(empty, healthy=None), PLAIN),
    }


def replaced(finding: Finding, **changes: object) -> Finding:
    facts = {name: getattr(finding, name) for name in finding.__struct_fields__}
    return Finding(**(facts | changes))


@pytest.mark.parametrize("name", sorted(pages()))
def test_golden_pages(name: str) -> None:
    run, diagnosis, style = pages()[name]
    assert text_page(run, diagnosis, style) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


ROW = re.compile(r"^(\d+)(?:–(\d+))? +[█▏▎▍▌▋▊▉]+ +([−+]?[\d.]+) [✕ ] ×([\d.]+)")


def shown_rows(page: str) -> list[tuple[int, float, float]]:
    """(hops, total, gain) of each row of a page with numbered layers, the loss's row left out."""
    found = [m for m in map(ROW.match, page.splitlines()) if m]
    return [(int(m[1]) - int(m[2]) + 1 if m[2] else 1, float(m[3].replace("−", "-")), float(m[4])) for m in found]


def arithmetic_holds(table: list[tuple[int, float, float]]) -> bool:
    """The gains shown multiply to each total shown, within their rounding."""
    total, slack = 0.0, 0.051
    for hops, shown, gain in table:
        total += hops * math.log10(gain)
        slack += hops * 0.0051 / gain / math.log(10)
        if abs(total - shown) > slack:
            return False
    return bool(table)


@pytest.mark.parametrize(("gain", "n_hops"), [(0.24, 19), (0.5, 7), (1.3, 40), (0.9, 150)])
def test_gains_shown_multiply_to_the_totals_shown(gain: float, n_hops: int) -> None:
    run = run_of(Chain([0.8] * n_hops, [gain] * n_hops))
    table = shown_rows(text_page(run, diagnosis_of(run), PLAIN))
    assert sum(hops for hops, _, _ in table) == n_hops
    assert arithmetic_holds(table)
    assert not arithmetic_holds([(h, t, g * 1.3) for h, t, g in table])


def test_factors_of_a_row_multiply_to_its_gain() -> None:
    run = run_of(Chain([0.58, 0.7, 0.5] * 8, [0.24, 0.2, 0.25] * 8))
    shown = pictures(run, diagnosis_of(run), "net")
    assert shown is not None
    table = rows(shown)
    assert len(table) <= 12
    for row in table[1:]:
        assert math.prod(row.factors_gain) == pytest.approx(row.gain, rel=1e-9)
    assert sum(r.hops * math.log10(r.gain) for r in table[1:]) == pytest.approx(table[-1].total_decades, rel=1e-9)


def test_a_guilty_hop_is_never_merged_away() -> None:
    chain = Chain([1.0] * 30, [1.0] * 30)
    chain.slopes[17] = 0.001
    run = run_of(chain)
    guilty_site = run.networks[0].hops[17].parts[1].path
    finding = replaced(vanishing(chain), sites=(guilty_site,))
    shown = pictures(run, diagnosis_of(run, finding), "net")
    assert shown is not None
    guilty = [r for r in rows(shown) if r.guilty]
    assert [(r.first, r.last) for r in guilty] == [(18, 18)]
    assert guilty[0].gain == pytest.approx(0.001)
    assert guilty_hops(run.networks[0].hops, [replaced(finding, symptom="stalled")]) == ()  # no blame for the way


def test_deep_pages_stay_short() -> None:
    chain = sigmoid_chain(400)
    chain.slopes = [0.98 / w for w in chain.weights]
    run = run_of(chain)
    page = text_page(run, diagnosis_of(run, vanishing(chain)), PLAIN)
    assert len(page.splitlines()) <= 40


def test_colour_says_nothing_that_words_do_not() -> None:
    run, diagnosis, _ = pages()["vanishing"]
    colour = text_page(run, diagnosis, Style(80, colour=True, unicode=True))
    assert "\x1b[" in colour
    without = "\n".join(s.rstrip() for s in re.sub(r"\x1b\[[\d;]*m", "", colour).splitlines())
    assert without.strip() == text_page(run, diagnosis, PLAIN).strip()
    assert "✕" in without
    assert "guilty: 19 hops" in without


def test_plain_page_is_ascii_without_escapes() -> None:
    for run, diagnosis, _ in pages().values():
        page = text_page(run, diagnosis, ASCII)
        assert page.isascii()
        assert "\x1b" not in page


def test_no_command_that_does_not_exist() -> None:
    known = {"run", "check", "diagnose", "report", "runs", "export"}
    for run, diagnosis, style in pages().values():
        page = text_page(run, diagnosis, style)
        assert set(re.findall(r"gradiometer (\w+)", page)) <= known


def test_alternatives_of_one_reason_share_it() -> None:
    chain = sigmoid_chain()
    run, finding = run_of(chain), vanishing(chain)
    others = [Alternative(c, "their size is not the cause") for c in ("inputs-collapse", "gradients-shatter")]
    told = replaced(finding, alternatives=(*finding.alternatives, *others))
    page = text_page(run, diagnosis_of(run, told), PLAIN).replace("\n", " ")
    assert "28 % of the drop; inputs-collapse, gradients-shatter: their size is not the cause" in page


def test_stored_run_ends_in_its_path_and_the_command(tmp_path: Path) -> None:
    class Stored(Run):
        path = tmp_path / "my run.gmr"

    run = healthy_run()
    stored = Stored(run.info, run.networks, run.site_table, run.frames)
    page = text_page(stored, diagnosis_of(run), PLAIN)
    joined = page.replace("\n", "")
    assert "gradiometer report" in joined
    assert "'" in joined  # a path with a blank is quoted
    assert "gradiometer report" not in text_page(run, diagnosis_of(run), PLAIN)


def test_no_health_below_95_percent_of_coverage() -> None:
    run = healthy_run()
    assert "NOTHING FOUND" in text_page(run, diagnosis_of(run), PLAIN)
    poor = text_page(run, diagnosis_of(run, coverage=0.94, healthy=None), PLAIN)
    assert "NOTHING FOUND" not in poor
    assert "COVERAGE 94 %" in poor
    assert "COVERAGE" in text_page(run, diagnosis_of(run, coverage=0.94, healthy=True), PLAIN)  # the page checks too


def test_not_reached_zero_and_small_are_three_words() -> None:
    page = text_page(odd_run(), diagnosis_of(odd_run()), PLAIN)
    assert all(word in page for word in ("not reached", "✕ zero", "✕ non-finite"))
    tiny = run_of(Chain([1e-30] * 3, [1.0] * 3))
    small = text_page(tiny, diagnosis_of(tiny), PLAIN)
    assert "zero" not in small
    assert "−90.0" in small


def test_no_trunk_says_why() -> None:
    run = healthy_run()
    network = Network("net", "UNet", trunk_note="two outputs without a common site")
    page = text_page(replace(run, networks=(network,)), diagnosis_of(run), PLAIN)
    assert "two outputs without a common site" in page


def test_long_paths_keep_their_end_and_are_no_layer_numbers() -> None:
    run = run_of(Chain([0.9] * 20, [0.9] * 20, prefix="encoder_of_the_first_stage_", numbered=False))
    page = text_page(run, diagnosis_of(run), PLAIN)
    assert any(shown.startswith("…") and "_first_stage_0 " in shown for shown in page.splitlines())
    assert "_stage_38–32 " in page  # both ends of a stretch
    assert "layer 1" not in page
    assert "From the loss to encoder_of_the_first_stage_0" in " ".join(page.split())


@given(
    gains=st.lists(st.tuples(st.floats(1e-12, 1e6), st.floats(1e-12, 1e6)), min_size=1, max_size=40),
    prefix=st.sampled_from(["", "model.", "网络.编码器", "a" * 70 + ".", "a" * 70, "x\x1b[31m", "é́."]),
    states=st.dictionaries(st.integers(1, 40), st.sampled_from(["nan", "zero", "inf"]), max_size=4),
    marks=st.tuples(st.frozensets(st.integers(0, 39), max_size=5), st.frozensets(st.integers(0, 39), max_size=5)),
    style=st.builds(Style, st.integers(40, 150), st.booleans(), st.booleans()),
)
@settings(max_examples=80)
def test_no_line_is_wider_than_the_page(
    gains: list[tuple[float, float]],
    prefix: str,
    states: dict[int, str],
    marks: tuple[frozenset[int], frozenset[int]],
    style: Style,
) -> None:
    weights, slopes = ([g[i] for g in gains] for i in (0, 1))
    chain = Chain(weights, slopes, prefix=prefix, missing=states, skip=marks[0], spine=marks[1], numbered="e" in prefix)
    run = run_of(chain, problems=("长" * 90,), name=prefix * 3)
    diagnosis = diagnosis_of(run, vanishing(chain), replaced(vanishing(chain), severity="warn", summary="很" * 99))
    page = text_page(run, diagnosis, style)
    for shown in re.sub(r"\x1b\[[\d;]*m", "", page).splitlines():
        assert cell_len(shown) <= min(style.width, 100), shown
    assert style.unicode or page.isascii()


def test_style_of_a_stream() -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    fancy = Style.of_stream(Terminal(), {})
    assert fancy.colour
    assert fancy.unicode
    for stream, environ in ((io.StringIO(), {}), (Terminal(), {"NO_COLOR": "1"}), (Terminal(), {"TERM": "dumb"})):
        plain = Style.of_stream(stream, environ)
        assert not plain.colour
        assert not plain.unicode
    latin = Terminal()
    latin.encoding = "latin-1"  # type: ignore[misc]
    assert not Style.of_stream(latin, {}).unicode


def test_svg_holds_the_page() -> None:
    run, diagnosis, _ = pages()["vanishing"]
    picture = text_svg(run, diagnosis)
    assert picture.startswith("<svg")
    assert "VANISHING" in picture
    assert "██" in picture
    outside = set(re.findall(r"https?://[^\"' )]+", picture))
    assert outside == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        (Chain([0.5] * 3, [0.2] * 3, numbered=False), "From the loss to module 0 the error changes"),
        (Chain([0.5] * 3, [0.2] * 3, prefix="block", numbered=False), "From the loss to block0 the error changes"),
        (Chain([0.5] * 3, [0.2] * 3), "From the loss to layer 1 the error changes"),
    ],
)
def test_a_path_that_is_a_number_is_said_to_be_a_module(chain: Chain, words: str) -> None:
    run = run_of(chain)
    assert words in " ".join(text_page(run, diagnosis_of(run), PLAIN).split())
