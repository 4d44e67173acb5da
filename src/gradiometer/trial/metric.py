"""The number that a script prints, by a regular expression of the user's."""

from __future__ import annotations

import re

from ..records import UserError


def check_pattern(pattern: str) -> re.Pattern[str]:
    """The compiled pattern. UserError where it is none, or has no group for the number."""
    try:
        found = re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise UserError(f"--metric {pattern!r} is no regular expression: {error}.") from error
    if not found.groups:
        raise UserError(f"--metric {pattern!r} has no group. Put the number in brackets, as in 'acc=([0-9.]+)'.")
    return found


def read_metric(printed: str, pattern: str) -> float | None:
    """The first group of the last match as a number; None where nothing matches, or no match is a number.

    nan and inf are numbers as Python reads them: a metric that a script prints so is that of a diverged run.
    """
    for match in reversed(list(check_pattern(pattern).finditer(printed))):
        try:
            return float(match.group(1))
        except (TypeError, ValueError):
            continue
    return None


def told_metric(printed: str, pattern: str) -> tuple[float | None, str]:
    """The number of ``read_metric``, or None and why there is none."""
    found = read_metric(printed, pattern)
    if found is not None:
        return found, ""
    last = next(reversed(list(check_pattern(pattern).finditer(printed))), None)
    if last is None:
        return None, f"Nothing that it printed matches {pattern!r}."
    seen = f"What {pattern!r} finds last is {last.group(1)!r}"
    return None, f"{seen}, which is no number: let its group take digits alone."
