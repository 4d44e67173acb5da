"""The walk as one HTML file to step through: a hop a screen, dark at first, nothing loaded from anywhere.

Every hop is on the page from the start: without a script it is one long document, with it one hop is shown at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from gradiometer.records.walk import Factor, LawUsed, Walk, WalkHop

from .html_walk_focus import focus_facts
from .html_walk_pen import Stream
from .html_walk_plan import steps_of, unbroken
from .html_walk_rail import rail_of
from .html_walk_rows import ALL_HEAD, agreement, all_rows, hop_rows, size_words
from .html_walk_stream import stream_of
from .html_walk_time import times_of
from .mathml import check_mathml, formula
from .numbers import UNICODE
from .page import MONO, SANS, allowed_scripts, as_it_is, load_template, template_text
from .text_walk_table import walk_rows
from .tokens import css_variables
from .walk_words import coverage_line, focus_name, headline, times_words, walk_verdict

MAGNIFIED_FROM = 1.05
"""A picture that is magnified by less is shown as it is."""
LONG_HEADLINE = 110
"""Letters from which a headline is set smaller, as it would take three lines."""
START = "document.documentElement.classList.add('live')"
"""Runs ahead of the page, so that its long form is not seen for a moment."""


def walk_page(walk: Walk) -> str:
    """The whole page. UserError where the extra ``report`` is not installed."""
    template = load_template("walk.html")
    check_mathml()
    script = template_text("walk.js")
    context = {
        "walk": walk,
        "strapline": _strapline(walk),
        "start": _start(walk),
        "rail": rail_of(walk),
        "first": _first(walk),
        "hops": [_hop(walk, hop) for hop in walk.hops],
        "all_head": ALL_HEAD,
        "math": _markup,
        "versions": ", ".join(f"{name} {version}" for name, version in walk.versions.items()),
    }
    return template.render(context | _look(script))


def _look(script: str) -> dict[str, Any]:
    css = template_text("walk.css")
    look = {"css": css, "early": START, "js": script, "sans": SANS, "mono": MONO}
    look |= {"light": css_variables("light"), "dark": css_variables("dark")}
    return {name: as_it_is(text) for name, text in look.items()} | {
        "scripts": as_it_is(allowed_scripts((START, script)))
    }


def _markup(pieces: tuple[str, ...]) -> Any:
    """A formula of ``mathml``, which has made the markup itself."""
    return as_it_is(" ".join(pieces))


def _strapline(walk: Walk) -> str:
    examples = f"{UNICODE.count(walk.examples)} example{'' if walk.examples == 1 else 's'}"
    return ", ".join(w for w in (walk.network, examples, walk.dtype) if w)


def _start(walk: Walk) -> str:
    """Where the page opens: at the weight that the user has chosen; else at the whole walk."""
    at = _hop_of(walk)
    return f"hop={at}&focus" if at is not None and walk.focus is not None and not walk.focus.why else "walk"


# ---- the first screen --------------------------------------------------------------------------------------------


def _first(walk: Walk) -> dict[str, Any]:
    """What the whole walk shows, where its error is born, all hops in a table, and how sure it is."""
    focus, at = walk.focus, _hop_of(walk)
    return {
        "verdict": unbroken(walk_verdict(walk)),
        "loss": UNICODE.number(walk.loss),
        "loss_rule": formula(walk.loss_rule),
        "head": size_words(walk.error_at_head),
        "coverage": coverage_line(walk),
        "agreement": agreement(walk, walk.dtype),
        "rows": [_overview_row(row, walk) for row in walk_rows(walk)[1:]],
        "laws": [_law(law) for law in walk.laws],
        "focus": focus_facts(focus) if focus is not None and at is None else None,
        "focus_hop": at,
        "focus_name": focus_name(focus) if focus is not None else "",
    }


def _hop_of(walk: Walk) -> int | None:
    """The hop at which the walk's focused weight is told; None where no hop has it."""
    if walk.focus is None:
        return None
    name = focus_name(walk.focus)
    return next((h.number for h in walk.hops if name in map(focus_name, h.focus)), None)


def _overview_row(row: Any, walk: Walk) -> dict[str, Any]:
    told = sorted(row.factors, key=_weight, reverse=True)[:2]
    steps = ", ".join(f"{times_words(f.factor)} {f.title}" for f in row.factors if f in told)
    first = walk.hops[row.first - 1]
    return {
        "number": row.first,
        "hop": str(row.first) if row.first == row.last else f"{row.first} – {row.last}",
        "way": f"{first.upper_label} → {row.label}",
        "gain": times_words(row.gain) if not math.isnan(row.gain) else UNICODE.unknown,
        "steps": steps,
        "left": "zero" if row.error == 0 else UNICODE.decades(row.decades),
        "size": size_words(row.error),
    }


def _weight(factor: Factor) -> float:
    if not (math.isfinite(factor.factor) and factor.factor > 0):
        return math.inf
    return abs(math.log10(factor.factor))


def _law(law: LawUsed) -> dict[str, Any]:
    rules = {"value": formula(law.value), "error": formula(law.error)}
    return {"name": law.name, "source": law.source} | rules


# ---- one hop -----------------------------------------------------------------------------------------------------


def _hop(walk: Walk, hop: WalkHop) -> dict[str, Any]:
    picture, told = stream_of(hop), unbroken(headline(hop))
    caption = _caption(hop, picture)
    return {
        "number": hop.number,
        "headline": told,
        "upper": hop.upper_label,
        "lower": hop.lower_label,
        "picture": picture,
        "caption": caption,
        "corner": picture.corner and len(caption) <= 2,
        "long": len(told) > LONG_HEADLINE,
        "times": times_of(hop),
        "rule": formula(hop.rule),
        "unwritten": list(dict.fromkeys(_without_law(hop.factors))),
        "rows": hop_rows(hop),
        "all": all_rows(hop),
        "agreement": agreement(hop, walk.dtype),
        "autograd": times_words(hop.gain_autograd) if math.isfinite(hop.gain_autograd) else UNICODE.unknown,
        "joins": hop.joins,
        "focuses": [focus_facts(f) for f in hop.focus],
        "focus_elsewhere": _elsewhere(walk, hop),
    }


def _elsewhere(walk: Walk, hop: WalkHop) -> int | None:
    """The hop with the focused weight, for a hop that has none."""
    return None if hop.focus else _hop_of(walk)


def _without_law(factors: tuple[Factor, ...]) -> Iterator[str]:
    for factor in factors:
        if not factor.by_law and not factor.arms:
            yield factor.law
        for arm in factor.arms:
            yield from _without_law(arm.factors)


def _caption(hop: WalkHop, picture: Stream) -> list[str]:
    """What the picture's widths mean, and what it leaves out."""
    if not (math.isfinite(hop.error_in) and hop.error_in > 0):
        return []
    lines = [_magnified(hop.error_in), "within this hop, width is size, to scale"]
    if picture.pale:
        lines[1] += "; not where it is pale: there ways part and join"
    left_out = steps_of(hop.factors).left_out
    if left_out:
        lines.append(f"left out: {left_out} step{'' if left_out == 1 else 's'} that only move numbers about")
    if any(s.kind == "hair" for s in picture.shapes):
        lines.append("a hairline is thinner than it can be drawn")
    return lines


def _magnified(size: float) -> str:
    if 1 / MAGNIFIED_FROM < size < MAGNIFIED_FROM:
        return "shown as it is"
    if size > 1:
        return f"made {UNICODE.factor(size)} times smaller"
    factor = 1 / size if size > 1e-300 else math.inf
    return f"magnified {UNICODE.factor(factor)} times" if math.isfinite(factor) else "magnified by over 300 decades"
