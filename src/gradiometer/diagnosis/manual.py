"""The manual of causes: what the rules say about themselves, in the order of the vocabulary."""

from __future__ import annotations

from dataclasses import replace

from ..catalog import ENTRIES, Entry, in_general
from ..records import CAUSES, UserError
from .panel import PANEL
from .rule import Card


def cards() -> tuple[Card, ...]:
    """Every page, in the order of precedence."""
    known = {card.cause: card for rule in PANEL for card in rule.cards}
    return tuple(known[cause] for group in CAUSES.values() for cause in group if cause in known)


def card_of(cause: str) -> Card:
    """The page of one cause. UserError where there is none of that name."""
    for card in cards():
        if card.cause == cause:
            return card
    known = ", ".join(c.cause for c in cards())
    raise UserError(f"There is no cause {cause!r}. Causes: {known}.")


def cures_of(cause: str) -> tuple[Entry, ...]:
    """The catalog's cures for a cause, best first."""
    found = sorted((e for e in ENTRIES if cause in e.answers), key=lambda e: e.answers[cause])
    return tuple(replace(e, edit=in_general(e)) for e in found)
