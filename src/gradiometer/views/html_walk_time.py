"""The error through the time steps of a recurrent net: a line a layer, decades over steps, last step first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradiometer.records.walk import Factor, WalkHop

from .html_walk_pen import odd_word
from .html_walk_rows import size_words
from .numbers import UNICODE
from .walk_words_time import SAME_DECADES, decades_left, layer_names, start_size, through_time, time_line

Sizes = tuple[float, ...]

LINES_MOST = 6
"""Layers that are drawn, evenly chosen; the table has every one."""
DOTS_MOST = 60
LABELS_MOST = 10
"""Time steps that are named below the picture."""
LISTED_MOST = 400
"""Time steps that the table has; of a longer sequence every n-th, and the first."""
LEAST_SPAN = 1.0
"""Decades that the picture is high at least, so that a net that keeps its error is not drawn as a fall."""
FINE_SPAN, COARSE = 6, 3
HEIGHT, LINE = 116.0, 20.0
"""Pixels: of the picture, and between the names of two lines at its right end."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Words at a place along an axis, in percent."""

    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """One layer: its path in a box of 1000 × 1000, its dots and crosses (percent), and what stands at its end.

    lower: it is not the last layer, so that its dots are hollow.
    """

    d: str
    dots: tuple[tuple[float, float], ...]
    crosses: tuple[tuple[float, float], ...]
    name: str
    total: str
    at: float
    lower: bool


@dataclass(frozen=True, slots=True)
class Times:
    """The whole picture, its sentence, and its numbers: a row a step, size and decades of each layer."""

    says: str
    lines: tuple[Line, ...]
    rows: tuple[Mark, ...]
    steps: tuple[Mark, ...]
    note: str
    head: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]
    left_out: str


def times_of(hop: WalkHop) -> list[Times]:
    """One picture a recurrent net of this hop; none where there is only one time step."""
    return [_times(f) for f in through_time(hop.factors)]


def _times(factor: Factor) -> Times:
    layers, names = factor.through_time, layer_names(factor)
    start = start_size(layers)
    falls = [[decades_left(size, start) for size in layer] for layer in layers]
    drawn = _evenly(len(layers), LINES_MOST)
    low, high = _span([d for i in drawn for d in falls[i]])
    lines = [_line(falls[i], layers[i], (names[i], i > 0), (low, high)) for i in drawn]
    return Times(
        time_line(factor),
        tuple(_apart(lines)),
        tuple(_rows(low, high)),
        tuple(_steps(len(layers[0]))),
        f"{len(drawn)} of {len(layers)} layers are drawn." if len(drawn) < len(layers) else "",
        ("step", *itertools.chain.from_iterable((f"size at h in {n}", "decades") for n in names)),
        tuple(_table(layers, falls)),
        _left_out(len(layers[0])),
    )


def _evenly(n: int, most: int) -> list[int]:
    """At most so many of n places, the first and the last one among them."""
    if n <= most:
        return list(range(n))
    return sorted({round(i * (n - 1) / (most - 1)) for i in range(most)})


def _span(decades: Sequence[float]) -> tuple[float, float]:
    known = [d for d in decades if not math.isnan(d)] or [0.0]
    high = max(0.0, *known)
    return min(high - LEAST_SPAN, min(known)), high


# ---- the picture -------------------------------------------------------------------------------------------------


def _line(falls: Sequence[float], sizes: Sizes, named: tuple[str, bool], span: tuple[float, float]) -> Line:
    low, high = span
    n = len(falls)
    places = [(100 * i / (n - 1), 100 * (high - d) / (high - low)) for i, d in enumerate(falls)]
    d, dots, known = "", [], 0.0
    for i, (x, y) in enumerate(places):
        if math.isnan(falls[i]):
            continue
        known = y
        joins = i > 0 and not math.isnan(falls[i - 1])
        d += f"{'L' if joins else 'M'}{10 * x:.1f} {10 * y:.1f}"
        alone = not joins and (i == n - 1 or math.isnan(falls[i + 1]))
        if n <= DOTS_MOST or alone:
            dots.append((round(x, 2), round(y, 2)))
    crosses = tuple((round(places[i][0], 2), round(known, 2)) for i, s in enumerate(sizes) if _breaks(sizes, i, s))
    name, lower = named
    return Line(d, tuple(dots), crosses, name, _total(sizes), known, lower)


def _breaks(sizes: Sizes, i: int, size: float) -> bool:
    """The first of some steps whose size is infinite or nan."""
    return not math.isfinite(size) and (i == 0 or math.isfinite(sizes[i - 1]))


def _apart(lines: Sequence[Line]) -> Iterator[Line]:
    """Their names move apart where they would touch, in the order of the lines' ends."""
    order = sorted(range(len(lines)), key=lambda i: lines[i].at)
    gap = 100 * LINE / HEIGHT
    places = [lines[i].at for i in order]
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + gap)
    over = max(0.0, places[-1] - 100)
    for k in reversed(range(len(places))):
        most = 100 - gap * (len(places) - 1 - k)
        places[k] = min(places[k], most) if over else places[k]
    at = dict(zip(order, places, strict=True))
    for i, line in enumerate(lines):
        yield Line(line.d, line.dots, line.crosses, line.name, line.total, round(at[i], 2), line.lower)


def _rows(low: float, high: float) -> Iterator[Mark]:
    """Whole decades: every one, every third above a span of 6, further apart where even these would touch."""
    span = high - low
    every = 1 if span <= FINE_SPAN else COARSE * math.ceil(span / (COARSE * FINE_SPAN))
    for decade in range(math.floor(high), math.ceil(low) - 1, -1):
        if decade % every == 0:
            yield Mark(round(100 * (high - decade) / span, 2), UNICODE.count(decade))


def _steps(n: int) -> Iterator[Mark]:
    """Numbers of the time steps, the last one first."""
    for i in range(0, n, math.ceil(n / LABELS_MOST)):
        yield Mark(round(100 * i / (n - 1), 2), str(n - i))


# ---- words and numbers -------------------------------------------------------------------------------------------


def _total(sizes: Sizes) -> str:
    """Decades left at the first time step of what there was at the last: ``−1.9``; ``as large``, ``zero``, ``nan``."""
    first, last = sizes[0], sizes[-1]
    if not (math.isfinite(last) and last > 0):
        return odd_word(last)
    known = next((s for s in sizes if math.isfinite(s) and s > 0), math.nan)
    if first != known:
        return size_words(last)
    decades = decades_left(last, first)
    return "as large" if abs(decades) < SAME_DECADES else UNICODE.decades(decades)


def _listed(n: int) -> list[int]:
    every = math.ceil(n / LISTED_MOST)
    return sorted({*range(0, n, every), n - 1})


def _left_out(n: int) -> str:
    every = math.ceil(n / LISTED_MOST)
    return f"Every {every}th step." if every > 3 else {2: "Every second step.", 3: "Every third step."}.get(every, "")


def _table(layers: Sequence[Sizes], falls: Sequence[Sequence[float]]) -> Iterator[tuple[str, ...]]:
    n = len(layers[0])
    for i in _listed(n):
        cells = [str(n - i)]
        for sizes, fall in zip(layers, falls, strict=True):
            told = UNICODE.unknown if math.isnan(fall[i]) else UNICODE.decades(fall[i])
            cells += [size_words(sizes[i]), told]
        yield tuple(cells)
