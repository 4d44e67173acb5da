"""Cures for faults of the wiring of a training loop."""

from __future__ import annotations

from .entry import Entry

ENTRIES: tuple[Entry, ...] = ()
