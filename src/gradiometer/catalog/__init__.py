"""The catalog of cures as values: what answers which cause, and what theory predicts. Nothing is applied here."""

from .context import Context
from .entries import ENTRIES
from .entry import Entry
from .prescribe import cures_for

__all__ = ["ENTRIES", "Context", "Entry", "cures_for"]
