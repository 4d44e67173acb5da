"""The rail of the walk's page: the whole chain of stations as one stream, its height the decades of error left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gradiometer.records.walk import Walk

from .html_walk_plan import NARROW, WIDTH
from .numbers import UNICODE
from .walk_words import station_words, times_words
from .walk_words_hop import not_finite

LEAST_SPAN = 3.0
"""Decades that the height of the rail stands for at least, so that a healthy walk is not drawn as a fall."""
THINNEST = 0.03
"""Share of the rail's height that the smallest error above 0 keeps."""
LETTER, GAP = 8.6, 16.0
LABEL_MOST = 12
DOTS_MOST = 60
"""Up to so many hops every station has a dot and, where there is room, its label; beyond, only every n-th."""


@dataclass(frozen=True, slots=True)
class RailHop:
    """One hop of the rail: its stretch in percent, its path in a box of 1000 × 100, what is said of it.

    drawn: False where there is no size at one of its ends.
    """

    number: int
    left: float
    width: float
    d: str
    words: str
    drawn: bool


@dataclass(frozen=True, slots=True)
class RailStation:
    """One station: its place in percent and its label, shown on ``all``, ``wide`` or ``narrow`` pages, else ``dot``."""

    left: float
    label: str
    shown: str


@dataclass(frozen=True, slots=True)
class Rail:
    """The chain. end: what is left at its end, in words; last: the name of its last station."""

    hops: tuple[RailHop, ...]
    stations: tuple[RailStation, ...]
    end: str
    last: str
    label: str


def rail_of(walk: Walk) -> Rail:
    """The whole chain from the loss to the last station."""
    heights = _heights(walk.errors)
    n = len(walk.hops)
    hops = tuple(
        RailHop(
            hop.number,
            round(100 * i / n, 3),
            round(100 / n, 3),
            _path(i, n, heights[i], heights[i + 1]),
            _words(walk, i),
            not (math.isnan(heights[i]) or math.isnan(heights[i + 1])),
        )
        for i, hop in enumerate(walk.hops)
    )
    last = walk.labels[-1] if walk.labels else ""
    name = "INPUT" if last in ("in", "input") else f"{station_words(last)}, toward the input" if last else ""
    return Rail(hops, _stations(walk.labels), _end(walk), name, f"{_end(walk)} after {n} hop{'' if n == 1 else 's'}.")


def _heights(errors: Sequence[float]) -> list[float]:
    """Half the height of the stream at each station, of 50; 0 for no error, nan for what is no number."""
    known = [math.log10(e) for e in errors if math.isfinite(e) and e > 0]
    high = max(known, default=0.0)
    span = max(LEAST_SPAN, high - min(known, default=0.0))
    out = []
    for e in errors:
        if not math.isfinite(e):
            out.append(math.nan)
        else:
            share = THINNEST + (1 - THINNEST) * (1 - (high - math.log10(e)) / span) if e > 0 else 0.0
            out.append(50 * share)
    return out


def _path(i: int, n: int, before: float, after: float) -> str:
    x0, x1 = _short(1000 * i / n), _short(1000 * (i + 1) / n)
    if math.isnan(before) or math.isnan(after):
        return f"M{x0} 40H{x1}V60H{x0}Z"
    if before == after == 0:
        return ""
    a, b = _short(50 - before), _short(50 - after)
    return f"M{x0} {a}L{x1} {b}V{_short(50 + after)}L{x0} {_short(50 + before)}Z"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _words(walk: Walk, i: int) -> str:
    hop = walk.hops[i]
    gain = times_words(hop.gain) if not math.isnan(hop.gain) else UNICODE.unknown
    return f"Hop {hop.number}, {station_words(hop.upper_label)} to {station_words(hop.lower_label)}: {gain}"


def _end(walk: Walk) -> str:
    """``−16.3 decades``, ``zero``, ``nan``: what is left of the error at the end."""
    if not walk.hops:
        return "no hop"
    first, last = walk.errors[0], walk.errors[-1]
    if not math.isfinite(last) or not math.isfinite(first):
        return not_finite(last if not math.isfinite(last) else first)
    if last == 0 or first == 0:
        return "zero"
    decades = UNICODE.decades(math.log10(last) - math.log10(first))
    return "as large as at the loss" if decades == "0" else f"{decades} decades"


def _stations(labels: Sequence[str]) -> tuple[RailStation, ...]:
    """The stations that are marked: all up to DOTS_MOST hops, every n-th beyond; labels where they do not touch."""
    n = len(labels) - 1
    names = [_shortened(label) for label in labels]
    longest = max((len(name) for name in names), default=1) * LETTER + GAP
    wide, narrow = _labelled(n, WIDTH / longest), _labelled(n, NARROW / longest)
    out = []
    for i, name in enumerate(names):
        if n <= DOTS_MOST or i in wide | narrow:
            pages = {(True, True): "all", (True, False): "wide", (False, True): "narrow"}
            shown = pages.get((i in wide, i in narrow), "dot")
            out.append(RailStation(round(100 * i / n, 3) if n else 0.0, name, shown))
    return tuple(out)


def _labelled(n: int, room: float) -> set[int]:
    """At most ``room`` stations evenly, with the first and the last one."""
    every = max(1, math.ceil((n + 1) / max(2.0, room)))
    return {i for i in range(0, n + 1, every) if n - i >= every} | {0, n}


def _shortened(label: str) -> str:
    return label if len(label) <= LABEL_MOST else "…" + label[1 - LABEL_MOST :].lstrip(".")
