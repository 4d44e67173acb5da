"""Modules that autograd sees as many small operations and that have one law as a whole: recurrent nets, RMSNorm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..measurement.graph import Graph, Vertex
from ..measurement.models import flatten
from .laws import LAWS
from .laws.law import Applied, Kept, Law, Tensors
from .passes import Traced, WholeCall
from .recurrent_modules import read_recurrent


@dataclass(frozen=True, slots=True)
class Composite:
    """One call of such a module.

    nodes: its nodes in the graph. deltas: for each output of the law the vertex where its error arrives, None where
    nobody uses it. targets: for each input of the law (vertex, leaf id).
    """

    path: str
    law: Law
    kept: Kept
    nodes: frozenset[int]
    deltas: tuple[Vertex | None, ...]
    targets: tuple[tuple[Vertex | None, int | None], ...]

    @property
    def trigger(self) -> int:
        """The node behind which every error at the outputs has arrived."""
        return max(v[0] for v in self.deltas if v is not None)


def composites_of(traced: Traced) -> tuple[Composite, ...]:
    """The composites of a traced pass; a call whose law gives another value than the module is left in pieces."""
    found = (_composite(traced.graph, call) for call in traced.wholes)
    return tuple(c for c in found if c is not None)


def _composite(graph: Graph, call: WholeCall) -> Composite | None:
    outputs = tuple(flatten(call.output))
    applied = _applied(call, outputs)
    if applied is None:
        return None
    deltas = tuple(_vertex(graph, y) if y is not None else None for y in applied.outputs)
    if all(v is None for v in deltas):
        return None
    targets = tuple(_target(graph, x) for x in applied.inputs)
    nodes = _inside(graph, deltas, targets)
    inputs = tuple(x.detach() if x is not None else None for x in applied.inputs)
    with torch.no_grad():
        values = applied.law.forward(inputs, applied.settings)
    if nodes is None or not _same(values, applied.outputs):
        return None
    shapes = tuple(x.shape if x is not None else None for x in inputs)
    wanted = tuple(vertex is not None or leaf is not None for vertex, leaf in targets)
    kept = Kept(inputs, values, shapes, applied.settings, wanted)
    return Composite(call.path, applied.law, kept, nodes, deltas, targets)


def _applied(call: WholeCall, outputs: tuple[Tensor, ...]) -> Applied | None:
    """The law of a call with its inputs and the module's own outputs, in the law's order; None where there is none."""
    module = call.module
    if isinstance(module, nn.RMSNorm):
        x = call.args[0]
        eps = module.eps if module.eps is not None else torch.finfo(x.dtype).eps
        settings = {"normalized_shape": tuple(module.normalized_shape), "eps": eps}
        return Applied(LAWS["rms_norm"], (x, module.weight), outputs, settings)
    if isinstance(module, nn.Softsign):
        return Applied(LAWS["softsign"], (call.args[0],), outputs, {})
    reading = read_recurrent(module, tuple(call.args), dict(call.kwargs))
    if reading is None or reading.masks:  # masks between layers are drawn inside and seen by nobody
        return None
    return Applied(reading.law, reading.inputs, outputs, reading.settings)


def _vertex(graph: Graph, x: Tensor) -> Vertex | None:
    node = x.grad_fn
    return (graph.index[node], x.output_nr) if node is not None and node in graph.index else None


def _target(graph: Graph, x: Tensor | None) -> tuple[Vertex | None, int | None]:
    if x is None or not x.requires_grad:
        return None, None
    return (None, id(x)) if x.grad_fn is None else (_vertex(graph, x), None)


def _inside(
    graph: Graph, deltas: Sequence[Vertex | None], targets: Sequence[tuple[Vertex | None, int | None]]
) -> frozenset[int] | None:
    """The nodes between the outputs and the inputs; None where something else reaches in or out."""
    ends = {vertex for vertex, _ in targets if vertex is not None}
    leaves = {leaf for _, leaf in targets if leaf is not None}
    stack = [v for v in deltas if v is not None]
    tops = set(stack)
    nodes: set[int] = set()
    while stack:
        vertex = stack.pop()
        if vertex in ends or vertex[0] in nodes:
            continue
        nodes.add(vertex[0])
        if any(id(leaf) not in leaves for leaf in graph.leaves[vertex[0]]):
            return None
        stack += graph.next[vertex[0]]
    for vertex in graph.vertices:
        outside = [c for c in graph.consumers.get(vertex, ()) if c not in nodes]
        if vertex[0] in nodes and outside and vertex not in tops:
            return None
    return frozenset(nodes)


def _same(values: Tensors, outputs: Tensors) -> bool:
    for mine, theirs in zip(values, outputs, strict=False):
        if mine is None or theirs is None:
            continue
        agrees = torch.finfo(theirs.dtype).eps ** 0.5  # beyond it the module is something else than its law
        if mine.shape != theirs.shape or not torch.allclose(mine, theirs.detach(), rtol=agrees, atol=agrees):
            return False
    return True
