"""Reading one backward graph in a full frame: trunk and network, functions, inputs on the trunk, own input errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from torch import Tensor

from ..records import Network
from .describe import RECTIFIERS
from .graph import Graph, Vertex
from .models import Call, WatchedModel
from .places import GraphPlaces, function_value
from .trunk import Trunk, find_trunk

if TYPE_CHECKING:
    from .recorder import Key, Recorder

MAX_INPUTS = 4  # input tensors of a call whose inner error is measured


def read_graph(recorder: Recorder, graph: Graph, model: WatchedModel) -> None:
    """Find the trunk where the graph is new, and hook every node whose error has no tensor hook."""
    places = GraphPlaces(graph, model)
    if not places.calls:
        return
    signature = (len(graph.nodes), tuple(p.name for ps in places.places.at.values() for p in ps))
    if model.trunk_signature != signature:
        trunk = find_trunk(graph, places.places)
        if trunk is not None or model.trunk_signature is None:
            _keep_trunk(model, trunk)
        model.trunk_signature = signature
    for call, _, _ in places.calls:
        model.expected.add((call.gen, call.entry.path, call.call, "output", call.entry.seen.kind))
    model.ops.update(_ops(graph, places))
    _hook_functions(recorder, graph, model, places)
    _hook_inputs(recorder, graph, model, places)
    _hook_inner(recorder, graph, model, places)


def _ops(graph: Graph, places: GraphPlaces) -> set[str]:
    """Names of the nodes that calls of the root made: what the loss does stands outside."""
    roots = [call.seq for call, _, _ in places.calls if call.entry.path == ""]
    inside = (i for i, seq in enumerate(graph.seq) if any(first <= seq < last for first, last in roots))
    return {graph.op(i) for i in inside}


def _keep_trunk(model: WatchedModel, trunk: Trunk | None) -> None:
    network = model.network or Network(model.name, model.cls)
    if trunk is None:
        note = "no site lies on every path of the error: the network has no trunk of module outputs"
        model.network = msgspec.structs.replace(network, trunk_note=note)
        return
    model.trunk_hop = {name: i for i, name in enumerate(trunk.names)}
    model.network = msgspec.structs.replace(network, hops=trunk.hops, stations=trunk.stations, trunk_note="")


def _hook_functions(recorder: Recorder, graph: Graph, model: WatchedModel, places: GraphPlaces) -> None:
    for place, (path, number, op), vertex in places.functions:
        key: Key = (-1, path, number, "function", op)
        node = graph.nodes[vertex[0]]
        model.expected.add(key)
        node.register_prehook(_output_hook(recorder, model, key, vertex[1]))
        if place.seen is None or place.seen.role != "activation":
            continue
        if recorder.saved_hooks:
            model.skip(
                place.name, "its value lies behind saved-tensor hooks (checkpointing): only its error is measured"
            )
            continue
        value = function_value(node, op)
        if value is None or not value.numel():
            continue
        recorder.write(model, key, "act", 0, value)
        if op in RECTIFIERS:
            recorder.write_dead(model, key, value)


def _hook_inputs(recorder: Recorder, graph: Graph, model: WatchedModel, places: GraphPlaces) -> None:
    """Inputs on the trunk whose producer is no module: the sums of residual streams, concatenations."""
    for vertex, here in places.places.at.items():
        if any(p.kind != "input" for p in here):
            continue
        label = places.places.label(vertex)
        if label.name not in model.trunk_hop:
            continue
        key: Key = (-1, label.path, label.call, "input", graph.op(vertex[0]).lower())
        graph.nodes[vertex[0]].register_prehook(_output_hook(recorder, model, key, vertex[1]))


def _hook_inner(recorder: Recorder, graph: Graph, model: WatchedModel, places: GraphPlaces) -> None:
    """The error that each module itself sends toward its input; on a shared input this is not the sum."""
    for call, _, _ in places.calls:
        key: Key = (call.gen, call.entry.path, call.call, "output", call.entry.seen.kind)
        for comp, vertex in enumerate(_input_vertices(graph, call)[:MAX_INPUTS]):
            inner, alone = places.inner_consumers(call, vertex)
            if not inner:
                continue
            outputs = [p for p in places.places.at.get(vertex, ()) if p.kind == "output"]
            if alone and outputs:
                model.aliases.append((key, outputs[0].name))
            elif alone:
                hook = _output_hook(recorder, model, key, vertex[1], "err_in", comp)
                graph.nodes[vertex[0]].register_prehook(hook)
            else:
                _hook_edges(recorder, graph, model, (key, comp), (vertex, inner))


def _input_vertices(graph: Graph, call: Call) -> list[Vertex]:
    found = [(graph.index[node], nr) for node, nr in call.inputs if node in graph.index]
    return list(dict.fromkeys(found))


def _output_hook(
    recorder: Recorder, model: WatchedModel, key: Key, nr: int, stat: str = "err", comp: int = 0
) -> Callable[[tuple[Tensor | None, ...]], None]:
    """A node pre-hook that records the error arriving at output ``nr``, in this backward pass only."""
    inner = recorder.error_hook(model, key, comp, stat)
    backward = recorder.backward

    def hook(errors: tuple[Tensor | None, ...]) -> None:
        if recorder.backward == backward and nr < len(errors):
            error = errors[nr]
            if error is not None:
                inner(error)

    return hook


def _hook_edges(
    recorder: Recorder, graph: Graph, model: WatchedModel, site: tuple[Key, int], at: tuple[Vertex, list[int]]
) -> None:
    """Record the vector sum of the errors that the inner consumers send to a shared input."""
    vertex, inner = at
    edges = [(c, i) for c in dict.fromkeys(inner) for i in _edge_slots(graph, c, vertex)]
    record = recorder.error_hook(model, site[0], site[1], "err_in")
    backward = recorder.backward
    arrived: list[Tensor] = []
    missing = [len(edges)]

    def arrive(error: Tensor | None) -> None:
        if recorder.backward != backward:
            return
        try:
            missing[0] -= 1
            if error is not None:
                arrived.append(error.detach())
            if missing[0] == 0 and arrived:
                total = arrived[0]
                for more in arrived[1:]:
                    total = total + more
                arrived.clear()
                record(total)
        except Exception as failure:  # the user's backward never hears of it
            recorder.fail(failure)

    for consumer, slot in edges:
        graph.nodes[consumer].register_hook(_slot_hook(arrive, slot))


def _edge_slots(graph: Graph, consumer: int, vertex: Vertex) -> list[int]:
    target = graph.nodes[vertex[0]]
    return [
        i for i, (node, nr) in enumerate(graph.nodes[consumer].next_functions) if node is target and nr == vertex[1]
    ]


def _slot_hook(arrive: Callable[[Tensor | None], None], slot: int) -> Callable[[Any, Any], None]:
    def hook(sent: tuple[Tensor | None, ...], _: tuple[Tensor | None, ...]) -> None:
        arrive(sent[slot] if slot < len(sent) else None)

    return hook
