"""Where values lie on the axes of an experiment's picture, and which ticks stand there; for text and Plotly alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .figures import Axis, Figure
from .numbers import Numbers

ROOM_SHARE = 0.05
"""Of the range that is left free beyond the outermost value."""
FINE_DECADES = 1.6
"""An axis shorter than this has ticks between whole decades as well."""


@dataclass(frozen=True, slots=True)
class Span:
    """The drawn part of an axis, in drawn units (log10 on a log axis), and how its ticks are named."""

    low: float
    high: float
    scale: str

    def share(self, value: float) -> float:
        """Where a value lies, 0 at the low end and 1 at the high one; nan for what cannot be drawn."""
        return (drawn(value, self.scale) - self.low) / (self.high - self.low)

    def ticks(self, most: int, numbers: Numbers) -> list[tuple[float, str]]:
        """At most about ``most`` ticks: drawn position and words."""
        short = self.high - self.low < FINE_DECADES
        if self.scale == "log" or (self.scale == "decades" and not short):
            return self._decade_ticks(most, numbers)
        step = _nice((self.high - self.low) / max(1, most))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        plus = "+" if self.scale == "decades" else ""
        return [
            (k * step, (plus if k > 0 else "") + numbers.number(round(k * step, 12))) for k in range(first, last + 1)
        ]

    def _decade_ticks(self, most: int, numbers: Numbers) -> list[tuple[float, str]]:
        if self.high - self.low < FINE_DECADES and self.scale == "log":
            places = [
                (math.log10(m) + k, m * 10.0**k)
                for k in range(math.floor(self.low), math.ceil(self.high) + 1)
                for m in (1, 2, 5)
            ]
            return [(at, numbers.number(value)) for at, value in places if self.low <= at <= self.high]
        wide = (self.high - self.low) / most
        step = next((s for s in (1, 2, 3) if s >= wide), round(_nice(max(wide, 1.0))))
        whole = range(math.ceil(self.low / step) * step, math.floor(self.high) + 1, step)
        return [(float(k), ten(k, numbers) if self.scale == "log" else signed(k, numbers)) for k in whole]


def has_names(axis: Axis) -> bool:
    """Whether the places of a first axis are names, and not numbers (steps may be written as both)."""
    return axis.scale in ("sites", "hops", "categories") or not axis.values


def drawn(value: float, scale: str) -> float:
    """A value in drawn units: its log10 on a log axis, nan for what has none."""
    if not math.isfinite(value):
        return math.nan
    if scale != "log":
        return value
    return math.log10(value) if value > 0 else math.nan


def ten(exponent: int, numbers: Numbers) -> str:
    """``1``, ``10``, ``10⁻³``; in ASCII ``1e-3``."""
    if exponent in (0, 1):
        return "10" if exponent else "1"
    return numbers.power(10.0**exponent).replace("1.0 × ", "").replace("1.0e", "1e")


def signed(value: int, numbers: Numbers) -> str:
    """``0``, ``+2``, ``−3``: decades."""
    return "0" if value == 0 else (numbers.minus if value < 0 else "+") + str(abs(value))


def value_span(figure: Figure) -> Span:
    """The second axis, around everything that is drawn on it: values, intervals, limits."""
    axis = figure.axes[1]
    everything = [v for s in figure.series for v in (*s.values, *s.low, *s.high)]
    everything += [m.start for m in figure.marks if m.kind == "limit"]
    return _around(everything, axis.scale)


def place_span(axis: Axis) -> Span:
    """The first axis where its places are numbers."""
    known = [drawn(v, axis.scale) for v in axis.values]
    known = [v for v in known if math.isfinite(v)] or [0.0, 1.0]
    return Span(min(known), max(known) if max(known) > min(known) else min(known) + 1.0, axis.scale)


def _around(values: Iterable[float], scale: str) -> Span:
    known = [v for v in (drawn(value, scale) for value in values) if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if high - low < 1e-12 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    if scale == "linear" and 0 < low < 0.4 * high:
        low = 0.0
    room = ROOM_SHARE * (high - low)
    return Span(low if low == 0 and scale == "linear" else low - room, high + room, scale)


def _nice(step: float) -> float:
    """The next larger of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))


def spread_apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions of labels that stay at least ``gap`` apart, in the order of what they name, within low..high."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    out = list(wanted)
    below = low - gap
    for i in order:
        out[i] = below = max(wanted[i], below + gap)
    above = high + gap
    for i in reversed(order):
        out[i] = above = min(out[i], above - gap)
    return out
