"""What a hop's picture is drawn with: paths in a box that the page stretches, words and boxes at shares of it.

The stream's height at a place is the size of the error there, times one scale. Letters lie above the paths, so that
they keep their size at any width of the page.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from gradiometer.records.walk import Factor

from .html_walk_plan import NAME_ROOM, NARROW, WIDTH, fits, name_lines
from .numbers import UNICODE
from .walk_words import times_words
from .walk_words_hop import not_finite

FULL = 1000.0
HAIR = 1.2
"""Pixels below which a stream is drawn as a hairline."""
FOOT = 4.0
"""Room between the boxes of the trunk and the picture's lower edge."""
FOOT_WORD = 19.0
"""From a box's lower edge up to the middle of its factor."""
SEAM = 0.7
"""Pixels that a stretch is drawn over its end, so that no seam is seen."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A path in the box of 1000 × 1000, and its class."""

    kind: str
    d: str


@dataclass(frozen=True, slots=True)
class Word:
    """Lines of text around a place (percent of the picture), with a class.

    number: of its step, shown where names do not fit. brief: what narrow pages show instead, "" where that is the same.
    """

    kind: str
    x: float
    y: float
    lines: tuple[str, ...]
    number: int = 0
    brief: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A frame at a place, all in percent of the picture."""

    x: float
    y: float
    width: float
    height: float


@dataclass(slots=True)
class Stream:
    """The picture as lists. height: pixels on a page that is WIDTH wide. crowded: its names fit on a wide page only.

    numbered: they fit nowhere. pale: it has parts that are not to scale. corner: a caption has room at its lower left.
    """

    height: float
    shapes: list[Shape] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    crowded: bool = False
    numbered: bool = False
    pale: bool = False
    corner: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of the picture: from ``left`` to ``right``, around the height ``middle``. Pixels."""

    left: float
    right: float
    middle: float

    @property
    def width(self) -> float:
        """How long the stretch is."""
        return self.right - self.left

    @property
    def centre(self) -> float:
        """Half-way along it."""
        return (self.left + self.right) / 2


class Pen:
    """Draws into ``picture``. scale: pixels a unit of the error's size."""

    def __init__(self, picture: Stream, scale: float) -> None:
        self.picture, self.scale = picture, scale
        self._names = 0

    def band(self, place: Place, size: float) -> None:
        """A straight stretch; a hairline where it would be thinner than a pixel, nothing for what has no size."""
        if place.width < 0.05 or not math.isfinite(size) or size <= 0:
            return
        if size * self.scale < HAIR:
            self.line(place, "hair")
            return
        top, bottom = around(place.middle, size * self.scale)
        end = _px(min(place.right + SEAM, WIDTH))
        self._shape("error", f"M{_px(place.left)} {self._py(top)}H{end}V{self._py(bottom)}H{_px(place.left)}Z")

    def station(self, place: Place, step: Factor, fill: str) -> None:
        """A step: the stream narrows or widens between its sizes; what is lost is a wedge on both sides."""
        if not (math.isfinite(step.before) and math.isfinite(step.after)):
            self.band(Place(place.left, place.centre, place.middle), step.before)
            self.word("cross", (place.centre, place.middle), ("✕",))
            return
        before, after = step.before * self.scale, step.after * self.scale
        if max(before, after) < HAIR:
            end = place.right if step.after > 0 else place.centre
            self.line(Place(place.left, end, place.middle), "hair")
            return
        self._narrowing(place, around(place.middle, before), around(place.middle, after), fill)
        if 0 < after < HAIR:
            self.line(Place(place.centre, place.right, place.middle), "hair")

    def _narrowing(self, place: Place, start: tuple[float, float], end: tuple[float, float], fill: str) -> None:
        (t0, b0), (t1, b1) = start, end
        a, b = place.left + 0.1 * place.width, place.right - 0.1 * place.width
        upper = f"M{_px(place.left)} {self._py(t0)}H{_px(a)}{self._curve(a, t0, b, t1)}H{_px(place.right + SEAM)}"
        lower = f"V{self._py(b1)}H{_px(b)}{self._curve(b, b1, a, b0)}H{_px(place.left)}Z"
        self._shape("error", upper + lower)
        if t1 - t0 > 0.25:
            for y0, y1 in ((t0, t1), (b0, b1)):
                self._shape(fill, f"M{_px(a)} {self._py(y0)}{self._curve(a, y0, b, y1)}V{self._py(y0)}Z")

    def flow(self, place: Place, source: tuple[float, float], sink: tuple[float, float]) -> None:
        """Where ways part or join: pale, because its width is not to scale. source, sink: upper and lower edge."""
        self.picture.pale = True
        (t0, b0), (t1, b1) = source, sink
        x0, x1 = place.left, place.right
        if max(b0 - t0, b1 - t1) < HAIR:
            if b0 > t0 or b1 > t1:
                y0, y1 = (t0 + b0) / 2, (t1 + b1) / 2
                self._shape("hair", f"M{_px(x0)} {self._py(y0)}{self._curve(x0, y0, x1, y1)}")
            return
        back = f"V{self._py(b1)}{self._curve(x1, b1, x0, b0)}Z"
        self._shape("pale", f"M{_px(x0)} {self._py(t0)}{self._curve(x0, t0, x1, t1)}{back}")

    def line(self, place: Place, kind: str) -> None:
        """A line of no width: a stream thinner than a pixel, or (``gone``) one that is not there."""
        self._shape(kind, f"M{_px(place.left)} {self._py(place.middle)}H{_px(place.right)}")

    def frame(self, place: Place, step: Factor, room: float, kind: str) -> None:
        """A station of the trunk: a box over the whole height, its name above, its factor at its foot."""
        height = self.picture.height
        self.box(Place(place.left, place.right, (NAME_ROOM + height - FOOT) / 2), height - FOOT - NAME_ROOM)
        self.name(step, place.centre, NAME_ROOM / 2 - 2, room)
        self.word(kind, (place.centre, height - FOOT - FOOT_WORD), (times(step),))

    def name(self, step: Factor, x: float, y: float, room: float) -> None:
        """A station's name in the room that it has; its number shows on pages where it does not fit."""
        lines = name_lines(step.title, room)
        self.picture.numbered |= not lines
        self.picture.crowded |= not fits(lines or (step.title,), room * NARROW / WIDTH)
        self._names += 1
        self.word("name", (x, y), lines or (step.title,), number=self._names)

    def word(
        self, kind: str, place: tuple[float, float], lines: tuple[str, ...], brief: str = "", number: int = 0
    ) -> None:
        """Text around a place, in pixels."""
        at = round(100 * place[0] / WIDTH, 2), round(100 * place[1] / self.picture.height, 2)
        self.picture.words.append(Word(kind, *at, lines, number, brief))

    def box(self, place: Place, height: float) -> None:
        """A frame around a place."""
        wide, high = 100 / WIDTH, 100 / self.picture.height
        top = place.middle - height / 2
        places = (place.left * wide, top * high, place.width * wide, height * high)
        self.picture.boxes.append(Box(*(round(p, 2) for p in places)))

    def _curve(self, x0: float, y0: float, x1: float, y1: float) -> str:
        half = _px((x0 + x1) / 2)
        return f"C{half} {self._py(y0)} {half} {self._py(y1)} {_px(x1)} {self._py(y1)}"

    def _shape(self, kind: str, d: str) -> None:
        self.picture.shapes.append(Shape(kind, d))

    def _py(self, y: float) -> str:
        return f"{FULL * y / self.picture.height:.1f}".removesuffix(".0")


def _px(x: float) -> str:
    return f"{FULL * min(x, WIDTH) / WIDTH:.1f}".removesuffix(".0")


def around(middle: float, height: float) -> tuple[float, float]:
    """Upper and lower edge of a stream."""
    return middle - height / 2, middle + height / 2


def times(step: Factor) -> str:
    """``×0.53``, as the sentences write it; a dash where it is not known."""
    return UNICODE.unknown if math.isnan(step.factor) else times_words(step.factor)


def odd_word(size: float) -> str:
    """What stands for a size that is no number above 0."""
    return "0" if size == 0 else f"✕ {not_finite(size)}"


def ended(step: Factor) -> bool:
    """Nothing goes on behind this step: what leaves it is zero, or no number."""
    return not (math.isfinite(step.after) and step.after > 0)
