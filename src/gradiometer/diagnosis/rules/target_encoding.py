"""Labels that the loss does not mean.

Cause: target-encoding.
"""

from __future__ import annotations

from ...records import Finding
from ..reading import Reading
from ..rule import Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """Nothing is looked for yet."""
    return ()


RULE = Rule("target-encoding", find, cards=())
