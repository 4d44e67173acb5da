"""The errors of different examples lose their likeness with depth, while gain and values are healthy.

Cause: gradients-shatter.
"""

from __future__ import annotations

from ...records import Finding
from ..reading import Reading
from ..rule import Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """Nothing is looked for yet."""
    return ()


RULE = Rule("shatter", find, cards=())
