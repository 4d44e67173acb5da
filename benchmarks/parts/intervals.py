"""The interval of a median from order statistics: it assumes nothing about the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median


@dataclass(frozen=True, slots=True)
class Interval:
    """``coverage`` is the exact probability that ``low`` .. ``high`` holds the true median of independent values."""

    median: float
    low: float
    high: float
    coverage: float


def median_interval(values: Sequence[float], wanted: float = 0.95) -> Interval:
    """The narrowest symmetric interval of order statistics that covers the median with ``wanted`` probability.

    Law: x(k) .. x(n+1-k) covers with 1 - 2 P(Binomial(n, 1/2) < k). Below n = 6 no interval reaches 95 %: then
    smallest .. largest is given, with the coverage that it has (0 for one value).
    """
    ordered = sorted(values)
    n = len(ordered)
    if n == 0:
        raise ValueError("median_interval needs at least one value")
    rank, coverage = 1, 1 - 2 * _below(1, n)
    while 2 * (rank + 1) <= n and 1 - 2 * _below(rank + 1, n) >= wanted:
        rank += 1
        coverage = 1 - 2 * _below(rank, n)
    return Interval(median(ordered), ordered[rank - 1], ordered[n - rank], coverage)


def _below(k: int, n: int) -> float:
    return sum(comb(n, i) for i in range(k)) / float(2**n)
