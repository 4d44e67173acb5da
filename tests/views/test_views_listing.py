"""The list of runs and the live line."""

from __future__ import annotations

import math

from rich.cells import cell_len
from views_build import Chain, diagnosis_of, run_of, sigmoid_chain, vanishing

from gradiometer.views import LiveStatus, RunRow, Style, live_line, runs_table

PLAIN = Style(80, colour=False, unicode=True)


def table_rows() -> list[RunRow]:
    chain = sigmoid_chain()
    bad, good = run_of(chain), run_of(Chain([1.0] * 3, [1.0] * 3))
    return [
        RunRow.of("runs/bad.gmr", bad, diagnosis_of(bad, vanishing(chain))),
        RunRow.of("runs/good.gmr", good, diagnosis_of(good)),
        RunRow("runs/old.gmr", problem="the first 16 bytes are not SQLite"),
    ]


def test_every_file_has_its_line() -> None:
    lines = runs_table(table_rows(), PLAIN).splitlines()
    assert len(lines) == 4
    assert "✕ activation-shrinks-error" in lines[1]
    assert "−16.3" in lines[1]
    assert "✓ nothing found" in lines[2]
    assert "cannot be read" in lines[3]
    assert "not SQLite" in lines[3]


def test_the_table_fits_and_the_name_stays() -> None:
    for width in range(40, 130, 7):
        for style in (Style(width, False, True), Style(width, False, False)):
            page = runs_table([*table_rows(), RunRow("x" * 90 + ".gmr", verdict="网" * 40)], style)
            assert all(cell_len(shown) <= min(width, 100) for shown in page.splitlines())
            assert "bad.gmr" in page


def test_no_runs_say_what_to_do() -> None:
    assert "gradiometer run" in runs_table([], PLAIN)


def test_a_long_name_keeps_both_ends() -> None:
    page = runs_table([RunRow("train-20261123-192942-23243.gmr", "finished", verdict="x" * 26)], Style(60, False, True))
    assert "train-2" in page
    assert "243.gmr" in page


def test_live_line() -> None:
    told = live_line(LiveStatus(1500, 2.31, -16.3, 5.3e17), PLAIN)
    assert told == "step 1\u202f500 · loss 2.31 · error −16.3 decades · first layer 5.3 × 10¹⁷ steps"
    assert live_line(LiveStatus(3, math.nan), PLAIN) == "step 3 · loss —"
