"""Handing one error on by laws, from the loss down to every parameter: the backward pass without autograd.

A vertex is a tensor of the forward pass: (node of the autograd graph, output number). The graph says what was
calculated from what, and keeps the numbers that the laws need; what is sent along its edges is made by the laws. An
operation without a law is asked to send its error itself, and marked.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..measurement.graph import Graph, Vertex, is_leaf
from .composites import Composite
from .laws.law import Applied, Kept, Law, Tensors
from .nodes import READERS

GAP_FLOOR = 1e-300  # a true error below this is compared absolutely


@dataclass(frozen=True, slots=True)
class Edge:
    """One way out of an operation: to a vertex, or to a leaf (id of the tensor)."""

    slot: int
    vertex: Vertex | None
    leaf: int | None
    sent: Tensor | None


@dataclass(slots=True)
class Step:
    """One operation that the error has passed.

    order: its place in the walk, loss first. outputs: the vertices that it made, None for one that nobody uses.
    name: of the law, or of the operation where there is none. send: from errors at the outputs to errors along the
    node's edges, by slot. gap: to what autograd makes of the same error, nan for a composite.
    """

    order: int
    outputs: tuple[Vertex | None, ...]
    name: str
    law: Law | None
    kept: Kept | None
    edges: tuple[Edge, ...]
    send: Callable[[Tensors], Tensors]
    gap: float
    path: str = ""

    @property
    def node(self) -> int:
        """A node of the graph in which it was made."""
        return next(v[0] for v in self.outputs if v is not None)


@dataclass(slots=True)
class Carried:
    """All that the error left: it at every vertex and leaf, and the steps between, loss first."""

    errors: dict[Vertex, Tensor]
    leaves: dict[int, Tensor]
    steps: list[Step]
    made_by: dict[Vertex, Step]

    def size(self, vertex: Vertex) -> float:
        """‖δ‖ at a vertex; 0 where no error came."""
        error = self.errors.get(vertex)
        return norm(error) if error is not None else 0.0

    def position(self, vertex: Vertex) -> tuple[int, int]:
        """Place in the walk: loss first."""
        return self.made_by[vertex].order, vertex[1]


def norm(x: Tensor) -> float:
    """Total L2 norm, in float64 whatever the tensor is."""
    wide = torch.complex128 if x.is_complex() else torch.float64
    return float(torch.linalg.vector_norm(x.detach().to(wide)))


def carry(graph: Graph, start: Mapping[Vertex, Tensor], composites: Sequence[Composite]) -> Carried:
    """Hand the errors in ``start`` on to everything below, loss first."""
    inside = {node for c in composites for node in c.nodes}
    last = {c.trigger: c for c in composites}
    carried = Carried(dict(start), {}, [], {})
    with torch.no_grad():
        for i in range(len(graph.nodes)):
            whole = last.get(i)
            if whole is not None:
                _pass_composite(carried, whole)
            if i not in inside:
                _pass_node(carried, graph, i)
    return carried


def carried_alone(carried: Carried, start: Mapping[Vertex, Tensor], region: Container[Vertex]) -> Carried:
    """What the errors in ``start`` alone send through a region of a walk that was carried before, and to its leaves."""
    part = Carried(dict(start), {}, [], dict(carried.made_by))
    first = min(carried.made_by[v].order for v in start)
    for step in carried.steps[bisect.bisect_left(carried.steps, first, key=lambda s: s.order) :]:
        deltas = tuple(part.errors.get(v) if v is not None else None for v in step.outputs)
        if all(d is None for d in deltas):
            continue
        sent = step.send(deltas)
        reached = (e for e in step.edges if e.leaf is not None or e.vertex in region)
        edges = tuple(dataclasses.replace(e, sent=sent[e.slot]) for e in reached if sent[e.slot] is not None)
        _keep(part, dataclasses.replace(step, edges=edges))
    return part


def total(tensors: Sequence[Tensor | None]) -> Tensor:
    """The sum of those tensors that there are; a 0 where there is none."""
    there = [x for x in tensors if x is not None]
    if not there:
        return torch.zeros(())
    summed = there[0]
    for x in there[1:]:
        summed = summed + x
    return summed


def _pass_node(carried: Carried, graph: Graph, i: int) -> None:
    node = graph.nodes[i]
    deltas = tuple(carried.errors.get((i, nr)) for nr in range(len(node._input_metadata)))
    if all(d is None for d in deltas):
        return
    targets = [_target(graph, child, nr) for child, nr in node.next_functions]
    true = _by_autograd(node, deltas, targets)
    applied, kept = _read(node, targets)
    send = _sender(applied.law, kept, targets) if applied is not None and kept is not None else _native(node, targets)
    sent = send(deltas)
    edges = []
    for slot, target in enumerate(targets):
        error = sent[slot] if slot < len(sent) else None
        if target.there and error is not None:
            edges.append(Edge(slot, target.vertex, target.leaf, error))
    name = applied.law.name if applied is not None else graph.op(i)
    step = Step(
        order=len(carried.steps),
        outputs=tuple((i, nr) for nr in range(len(deltas))),
        name=name,
        law=applied.law if applied is not None else None,
        kept=kept,
        edges=tuple(edges),
        send=send,
        gap=_gap(deltas, sent, true, targets) if applied is not None else 0.0,
    )
    _keep(carried, step)


def _pass_composite(carried: Carried, whole: Composite) -> None:
    deltas = tuple(carried.errors.get(v) if v is not None else None for v in whole.deltas)
    if all(d is None for d in deltas):
        return
    send = _sender(whole.law, whole.kept, ())
    sent = send(deltas)
    edges = [
        Edge(slot, vertex, leaf, error)
        for slot, ((vertex, leaf), error) in enumerate(zip(whole.targets, sent, strict=True))
        if error is not None and (vertex is not None or leaf is not None)
    ]
    step = Step(
        order=len(carried.steps),
        outputs=whole.deltas,
        name=whole.law.name,
        law=whole.law,
        kept=whole.kept,
        edges=tuple(edges),
        send=send,
        gap=float("nan"),
        path=whole.path,
    )
    _keep(carried, step)


def _keep(carried: Carried, step: Step) -> None:
    carried.steps.append(step)
    for vertex in step.outputs:
        if vertex is not None:
            carried.made_by[vertex] = step
    for edge in step.edges:
        if edge.sent is None:
            continue
        if edge.vertex is not None:
            before = carried.errors.get(edge.vertex)
            carried.errors[edge.vertex] = edge.sent if before is None else before + edge.sent
        elif edge.leaf is not None:
            there = carried.leaves.get(edge.leaf)
            carried.leaves[edge.leaf] = edge.sent if there is None else there + edge.sent


@dataclass(frozen=True, slots=True)
class Target:
    """The end of an edge: a vertex or a leaf, its shape and type; nothing where the edge leads nowhere."""

    vertex: Vertex | None = None
    leaf: int | None = None
    shape: torch.Size | None = None
    dtype: torch.dtype | None = None

    @property
    def there(self) -> bool:
        """An error can go there."""
        return self.shape is not None

    @property
    def is_complex(self) -> bool:
        """Its numbers are complex."""
        return self.dtype is not None and self.dtype.is_complex


def _target(graph: Graph, child: Any, nr: int) -> Target:
    if child is None:
        return Target()
    if is_leaf(child):
        return Target(None, id(child.variable), child.variable.shape, child.variable.dtype)
    seen = child._input_metadata[nr]
    return Target((graph.index[child], nr), None, torch.Size(seen.shape), seen.dtype)


def _read(node: Any, targets: Sequence[Target]) -> tuple[Applied | None, Kept | None]:
    reader = READERS.get(node.name())
    if reader is None:
        return None, None
    applied = reader(node)
    shapes = tuple(t.shape for t in targets)
    wanted = tuple(t.there for t in targets)
    inputs, outputs = detached(applied.inputs), detached(applied.outputs)
    if any(x is not None and x.is_complex() for x in (*inputs, *outputs)) or any(t.is_complex for t in targets):
        return None, None  # the laws are written for real numbers
    return applied, Kept(inputs, outputs, shapes, applied.settings, wanted)


def detached(tensors: Tensors) -> Tensors:
    """The same numbers, out of autograd's graph."""
    return tuple(x.detach() if x is not None else None for x in tensors)


def _sender(law: Law, kept: Kept, targets: Sequence[Target]) -> Callable[[Tensors], Tensors]:
    """The law's errors, in the type of the value that each belongs to."""

    def send(deltas: Tensors) -> Tensors:
        errors = law.backward(deltas, kept)
        typed = (_fitted(e, t) if e is not None else None for e, t in zip(errors, targets, strict=False))
        return tuple(typed) if targets else errors

    return send


def _native(node: Any, targets: Sequence[Target]) -> Callable[[Tensors], Tensors]:
    return lambda deltas: _by_autograd(node, deltas, targets)


def _by_autograd(node: Any, deltas: Tensors, targets: Sequence[Target]) -> Tensors:
    """What autograd's own node makes of the same errors, then what the engine does: sum over broadcast axes, cast."""
    of_python = isinstance(node, torch.autograd.function.BackwardCFunction)
    true = node.apply(*deltas) if of_python else node(*deltas)
    errors = true if isinstance(true, tuple) else (true,)
    if of_python:  # it answers for every argument, numbers among them; the edges stand for those that ask for an error
        asked = (e for e, needed in zip(errors, node.needs_input_grad, strict=False) if needed)
        errors = tuple(next(asked, None) if t.there else None for t in targets)
    return tuple(_fitted(e, t) if e is not None else None for e, t in zip(errors, targets, strict=False))


def _fitted(error: Tensor, target: Target) -> Tensor:
    if target.shape is None or target.dtype is None:
        return error
    if error.layout != torch.strided:
        error = error.to_dense()  # of an embedding with sparse gradients
    if error.is_complex() and not target.dtype.is_complex:
        error = error.real
    return error.to(target.dtype).sum_to_size(target.shape)


def _gap(deltas: Tensors, found: Tensors, true: Tensors, targets: Sequence[Target]) -> float:
    """Largest relative gap over the edges that autograd sends something along.

    A parameter's gradient may cancel to nothing (a shift before a normalisation): it is measured against the error that
    arrived where that is larger.
    """
    worst = 0.0
    arrived = max((norm(d) for d in deltas if d is not None), default=0.0)
    for mine, theirs, target in zip(found, true, targets, strict=False):
        if mine is None or theirs is None:
            continue
        size = norm(theirs) if target.leaf is None else max(norm(theirs), arrived)
        worst = max(worst, norm(mine - theirs) / (size if size > GAP_FLOOR else 1.0))
    return worst
