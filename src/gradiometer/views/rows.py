"""Rows of a terminal profile: one a station, or, for deep networks, one a stretch of stations that are alike."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass

from .signals import Pictures

ROWS_UNGROUPED = 12
"""Up to here every station has its own row; above, no more rows than this."""
ROWS_ALIKE = 7
"""Where hops are alike they are merged down to this: a page stays near 30 lines."""
GAIN_STEP_DECADES = 0.3
"""Gains closer than a factor of two are alike."""


@dataclass(frozen=True, slots=True)
class Row:
    """Stations first..last (indices, loss first) and what stands for them.

    total_decades: error left at the last one. gain: geometric mean of the hops into these stations, nan where one of
    them is unknown, 0 where one is exactly 0. factors_gain: the same for each factor, nan unless every hop has it.
    learning_steps: the one furthest from that of the loss's layer.
    """

    first: int
    last: int
    label: str
    total_decades: float
    gain: float
    factors_gain: tuple[float, ...]  # [factor]
    learning_steps: float
    guilty: bool
    hollow: bool
    passage: str
    word: str

    @property
    def hops(self) -> int:
        """Number of hops that the row stands for."""
        return self.last - self.first + 1 if self.first else self.last


@dataclass(slots=True)
class _Stretch:
    first: int
    last: int
    log_gain: float
    kind: tuple[object, ...] | None  # None once unlike hops were merged
    guilty: bool

    @property
    def size(self) -> int:
        return self.last - self.first + 1


def rows(shown: Pictures) -> tuple[Row, ...]:
    """The rows of a profile, loss first."""
    return tuple(_row(shown, first, last) for first, last in spans(shown))


def spans(shown: Pictures) -> list[tuple[int, int]]:
    """(first, last) station of each row. The loss's and the input's station always stand alone."""
    n_stations = len(shown.profile.stations)
    if n_stations <= ROWS_UNGROUPED:
        return [(i, i) for i in range(n_stations)]
    stretches = [_stretch(shown, i) for i in range(1, n_stations - 1)]
    costs = [_cost(a, b) for a, b in itertools.pairwise(stretches)]
    while len(stretches) + 2 > ROWS_ALIKE and costs:
        at = min(range(len(costs)), key=lambda i: (*costs[i], i))
        if len(stretches) + 2 <= ROWS_UNGROUPED and costs[at][0] > 0:
            break
        stretches[at : at + 2] = [_merged(stretches[at], stretches[at + 1])]
        del costs[at]
        for i in (at - 1, at):
            if 0 <= i < len(costs):
                costs[i] = _cost(stretches[i], stretches[i + 1])
    return [(0, 0), *((s.first, s.last) for s in stretches), (n_stations - 1, n_stations - 1)]


def _stretch(shown: Pictures, station: int) -> _Stretch:
    hop = station - 1
    gain = float(shown.profile.gain[hop])
    parts = tuple((p.role, p.kind) for p in shown.network.hops[hop].parts)
    word = shown.error.marked("word", station)
    passage = shown.hops.marked("passage", hop)
    kind = (parts, passage.text if passage else "", word.text if word else "")
    log_gain = math.log10(gain) if gain > 0 and math.isfinite(gain) else math.nan
    return _Stretch(station, station, log_gain, kind, shown.hops.marked("guilty", hop) is not None)


def _cost(a: _Stretch, b: _Stretch) -> tuple[int, int]:
    """What merging two neighbours would hide, then their size: equal stretches grow evenly."""
    unlike = 0 if a.kind == b.kind and a.kind is not None else 4
    blame = 0 if a.guilty == b.guilty else 8
    known = math.isfinite(a.log_gain), math.isfinite(b.log_gain)
    apart = min(3, int(abs(a.log_gain - b.log_gain) / GAIN_STEP_DECADES)) if all(known) else 3 * (known[0] != known[1])
    return unlike + blame + apart, a.size + b.size


def _merged(a: _Stretch, b: _Stretch) -> _Stretch:
    log_gain = (a.log_gain * a.size + b.log_gain * b.size) / (a.size + b.size)
    return _Stretch(a.first, b.last, log_gain, a.kind if a.kind == b.kind else None, a.guilty or b.guilty)


def _mean_gain(log_gains: list[float]) -> float:
    """Geometric mean of gains given as decades; 0 where one is exactly 0, nan where one is unknown."""
    if not log_gains or any(math.isnan(g) for g in log_gains):
        return math.nan
    mean = sum(log_gains) / len(log_gains)
    return 10.0**mean if mean < 308 else math.inf


def _row(shown: Pictures, first: int, last: int) -> Row:
    hops = range(max(first, 1) - 1, last)
    factors = [s for s in shown.hops.series if s.kind == "bar"]
    total = shown.hops.named("hop")
    gains = list(total.values[hops.start : hops.stop]) if total else []
    means = tuple(_mean_gain(list(f.values[hops.start : hops.stop])) for f in factors)
    needs = [v for v in shown.learning.series[0].values[first : last + 1] if not math.isnan(v)]
    word = next((m.text for m in (shown.error.marked("word", i) for i in range(last, first - 1, -1)) if m), "")
    kinds = [m.text for m in (shown.hops.marked("passage", i) for i in hops) if m]
    return Row(
        first=first,
        last=last,
        label=_label(shown.profile.labels[first], shown.profile.labels[last]),
        total_decades=shown.profile.error_decades[last].item(),
        gain=_mean_gain(gains),
        factors_gain=means,
        learning_steps=max(needs, key=lambda v: apart(v, shown.learning.series[0].values[0]), default=math.nan),
        guilty=any(shown.hops.marked("guilty", i) for i in hops),
        hollow=any(shown.hops.marked("hollow", i) for i in hops),
        passage=", ".join(dict.fromkeys(kinds)),
        word=word,
    )


def apart(steps: float, reference: float) -> float:
    """How far a learning time is from another one, by factor; never is the furthest."""
    if steps <= 0 or not math.isfinite(steps):
        return math.inf
    return abs(math.log(steps / reference)) if 0 < reference < math.inf else steps


def _label(first: str, last: str) -> str:
    """``19–16``, ``blocks.11–8``, ``conv1–fc``: what both ends share is written once."""
    if first == last:
        return first
    heads = [re.fullmatch(r"(.*?)(\d+)", label) for label in (first, last)]
    if heads[0] and heads[1] and heads[0][1] == heads[1][1]:
        return f"{first}–{heads[1][2]}"
    return f"{first}–{last}"
