"""The catalog of cures as values: what answers which cause, and what theory predicts. Nothing is applied here."""

from .context import Context
from .entries import ENTRIES, GROUPS
from .entry import Entry, Kind, Param
from .lookup import DEGREES, FITTING_OUTPUTS, RATE_CURES, SEED, entry_of, in_general, read_cure, settings_of
from .prescribe import cures_for

__all__ = [
    "DEGREES",
    "ENTRIES",
    "FITTING_OUTPUTS",
    "GROUPS",
    "RATE_CURES",
    "SEED",
    "Context",
    "Entry",
    "Kind",
    "Param",
    "cures_for",
    "entry_of",
    "in_general",
    "read_cure",
    "settings_of",
]
