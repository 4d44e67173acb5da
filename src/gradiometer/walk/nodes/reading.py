"""How an autograd node is read as a law."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..laws.law import Applied

Reader = Callable[[Any], Applied]
"""Reads a node: its law, and what it has saved, in the order of the law.

The inputs of the law and the node's ``next_functions`` are one list: the i-th input's error goes along the i-th edge.
Shapes and what is wanted are filled in by the walk: from the edges, not from what was saved.
"""
