"""Autograd nodes read as laws: one file a family, beside the family's laws. ``READERS`` holds them by node name."""

from __future__ import annotations

from ..families import merged, of_all_families
from .reading import Reader

READERS: dict[str, Reader] = merged(of_all_families(__name__, "READERS"))
