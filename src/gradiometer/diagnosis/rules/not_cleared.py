"""Gradients of earlier steps are still there when the next ones are added: ``zero_grad`` is missing.

Cause: gradient-not-cleared.
"""

from __future__ import annotations

from ...records import Finding
from ..reading import Reading
from ..rule import Rule


def find(reading: Reading) -> tuple[Finding, ...]:
    """Nothing is looked for yet."""
    return ()


RULE = Rule("not-cleared", find, cards=())
