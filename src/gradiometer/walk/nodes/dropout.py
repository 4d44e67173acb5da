"""Autograd nodes of dropout, read as laws."""

from __future__ import annotations

from .reading import Reader

READERS: dict[str, Reader] = {}
