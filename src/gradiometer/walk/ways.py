"""The ways of the error between two vertices, and the vertices that all of them pass."""

from __future__ import annotations

from collections.abc import Iterator

from ..measurement.graph import Vertex, passed_by_all
from .carry import Carried, Edge


class Ways:
    """Paths in the carried error: from a vertex along the edges of the step that made it."""

    def __init__(self, carried: Carried) -> None:
        self.carried = carried

    def edges(self, vertex: Vertex) -> tuple[Edge, ...]:
        """The edges that the error takes from a vertex to other vertices."""
        step = self.carried.made_by.get(vertex)
        return tuple(e for e in step.edges if e.vertex is not None) if step is not None else ()

    def region(self, above: Vertex, below: Vertex) -> list[Vertex]:
        """Every vertex on a path from ``above`` to ``below``, both included, loss first; empty where there is none."""
        position = self.carried.position
        end = position(below)
        seen = {above}
        stack = [above]
        while stack:
            for edge in self.edges(stack.pop()):
                v = edge.vertex
                if v is not None and v not in seen and v in self.carried.made_by and position(v) <= end:
                    seen.add(v)
                    if v != below:
                        stack.append(v)
        if below not in seen:
            return []
        order = sorted(seen, key=position)
        reach = {below}
        for v in reversed(order):
            if any(e.vertex in reach for e in self.edges(v)):
                reach.add(v)
        return [v for v in order if v in reach]

    def chain(self, above: Vertex, below: Vertex) -> list[Vertex]:
        """The vertices on every path from ``above`` to ``below``, loss first."""
        return passed_by_all(self.region(above, below), lambda v: (e.vertex for e in self.edges(v)))

    def above_leaf(self, leaf: int) -> list[Vertex]:
        """Every vertex from which the error reaches a leaf, loss first."""
        reach: set[Vertex] = set()
        for step in reversed(self.carried.steps):
            if any(e.leaf == leaf or e.vertex in reach for e in step.edges):
                reach.update(v for v in step.outputs if v is not None and v in self.carried.errors)
        return sorted(reach, key=self.carried.position)

    def chain_to_leaf(self, leaf: int) -> list[Vertex]:
        """The vertices that every path from the loss to a leaf passes, loss first."""

        def below(vertex: Vertex) -> Iterator[Vertex | None]:
            edges = self.carried.made_by[vertex].edges
            return (e.vertex for e in edges if e.vertex is not None or e.leaf == leaf)

        return passed_by_all(self.above_leaf(leaf), below)
