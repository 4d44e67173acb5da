"""Where the parts of a hop's stream lie: which steps are drawn, how wide they are, how high the whole is.

Lengths are pixels of a page that is WIDTH wide; the page stretches the picture to its own width. Heights of the stream
are sizes of the error times one scale.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from gradiometer.diagnosis.limits import HOP_GAIN_HIGH, HOP_GAIN_LOW
from gradiometer.records.walk import Arm, Factor, WalkHop

from .walk_words_hop import SAME_SIZE

WIDTH = 1312.0
NARROW = 720.0
"""Width of the picture on a page of 800 pixels."""

MOST_STATIONS = 9
"""Stations beside each other whose names can still be read; neighbours that do little are drawn as one beyond."""
MOST_ARMS = 4
DEEPEST_FORK = 2
"""Forks inside forks that are drawn; a fork further inside is one station."""

BAND = 196.0
"""Height of the widest stream where no ways lie above each other."""
NAME_ROOM, FOOT_ROOM = 28.0, 38.0
HEAD_ROOM = 4.0
"""Between a box and the first of the ways in it, whose name has room of its own."""
ABOVE_LANE, BELOW_LANE = 23.0, 20.0
LANE_GAP = 5.0
LEAST_BANDS = 140.0
"""Height that all ways of a fork share at least."""
DEEP_ROOM, LEAST_BANDS_DEEP = 180.0, 108.0
"""Where names and factors of nested forks need so much room, their ways share less."""

STATION, BETWEEN, LEAD, PART = 1.0, 0.45, 0.85, 0.6
"""Widths inside a fork, in shares of a station: the stretch between two, before the first, where ways part."""
SIGN_PX, LABEL_SIGN_PX = 10.0, 9.4
"""Widths of a letter: of a step's name, and of a label at an end of the picture."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What is drawn of a chain, and how many steps that keep the size are left out."""

    drawn: tuple[Factor, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Room:
    """Height that a part needs: fixed pixels, and size of the error that is to be drawn to scale."""

    fixed: float
    size: float


def steps_of(factors: Sequence[Factor], most: int = MOST_STATIONS) -> Steps:
    """The steps to draw: those that only move numbers about are left out, neighbours that do little become one."""
    kept = [f for f in factors if not idle(f)] or list(factors[:1])
    groups = [[f] for f in kept]
    while len(groups) > most:
        pairs = [_weight(a) + _weight(b) for a, b in itertools.pairwise(groups)]
        at = min(range(len(pairs)), key=lambda i: pairs[i])
        if not math.isfinite(pairs[at]):
            break
        groups[at : at + 2] = [groups[at] + groups[at + 1]]
    return Steps(tuple(map(_together, groups)), len(factors) - len(kept))


def idle(factor: Factor) -> bool:
    """It moves numbers about or adds a constant, and changes no size: a reshape, a view, one side of a sum."""
    plain = factor.role in ("reshape", "index", "sum") and factor.by_law and not factor.arms
    return plain and abs(factor.factor - 1) < 1e-6


def _weight(group: Sequence[Factor]) -> float:
    """Decades that steps do, either way; a fork and what is no number above 0 are never joined with others."""
    if any(f.arms or not (math.isfinite(f.factor) and f.factor > 0) for f in group):
        return math.inf
    return sum(abs(math.log10(f.factor)) for f in group)


def _together(group: Sequence[Factor]) -> Factor:
    if len(group) == 1:
        return group[0]
    return msgspec.structs.replace(
        group[0],
        title=f"{len(group)} steps",
        role="several",
        after=group[-1].after,
        factor=math.prod(f.factor for f in group),
        share=sum(f.share for f in group),
        largest=None,
        theory=math.nan,
        slope=math.nan,
        by_law=all(f.by_law for f in group),
    )


def arms_of(fork: Factor) -> tuple[Arm, ...]:
    """The ways to draw: where there are many, the widest ones and one for all others together."""
    if len(fork.arms) <= MOST_ARMS:
        return fork.arms
    places = range(len(fork.arms))
    order = sorted(places, key=lambda i: sound(fork.arms[i].size), reverse=True)
    widest, others = sorted(order[: MOST_ARMS - 1]), [fork.arms[i] for i in order[MOST_ARMS - 1 :]]
    size, gain = math.hypot(*(a.size for a in others)), math.hypot(*(a.gain for a in others))
    return (*(fork.arms[i] for i in widest), Arm(f"{len(others)} others", size, gain))


def opens(factor: Factor, depth: int) -> bool:
    """Whether the ways of a fork are drawn at this depth."""
    return bool(factor.arms) and depth < DEEPEST_FORK


def simple(drawn: Sequence[Factor]) -> bool:
    """A way without a station of its own: a plain skip, or one step, whose name stands beside that of the way."""
    return not drawn or (len(drawn) == 1 and not drawn[0].arms)


# ---- guilt -------------------------------------------------------------------------------------------------------


def tones(hop: WalkHop, drawn: Sequence[Factor]) -> list[str]:
    """Fill of what each step takes: guilty and guilty-2 in a hop that loses beyond the limit, quiet within it."""
    losers = [i for i, f in enumerate(drawn) if f.factor < 1]
    worst = max(losers, key=lambda i: _blame(drawn[i]), default=-1)
    first, others = ("guilty", "guilty-2") if beyond(hop) else ("neutral", "band")
    return [first if i == worst else others for i in range(len(drawn))]


def _blame(factor: Factor) -> float:
    if math.isfinite(factor.share):
        return factor.share
    return -math.log10(factor.factor) if factor.factor > 0 else math.inf


def beyond(hop: WalkHop) -> bool:
    """The hop keeps less of the error than the diagnosis allows."""
    return hop.gain < HOP_GAIN_LOW.value


def swollen(hop: WalkHop) -> bool:
    """The hop makes the error larger than the diagnosis allows."""
    return hop.gain > HOP_GAIN_HIGH.value


def times_kind(hop: WalkHop, step: Factor) -> str:
    """Class of a factor's words: those that carry a hop beyond its limit stand out."""
    blamed = (beyond(hop) and step.factor < 1 - SAME_SIZE) or (swollen(hop) and step.factor > 1 + SAME_SIZE)
    return "times beyond" if blamed else "times"


# ---- widths ------------------------------------------------------------------------------------------------------


def units(factors: Sequence[Factor], depth: int) -> float:
    """Width of a chain inside a fork, in stations, with the stretches at its ends."""
    return sum(step_units(f, depth) for f in factors) + BETWEEN * max(0, len(factors) - 1) + 2 * LEAD


def step_units(factor: Factor, depth: int) -> float:
    """Width of one step: a station, or the ways of a fork from where they part to where they join."""
    if not opens(factor, depth):
        return STATION
    return 2 * PART + max(units(steps_of(a.factors).drawn, depth + 1) for a in arms_of(factor))


# ---- heights -----------------------------------------------------------------------------------------------------


def room_of(factors: Sequence[Factor], depth: int) -> Room:
    """Height that a chain needs; names above and factors below its stations are counted inside a fork."""
    rooms = [_step_room(f, depth) for f in factors]
    return Room(max((r.fixed for r in rooms), default=0.0), max((r.size for r in rooms), default=0.0))


def _step_room(factor: Factor, depth: int) -> Room:
    around = ABOVE_LANE + BELOW_LANE if depth else 0.0
    if not opens(factor, depth):
        return Room(around, max(sound(factor.before), sound(factor.after)))
    lanes = [lane_room(a, depth + 1) for a in arms_of(factor)]
    stacked = sum(r.size for r in lanes)
    fixed = sum(r.fixed for r in lanes) + LANE_GAP * (len(lanes) - 1)
    return Room(fixed + (around if depth else 0.0), max(stacked, sound(factor.before), sound(factor.after)))


def lane_room(arm: Arm, depth: int) -> Room:
    """Height of one way of a fork: its name, its stream, and the factors below its stations."""
    drawn = steps_of(arm.factors).drawn
    inside = room_of(drawn, depth)
    if simple(drawn):
        return Room(ABOVE_LANE, max(inside.size, sound(arm.size)))
    return Room(max(inside.fixed, ABOVE_LANE + BELOW_LANE), max(inside.size, sound(arm.size)))


def sound(size: float) -> float:
    """A size that can be drawn; 0 for what is no number."""
    return size if math.isfinite(size) else 0.0


# ---- words -------------------------------------------------------------------------------------------------------


def fits(lines: Sequence[str], room_px: float) -> bool:
    """Whether the longest of these lines has room."""
    return max(map(len, lines)) * SIGN_PX <= room_px


def name_lines(title: str, room_px: float) -> tuple[str, ...]:
    """The name in one line, or in two where it is wider than its room; empty where it does not fit at all."""
    words = title.split(" ")
    cuts = [(title,), *((" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words)))]
    best = min(cuts[1:], key=lambda c: max(map(len, c)), default=cuts[0])
    return next((c for c in (cuts[0], best) if fits(c, room_px)), ())


def shortened(name: str, room_px: float) -> str:
    """The end of a name, which says most, where the whole has no room."""
    most = max(4, int(room_px / LABEL_SIGN_PX))
    return name if len(name) <= most else "…" + name[1 - most :].lstrip(".")


def unbroken(sentence: str) -> str:
    """No line ends between a number and what belongs to it."""
    return sentence.replace(" %", "\u202f%").replace(" × 10", "\u202f×\u202f10")
