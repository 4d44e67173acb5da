"""Grouped layers initialised with a fan that is not theirs.

Cause: init-wrong-fan.
"""

from __future__ import annotations

from ...records import Finding
from ..reading import Reading
from ..rule import Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """Nothing is looked for yet."""
    return ()


RULE = Rule("wrong-fan", find, cards=())
