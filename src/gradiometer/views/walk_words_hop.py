"""The sentences of one hop: what it keeps of the error, in which steps, along which ways."""

from __future__ import annotations

import math
from collections.abc import Iterable

from gradiometer.records.walk import Arm, Factor, WalkHop

from .numbers import UNICODE

KEPT_LEAST = 0.01
"""What is kept is told as percent from here on, and in decades below."""

SAME_SIZE = 0.005
"""A gain this close to 1 is told as no change."""

FACTORS_TOLD = 3
JOIN = "join"
"""The law's name of a step at which another loss or head adds its error."""

WAYS = frozenset({"branch", "query", "key", "value", "queries", "keys", "values", "mask", "input", "output"})
"""Names of ways that are words of ours."""

_PLAIN_ROLES = frozenset({"reshape", "index"})
"""Steps that move numbers about: told in a headline only where they change the size of the error."""


def headline(hop: WalkHop) -> str:
    """``Hop 7 keeps 13 % of the error: ×0.53 in the weights, then ×0.25 in the sigmoid.``"""
    if (odd := _odd_headline(hop)) != "":
        return odd
    said = f"Hop {hop.number} {gain_words(hop.gain)}"
    told = factors_words(hop.factors)
    return f"{said}: {told}." if told else f"{said}."


def _odd_headline(hop: WalkHop) -> str:
    """The headline of a hop whose gain is no number above 0; "" for every other."""
    name = f"Hop {hop.number}"
    if hop.error_in == 0:
        return f"No error arrives at hop {hop.number}, so none leaves it."
    if not math.isfinite(hop.error_in):
        return f"The error that arrives at hop {hop.number} is {not_finite(hop.error_in)} already."
    if not math.isfinite(hop.error_out):
        return f"{name} makes the error {not_finite(hop.error_out)}{spoilt(hop)}."
    if hop.error_out == 0:
        return f"{name} stops the error: nothing passes {stopping(hop)}."
    return "" if math.isfinite(hop.gain) else f"{name} has no gain."


def not_finite(size: float) -> str:
    """``infinite`` or ``nan``."""
    return "infinite" if math.isinf(size) else "nan"


def spoilt(hop: WalkHop) -> str:
    """``, in the softmax``: the first step that leaves what is not finite; "" where none is seen to."""
    found = next((f for f in hop.factors if not math.isfinite(f.after)), None)
    return f", in {the(found.title)}" if found is not None else ""


def stopping(hop: WalkHop) -> str:
    """``the ReLU``: the first step that nothing passes; ``it`` where none is seen to stop it."""
    found = next((f for f in hop.factors if f.after == 0), None)
    return the(found.title) if found is not None else "it"


def gain_words(gain: float) -> str:
    """``keeps 13 % of the error``, ``loses 3.4 decades of the error``, ``makes the error 1.21 times as large``."""
    if abs(gain - 1) < SAME_SIZE:
        return "keeps the size of the error"
    if gain > 1:
        return f"makes the error {UNICODE.factor(gain)} times as large"
    if gain >= KEPT_LEAST:
        return f"keeps {UNICODE.percent(gain)} of the error"
    return f"loses {-math.log10(gain):.1f} decades of the error"


def kept_words(gain: float) -> str:
    """What is left after one way: ``12 %``, ``−3.4 decades``, ``12 times``, ``nothing``."""
    if math.isnan(gain):
        return "an unknown part"
    if gain == 0:
        return "nothing"
    if gain >= 10:
        return f"{UNICODE.factor(gain)} times"
    return UNICODE.percent(gain) if gain >= KEPT_LEAST else f"{UNICODE.decades(math.log10(gain))} decades"


def factors_words(factors: Iterable[Factor]) -> str:
    """``×0.53 in the weights, then ×0.25 in the sigmoid``: the steps that count, in their order."""
    told = [f for f in factors if counts(f)]
    if len(told) == 1 and told[0].arms:
        return arms_words(told[0])
    kept = sorted(sorted(told, key=weight, reverse=True)[:FACTORS_TOLD], key=told.index)
    words = [f"{times_words(f.factor)} {step_words(f)}" for f in kept]
    rest = [f.factor for f in told if f not in kept]
    if rest:
        others = "the other step" if len(rest) == 1 else f"the other {len(rest)} steps"
        words.append(f"{times_words(math.prod(rest))} in {others}")
    return ", then ".join(w for w in (", ".join(words[:-1]), words[-1] if words else "") if w)


def times_words(factor: float) -> str:
    """``×0.53``; ``−5.0 decades`` where a factor would need a power of ten itself."""
    if KEPT_LEAST <= factor < 999.5 or factor == 0 or not math.isfinite(factor):
        return UNICODE.gain(factor)
    return f"{UNICODE.decades(math.log10(factor))} decades"


def counts(factor: Factor) -> bool:
    """Whether a step is worth telling: moving numbers about is not."""
    return factor.role not in _PLAIN_ROLES or abs(factor.factor - 1) >= SAME_SIZE


def weight(factor: Factor) -> float:
    """How much a step does to the size, in decades either way; what is not finite or zero does most."""
    sound = math.isfinite(factor.factor) and factor.factor > 0
    return abs(math.log10(factor.factor)) if sound else math.inf


def step_words(factor: Factor) -> str:
    """``in the weights``, ``over skip and branch (100 % along the skip, 12 % through the branch, at 83°)``."""
    if factor.arms:
        return f"over {factor.title} ({arms_words(factor)})"
    if factor.law == JOIN:
        return f"where {factor.title}"
    return f"in {the(factor.title)}" + ("" if factor.by_law else " (by autograd)")


def arms_words(fork: Factor) -> str:
    """``100 % along the skip and 12 % through the branch, at 83° to each other``."""
    ways = [f"{kept_words(a.gain)} {way_words(a)}" for a in fork.arms]
    more = meeting_words(fork)
    return joined(ways) + (f", {more}" if more else "")


def way_words(arm: Arm) -> str:
    """``along the skip``, ``through the branch``, ``through fc2``: a module's own name has no article."""
    if arm.name == "skip":
        return "along the skip"
    return f"through {the(arm.name) if arm.name in WAYS or ' ' in arm.name else arm.name}"


def meeting_words(fork: Factor) -> str:
    """How the ways of a fork add up: ``at 83° to each other``, for more than two ``partly cancelling``."""
    angle = angle_degrees(fork)
    if not math.isnan(angle):
        return f"at {angle:.0f}° to each other"
    if len(fork.arms) < 2 or math.isnan(fork.interference):
        return ""
    squares = sum(a.gain**2 for a in fork.arms)
    if abs(fork.interference) < 0.1 * squares:
        return "adding up nearly at right angles"
    return "strengthening each other" if fork.interference > 0 else "partly cancelling"


def angle_degrees(fork: Factor) -> float:
    """Angle between the errors of two ways, from their interference; nan for other counts and where one is zero.

    Law: factor² = a² + b² + 2ab cos θ, with interference = 2ab cos θ.
    """
    if len(fork.arms) != 2:
        return math.nan
    product = 2 * fork.arms[0].gain * fork.arms[1].gain
    if not product or not math.isfinite(product) or not math.isfinite(fork.interference):
        return math.nan
    return math.degrees(math.acos(min(1.0, max(-1.0, fork.interference / product))))


def the(title: str) -> str:
    """With an article, but not before several (``skip and branch``), a number (``branch 2``) or a path (``fc.1``)."""
    bare = title[-1:].isdigit() or any(s in title for s in (" and ", ", ", ".", "#", ":"))
    return title if bare or title.startswith(("the ", "all ")) else f"the {title}"


def joined(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else " and ".join(w for w in (", ".join(words[:-1]), words[-1]) if w)


def bound_note(factor: Factor) -> str:
    """``never above 0.25``: what no element can exceed here; "" where there is no bound."""
    return "" if factor.largest is None else f"never above {UNICODE.number(factor.largest)}"


def theory_note(theory: float) -> str:
    """``theory 0.577``; "" where there is none."""
    return "" if math.isnan(theory) else f"theory {UNICODE.number(theory)}"
