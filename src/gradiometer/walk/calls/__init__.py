"""Calls of torch read as laws: one file a family, beside the family's laws. ``CALLS`` holds them by operation."""

from __future__ import annotations

from ..families import merged, of_all_families
from .calling import Caller

CALLS: dict[str, Caller] = merged(of_all_families(__name__, "CALLS"))
