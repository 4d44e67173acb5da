"""The loss and what feeds it do not belong together.

Cause: loss-mismatch.
"""

from __future__ import annotations

from ...records import Finding
from ..reading import Reading
from ..rule import Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """Nothing is looked for yet."""
    return ()


RULE = Rule("loss-mismatch", find, cards=())
