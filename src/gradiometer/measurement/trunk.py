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
    call: int = 0

    @property
    def is_sequence(self) -> bool:
        """True for an nn.Sequential."""
        return self.seen is not None and self.seen.cls == "Sequential"


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
        """The place that names the vertex: an output before an input, the shortest path; the root, or a plain
        nn.Sequential (it is its last child), only when alone."""
        rank = {"output": 0, "function": 1, "input": 2}
        return min(self.at[vertex], key=lambda p: (p.path == "", p.is_sequence, rank[p.kind], len(p.path)))


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
    named: list[Vertex] = []
    for v in path:
        if v in places.at and (not named or _measured(places, v).name != _measured(places, named[-1]).name):
            named.append(v)  # a view and its base are two vertices of one site
    if len(named) < 2:
        return None
    live = graph.below(path[0])
    parts = [_part(graph, places, path, a, b) for a, b in pairwise(named)]
    starts = _hop_starts(places, named, parts)
    hops = []
    for a, b in pairwise(starts):
        inside = parts[a:b]
        region = [v for x, y in pairwise(named[a : b + 1]) for v in _vertices_between(graph, x, y)]
        hops.append(
            Hop(
                upper=inside[0][0].upper,
                lower=inside[-1][0].lower,
                parts=tuple(p for p, _ in inside),
                skip=any(skip for _, skip in inside),
                joins=any(not _fed_by(c, live) for v in region for c in graph.consumers.get(v, ())),
            )
        )
    names = [_measured(places, v).name for v in named]
    stations = (hops[0].upper, *(h.lower for h in hops))
    return Trunk(tuple(hops), stations, tuple(named), tuple(names))


def _hop_starts(places: Places, named: list[Vertex], parts: list[tuple[Part, bool]]) -> list[int]:
    """Indices of the parts that begin a hop, and the end: weights and blocks begin one.

    A block that ends in an activation begins with it: its station is the block's own output, not the sum inside.
    """
    starts = [0]
    for i in range(1, len(parts)):
        part = parts[i][0]
        if part.role not in STATION_ROLES:
            continue
        begin = i
        if part.role == "block":
            while begin - 1 > starts[-1] and parts[begin - 1][0].role not in STATION_ROLES:
                begin -= 1
                if any(p.kind == "output" and p.path == part.path for p in places.at[named[begin]]):
                    break
            else:
                begin = i
        starts.append(begin)
    return [*starts, len(parts)]


def _fed_by(node: int, live: set[Vertex]) -> bool:
    return any((node, nr) in live for nr in range(4))


def _vertices_between(graph: Graph, a: Vertex, b: Vertex) -> list[Vertex]:
    """Vertices that the error passes below a, down to b and including it."""
    limit = graph.position[b]
    seen: set[Vertex] = set()
    stack = [a]
    while stack:
        for child in graph.next[stack.pop()[0]]:
            if child not in seen and graph.position[child] <= limit:
                seen.add(child)
                if child != b:
                    stack.append(child)
    return list(seen)


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
                units=seen.fan_in,
            ),
            False,
        )
    region = _between(graph, a, b)
    if all(graph.op(i) in RESHAPES for i in region):
        return Part("reshape", "reshape", upper.path, upper.name, lower.name), False
    block = _block_at(places, path, a)
    kind = block.seen.kind if block is not None and block.seen is not None else "block"
    weighty = any(graph.op(i) in WEIGHT_OPS for i in region)
    if not weighty:
        return Part("other", graph.op(a[0]).lower(), upper.path, upper.name, lower.name), False
    around = upper.path if upper.kind != "input" else upper.path.rpartition(".")[0]
    name = block.path if block is not None else around
    return Part("block", kind, name, upper.name, lower.name), _identity_path(graph, a, b)


def _block_at(places: Places, path: list[Vertex], a: Vertex) -> Place | None:
    """The innermost composite module that puts out vertex a, or one that encloses the place named there."""
    inside = places.label(a).path
    for v in reversed(path[: path.index(a) + 1]):
        outputs = [p for p in places.at.get(v, ()) if p.kind == "output" and not p.leaf and p.path]
        outputs = [p for p in outputs if not p.is_sequence] or outputs
        blocks = [p for p in outputs if v == a or inside.startswith(p.path + ".")]
        if blocks:
            return max(blocks, key=lambda p: len(p.path))
    return None


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
