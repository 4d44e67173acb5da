"""The focused weight on the page: all terms as bars, largest first, the sum on their scale; and its update."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gradiometer.records.walk import Focus, Update

from .html_walk_plan import unbroken
from .mathml import formula
from .numbers import UNICODE
from .walk_words import focus_line, focus_name, rough, terms_words, update_lines

TERMS_LISTED = 64
"""Terms that the table has: the largest in size."""
AGREES_TO = 1e-3
"""Largest gap of the sum to autograd's gradient that rounding explains in float32."""
STEP, BAR, FULL = 10, 8, 1000


@dataclass(frozen=True, slots=True)
class Bars:
    """Paths in a box of ``width`` × 1000: positive and negative terms, the sum (in a box of its own); y of zero."""

    width: int
    positive: str
    negative: str
    total: str
    zero: int


def bars_of(focus: Focus) -> Bars | None:
    """The terms from the largest to the smallest, and their sum on the same scale; None where all are zero."""
    values = sorted((t.value for t in focus.terms if math.isfinite(t.value)), reverse=True)
    total = focus.gradient if math.isfinite(focus.gradient) else 0.0
    high, low = max(0.0, total, *values), min(0.0, total, *values)
    if high == low:
        return None

    def y(value: float) -> int:
        return round(FULL * (high / (high - low) - value / (high - low)))

    zero = y(0.0)
    paths = {True: "", False: ""}
    for i, value in enumerate(values):
        if y(value) != zero:
            paths[value > 0] += f"M{STEP * i} {zero}V{y(value)}h{BAR}V{zero}Z"
    summed = f"M0 {zero}V{y(total)}H{STEP}V{zero}Z" if total else ""
    return Bars(STEP * max(1, len(values)), paths[True], paths[False], summed, zero)


def focus_facts(focus: Focus) -> dict[str, Any]:
    """What the template shows of one focused weight."""
    listed = sorted(focus.terms, key=lambda t: abs(t.value) if math.isfinite(t.value) else math.inf, reverse=True)
    terms = sorted(listed[:TERMS_LISTED], key=lambda t: -t.value if math.isfinite(t.value) else -math.inf)
    tone, agreement = _agreement(focus)
    return {
        "name": focus_name(focus),
        "why": focus.why,
        "rule": formula(focus.rule),
        "weight": UNICODE.number(focus.weight),
        "gradient": UNICODE.number(focus.gradient),
        "says": focus_line(focus),
        "terms": f"{terms_words(focus)}, largest first" if focus.count > 1 else terms_words(focus),
        "bars": bars_of(focus),
        "positive": UNICODE.number(focus.positive),
        "negative": UNICODE.number(abs(focus.negative)),
        "has_negative": focus.negative < 0,
        "agreement": agreement,
        "tone": tone,
        "listed": [(t.label, UNICODE.number(t.value)) for t in terms],
        "unlisted": _unlisted(focus),
        "third": update_facts(focus.update) if focus.update is not None else None,
    }


def _unlisted(focus: Focus) -> str:
    """What the bars and the table leave out."""
    words = []
    if focus.count > len(focus.terms):
        words.append(f"Bars: the {UNICODE.count(len(focus.terms))} largest of {UNICODE.count(focus.count)} terms.")
    if focus.count > min(len(focus.terms), TERMS_LISTED):
        words.append(f"Table: the {min(len(focus.terms), TERMS_LISTED)} largest in size.")
    return " ".join(words)


def _agreement(focus: Focus) -> tuple[str, str]:
    if math.isnan(focus.gap):
        return "quiet", "The sum was not compared with autograd's gradient."
    if focus.gap <= AGREES_TO:
        to = "to the last bit" if focus.gap == 0 else f"to {rough(focus.gap)} of its parts"
        return "healthy", f"✓ the sum is autograd's gradient {to}"
    return "fail", f"✕ autograd's gradient is {UNICODE.number(focus.by_autograd)}"


def update_facts(update: Update) -> dict[str, Any]:
    """What the template shows of the update of one weight."""
    share = update.epsilon_share
    return {
        "optimizer": update.optimizer,
        "rule": formula(update.rule),
        "settings": [(name, _setting(value)) for name, value in update.settings.items()],
        "gradient": UNICODE.number(update.gradient),
        "change": UNICODE.number(update.change),
        "lines": [unbroken(line) for line in update_lines(update)],
        "steps": [(UNICODE.count(n), UNICODE.number(value)) for n, value in update.steps],
        "epsilon": round(100 * share, 2) if math.isfinite(share) else None,
        "epsilon_words": UNICODE.percent(share),
        "binds": update.binds,
        "norms": _norms(update),
        "to_move": UNICODE.steps(update.steps_to_move) if not math.isnan(update.steps_to_move) else "",
    }


def _norms(update: Update) -> list[tuple[str, str]]:
    rows = (("‖W‖ of the layer", update.weight_norm), ("‖ΔW‖ of a step", update.update_norm))
    return [(name, UNICODE.number(value)) for name, value in rows if not math.isnan(value)]


def _setting(value: float | bool) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return UNICODE.number(value)
