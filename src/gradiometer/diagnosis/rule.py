"""What a rule is: a pure function of a reading, and the pages of the manual for the causes that it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..records import Finding
from .limits import Limit
from .reading import Reading


@dataclass(frozen=True, slots=True)
class Card:
    """One cause in the manual of causes.

    what: what is wrong, one sentence. seen: how it is recognised, one sentence each. limits: quantity and its limit.
    alike: a cause that looks alike, and how the two are told apart. spared: what looks so and is not called so.
    earliest: when it can first be said, such as "step 0" or "20 steps".
    """

    cause: str
    what: str
    seen: tuple[str, ...]
    limits: tuple[tuple[str, Limit], ...] = ()
    alike: tuple[tuple[str, str], ...] = ()
    spared: tuple[str, ...] = ()
    earliest: str = "step 0"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. cards: the causes whose pages stand with it. also: causes that it names and others describe."""

    name: str
    find: Callable[[Reading], tuple[Finding, ...]]
    cards: tuple[Card, ...]
    also: tuple[str, ...] = ()

    @property
    def causes(self) -> tuple[str, ...]:
        """Every cause that it can name."""
        return tuple(c.cause for c in self.cards) + self.also
