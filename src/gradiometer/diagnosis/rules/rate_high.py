"""The step overshoots: the loss diverges, swings or falls back.

Cause: lr-too-high.
"""

from __future__ import annotations

from ...records import Finding
from ..reading import Reading
from ..rule import Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """Nothing is looked for yet."""
    return ()


RULE = Rule("rate-high", find, cards=())
