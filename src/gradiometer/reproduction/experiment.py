"""What a reproduced experiment is: a question, published figures, measured ones with their spread, and a rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np

from gradiometer.views import Figure

Statistic = Literal["mean", "median"]
Judged = Literal["statistic", "every value"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure: as it was published, as it is measured here, and the range in which it counts as reproduced.

    published: as the source prints it, "" where it gives none. source: where exactly. values: one a seed (or the one
    value of a deterministic program). low, high: the rule, None for a row that is only shown. unit: "" for a pure
    number. An order of two things is a row too: their difference, with 0 as a bound. by: whether the statistic must lie
    in the range, or each seed by itself.
    """

    name: str
    unit: str = ""
    published: str = ""
    source: str = ""
    values: tuple[float, ...]
    statistic: Statistic = "median"
    low: float | None = None
    high: float | None = None
    by: Judged = "statistic"

    @property
    def measured(self) -> float:
        """The statistic over the seeds; inf and nan count (one nan makes it nan)."""
        if not self.values:
            return math.nan
        return float(np.mean(self.values) if self.statistic == "mean" else np.median(self.values))

    @property
    def judged(self) -> bool:
        """Whether this row has a rule."""
        return self.low is not None or self.high is not None

    @property
    def holds(self) -> bool:
        """Whether the measured figure lies in the range; a nan lies in none. True for a row without a rule."""
        if not self.judged:
            return True
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        asked = self.values if self.by == "every value" else (self.measured,)
        return bool(asked) and all(low <= value <= high for value in asked)


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Words and numbers beside the rows, already written: every row has a cell for each column."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came out. figures: what is drawn, the first one on the terminal page too. tables: what is told beside it.

    notes: what a reader must know (what differs from the published setting). reasons: why it likely did not reproduce,
    empty where it did. seconds: wall time. quick: the short form.
    """

    name: str
    rows: tuple[Row, ...]
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    seconds: float = 0.0
    quick: bool = False

    @property
    def reproduced(self) -> bool:
        """Whether every row with a rule holds; an outcome without a rule never counts as reproduced."""
        judged = [row for row in self.rows if row.judged]
        return bool(judged) and all(row.holds for row in judged)


@dataclass(frozen=True, slots=True)
class Order:
    """How an experiment is asked to run. tick(done, total, words): progress; it may raise KeyboardInterrupt.

    quick: fewer seeds, steps or sizes, seconds in all, still judged by the same kind of rule. processes: workers for
    trainings that do not fit one (each with one thread).
    """

    quick: bool = False
    processes: int = 2
    tick: Callable[[int, int, str], None] = field(default=lambda done, total, words: None)


@dataclass(frozen=True, slots=True)
class Experiment:
    """One published experiment. title: what it shows, in a few words. source: author, year, place. rule: in words.

    setting: what is run here, and what differs from the source. run: does it; the caller sets ``Outcome.seconds``.
    """

    name: str
    title: str
    source: str
    rule: str
    setting: str
    run: Callable[[Order], Outcome]
