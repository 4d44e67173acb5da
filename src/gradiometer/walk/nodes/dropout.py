"""Autograd nodes of dropout, read as laws. On a CPU dropout is a plain product with the scaled mask."""

from __future__ import annotations

from typing import Any

from ..laws import dropout
from ..laws.law import Applied
from .reading import Reader


def _dropout(node: Any) -> Applied:
    """The node has one edge: the mask is read as the law's second output."""
    return Applied(dropout.DROPOUT, (None,), (None, node._saved_result1), {"p": node._saved_p})


READERS: dict[str, Reader] = {"NativeDropoutBackward0": _dropout}
