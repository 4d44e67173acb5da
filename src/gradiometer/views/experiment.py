"""A reproduced experiment as it is told: what terminal, page and JSON document are all made from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from .figures import Figure
from .numbers import Numbers

Tone = Literal["fail", "healthy"]


@dataclass(frozen=True, slots=True)
class ToldRow:
    """One figure, published and measured. values: one a seed. measured: their statistic, with its spread.

    spread: what spread_low..spread_high is, "" for a single value. low, high: the rule. holds: None without a rule.
    """

    name: str
    unit: str
    published: str
    source: str
    values: tuple[float, ...]
    statistic: str
    measured: float
    spread: str
    spread_low: float
    spread_high: float
    low: float | None
    high: float | None
    by: str
    holds: bool | None


@dataclass(frozen=True, slots=True)
class ToldTable:
    """Words and numbers in cells, as the experiment wrote them."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]  # [row, column]


@dataclass(frozen=True, slots=True)
class ToldExperiment:
    """One experiment with what came out. seconds: wall time. quick: the short form."""

    name: str
    title: str
    source: str
    setting: str
    rule: str
    reproduced: bool
    quick: bool
    seconds: float
    rows: tuple[ToldRow, ...]
    notes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    tables: tuple[ToldTable, ...] = ()
    figures: tuple[Figure, ...] = ()

    @property
    def tone(self) -> Tone:
        """The fill of its tag."""
        return "healthy" if self.reproduced else "fail"

    @property
    def tag(self) -> str:
        """The words of its tag."""
        return "Reproduced" if self.reproduced else "Not reproduced"


TIE = 1e-9
"""An order is a difference above 0; a bound of this size says no more than that."""


def precise(value: float, numbers: Numbers) -> str:
    """Four significant digits beside a published figure that may have four; powers of ten as everywhere."""
    size = abs(value)
    if not 1e-3 <= size < 99.95:
        return numbers.number(value)
    places = max(0, 3 - math.floor(math.log10(size)))
    text = f"{size:.{places}f}"
    return (numbers.minus if value < 0 else "") + (text.rstrip("0").rstrip(".") if "." in text else text)


def bound(value: float, numbers: Numbers) -> str:
    """A bound of a rule, as it was set, to five digits where it was computed."""
    size = abs(value)
    if size and not 1e-4 <= size < 1e6:
        return numbers.power(value)
    if size >= 1000:
        return numbers.count(round(value))
    return f"{value:.5g}".replace("-", numbers.minus)


def rule_words(row: ToldRow, numbers: Numbers) -> str:
    """The range in which a figure counts as reproduced: ``0.17 to 0.23``, ``≥ 0.9``, ``= 0``; "" without a rule."""
    if row.low is None and row.high is None:
        return ""
    if row.high is None and row.low is not None and 0 < row.low <= TIE:
        return "> 0"
    if row.low is None or row.high is None:
        one = row.high if row.low is None else row.low
        return f"{'≤' if row.low is None else '≥'} {bound(one or 0.0, numbers)}"
    low, high = bound(row.low, numbers), bound(row.high, numbers)
    return f"= {low}" if row.low == row.high else f"{low} to {high}"


def name_words(row: ToldRow) -> str:
    """A row's name with its unit."""
    return f"{row.name}, {row.unit}" if row.unit else row.name


def spread_words(row: ToldRow, numbers: Numbers) -> str:
    """The spread over the seeds: ``0.19 to 0.21``; "" for a single value."""
    if not row.spread:
        return ""
    return f"{numbers.number(row.spread_low)} to {numbers.number(row.spread_high)}"


def how_measured(rows: tuple[ToldRow, ...]) -> str:
    """One sentence on what stands in the columns: which statistic over how many seeds, which spread."""
    kinds: dict[tuple[str, str], set[int]] = {}
    for row in rows:
        if row.spread:
            kinds.setdefault((row.statistic, row.spread), set()).add(len(row.values))
    if not kinds:
        return "Each figure is one number: nothing is drawn at random."
    words = []
    for (statistic, spread), counts in kinds.items():
        number = str(min(counts)) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
        words.append(f"{statistic} of {number} runs, spread: {spread}")
    every = " A rule marked * must hold for each run by itself." if any(r.by == "every value" for r in rows) else ""
    return f"Measured: {'; '.join(words)}.{every}"


def counts_words(told: tuple[ToldExperiment, ...]) -> str:
    """``12 of 14 experiments reproduce.``"""
    good = sum(one.reproduced for one in told)
    return f"{good} of {len(told)} experiments reproduce{'s' if good == 1 else ''}."


def seconds_words(one: ToldExperiment, numbers: Numbers) -> str:
    """``2.1 s, the quick form``."""
    return numbers.duration(one.seconds) + (", the quick form" if one.quick else "")
