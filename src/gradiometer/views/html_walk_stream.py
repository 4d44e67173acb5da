"""The picture of one hop: a stream from left to right whose width is the size of the error, linear and to scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradiometer.records.walk import Factor, WalkHop

from .html_walk_fork import draw_forked
from .html_walk_pen import FOOT, Pen, Place, Stream, ended, odd_word
from .html_walk_plan import (
    BAND,
    DEEP_ROOM,
    FOOT_ROOM,
    HEAD_ROOM,
    LABEL_SIGN_PX,
    LEAST_BANDS,
    LEAST_BANDS_DEEP,
    NAME_ROOM,
    NARROW,
    WIDTH,
    opens,
    room_of,
    shortened,
    steps_of,
    times_kind,
    tones,
)
from .numbers import UNICODE
from .walk_words import station_words
from .walk_words_time import through_time

IN_BAND, END_LINE = 34.0, 27.0
"""Height from which a number fits into the stream, and height of each line of a label above its number."""
STATION_PX, STATION_SHARE = 148.0, 0.62
"""Widest station of a plain chain, and its share of the way from one station to the next."""
SIZE_PX, SIZE_PX_NARROW = 90.0, 76.0
"""Width that the size between two stations needs."""
CORNER = 300.0
"""Width of the first stretch from which the caption of the picture has room below it."""
LOW_BAND = 84.0
"""Height of the widest stream where a second picture, of the error through time, stands below."""
ONE_LINE = 240.0
"""Width from which ``error at layer 14`` stands in one line."""


def relative(size: float) -> str:
    """A size in units of what has arrived: ``1.000``, ``0.531``, ``5.3 × 10⁻⁴``."""
    return f"{size:.3f}" if 1e-3 <= size < 10 else UNICODE.number(size)


def stream_of(hop: WalkHop) -> Stream:
    """The picture of a hop. What is zero or no number ends the stream, with a word."""
    drawn = steps_of(hop.factors).drawn
    room = room_of(drawn, 0)
    size = max(room.size, hop.error_in if math.isfinite(hop.error_in) else 0.0)
    bands = _bands(hop, room.fixed)
    head = NAME_ROOM + (HEAD_ROOM if room.fixed else FOOT_ROOM)
    high = room.fixed + bands
    picture = Stream(head + high + FOOT_ROOM + FOOT)
    pen = Pen(picture, bands / size if size > 0 else 0.0)
    whole = Place(0.0, WIDTH, head + high / 2)
    if math.isfinite(hop.error_in) and hop.error_in > 0:
        _draw(pen, hop, drawn, whole)
        picture.corner &= not picture.crowded
    else:
        pen.line(whole, "gone")
        none = ", no error" if hop.error_in == 0 else ""
        pen.word("size gone", (whole.centre, whole.middle - 24), (f"{odd_word(hop.error_in)}{none} arrives",))
    return picture


def _bands(hop: WalkHop, fixed: float) -> float:
    """Height that streams share, beside the fixed height of names and factors."""
    if any(through_time(hop.factors)):
        return LOW_BAND
    return max(BAND - fixed, LEAST_BANDS_DEEP if fixed > DEEP_ROOM else LEAST_BANDS)


def _draw(pen: Pen, hop: WalkHop, drawn: Sequence[Factor], whole: Place) -> None:
    forked = any(opens(f, 0) for f in drawn)
    first, last = _ends(len(drawn), forked)
    inner = Place(first, WIDTH - last, whole.middle)
    pen.picture.corner = not forked and first >= CORNER
    pen.band(Place(0.0, first, whole.middle), hop.error_in)
    if forked:
        draw_forked(pen, hop, drawn, inner)
    elif drawn:
        _draw_plain(pen, hop, drawn, inner)
    else:
        pen.band(inner, hop.error_in)
    _arriving(pen, hop, Place(0.0, first, whole.middle))
    _leaving(pen, hop, drawn, Place(inner.right, WIDTH, whole.middle))


def _ends(steps: int, forked: bool) -> tuple[float, float]:
    """Widths of the first and the last stretch: they carry the labels of both stations."""
    if forked:
        return 150.0, 170.0
    return (388.0, 375.0) if steps <= 2 else (300.0, 300.0) if steps <= 4 else (200.0, 190.0)


def _arriving(pen: Pen, hop: WalkHop, place: Place) -> None:
    label = _label(hop.upper_label, place)
    inside, at = _beside(pen, hop.error_in, label, place)
    _end_word(pen, place, (20 if inside else 0, at), (*label, relative(1.0)), "inside" if inside else "outside")


def _leaving(pen: Pen, hop: WalkHop, drawn: Sequence[Factor], place: Place) -> None:
    size, label = hop.error_out, _label(hop.lower_label, place)
    if not (math.isfinite(size) and size > 0) or any(map(ended, drawn)):
        pen.line(place, "gone")
        at = place.middle - 20 - 12 * len(label)
        _end_word(pen, place, (place.left + 16, at), (*label, odd_word(size)), "outside gone")
        return
    pen.band(place, size)
    inside, at = _beside(pen, size, label, place)
    lines = (*label, relative(size / hop.error_in))
    _end_word(pen, place, (place.left + 16, at), lines, "inside" if inside else "outside")


def _label(station: str, place: Place) -> tuple[str, ...]:
    """``error at layer 14``, in two lines where the stretch is short."""
    name = station_words(station)
    if place.width >= ONE_LINE and len(name) * LABEL_SIGN_PX < place.width - ONE_LINE / 2:
        return (f"error at {name}",)
    return ("error at", shortened(name, place.width - 16))


def _beside(pen: Pen, size: float, label: Sequence[str], place: Place) -> tuple[bool, float]:
    """Whether a label with its number fits into the stream, and the height of its middle: there, or above."""
    height = size * pen.scale
    inside = height >= IN_BAND + END_LINE * len(label)
    return inside, place.middle if inside else place.middle - height / 2 - 20 - 12 * len(label)


def _end_word(pen: Pen, place: Place, at: tuple[float, float], lines: tuple[str, ...], kind: str) -> None:
    """The label of a station with its size; narrow pages leave the label out where it does not fit."""
    long = max(map(len, lines[:-1])) * LABEL_SIGN_PX > place.width * NARROW / WIDTH
    pen.word(f"end {kind}{' long' if long else ''}", at, lines)


def _draw_plain(pen: Pen, hop: WalkHop, drawn: Sequence[Factor], place: Place) -> None:
    n = len(drawn)
    station = min(STATION_PX, STATION_SHARE * place.width / n)
    between = (place.width - n * station) / (n - 1) if n > 1 else 0.0
    x = place.left if n > 1 else place.centre - station / 2
    pen.band(Place(place.left, x, place.middle), hop.error_in)
    for i, (step, fill) in enumerate(zip(drawn, tones(hop, drawn), strict=True)):
        here = Place(x, x + station, place.middle)
        pen.frame(here, step, station + 0.9 * between if n > 1 else place.width, times_kind(hop, step))
        pen.station(here, step, fill)
        if ended(step):
            pen.line(Place(here.right, place.right, place.middle), "gone")
            return
        x = here.right + between if i < n - 1 else place.right
        pen.band(Place(here.right, x, place.middle), step.after)
        if i < n - 1:
            _size_between(pen, hop, Place(here.right, x, place.middle), step.after)


def _size_between(pen: Pen, hop: WalkHop, place: Place, size: float) -> None:
    if place.width < SIZE_PX:
        return
    height = size * pen.scale
    inside = height >= IN_BAND
    wide = "" if place.width * NARROW / WIDTH >= SIZE_PX_NARROW else " wide"
    at = place.middle if inside else place.middle - height / 2 - 22
    kind = f"size {'inside' if inside else 'outside'}{wide}"
    pen.word(kind, (place.centre, at), (relative(size / hop.error_in),))
