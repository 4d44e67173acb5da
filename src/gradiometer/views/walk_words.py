"""The sentences of a walk: what a hop does to the error, what the walk shows, how sure it is. Page and terminal alike.

Every sentence is written with ``UNICODE`` numbers; ``Style.words`` puts it into ASCII where that is asked.
"""

from __future__ import annotations

import math

from gradiometer.records.walk import Focus, Walk, WalkHop

from .numbers import UNICODE
from .walk_words_focus import focus_line, focus_name, terms_words, update_lines
from .walk_words_hop import (
    KEPT_LEAST,
    SAME_SIZE,
    angle_degrees,
    bound_note,
    gain_words,
    headline,
    kept_words,
    meeting_words,
    not_finite,
    spoilt,
    step_words,
    stopping,
    the,
    theory_note,
    times_words,
    way_words,
)

__all__ = [
    "agreement_line",
    "agrees",
    "angle_degrees",
    "bound_note",
    "coverage_line",
    "focus_line",
    "focus_name",
    "gain_words",
    "headline",
    "kept_words",
    "meeting_words",
    "rough",
    "station_words",
    "step_words",
    "terms_words",
    "the",
    "theory_note",
    "times_words",
    "update_lines",
    "walk_verdict",
    "way_words",
]

DROP_DECADES = 3.0
"""The error is told as dying from this loss on: the limit of the diagnosis, over the whole way."""

AGREES_TO = {"float64": 1e-8}
AGREES_TO_OTHERWISE = 1e-3
"""Largest relative gap to autograd that rounding explains over some hundred operations, by number format."""

NAMES_TOLD = 4


# ---- the whole walk ----------------------------------------------------------------------------------------------


def walk_verdict(walk: Walk) -> str:
    """What happens to the error, where, and the consequence: two sentences, at most 25 words."""
    if (odd := _odd_verdict(walk)) != "":
        return odd
    decades = total_decades(walk)
    if math.isnan(decades):
        return "No error was walked: there is no hop between the loss and the input."
    if decades < math.log10(1 - SAME_SIZE):
        return f"{_loss_words(walk, decades)} {_consequence(walk, decades)}"
    if decades > math.log10(1 + SAME_SIZE):
        return f"{_growth_words(walk, decades)} {_consequence(walk, decades)}"
    return f"The error keeps its size on its way back. {_sentence(arrival(walk))} as much as the output."


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


def total_decades(walk: Walk) -> float:
    """log10 of the last error over that at the head; nan where there is no hop, or either is no number above 0."""
    if not walk.hops:
        return math.nan
    first, last = walk.hops[0].error_in, walk.hops[-1].error_out
    sound = math.isfinite(first) and math.isfinite(last) and first > 0 and last > 0
    return math.log10(last) - math.log10(first) if sound else math.nan


def _loss_words(walk: Walk, decades: float) -> str:
    name, share = taken_most(walk)
    where = f", {_most(share)} in {name}" if name else ""
    if -decades >= DROP_DECADES:
        return f"The error dies on its way back: {_number(-decades)} decades{where}."
    if decades <= -1:
        return f"The error loses {_number(-decades)} decades on its way back{where}."
    return f"The error loses {UNICODE.percent(1 - 10**decades)} on its way back{where}."


def _growth_words(walk: Walk, decades: float) -> str:
    name, share = grown_most(walk)
    where = f", {_most(share)} in {name}" if name else ""
    size = f"{_number(decades)} decades" if decades >= 1 else f"{UNICODE.factor(10**decades)} times as large"
    return f"The error grows {size} on its way back{where}.".replace("grows", "gets" if decades < 1 else "grows")


def _number(decades: float) -> str:
    return f"{decades:.1f}"


def _most(share: float) -> str:
    return "all of it" if share > 0.995 else f"{UNICODE.percent(share)} of it" if share >= 0.5 else "first of all"


def _consequence(walk: Walk, decades: float) -> str:
    """What follows: how long the focused weight's layer needs where that is far, else what arrives."""
    update = walk.focus.update if walk.focus is not None else None
    if update is not None and decades <= -1 and update.steps_to_move > 0 and not math.isnan(update.steps_to_move):
        if math.isinf(update.steps_to_move):
            return f"{_layer(walk.focus)} does not move at all."
        return f"{_layer(walk.focus)} needs {UNICODE.steps(update.steps_to_move)} steps to move by its own size."
    return f"{_sentence(arrival(walk))} {_times(decades)} the error of the output."


def _times(decades: float) -> str:
    gain = 10**decades if abs(decades) < 300 else math.nan
    if decades >= math.log10(2):
        return f"{UNICODE.factor(gain)} times" if math.isfinite(gain) else f"{_number(decades)} decades more than"
    if gain >= KEPT_LEAST:
        return f"{UNICODE.percent(gain)} of"
    return f"{UNICODE.power(gain)} of" if math.isfinite(gain) else f"{_number(-decades)} decades less than"


def arrival(walk: Walk) -> str:
    """``layer 1 gets``: the last station in words."""
    return f"{station_words(walk.hops[-1].lower_label)} gets"


def station_words(label: str) -> str:
    """``layer 13`` for a number, ``the input`` for the input, else the label itself."""
    if label.isdigit():
        return f"layer {label}"
    return "the input" if label in ("in", "input") else label


def _layer(focus: Focus | None) -> str:
    return focus.parameter.rpartition(".")[0] or focus.parameter if focus is not None else ""


def _sentence(words: str) -> str:
    """With a capital where it begins with a word of ours; a path stays as it is."""
    return words[:1].upper() + words[1:] if words.startswith(("layer ", "the ")) else words


def taken_most(walk: Walk) -> tuple[str, float]:
    """The kind of step that takes most of the size over all hops (``the sigmoids``), and its share of all losses."""
    return _most_of({t: -d for t, d in decades_by_title(walk).items() if d < 0}, walk)


def grown_most(walk: Walk) -> tuple[str, float]:
    """The kind of step that adds most to the size over all hops, and its share of all growth."""
    return _most_of({t: d for t, d in decades_by_title(walk).items() if d > 0}, walk)


def _most_of(amounts: dict[str, float], walk: Walk) -> tuple[str, float]:
    if not amounts:
        return "", math.nan
    title = max(amounts, key=lambda t: amounts[t])
    hops = sum(any(f.title == title for f in h.factors) for h in walk.hops)
    return the(plural(title) if hops > 1 else title), amounts[title] / sum(amounts.values())


def decades_by_title(walk: Walk) -> dict[str, float]:
    """log10 of all factors, summed over the hops, by the title of the step. What is zero or not finite is left out."""
    out: dict[str, float] = {}
    for factor in (f for h in walk.hops for f in h.factors):
        if factor.factor > 0 and math.isfinite(factor.factor):
            out[factor.title] = out.get(factor.title, 0.0) + math.log10(factor.factor)
    return out


def plural(title: str) -> str:
    """``sigmoids``, ``softmaxes``; ``weights`` and ``skip and branch`` are many already."""
    if title.endswith("weights") or " and " in title:
        return title
    return title + ("es" if title.endswith(("x", "s", "sh", "ch")) and not title.endswith("tanh") else "s")


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
