"""The numbers of a hop: what arrives, what is left behind each step, the ways of a fork; and all numbers as a table."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from gradiometer.diagnosis.limits import HOP_GAIN_HIGH, HOP_GAIN_LOW
from gradiometer.records.walk import Arm, Factor, Walk, WalkHop

from .experiment import precise
from .html_walk_plan import arms_of, beyond, steps_of, swollen
from .mathml import formula
from .numbers import UNICODE
from .walk_words import (
    agreement_line,
    agrees,
    bound_note,
    meeting_words,
    station_words,
    theory_note,
    times_words,
)
from .walk_words_hop import not_finite

RULES_MOST, RULE_SIGNS_MOST = 4, 24
"""Up to so many steps, each row has its formula if it has so few signs; the table of all numbers has every one."""
_TAG = re.compile("<[^>]*>")


def hop_rows(hop: WalkHop) -> list[dict[str, Any]]:
    """First what arrives, then a row a step of the trunk and a way of a fork, last the hop as a whole.

    The steps along the ways stand in the picture and in the table of all numbers.
    """
    drawn = steps_of(hop.factors).drawn
    arriving = f"error at {station_words(hop.upper_label)}"
    steps = list(_chain_rows(drawn))
    if len(steps) > RULES_MOST or len(drawn) == 1:  # of one step alone, the formula above is that of the hop
        steps = [row | {"rule": ()} for row in steps]
    rows = [{"name": arriving, "size": size_words(hop.error_in), "note": "arrives"}, *steps]
    if len(drawn) > 1:
        note = "; ".join(w for w in (theory_note(hop.theory), _limit_words(hop)) if w)
        whole = {"name": "the whole hop", "size": size_words(hop.error_out), "times": _times(hop.gain), "note": note}
        rows.append(whole)
    elif steps:
        rows[1]["note"] = "; ".join(w for w in (steps[0]["note"], _limit_words(hop)) if w)
    return [{"depth": 0, "rule": (), "times": "", "notes": 1} | row for row in rows]


def _chain_rows(drawn: Sequence[Factor]) -> Iterator[dict[str, Any]]:
    """A row a step; what is said of a fork stands beside the rows of its ways too."""
    for step in drawn:
        ways = arms_of(step) if step.arms else ()
        yield _step_row(step) | {"notes": 1 + len(ways)}
        yield from map(_arm_row, ways)


def _step_row(step: Factor) -> dict[str, Any]:
    return {
        "name": step.title,
        "rule": _short_rule(step),
        "size": size_words(step.after),
        "times": _times(step.factor),
        "note": "; ".join(_notes(step)),
    }


def _short_rule(step: Factor) -> tuple[str, ...]:
    """The formula of a step where it fits beside its name."""
    pieces = formula(step.rule) if not step.arms and step.role != "several" else ()
    signs = sum(len(_TAG.sub("", p)) for p in pieces)
    return pieces if signs <= RULE_SIGNS_MOST else ()


def _arm_row(arm: Arm) -> dict[str, Any]:
    return {"name": arm.name, "size": size_words(arm.size), "times": _times(arm.gain), "notes": 0, "depth": 1}


def _notes(step: Factor) -> list[str]:
    """Theory, mean slope and bound; how ways add up; that autograd has made the step."""
    slope = "" if math.isnan(step.slope) else f"mean slope {UNICODE.number(step.slope)}"
    law = "" if step.by_law or step.arms else f"by autograd: no law is written for {step.law}"
    words = (theory_note(step.theory), slope, bound_note(step), meeting_words(step), squares_words(step), law)
    return [w for w in words if w]


def squares_words(fork: Factor) -> str:
    """``squares 1.28 = 1.00 + 0.18 + 0.10 of interference``: of the factor, and of the ways."""
    if not fork.arms or math.isnan(fork.interference) or not math.isfinite(fork.factor):
        return ""
    ways = " + ".join(_two(a.gain**2) for a in arms_of(fork))
    sign = UNICODE.minus if fork.interference < 0 else "+"
    return f"squares {_two(fork.factor**2)} = {ways} {sign} {_two(abs(fork.interference))} of interference"


def _two(value: float) -> str:
    return f"{value:.2f}" if value < 1000 else UNICODE.power(value)


def _limit_words(hop: WalkHop) -> str:
    if beyond(hop):
        return f"below the limit of {UNICODE.gain(HOP_GAIN_LOW.value)}"
    return f"above the limit of {UNICODE.gain(HOP_GAIN_HIGH.value)}" if swollen(hop) else ""


def _times(factor: float) -> str:
    return UNICODE.unknown if math.isnan(factor) else times_words(factor)


def size_words(size: float) -> str:
    """Four digits, a power of ten with three where it needs one; zero, nan and inf in words."""
    if size == 0:
        return "0, no error"
    if not math.isfinite(size):
        return not_finite(size)
    if 1e-3 <= size < 99_999.5:
        return precise(size, UNICODE)
    mantissa = f"{size:.3e}".partition("e")[0]
    return UNICODE.power(size).replace(UNICODE.power(size).split(" ")[0], mantissa, 1)


def agreement(seen: Walk | WalkHop, dtype: str) -> dict[str, str]:
    """Words and tone of the agreement with autograd."""
    words = agreement_line(seen, dtype)
    if math.isnan(seen.gap):
        return {"tone": "quiet", "words": words}
    fine = agrees(seen, dtype)
    return {"tone": "healthy" if fine else "fail", "words": f"{'✓' if fine else '✕'} {words}"}


# ---- all numbers -------------------------------------------------------------------------------------------------

ALL_HEAD = ("step", "module", "formula", "before", "after", "factor", "of the loss", "gap to autograd", "shape")


def all_rows(hop: WalkHop) -> list[dict[str, Any]]:
    """Every step, also those that the picture leaves out and those inside of ways."""
    return list(_all(hop.factors, 0))


def _all(factors: Sequence[Factor], depth: int) -> Iterator[dict[str, Any]]:
    for f in factors:
        yield {"depth": depth, "rule": formula(f.rule) if not f.arms else (), "cells": _cells(f)}
        for arm in f.arms:
            cells = (arm.name, "", UNICODE.unknown, size_words(arm.size), _times(arm.gain), "", "", "")
            yield {"depth": depth + 1, "rule": (), "cells": cells}
            yield from _all(arm.factors, depth + 2)


def _cells(f: Factor) -> tuple[str, ...]:
    share = "" if math.isnan(f.share) else UNICODE.percent(f.share)
    gap = UNICODE.unknown if math.isnan(f.gap) else UNICODE.number(f.gap)
    shape = " × ".join(map(str, f.shape_before))
    if f.shape_after and f.shape_after != f.shape_before:
        shape += " → " + " × ".join(map(str, f.shape_after))
    name = f.title if f.by_law else f"{f.title} (by autograd)"
    return (name, f.place, size_words(f.before), size_words(f.after), _times(f.factor), share, gap, shape)
