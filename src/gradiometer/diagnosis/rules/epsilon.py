"""Adam's epsilon exceeds the gradient.

Cause: epsilon-binds.
"""

from __future__ import annotations

from ...records import Finding
from ..reading import Reading
from ..rule import Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """Nothing is looked for yet."""
    return ()


RULE = Rule("epsilon", find, cards=())
