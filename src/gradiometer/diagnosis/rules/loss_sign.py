"""The loss is maximised: the update raises it to first order, or a negated loss falls without bound.

Cause: loss-sign.
"""

from __future__ import annotations

from ...records import Finding
from ..reading import Reading
from ..rule import Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """Nothing is looked for yet."""
    return ()


RULE = Rule("loss-sign", find, cards=())
