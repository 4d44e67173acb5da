"""How a call of torch is read as a law."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..laws.law import Law, Settings, Tensors


@dataclass(frozen=True, slots=True)
class Called:
    """A law and what it is to be applied to. The law's outputs stand for the call's, in their order."""

    law: Law
    inputs: Tensors
    settings: Settings


Caller = Callable[[tuple[Any, ...], Mapping[str, Any]], Called]
"""Reads the arguments of one operation (``aten::addmm``, as the dispatcher gives them; in-place forms lose their _)."""
