"""A grid of letters to draw on: signs, rows, columns, and fine strokes in the eight dots of a braille letter."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .style import Ink

BRAILLE = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # [row in the cell, column in the cell]

Point = tuple[float, float]
"""Shares of the canvas: from the left, and from the bottom."""


@dataclass(frozen=True, slots=True)
class Pen:
    """What a stroke is made of: dots, or a letter where there is no braille. dash: so many drawn, so many left out."""

    ink: Ink
    letter: str = ""
    dash: int = 0


class Canvas:
    """``rows`` lines of ``width`` letters, each with its colour. Row 0 is on top."""

    def __init__(self, width: int, rows: int) -> None:
        self.width, self.rows = width, rows
        self._letters = [[" "] * width for _ in range(rows)]
        self._inks: list[list[Ink]] = [[""] * width for _ in range(rows)]

    def put(self, x: int | None, y: int, letter: str, ink: Ink) -> None:
        """One letter; None and places outside are left out."""
        if x is not None and 0 <= x < self.width and 0 <= y < self.rows:
            self._letters[y][x], self._inks[y][x] = letter, ink

    def row(self, y: int, left: int, right: int, letter: str, ink: Ink) -> None:
        """A run of letters in one row."""
        for x in range(left, right + 1):
            self.put(x, y, letter, ink)

    def column(self, x: int, top: int, bottom: int, letter: str, ink: Ink) -> None:
        """A run of letters in one column."""
        for y in range(top, bottom + 1):
            self.put(x, y, letter, ink)

    def word(self, x: int, y: int, word: str, ink: Ink) -> None:
        """A word from x on, moved to the left where it would leave the canvas."""
        start = max(0, min(x, self.width - len(word)))
        for k, letter in enumerate(word):
            self.put(start + k, y, letter, ink)

    def stroke(self, start: Point, end: Point, pen: Pen) -> None:
        """A straight line between two points."""
        fine_x, fine_y = (2, 4) if not pen.letter else (1, 1)
        xs, ys = self.width * fine_x - 1, self.rows * fine_y - 1
        (x0, y0), (x1, y1) = ((x * xs, (1 - y) * ys) for x, y in (start, end))
        steps = max(1, math.ceil(max(abs(x1 - x0), abs(y1 - y0))))
        for k in range(steps + 1):
            x, y = round(x0 + (x1 - x0) * k / steps), round(y0 + (y1 - y0) * k / steps)
            if pen.dash and (x // pen.dash) % 2:
                continue
            if pen.letter:
                self.put(x, y, pen.letter, pen.ink)
            else:
                self._dot(x, y, pen.ink)

    def _dot(self, x: int, y: int, ink: Ink) -> None:
        """One of the 2 x 4 dots of a letter, counted over the whole canvas. A sign that stands there stays."""
        column, row = x // 2, y // 4
        before = self._letters[row][column]
        dots = ord(before) - BRAILLE if BRAILLE <= ord(before) < BRAILLE + 256 else 0
        if before == " " or dots:
            self.put(column, row, chr(BRAILLE + dots | _DOTS[y % 4][x % 2]), ink)

    def pieces(self, y: int) -> list[tuple[str, Ink]]:
        """A row as pieces of one colour each."""
        out: list[tuple[str, Ink]] = []
        for letter, ink in zip(self._letters[y], self._inks[y], strict=True):
            if out and out[-1][1] == ink:
                out[-1] = (out[-1][0] + letter, ink)
            else:
                out.append((letter, ink))
        return out
