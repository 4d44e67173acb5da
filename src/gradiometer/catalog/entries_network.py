"""Cures for faults of initialisation, activations and architecture."""

from __future__ import annotations

from .entry import Entry

ENTRIES: tuple[Entry, ...] = ()
