"""How a run is named in addresses. The standard library alone: ``run --live`` asks before anything heavy loads."""

from __future__ import annotations

import hashlib

ID_LETTERS = 16


def identifier(name: str) -> str:
    """The opaque name of a file: the same after a restart, so that links stay good."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:ID_LETTERS]
