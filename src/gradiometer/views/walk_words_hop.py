"""The sentences of one hop: what it keeps of the error, in which steps, along which ways."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from gradiometer.records.walk import Arm, Factor, WalkHop

from .numbers import UNICODE

KEPT_LEAST = 0.01
"""What is kept is told as percent from here on, and in decades below."""

SAME_SIZE = 0.005
"""A gain this close to 1 is told as no change."""

FACTORS_TOLD, ARMS_TOLD = 3, 4
"""Steps of a hop, and ways of a fork, that a sentence names; it says how many others there are."""

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
    told = alike(hop.factors)
    alone = told[0] if len(told) == 1 and not told[0].first.arms else None
    if alone is not None and abs(alone.factor - hop.gain) < SAME_SIZE * hop.gain:  # the same number only once
        return f"{said}." if abs(hop.gain - 1) < SAME_SIZE else f"{said}, {step_words(alone.first, alone.count)}."
    words = factors_words(hop.factors)
    return f"{said}: {words}." if words else f"{said}."


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
    return f", {place_words(found)}" if found is not None else ""


def stopping(hop: WalkHop) -> str:
    """``the ReLU``: the first step that nothing passes; ``it`` where none is seen to stop it."""
    found = next((f for f in hop.factors if f.after == 0), None)
    return the(step_title(found)) if found is not None else "it"


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


@dataclass(frozen=True, slots=True)
class Alike:
    """The steps of one kind in a hop, told as one: the first of them, how many there are, all their factors."""

    first: Factor
    count: int
    factor: float

    @property
    def decades(self) -> float:
        """How much they do to the size, either way; what is not finite or zero does most."""
        return abs(math.log10(self.factor)) if math.isfinite(self.factor) and self.factor > 0 else math.inf


def alike(factors: Iterable[Factor]) -> list[Alike]:
    """The steps that count, each kind of them where its first one stands; a fork is a kind of its own."""
    kinds: dict[str, list[Factor]] = {}
    for at, f in enumerate(f for f in factors if counts(f)):
        kinds.setdefault(f"fork {at}" if f.arms else f"{f.law == JOIN} {f.by_law} {f.title}", []).append(f)
    return [Alike(fs[0], len(fs), math.prod(f.factor for f in fs)) for fs in kinds.values()]


def factors_words(factors: Iterable[Factor]) -> str:
    """``×0.53 in the weights, then ×0.25 in the sigmoid``: the steps that count, in their order."""
    told = alike(factors)
    if len(told) == 1 and told[0].first.arms:
        return arms_words(told[0].first)
    most = sorted(told, key=lambda a: a.decades, reverse=True)[:FACTORS_TOLD]
    words = [f"{times_words(a.factor)} {step_words(a.first, a.count)}" for a in told if a in most]
    rest = [a.factor for a in told if a not in most]
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


def step_words(factor: Factor, times: int = 1) -> str:
    """``in the weights``, ``over skip and branch (100 % along the skip, 12 % through the branch, at 83°)``."""
    told = f" ({arms_words(factor)})" if factor.arms else "" if factor.by_law else " (by autograd)"
    return place_words(factor, times) + told


def place_words(factor: Factor, times: int = 1) -> str:
    """``in the weights``, ``in the sigmoids``, ``over skip and branch``, ``over 3 ways``: where a step is made, or
    several of its kind are."""
    if factor.law == JOIN:
        return f"where {step_title(factor)} joins"
    if factor.arms:
        return f"over {'the forks' if times > 1 and not beside_a_skip(factor) else ways_title(factor)}"
    return f"in {the(plural(factor.title) if times > 1 else factor.title)}"


def step_title(factor: Factor) -> str:
    """What a row, a station or a cell calls a step: ``weights``, ``skip and branch``, ``error from elsewhere``."""
    if factor.law == JOIN:
        return "error from elsewhere"
    return ways_title(factor) if factor.arms else factor.title


def ways_title(fork: Factor) -> str:
    """``skip and branch``; ``3 ways`` for all that are no skip with a branch beside it."""
    return "skip and branch" if beside_a_skip(fork) else f"{len(fork.arms)} ways"


def beside_a_skip(fork: Factor) -> bool:
    """Whether a fork is a skip with one branch beside it."""
    return len(fork.arms) == 2 and any(a.name == "skip" for a in fork.arms)


def plural(title: str) -> str:
    """``sigmoids``, ``softmaxes``; ``weights``, ``picked rows`` and what is joined by an "and" are many already."""
    if " and " in title or (title.endswith("s") and not title.endswith("ss")):
        return title
    return title + ("es" if title.endswith(("x", "ss", "sh", "ch")) else "s")


def arms_words(fork: Factor) -> str:
    """``100 % along the skip and 12 % through the branch, at 83° to each other``; of many ways the largest."""
    most = ARMS_TOLD if len(fork.arms) > ARMS_TOLD + 1 else len(fork.arms)
    kept = sorted(fork.arms, key=lambda a: a.gain, reverse=True)[:most]
    ways = [f"{kept_words(a.gain)} {way_words(a)}" for a in fork.arms if a in kept]
    ways += [f"less through {len(fork.arms) - most} others"] if most < len(fork.arms) else []
    more = meeting_words(fork)
    return joined(ways) + (f", {more}" if more else "")


def way_words(arm: Arm) -> str:
    """``along the skip``, ``through the branch``, ``through fc2``: a module's own name has no article."""
    if re.fullmatch(r"(.* )?(skip|way)( \d+)?", arm.name):
        return f"along {the(arm.name)}"
    ours = arm.name in WAYS or " " in arm.name or arm.name in {f.title for f in arm.factors}
    return f"through {the(arm.name) if ours else arm.name}"


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
