"""The loss is summed over the batch, and the step with it.

Cause: loss-reduction.
"""

from __future__ import annotations

from ...records import Finding
from ..reading import Reading
from ..rule import Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """Nothing is looked for yet."""
    return ()


RULE = Rule("loss-reduction", find, cards=())
