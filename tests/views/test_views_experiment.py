"""An experiment's page in the terminal: figures against their rule, words, tables, width."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from rich.cells import cell_len

from gradiometer.views import Style, ToldExperiment, ToldRow, ToldTable, experiment_page, experiments_summary
from gradiometer.views.experiment import how_measured, precise, rule_words, spread_words
from gradiometer.views.numbers import ASCII, UNICODE
from gradiometer.views.text_table import Column, table_lines

PLAIN = Style(80, False, False)
FANCY = Style(80, False, True)


def row(name: str = "gain a hop", **more: object) -> ToldRow:
    base: dict[str, object] = {
        "unit": "",
        "published": "0.20",
        "source": "Table 1",
        "values": (0.19, 0.21, 0.2),
        "statistic": "median",
        "measured": 0.2,
        "spread": "smallest to largest",
        "spread_low": 0.19,
        "spread_high": 0.21,
        "low": 0.17,
        "high": 0.23,
        "by": "statistic",
        "holds": True,
    }
    return ToldRow(name=name, **(base | more))  # type: ignore[arg-type]


def single(name: str, value: float, **more: object) -> ToldRow:
    return row(name, values=(value,), measured=value, spread="", spread_low=math.nan, spread_high=math.nan, **more)


def experiment(*rows: ToldRow, **more: object) -> ToldExperiment:
    base: dict[str, object] = {
        "name": "toy",
        "title": "Toys float",
        "source": "Toy 2001",
        "setting": "A bath of 1 m².",
        "rule": "they float",
        "reproduced": all(r.holds is not False for r in rows),
        "quick": False,
        "seconds": 2.1,
    }
    return ToldExperiment(rows=rows, **(base | more))  # type: ignore[arg-type]


def test_the_page_of_one_that_reproduces() -> None:
    page = experiment_page(experiment(row(), notes=("The bath is small.",)), FANCY)
    assert page == (
        " ✓ REPRODUCED   toy\n"
        "Toys float\n"
        "Source: Toy 2001\n"
        "A bath of 1 m².\n"
        "\n"
        "   figure      published  measured  spread        rule\n"
        "✓  gain a hop  0.20            0.2  0.19 to 0.21  0.17 to 0.23\n"
        "Measured: median of 3 runs, spread: smallest to largest. Rule: they float.\n"
        "Published in Table 1.\n"
        "\n"
        "note  The bath is small.\n"
        "\n"
        "2.1 s\n"
    )


def test_the_page_of_one_that_does_not() -> None:
    bad = row("height", unit="m", measured=0.1, holds=False, by="every value", source="Table 2")
    shown = single("weight", 3.0, published="", source="", low=None, high=None, holds=None)
    page = experiment_page(experiment(row(), bad, shown, quick=True, reasons=("It is of lead.",)), PLAIN)
    assert page.startswith(" x NOT REPRODUCED   toy  quick form\n")
    lines = page.splitlines()
    assert [line.split()[0] for line in lines if line[:4].strip() in ("ok", "x")] == ["ok", "x"]
    height = next(line for line in lines if "height, m" in line)
    assert height.rstrip().endswith("0.17 to 0.23*  b")
    assert "Published in a: Table 1; b: Table 2." in " ".join(page.split())
    assert "must hold for each run by" in " ".join(page.split())
    weight = next(line for line in lines if "weight" in line)
    assert weight.split() == ["weight", "3"]
    assert "likely reason  It is of lead." in page
    assert "2.1 s, the quick form" in page
    assert page.isascii()


@pytest.mark.parametrize("style", [PLAIN, FANCY, Style(60, False, True), Style(40, False, False)])
def test_no_line_is_wider_than_the_page(style: Style) -> None:
    long = row(
        "the largest of all relative differences between both programs", published="about a hundred times smaller"
    )
    table = ToldTable(
        "A title that is longer than the page is wide, as titles sometimes are " * 2, ("n", "what"), (("1", "x " * 90),)
    )
    page = experiment_page(experiment(long, row(), notes=("word " * 60,), tables=(table,)), style)
    assert max(cell_len(line) for line in page.splitlines()) <= style.columns
    assert page.count("x ") >= 80


def test_columns_without_content_are_left_out() -> None:
    page = experiment_page(experiment(single("height", 1.0, published="", source="")), FANCY)
    head = next(line for line in page.splitlines() if "figure" in line)
    assert head.split() == ["figure", "measured", "rule"]
    assert "Each figure is one number" in page
    assert "Published in" not in page


def test_the_summary() -> None:
    good, bad = experiment(row(), row()), experiment(row(), row(holds=False), name="other", seconds=70.0)
    lines = experiments_summary([good, bad], FANCY).splitlines()
    assert lines[0] == "1 of 2 experiments reproduces."
    assert lines[2].split() == ["✓", "toy", "Toys", "float", "2", "of", "2", "2.1", "s"]
    assert lines[3].split() == ["✕", "other", "Toys", "float", "1", "of", "2", "1.2", "min"]
    assert experiments_summary([good, good], FANCY).startswith("2 of 2 experiments reproduce.")
    assert experiments_summary([bad], FANCY).startswith("0 of 1 experiments reproduce.")


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.17, 0.23, "0.17 to 0.23"),
        (0.9, None, "≥ 0.9"),
        (1e-9, None, "> 0"),
        (1e-8, None, "≥ 1.0 × 10⁻⁸"),
        (None, 1e-7, "≤ 1.0 × 10⁻⁷"),
        (0.0, 0.0, "= 0"),
        (-1.5, 0.0, "−1.5 to 0"),
        (11.925, 11.935, "11.925 to 11.935"),
        (None, None, ""),
    ],
)
def test_a_rule_in_words(low: float | None, high: float | None, words: str) -> None:
    assert rule_words(row(low=low, high=high), UNICODE) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (11.928, "11.93"),
        (0.09396, "0.09396"),
        (1.0, "1"),
        (-66.567, "−66.57"),
        (-78916.9, "−78\u202f917"),
        (8.54e-30, "8.5 × 10⁻³⁰"),
        (0.0, "0"),
        (math.nan, "—"),
        (math.inf, "∞"),
    ],
)
def test_measured_figures_have_four_digits(value: float, words: str) -> None:
    assert precise(value, UNICODE) == words


def test_what_the_columns_hold_is_said() -> None:
    mean = row(statistic="mean", spread="95 % interval of the mean", values=(1.0,) * 5)
    assert how_measured((row(), mean)) == (
        "Measured: median of 3 runs, spread: smallest to largest; mean of 5 runs, spread: 95 % interval of the mean."
    )
    assert "median of 2 to 3 runs" in how_measured((row(), row(values=(1.0, 2.0))))
    assert spread_words(single("x", 1.0), ASCII) == ""


def lines_of(*columns: Column, width: int) -> list[str]:
    return [line.plain.rstrip() for line in table_lines(columns, Style(width, False, True))]


def test_words_fold_and_numbers_do_not() -> None:
    words = Column("what", ["a cell of several words that folds", "short"], folds=True)
    numbers = Column("number", ["1 234.5", "6"], side="right")
    assert lines_of(words, numbers, width=80) == [
        "what                                 number",
        "a cell of several words that folds  1 234.5",
        "short                                     6",
    ]
    narrow = lines_of(replace_width(words), numbers, width=40)
    assert max(map(len, narrow)) <= 40
    assert "1 234.5" in narrow[1]
    assert " ".join(line[:31].strip() for line in narrow[1:3]) == "a cell of several words that folds"


def test_a_word_is_not_broken_where_another_column_can_give_way() -> None:
    names = Column("remedy", ["distillation + hints", "pre-activation"], folds=True, floor=5)
    words = Column("what", ["one two three four five six seven eight nine " * 2] * 2, folds=True, floor=5)
    told = lines_of(names, words, width=40)
    assert any("distillation" in line for line in told)
    assert any("pre-activation" in line for line in told)


def replace_width(column: Column) -> Column:
    return Column(column.head, column.cells, column.inks, column.side, column.folds)


def test_the_column_that_costs_fewest_lines_gives_way() -> None:
    sparse = Column("a", ["12345 12345", "", ""], folds=True, floor=5)
    dense = Column("b", ["word " * 12] * 3, folds=True, floor=5)
    table_lines([sparse, dense], Style(40, False, True))
    assert sparse.width < 11
    assert dense.width > 25


def test_seconds_are_told_in_their_unit() -> None:
    assert "1.5 min" in experiment_page(replace(experiment(row()), seconds=90.0), FANCY)


@pytest.mark.parametrize(
    ("text", "plain"),
    [("2⁻¹⁵", "2^-15"), ("5.3 × 10⁻¹⁷", "5.3e-17"), ("σw² χ ‖δ‖", "sigmaw^2 chi |delta|"), ("½ ∂L/∂W2", "1/2 dL/dW2")],
)
def test_formulas_in_ascii(text: str, plain: str) -> None:
    assert PLAIN.words(text) == plain
    assert FANCY.words(text) == text


def test_a_long_range_breaks_between_its_numbers() -> None:
    wide = row("x", spread_low=1.3e-11, spread_high=2.2e-11, low=None, high=1e-7)
    lines = experiment_page(experiment(wide), FANCY).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("✓"))
    assert lines[at].endswith("1.3 × 10⁻¹¹ to  ≤ 1.0 × 10⁻⁷")
    assert lines[at + 1].strip() == "2.2 × 10⁻¹¹"
