"""Calls of slopes: none. By hand no gradient is asked for inside a loss, so nothing is differentiated twice."""

from __future__ import annotations

from .calling import Caller

CALLS: dict[str, Caller] = {}
