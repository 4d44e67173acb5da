"""The trunk of one model: the sites that every path of the error passes, and the hops between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from ..records import Hop, ModuleSeen, Part
from .graph import Graph, Vertex

WEIGHT_OPS = frozenset(
    {"Addmm", "Mm", "Bmm", "Baddbmm", "Linear", "Convolution", "MkldnnRnnLayer", "CudnnRnn", "Embedding", "Mv", "Dot"}
)
RESHAPES = frozenset(
    {"View", "UnsafeView", "ReshapeAlias", "Permute", "Transpose", "T", "Squeeze", "Unsqueeze", "Alias", "Clone"}
    | {"Expand", "ToCopy", "Contiguous", "AsStrided", "UnsafeSplit", "Detach"}
)
IDENTITY_OPS = RESHAPES | {"Add", "Sub", "Mul", "Div", "NativeDropout", "Slice", "Cat", "Stack", "CopySlices", "Lerp"}
STATION_ROLES = frozenset({"weights", "recurrent", "attention", "block"})
MAX_ENDS = 6  # heads and sources tried; a mixture of experts has many, all alike


@dataclass(slots=True)
class Place:
    """A measured place in the graph: a module's output, a function's output or a module's input."""

    name: str  # the site's name
    kind: str  # output | function | input
    path: str
    leaf: bool  # produced by a module without children, or by a function
    seen: ModuleSeen | None  # the module, or the function described as one
    inputs: tuple[Vertex, ...] = ()  # vertices of the module's inputs


@dataclass(slots=True)
class Places:
    """All places of one model in one graph, by vertex."""

    at: dict[Vertex, list[Place]] = field(default_factory=dict)

    def add(self, vertex: Vertex, place: Place) -> None:
        """Put a place at a vertex; several places may share one."""
        self.at.setdefault(vertex, []).append(place)

    def outputs(self) -> list[Vertex]:
        """Vertices with a module output or a function (the sites that can begin or end a trunk)."""
        out = {v: [p for p in places if p.kind != "input"] for v, places in self.at.items()}
        named = [v for v, places in out.items() if any(p.path for p in places)]
        return named or [v for v, places in out.items() if places]

    def leaf(self, vertex: Vertex) -> Place | None:
        """The module or function that produced the vertex, the deepest one."""
        leaves = [p for p in self.at.get(vertex, ()) if p.leaf and p.kind != "input"]
        return min(leaves, key=lambda p: (p.kind == "function", -len(p.path))) if leaves else None

    def label(self, vertex: Vertex) -> Place:
        """The place that names the vertex: an output before an input, the shortest path, the root only when alone."""
        rank = {"output": 0, "function": 1, "input": 2}
        return min(self.at[vertex], key=lambda p: (p.path == "", rank[p.kind], len(p.path)))


@dataclass(frozen=True, slots=True)
class Trunk:
    """hops loss first; vertices and names of every trunk site (stations and the sites inside hops), loss first."""

    hops: tuple[Hop, ...]
    stations: tuple[str, ...]
    vertices: tuple[Vertex, ...]
    names: tuple[str, ...]


def find_trunk(graph: Graph, places: Places) -> Trunk | None:
    """The longest chain of dominators from a head site to a source site; None where there are fewer than two."""
    path = _best_pair(graph, places)
    named = [v for v in path if v in places.at]
    if len(named) < 2:
        return None
    live = graph.below(path[0])
    parts = [_part(graph, places, path, a, b) for a, b in pairwise(named)]
    starts = [0] + [i for i in range(1, len(parts)) if parts[i][0].role in STATION_ROLES] + [len(parts)]
    hops = []
    for a, b in pairwise(starts):
        inside = parts[a:b]
        end = named[b]
        joins = any((graph.nodes[c] is not None) and not _fed_by(graph, c, live) for c in graph.consumers.get(end, ()))
        hops.append(
            Hop(
                upper=inside[0][0].upper,
                lower=inside[-1][0].lower,
                parts=tuple(p for p, _ in inside),
                skip=any(skip for _, skip in inside),
                joins=joins,
            )
        )
    names = [_measured(places, v).name for v in named]
    stations = (hops[0].upper, *(h.lower for h in hops))
    return Trunk(tuple(hops), stations, tuple(named), tuple(names))


def _fed_by(graph: Graph, node: int, live: set[Vertex]) -> bool:
    return any((node, nr) in live for nr in range(4))


def _best_pair(graph: Graph, places: Places) -> list[Vertex]:
    sites = [v for v in places.outputs() if v in graph.position]
    if not sites:
        return []
    heads, sources = graph.ends(sites)
    marked = set(places.at)
    best: list[Vertex] = []
    best_score = (-1, -1, -1)
    for head in heads[:MAX_ENDS]:
        for source in sources[-MAX_ENDS:]:
            path = graph.dominators(head, source)
            weights = sum(graph.op(v[0]) in WEIGHT_OPS for v in path)
            score = (sum(v in marked for v in path), len(path), weights)
            if path and score > best_score:
                best, best_score = path, score
    return best


def _measured(places: Places, vertex: Vertex) -> Place:
    """The place whose row is read for the vertex: the leaf that produced it where there is one, else its label."""
    label = places.label(vertex)
    return label if label.kind != "input" else (places.leaf(vertex) or label)


def _part(graph: Graph, places: Places, path: list[Vertex], a: Vertex, b: Vertex) -> tuple[Part, bool]:
    """What the error passes from trunk vertex a to trunk vertex b, and whether an identity path runs beside it."""
    upper, lower = _measured(places, a), _measured(places, b)
    leaf = places.leaf(a)
    if leaf is not None and leaf.seen is not None and _spans(graph, path, leaf, a, b):
        seen = leaf.seen
        return (
            Part(
                role=seen.role,
                kind=seen.kind,
                path=leaf.path,
                upper=upper.name,
                lower=lower.name,
                args=seen.args,
                weight=seen.weight,
                bias=seen.bias,
                fan_in=seen.fan_in,
            ),
            False,
        )
    region = _between(graph, a, b)
    if all(graph.op(i) in RESHAPES for i in region):
        return Part("reshape", "reshape", upper.path, upper.name, lower.name), False
    block = next((p for p in places.at[a] if p.kind == "output" and not p.leaf), None)
    kind = block.seen.kind if block is not None and block.seen is not None else "block"
    weighty = any(graph.op(i) in WEIGHT_OPS for i in region)
    if not weighty:
        return Part("other", graph.op(a[0]).lower(), upper.path, upper.name, lower.name), False
    name = block.path if block is not None else upper.path
    return Part("block", kind, name, upper.name, lower.name), _identity_path(graph, a, b)


def _spans(graph: Graph, path: list[Vertex], leaf: Place, a: Vertex, b: Vertex) -> bool:
    """True where the leaf's own input lies between a and b, and only reshapes stand between that input and b."""
    order = {v: i for i, v in enumerate(path)}
    for u in leaf.inputs:
        if u in order and order[a] < order[u] <= order[b]:
            return u == b or all(graph.op(i) in RESHAPES for i in _between(graph, u, b))
    return False


def _between(graph: Graph, a: Vertex, b: Vertex) -> list[int]:
    """Nodes that the error passes from vertex a (its node included) to vertex b (its node excluded)."""
    limit = graph.position[b]
    seen = {a}
    stack = [a]
    nodes: list[int] = []
    while stack:
        v = stack.pop()
        nodes.append(v[0])
        for child in graph.next[v[0]]:
            if child not in seen and child != b and graph.position[child] < limit:
                seen.add(child)
                stack.append(child)
    return nodes


def _identity_path(graph: Graph, a: Vertex, b: Vertex) -> bool:
    """True where the error can go from a to b without passing weights or an activation."""
    limit = graph.position[b]
    seen = {a}
    stack = [a]
    while stack:
        v = stack.pop()
        if graph.op(v[0]) not in IDENTITY_OPS:
            continue
        for child in graph.next[v[0]]:
            if child == b:
                return True
            if child not in seen and graph.position[child] < limit:
                seen.add(child)
                stack.append(child)
    return False
