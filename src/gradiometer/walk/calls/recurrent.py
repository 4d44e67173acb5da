"""Calls of recurrent, read as laws."""

from __future__ import annotations

from .calling import Caller

CALLS: dict[str, Caller] = {}
