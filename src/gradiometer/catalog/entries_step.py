"""Cures for faults of number format, step and capacity."""

from __future__ import annotations

from .entry import Entry

ENTRIES: tuple[Entry, ...] = ()
