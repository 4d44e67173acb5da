"""What makes a comparison of trainings fair: a learning rate searched for every arm alike, and an order with interval.

The search judges on the validation split and on seeds of its own, so that nothing that was chosen is judged again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import stats

from gradiometer.views.experiment import TIE

from .experiment import Order, Row, Table
from .telling import CONFIDENCE
from .workers import each

J = TypeVar("J")


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found for one arm. losses: rate -> mean over the search's seeds, smaller is better."""

    losses: Mapping[float, float]

    @property
    def rate(self) -> float:
        """The best rate; among equals the middle one, as the ends of what works are the least sure."""
        best = min(self.losses.values())
        equal = sorted(rate for rate, loss in self.losses.items() if loss == best)
        return equal[len(equal) // 2]

    @property
    def at_edge(self) -> bool:
        """Whether the best rate is the smallest or the largest that was tried."""
        return self.rate in (min(self.losses), max(self.losses))


def search(
    function: Callable[[J], float], jobs: Mapping[str, Mapping[float, Sequence[J]]], order: Order, words: str
) -> dict[str, Searched]:
    """Train every arm at every rate on the search's seeds. jobs: arm -> rate -> one job a seed.

    function: the validation loss of a job; what is not finite counts as inf. An arm with a single rate is not trained.
    """
    flat = [
        (arm, rate, job)
        for arm, rates in jobs.items()
        if len(rates) > 1
        for rate, seeds in rates.items()
        for job in seeds
    ]
    losses = each(function, [job for _, _, job in flat], order, words)
    sums: dict[str, dict[float, list[float]]] = {arm: {rate: [] for rate in rates} for arm, rates in jobs.items()}
    for (arm, rate, _), loss in zip(flat, losses, strict=True):
        sums[arm][rate].append(loss if math.isfinite(loss) else math.inf)
    return {arm: Searched({r: sum(v) / max(1, len(v)) for r, v in rates.items()}) for arm, rates in sums.items()}


def rates_table(found: Mapping[str, Searched]) -> Table:
    """Which rates were tried for each arm, and which was taken."""
    rows = []
    for arm, searched in found.items():
        tried = " ".join(f"{rate:g}" for rate in sorted(searched.losses))
        rows.append((arm, tried, f"{searched.rate:g}", _where(searched)))
    return Table(title="Learning rates", columns=("arm", "tried", "taken", "which is"), rows=tuple(rows))


def _where(searched: Searched) -> str:
    if len(searched.losses) == 1:
        return "given, not searched"
    if len(set(searched.losses.values())) == 1:
        return "all alike"
    return "an end of the grid" if searched.at_edge else "inside the grid"


def lower_end(values: Sequence[float]) -> float:
    """Lower end of the interval of the mean of paired differences.

    Law: m − t(0.975, n−1)·s/√n. Shapes, units: [seed], the unit of the values. At 0: fewer than two values, or a
    spread of 0, give the mean itself. At inf/nan: nan. Source: Student 1908.
    """
    given = np.asarray(values, dtype=np.float64)
    if not np.isfinite(given).all():
        return math.nan
    if len(given) < 2:
        return float(given.mean()) if len(given) else math.nan
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(given) - 1) * given.std(ddof=1) / math.sqrt(len(given))
    return float(given.mean() - half)


def order_rows(name: str, larger: Sequence[float], smaller: Sequence[float], unit: str = "") -> tuple[Row, Row]:
    """That one thing is larger than another, paired by seed: the difference, and the lower end of its interval."""
    differences = tuple(a - b for a, b in zip(larger, smaller, strict=True))
    return (
        Row(name=name, unit=unit, values=differences, statistic="mean", low=TIE),
        Row(name="… lower end of its 95 % interval", unit=unit, values=(lower_end(differences),), low=TIE),
    )
