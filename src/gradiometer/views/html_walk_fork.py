"""Chains with forks: ways part, run one above the other as streams of their own, and join again."""

from __future__ import annotations

from collections.abc import Sequence

from gradiometer.records.walk import Arm, Factor, WalkHop

from .html_walk_pen import Pen, Place, around, ended, odd_word, times
from .html_walk_plan import (
    ABOVE_LANE,
    BELOW_LANE,
    BETWEEN,
    LANE_GAP,
    NARROW,
    PART,
    SIGN_PX,
    STATION,
    WIDTH,
    arms_of,
    lane_room,
    opens,
    room_of,
    shortened,
    simple,
    sound,
    step_units,
    steps_of,
    times_kind,
    tones,
)
from .walk_words import times_words

IN_LANE = 24.0
"""Height from which the name of a way fits into its stream."""


def draw_forked(pen: Pen, hop: WalkHop, drawn: Sequence[Factor], place: Place) -> None:
    """A hop that has forks, between its first and its last stretch."""
    whole = sum(step_units(f, 0) for f in drawn) + BETWEEN * (len(drawn) - 1)
    _Forked(pen, hop, place.width / whole).chain(drawn, place, 0)


class _Forked:
    """unit: pixels that a station is wide."""

    def __init__(self, pen: Pen, hop: WalkHop, unit: float) -> None:
        self.pen, self.hop, self.unit = pen, hop, unit

    def chain(self, drawn: Sequence[Factor], place: Place, depth: int) -> None:
        """Steps in the middle of a place, straight stretches before, between and after them."""
        fills = tones(self.hop, drawn) if depth == 0 else ["neutral"] * len(drawn)
        between = BETWEEN * self.unit
        wide = sum(step_units(f, depth) for f in drawn) * self.unit + between * (len(drawn) - 1)
        x, gap, size = place.left, max(0.0, (place.width - wide) / 2), drawn[0].before
        for step, fill in zip(drawn, fills, strict=True):
            self.pen.band(Place(x, x + gap, place.middle), size)
            here = Place(x + gap, x + gap + step_units(step, depth) * self.unit, place.middle)
            self._framed(here, step, depth)
            if opens(step, depth):
                self._fork(here, step, depth)
            else:
                self.pen.station(here, step, fill)
            if ended(step):
                self.pen.line(Place(here.right, place.right, place.middle), "gone")
                return
            x, gap, size = here.right, between, step.after
        self.pen.band(Place(x, place.right, place.middle), size)

    def _framed(self, place: Place, step: Factor, depth: int) -> None:
        """A box with name and factor: over the whole height in the trunk, around its own stream inside a fork."""
        wide = place.width if opens(step, depth) else (STATION + BETWEEN) * self.unit
        if depth == 0:
            self.pen.frame(place, step, wide, times_kind(self.hop, step))
            return
        room = room_of([step], depth)
        half = (room.fixed - ABOVE_LANE - BELOW_LANE + room.size * self.pen.scale) / 2 + 2
        self.pen.box(place, 2 * half)
        self.pen.name(step, place.centre, place.middle - half - ABOVE_LANE / 2 + 1, wide)
        self.pen.word("times small", (place.centre, place.middle + half + BELOW_LANE / 2 - 1), (times(step),))

    def _fork(self, place: Place, fork: Factor, depth: int) -> None:
        scale = self.pen.scale
        arms = arms_of(fork)
        heights = [r.fixed + r.size * scale for r in (lane_room(a, depth + 1) for a in arms)]
        top = place.middle - (sum(heights) + LANE_GAP * (len(arms) - 1)) / 2
        left, right = place.left + PART * self.unit, place.right - PART * self.unit
        begins = [sound(a.factors[0].before if a.factors else a.size) * scale for a in arms]
        ends = [sound(a.size) * scale for a in arms]
        sources = _slices(begins, place.middle, sound(fork.before) * scale)
        sinks = _slices(ends, place.middle, sound(fork.after) * scale)
        for i, arm in enumerate(arms):
            below = 0.0 if simple(steps_of(arm.factors).drawn) else BELOW_LANE
            at = top + (heights[i] + ABOVE_LANE - below) / 2
            self.pen.flow(Place(place.left, left, at), sources[i], around(at, begins[i]))
            self._lane(Place(left, right, at), arm, depth + 1)
            self.pen.flow(Place(right, place.right, at), around(at, ends[i]), sinks[i])
            top += heights[i] + LANE_GAP

    def _lane(self, place: Place, arm: Arm, depth: int) -> None:
        drawn = steps_of(arm.factors).drawn
        begins = sound(drawn[0].before if drawn else arm.size)
        if not simple(drawn):
            self.chain(drawn, place, depth)
        elif drawn:
            self._one_step(place, drawn[0])
        elif begins > 0:
            self.pen.band(place, begins)
        else:
            self.pen.line(place, "gone")
        inside = len(drawn) != 1 and begins * self.pen.scale >= IN_LANE
        up = begins * self.pen.scale / 2 + ABOVE_LANE / 2
        self.pen.word(
            f"way {'inside' if inside else 'outside'}",
            (place.left + 6, place.middle if inside else place.middle - up),
            (_way_words(arm, drawn, place.width),),
            brief=_way_words(arm, drawn, place.width * NARROW / WIDTH),
        )

    def _one_step(self, place: Place, step: Factor) -> None:
        """A way with one step: it narrows or widens half-way, without a box."""
        half = STATION * self.unit / 2
        here = Place(place.centre - half, place.centre + half, place.middle)
        self.pen.band(Place(place.left, here.left, place.middle), step.before)
        self.pen.station(here, step, "neutral")
        if ended(step):
            self.pen.line(Place(here.right, place.right, place.middle), "gone")
        else:
            self.pen.band(Place(here.right, place.right, place.middle), step.after)


def _way_words(arm: Arm, drawn: Sequence[Factor], width: float) -> str:
    """``branch``; where its steps have no boxes, ``branch: weights ×0.40`` or as much of it as there is room for."""
    if not simple(drawn):
        return shortened(arm.name, width / 3)
    gain = times_words(arm.gain) if sound(arm.gain) > 0 else odd_word(arm.gain)
    title = f"{arm.name}: {drawn[0].title} {gain}" if drawn and drawn[0].title != arm.name else ""
    told = [w for w in (title, f"{arm.name} {gain}") if w and len(w) * SIGN_PX <= width]
    return told[0] if told else shortened(arm.name, width)


def _slices(sizes: Sequence[float], middle: float, height: float) -> list[tuple[float, float]]:
    """A stream cut into one slice a way, in proportion to the ways' sizes: upper and lower edge of each."""
    total = sum(sizes)
    top, out = middle - height / 2, []
    for size in sizes:
        part = height * size / total if total > 0 else 0.0
        out.append((top, top + part))
        top += part
    return out
