"""The autograd graph of one backward pass as plain integers: nodes, vertices, reachability, dominators.

A vertex is a tensor: (node, output number). The error travels from a vertex to the vertices that its node names in
``next_functions``; leaves (AccumulateGrad) are not vertices of the travel, they are listed apart.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any

NODE_LIMIT = 400_000  # a graph beyond this is not walked: the walk would take seconds

Vertex = tuple[int, int]


class Graph:
    """nodes[i] in topological order, loss first; next[i] lists (node, output number); leaves[i] its parameters.

    ``within``: the nodes and leaves that count, where the others are to be left out; None for all.
    """

    def __init__(self, roots: Sequence[Any], within: Container[Any] | None = None) -> None:
        self.nodes: list[Any] = []
        self.index: dict[Any, int] = {}
        self.next: list[list[Vertex]] = []
        self.leaves: list[list[Any]] = []
        order = _topological(roots, within)
        for i, node in enumerate(order):
            self.nodes.append(node)
            self.index[node] = i
        for node in order:
            edges: list[Vertex] = []
            leaves = []
            for child, nr in node.next_functions:
                if child is None or (within is not None and child not in within):
                    continue
                if is_leaf(child):
                    leaves.append(child.variable)
                else:
                    edges.append((self.index[child], nr))
            self.next.append(edges)
            self.leaves.append(leaves)
        self.seq = [node._sequence_nr() for node in self.nodes]
        self.consumers: dict[Vertex, list[int]] = {}
        for i, edges in enumerate(self.next):
            for edge in edges:
                self.consumers.setdefault(edge, []).append(i)
        self.vertices: list[Vertex] = sorted(set(self.consumers) | {(self.index[r], 0) for r in roots})
        self.position = {v: p for p, v in enumerate(self.vertices)}

    def op(self, i: int) -> str:
        """Name of node i without ``Backward0``: ``Addmm``, ``Relu``, ``MkldnnRnnLayer``."""
        name: str = self.nodes[i].name()
        return name.split("Backward")[0].rsplit("::", 1)[-1]

    def below(self, start: Vertex) -> set[Vertex]:
        """Every vertex that the error reaches from ``start``, itself included."""
        seen = {start}
        stack = [start]
        while stack:
            for v in self.next[stack.pop()[0]]:
                if v not in seen:
                    seen.add(v)
                    stack.append(v)
        return seen

    def above(self, end: Vertex) -> set[Vertex]:
        """Every vertex from which the error reaches ``end``, itself included."""
        outputs: dict[int, list[Vertex]] = {}
        for v in self.vertices:
            outputs.setdefault(v[0], []).append(v)
        seen = {end}
        stack = [end]
        while stack:
            for consumer in self.consumers.get(stack.pop(), ()):
                for v in outputs.get(consumer, ()):
                    if v not in seen:
                        seen.add(v)
                        stack.append(v)
        return seen

    def dominators(self, head: Vertex, source: Vertex) -> list[Vertex]:
        """The vertices on every path from ``head`` to ``source``, head first; empty where no path leads there."""
        live = self.below(head) & self.above(source)
        if head not in live or source not in live:
            return []
        return passed_by_all(sorted(live, key=self.position.__getitem__), lambda v: self.next[v[0]])

    def ends(self, sites: Iterable[Vertex]) -> tuple[list[Vertex], list[Vertex]]:
        """(heads, sources) among ``sites``: those with no site above them, those with none below them."""
        marked = set(sites)
        above: set[Vertex] = set()
        for v in self.vertices:
            if v in marked or v in above:
                above.update(self.next[v[0]])
        below: set[Vertex] = set()
        for v in reversed(self.vertices):
            if any(c in marked or c in below for c in self.next[v[0]]):
                below.add(v)
        return [v for v in self.vertices if v in marked and v not in above], [
            v for v in self.vertices if v in marked and v not in below
        ]


def passed_by_all(live: Sequence[Vertex], below: Callable[[Vertex], Iterable[Vertex | None]]) -> list[Vertex]:
    """Of vertices that lie on paths from the first to an end, in topological order, those that no path avoids.

    One sweep: an edge that jumps over a vertex is a path that avoids it, and without such an edge there is none. An
    edge to None goes to the end, behind the last vertex; one that leaves ``live`` is none of these paths.
    """
    at: dict[Vertex | None, int] = {v: i for i, v in enumerate(live)}
    at[None] = len(live)
    far = 0
    passed = []
    for i, v in enumerate(live):
        if far <= i:
            passed.append(v)
        far = max([far, *(at[child] for child in below(v) if child in at)])
    return passed


def is_leaf(node: Any) -> bool:
    """True for AccumulateGrad, the node of a parameter."""
    return hasattr(node, "variable")


def _topological(roots: Sequence[Any], within: Container[Any] | None) -> list[Any]:
    """Nodes reachable from ``roots``, every node before the nodes that its error goes to. ValueError past the limit."""
    done: set[Any] = set()
    order: list[Any] = []
    for root in roots:
        stack: list[tuple[Any, bool]] = [(root, False)]
        while stack:
            node, expanded = stack.pop()
            if expanded:
                order.append(node)
                continue
            if node in done:
                continue
            done.add(node)
            if len(done) > NODE_LIMIT:
                raise ValueError(f"the autograd graph has more than {NODE_LIMIT} nodes")
            stack.append((node, True))
            below = (c for c, _ in node.next_functions if c is not None and not is_leaf(c))
            stack.extend((c, False) for c in below if within is None or c in within)
    order.reverse()
    return order
