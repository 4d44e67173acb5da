"""Autograd nodes of activations, read as laws."""

from __future__ import annotations

from .reading import Reader

READERS: dict[str, Reader] = {}
