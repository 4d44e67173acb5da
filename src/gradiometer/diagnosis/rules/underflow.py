"""Numbers fall below what the format holds, or steps round to nothing.

Cause: precision-underflow.
"""

from __future__ import annotations

from ...records import Finding
from ..reading import Reading
from ..rule import Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """Nothing is looked for yet."""
    return ()


RULE = Rule("underflow", find, cards=())
