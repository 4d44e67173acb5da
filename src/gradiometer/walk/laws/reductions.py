"""Laws of reductions."""

from __future__ import annotations

from .law import Law

LAWS: tuple[Law, ...] = ()
