"""The signal is healthy, and the steps are tiny.

Cause: lr-too-low.
"""

from __future__ import annotations

from ...records import Finding
from ..reading import Reading
from ..rule import Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """Nothing is looked for yet."""
    return ()


RULE = Rule("rate-low", find, cards=())
