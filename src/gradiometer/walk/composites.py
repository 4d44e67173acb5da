"""Modules that autograd sees as many small operations and that have one law as a whole: recurrent nets, RMSNorm."""

from __future__ import annotations

from dataclasses import dataclass

from ..measurement.graph import Vertex
from .laws.law import Kept, Law


@dataclass(frozen=True, slots=True)
class Composite:
    """One call of such a module.

    nodes: its nodes in the graph. outputs: its output vertices. deltas: for each output of the law the vertex where
    its error arrives, None where nobody uses it. targets: for each input of the law (vertex, leaf id).
    """

    path: str
    law: Law
    kept: Kept
    nodes: frozenset[int]
    outputs: tuple[Vertex, ...]
    deltas: tuple[Vertex | None, ...]
    targets: tuple[tuple[Vertex | None, int | None], ...]
