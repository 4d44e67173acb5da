"""The laws, one family a file; ``LAWS`` holds them all by name."""

from __future__ import annotations

from ..families import of_all_families
from .law import Law, by_name

LAWS: dict[str, Law] = by_name(law for laws in of_all_families(__name__, "LAWS") for law in laws)
