"""Every picture as data. Terminal and page draw the same values, so that they cannot disagree.

A figure has two axes, series along the first axis, and marks. Positions on a site axis are station indices, loss first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SeriesKind = Literal["line", "dashed", "dots", "hollow", "bar", "total", "cells", "stem"]
MarkKind = Literal["guilty", "hollow", "word", "limit", "passage", "time"]
Scale = Literal["sites", "hops", "steps", "decades", "log", "linear", "categories"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: what it shows, in which unit, and the labels of its places where it has places.

    First axis: sites, hops and categories have labels; steps, linear and log have values (log: drawn in decades).
    Second axis: decades holds logarithms already; log holds positive numbers that are drawn in decades; linear neither.
    """

    name: str
    unit: str
    scale: Scale
    labels: tuple[str, ...] = ()  # [place]
    values: tuple[float, ...] = ()  # [place], where places are numbers (steps)


@dataclass(frozen=True, slots=True)
class Series:
    """Values along the first axis, nan where there is none. role: a token of the palette.

    low, high: a band around the values (3 standard errors, or the spread over seeds), empty where there is none.
    In a picture of an experiment: line and dots are measured, dashed and hollow are published or predicted.
    """

    name: str
    role: str
    kind: SeriesKind
    values: tuple[float, ...]  # [place]
    low: tuple[float, ...] = ()  # [place]
    high: tuple[float, ...] = ()  # [place]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something to say about the places start..end of the first axis, or about a value of the second one.

    guilty: hops beyond a limit. hollow: hops without a single path. word: why a place has no number.
    passage: what a hop runs through (``skip``). limit, time: a value on the second axis.
    """

    kind: MarkKind
    start: float
    end: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture as data: title, first and second axis, series, marks."""

    title: str
    axes: tuple[Axis, Axis]
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()

    def named(self, name: str) -> Series | None:
        """The series of that name, or None."""
        return next((s for s in self.series if s.name == name), None)

    def marked(self, kind: MarkKind, place: int) -> Mark | None:
        """The first mark of a kind that covers a place of the first axis, or None."""
        return next((m for m in self.marks if m.kind == kind and m.start <= place <= m.end), None)

    def marks_of(self, kind: MarkKind) -> tuple[Mark, ...]:
        """The marks of a kind, in order."""
        return tuple(m for m in self.marks if m.kind == kind)

    def places(self, kind: MarkKind) -> tuple[int, ...]:
        """The places that marks of a kind cover, in order."""
        found = {i for m in self.marks if m.kind == kind for i in range(int(m.start), int(m.end) + 1)}
        return tuple(sorted(found))
