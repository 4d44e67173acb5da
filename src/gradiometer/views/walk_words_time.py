"""The sentences of a recurrent net: what becomes of the error through its time steps, the last one first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from gradiometer.records.walk import Factor

from .numbers import UNICODE
from .walk_words_hop import not_finite, times_words

Sizes = Sequence[float]

SAME_DECADES = 0.02
"""A change of the whole way below this is told as none."""


def through_time(factors: Sequence[Factor]) -> Iterator[Factor]:
    """The steps that go through more than one time step, also those along the ways of a fork."""
    for factor in factors:
        if factor.through_time and len(factor.through_time[0]) > 1:
            yield factor
        for arm in factor.arms:
            yield from through_time(arm.factors)


def layer_names(factor: Factor) -> list[str]:
    """``layer 2``, ``layer 1``, the last one first; one layer alone is called as its step."""
    n = len(factor.through_time)
    return [factor.title] if n == 1 else [f"layer {n - i}" for i in range(n)]


def start_size(layers: Sequence[Sizes]) -> float:
    """The size that counts as 0 decades: that of the last layer's last step, or the first one that is above 0."""
    return next((s for layer in layers for s in layer if math.isfinite(s) and s > 0), 1.0)


def decades_left(size: float, start: float) -> float:
    """log10(size / start); nan where the size is no number above 0."""
    return math.log10(size) - math.log10(start) if math.isfinite(size) and size > 0 else math.nan


def time_line(factor: Factor) -> str:
    """``Through 30 time steps the error falls 1.9 decades, ×0.86 a step.``"""
    layers, names = factor.through_time, layer_names(factor)
    count = UNICODE.count(len(layers[0]))
    if len(layers) == 1:
        return f"Through {count} time steps the error {way_back(layers[0])}."
    told = "; ".join(f"in {name} it {way_back(sizes)}" for name, sizes in zip(names, layers, strict=True))
    return f"The error through {count} time steps: {told}."


def way_back(sizes: Sizes) -> str:
    """``falls 1.9 decades, ×0.86 a step``; ``stops: before step 4 there is none``. sizes: last step first."""
    first, last, count = sizes[0], sizes[-1], len(sizes)
    odd = next((i for i, s in enumerate(sizes) if not math.isfinite(s)), None)
    if odd is not None:
        return f"is {not_finite(sizes[odd])} at step {count - odd}"
    reached = [i for i, s in enumerate(sizes) if s > 0]
    if not reached:
        return "is zero everywhere"
    if last == 0:
        return f"stops: before step {count - reached[-1]} there is none"
    if first == 0:
        return f"is born at step {count - reached[0]} and before"
    decades = decades_left(last, first)
    if abs(decades) < SAME_DECADES:
        return "keeps its size"
    step = times_words(10 ** (decades / (count - 1)))
    return f"{'falls' if decades < 0 else 'grows'} {abs(decades):.1f} decades, {step} a step"
