"""Panels without the rules that a synthetic run trips on purpose."""

from __future__ import annotations

from gradiometer.diagnosis.panel import PANEL
from gradiometer.diagnosis.rule import Rule


def without(*names: str) -> tuple[Rule, ...]:
    """The panel without the named rules; KeyError where one does not exist."""
    known = {rule.name for rule in PANEL}
    missing = set(names) - known
    if missing:
        raise KeyError(f"no rule {missing}")
    return tuple(rule for rule in PANEL if rule.name not in names)


SHORT_STEPS = without("rate-low")
"""For networks that must not learn within the test: their rate is too low on purpose."""
