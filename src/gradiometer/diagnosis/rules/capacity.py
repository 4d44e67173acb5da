"""Everything is healthy, and the network cannot represent the task.

Cause: capacity-too-small.
"""

from __future__ import annotations

from ...records import Finding
from ..reading import Reading
from ..rule import Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """Nothing is looked for yet."""
    return ()


RULE = Rule("capacity", find, cards=())
