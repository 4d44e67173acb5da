"""The sentences of a walk: what a hop does to the error, what the walk shows, how sure it is. Page and terminal alike.

Every sentence is written with ``UNICODE`` numbers; ``Style.words`` puts it into ASCII where that is asked.
"""

from __future__ import annotations

import math

from gradiometer.records.walk import Factor, Walk, WalkHop

from .numbers import UNICODE
from .walk_words_focus import focus_line, focus_name, terms_words, update_lines, update_short, why_words
from .walk_words_hop import (
    JOIN,
    KEPT_LEAST,
    SAME_SIZE,
    Alike,
    alike,
    angle_degrees,
    beside_a_skip,
    bound_note,
    counts,
    gain_words,
    headline,
    kept_words,
    meeting_words,
    not_finite,
    place_words,
    plural,
    spoilt,
    step_title,
    step_words,
    stopping,
    the,
    theory_note,
    times_words,
    way_words,
    ways_title,
)

__all__ = [
    "JOIN",
    "Alike",
    "agreement_line",
    "agrees",
    "alike",
    "angle_degrees",
    "beside_a_skip",
    "bound_note",
    "counts",
    "coverage_line",
    "focus_line",
    "focus_name",
    "gain_words",
    "headline",
    "kept_words",
    "loss_words",
    "meeting_words",
    "plural",
    "rough",
    "station_words",
    "step_title",
    "step_words",
    "terms_words",
    "the",
    "theory_note",
    "times_words",
    "update_lines",
    "update_short",
    "walk_verdict",
    "way_words",
    "ways_title",
    "why_words",
]

DROP_DECADES = 3.0
"""The error is told as dying from this loss on: the limit of the diagnosis, over the whole way."""

AGREES_TO = {"float64": 1e-8}
AGREES_TO_OTHERWISE = 1e-3
"""Largest relative gap to autograd that rounding explains over some hundred operations, by number format."""

NAMES_TOLD = 4
INPUT_LABELS = frozenset({"in", "input"})
LOSSES = {
    "": "loss",
    "unknown": "loss",
    "mse": "MSE",
    "l1": "MAE",
    "nll": "NLL",
    "bce": "BCE",
    "bce_logits": "BCE with logits",
    "smooth_l1": "smooth L1 loss",
    "huber": "Huber loss",
    "kl_div": "KL divergence",
}
"""Kinds of loss as a page calls them, where that is not their own name."""


# ---- the whole walk ----------------------------------------------------------------------------------------------


def walk_verdict(walk: Walk) -> str:
    """What happens to the error, where, and the consequence: two sentences, at most 25 words.

    The way is the one to the last layer: what the input gets trains nothing.
    """
    if (odd := _odd_verdict(walk)) != "":
        return odd
    decades = total_decades(walk)
    if math.isnan(decades):
        return "No error was walked: there is no hop between the loss and the input."
    if abs(decades) < math.log10(1 + SAME_SIZE):
        return f"The error keeps its size on its way back. {_arrival(walk)} as much as the output."
    if decades <= -1:
        verb = "dies on its way back:" if -decades >= DROP_DECADES else "shrinks on its way back:"
        return f"The error {verb} {-decades:.1f} decades, {_most(*taken_most(walk))}. {_consequence(walk, decades)}"
    if decades >= 1:
        return f"The error grows {decades:.1f} decades on its way back, {_most(*grown_most(walk))}. {_gets(walk)}"
    if decades < 0:
        return f"The error keeps {UNICODE.percent(10**decades)} of its size on its way back. {_worst(walk, -1)}"
    return f"The error grows to {UNICODE.factor(10**decades)} times its size on its way back. {_worst(walk, 1)}"


def _odd_verdict(walk: Walk) -> str:
    """The verdict where an error is zero, infinite or nan; "" where all are numbers above 0."""
    if not walk.hops:
        return ""
    if walk.error_at_head == 0:
        return "No error is born: the loss is flat where the network stands. Nothing can learn from it."
    if not math.isfinite(walk.error_at_head):
        return f"The error is {not_finite(walk.error_at_head)} at its birth, in the loss. Nothing can learn from it."
    for hop in walk.hops:
        if hop.error_out == 0:
            stops = f"The error stops at hop {hop.number}: nothing passes {stopping(hop)}."
            return f"{stops} {_below(walk, hop)} learns nothing."
        if not math.isfinite(hop.error_out):
            word = not_finite(hop.error_out)
            return f"The error becomes {word} at hop {hop.number}{spoilt(hop)}. {_below(walk, hop)} learns nothing."
    return ""


def _below(walk: Walk, hop: WalkHop) -> str:
    left = len(walk.hops) - hop.number
    return "What lies below it" if left else "The layer there"


def loss_words(walk: Walk) -> str:
    """``cross-entropy 2.32``; ``loss 2.32`` where its kind is not known."""
    name = LOSSES.get(walk.loss_kind, walk.loss_kind.replace("_", "-"))
    return f"{name} {UNICODE.number(walk.loss)}"


def hops_to_layers(walk: Walk) -> tuple[WalkHop, ...]:
    """The hops down to the last layer: all but the one to the input, where there are others."""
    inside = walk.hops[:-1] if walk.hops and walk.hops[-1].lower_label in INPUT_LABELS else walk.hops
    return inside or walk.hops


def total_decades(walk: Walk) -> float:
    """log10 of the error at the last layer over that at the head; nan where either is no number above 0."""
    hops = hops_to_layers(walk)
    if not hops:
        return math.nan
    first, last = hops[0].error_in, hops[-1].error_out
    sound = math.isfinite(first) and math.isfinite(last) and first > 0 and last > 0
    return math.log10(last) - math.log10(first) if sound else math.nan


def _most(place: str, share: float) -> str:
    """``70 % in the sigmoids``."""
    if not place:
        return "step by step"
    part = "all" if share > 0.995 else UNICODE.percent(share) if share >= 0.5 else "most"
    return f"{part} {place}"


def _worst(walk: Walk, sign: int) -> str:
    """The hop that does most in one direction: ``Hop 3 takes most: ×0.80.``"""
    hops = [h for h in hops_to_layers(walk) if h.gain > 0 and math.isfinite(h.gain)]
    hop = max(hops, key=lambda h: sign * h.gain)
    return f"Hop {hop.number} {'adds' if sign > 0 else 'takes'} most: {times_words(hop.gain)}."


def _consequence(walk: Walk, decades: float) -> str:
    """What follows: how long the focused weight's layer needs where that is known, else what arrives."""
    update = walk.focus.update if walk.focus is not None else None
    if update is None or math.isnan(update.steps_to_move) or update.steps_to_move <= 0:
        return _gets(walk)
    if math.isinf(update.steps_to_move):
        return f"{_layer(walk)} does not move at all."
    return f"{_layer(walk)} needs {UNICODE.steps(update.steps_to_move)} steps to move by its own size."


def _gets(walk: Walk) -> str:
    """``Layer 1 gets 2.3 × 10⁻¹⁷ of the error of the output.``"""
    decades = total_decades(walk)
    if abs(decades) > 300:
        more = "more" if decades > 0 else "less"
        return f"{_arrival(walk)} {abs(decades):.1f} decades {more} error than the output."
    gain = 10**decades
    part = f"{UNICODE.factor(gain)} times" if gain > 1 else f"{_share(gain)} of"
    return f"{_arrival(walk)} {part} the error of the output."


def _share(gain: float) -> str:
    return UNICODE.percent(gain) if gain >= KEPT_LEAST else UNICODE.power(gain)


def _arrival(walk: Walk) -> str:
    """``Layer 1 gets``: the last layer."""
    return _capital(f"{station_words(hops_to_layers(walk)[-1].lower_label)} gets")


def station_words(label: str) -> str:
    """``layer 13`` for a number, ``the input`` for the input, else the label itself."""
    if label.isdigit():
        return f"layer {label}"
    return "the input" if label in INPUT_LABELS else label


def _layer(walk: Walk) -> str:
    """The focused weight's module: by the label of its station where it has one, else by its path."""
    if walk.focus is None:
        return ""
    path = walk.focus.parameter.rpartition(".")[0] or walk.focus.parameter
    labels = dict(zip(walk.stations, walk.labels, strict=False))
    return _capital(station_words(labels[path]) if path in labels else path)


def _capital(words: str) -> str:
    """With a capital where it begins with a word of ours; a path stays as it is."""
    return words[:1].upper() + words[1:] if words.startswith(("layer ", "the ")) else words


def taken_most(walk: Walk) -> tuple[str, float]:
    """Where most of the size is taken over all hops (``in the sigmoids``), and its share of all losses."""
    return _most_of({t: -d for t, d in decades_by_place(walk).items() if d < 0})


def grown_most(walk: Walk) -> tuple[str, float]:
    """Where most is added to the size over all hops, and its share of all growth."""
    return _most_of({t: d for t, d in decades_by_place(walk).items() if d > 0})


def _most_of(amounts: dict[str, float]) -> tuple[str, float]:
    if not amounts:
        return "", math.nan
    place = max(amounts, key=amounts.__getitem__)
    return place, amounts[place] / sum(amounts.values())


def decades_by_place(walk: Walk) -> dict[str, float]:
    """log10 of all factors, summed over the hops, by where they are made. What is zero or not finite is left out."""
    kinds: dict[str, list[Factor]] = {}
    for factor in (f for h in hops_to_layers(walk) for f in h.factors):
        if factor.factor > 0 and math.isfinite(factor.factor):
            forks = bool(factor.arms) and not beside_a_skip(factor)
            kinds.setdefault("forks" if forks else step_title(factor), []).append(factor)
    return {place_words(fs[0], len(fs)): sum(math.log10(f.factor) for f in fs) for fs in kinds.values()}


# ---- how sure it is ----------------------------------------------------------------------------------------------


def coverage_line(walk: Walk) -> str:
    """``All 61 operations went by a hand-written law.`` or how many did, and which autograd has made."""
    if not walk.operations:
        return "The error passed no operation."
    n, total = walk.by_law, UNICODE.count(walk.operations)
    operations = "operation" if walk.operations == 1 else "operations"
    if n == walk.operations:
        every = "The one operation" if n == 1 else f"All {total} operations"
        return f"{every} went by a hand-written law."
    missing = walk.operations - n
    named = ", ".join(_counted(name, count) for name, count in walk.without_law[:NAMES_TOLD])
    more = len(walk.without_law) - NAMES_TOLD
    named += f" and {more} more" if more > 0 else ""
    made = f"autograd made {UNICODE.count(missing)}" + (f": {named}" if named else "")
    if n == 0:
        return f"No operation of {total} went by a hand-written law; {made}."
    went = f"{UNICODE.count(n)} of {total} {operations} ({UNICODE.percent(walk.law_share)})"
    return f"{went} went by a hand-written law; {made}."


def _counted(name: str, count: int) -> str:
    return name if count == 1 else f"{name} {UNICODE.times}{UNICODE.count(count)}"


def agrees(seen: Walk | WalkHop, dtype: str = "") -> bool:
    """Whether the gap to autograd is what rounding explains. False where it is not known."""
    limit = AGREES_TO.get(seen.dtype if isinstance(seen, Walk) else dtype, AGREES_TO_OTHERWISE)
    return seen.gap <= limit


def agreement_line(seen: Walk | WalkHop, dtype: str = "") -> str:
    """``agrees with autograd to 3 × 10⁻¹⁶``, ``differs from autograd by 2 %``, ``not compared with autograd``.

    dtype: of the walk, where a hop is told: it says how large a gap may be.
    """
    if math.isnan(seen.gap):
        return "not compared with autograd"
    if not agrees(seen, dtype):
        by = UNICODE.percent(seen.gap) if KEPT_LEAST <= seen.gap < 10 else rough(seen.gap)
        return f"differs from autograd by {by}"
    return "agrees with autograd to the last bit" if seen.gap == 0 else f"agrees with autograd to {rough(seen.gap)}"


def rough(value: float) -> str:
    """One significant digit: ``3 × 10⁻¹⁶``."""
    if not math.isfinite(value) or value == 0:
        return UNICODE.number(value)
    return UNICODE.power(float(f"{value:.0e}")).replace(".0 ×", " ×")
