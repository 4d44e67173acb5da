"""The noise of the gradient exceeds its signal.

Cause: noise-dominates.
"""

from __future__ import annotations

from ...records import Finding
from ..reading import Reading
from ..rule import Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """Nothing is looked for yet."""
    return ()


RULE = Rule("noise", find, cards=())
