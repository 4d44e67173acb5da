"""Where the calls of a forward pass stand in the autograd graph: places, functions, true inner edges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..records import ModuleSeen, Site
from .graph import Graph, Vertex
from .models import Call, Entry, WatchedModel
from .trunk import Place, Places

FUNCTIONS: dict[str, str] = {
    "Relu": "relu",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "Gelu": "gelu",
    "Silu": "silu",
    "Mish": "mish",
    "Elu": "elu",
    "LeakyRelu": "leaky_relu",
    "Hardtanh": "hardtanh",
    "Softplus": "softplus",
    "LogSigmoid": "log_sigmoid",
    "Hardswish": "hardswish",
    "Hardsigmoid": "hardsigmoid",
    "PreluKernel": "prelu",
    "Erf": "erf",
    "Softmax": "softmax",
}
"""Graph nodes of activations, as they are called whichever way they were written."""

_AGAIN: dict[str, Callable[[Tensor, Callable[[str], Any]], Tensor]] = {
    "gelu": lambda x, arg: F.gelu(x, approximate=arg("approximate") or "none"),
    "silu": lambda x, arg: F.silu(x),
    "mish": lambda x, arg: F.mish(x),
    "leaky_relu": lambda x, arg: F.leaky_relu(x, arg("negative_slope")),
    "hardtanh": lambda x, arg: F.hardtanh(x, arg("min_val"), arg("max_val")),
    "softplus": lambda x, arg: F.softplus(x, arg("beta"), arg("threshold")),
    "log_sigmoid": lambda x, arg: F.logsigmoid(x),
    "hardswish": lambda x, arg: F.hardswish(x),
    "hardsigmoid": lambda x, arg: F.hardsigmoid(x),
    "erf": lambda x, arg: torch.erf(x),
}
"""Activations whose node saves the input: the value is computed again from it and the settings the node keeps."""
_LINEAR_OPS = frozenset({"Addmm", "Mm", "Linear", "Convolution"})


class GraphPlaces:
    """The places of one model in one backward pass.

    calls: the module calls whose output lies in the graph, with their final call number.
    functions: (place, site key, vertex) of every activation or weight operation written as a function.
    """

    def __init__(self, graph: Graph, model: WatchedModel) -> None:
        self.graph = graph
        self.model = model
        self.places = Places()
        self.calls: list[tuple[Call, int, list[Vertex]]] = []
        self.functions: list[tuple[Place, tuple[str, int, str], Vertex]] = []
        self._place_outputs()
        self._place_functions()
        self._place_inputs()

    def _vertices(self, pairs: Sequence[tuple[Any, int]]) -> list[Vertex]:
        index, position = self.graph.index, self.graph.position
        found = [(index[node], nr) for node, nr in pairs if node in index]
        return [v for v in dict.fromkeys(found) if v in position]

    def _place_outputs(self) -> None:
        offset: dict[str, int] = {}
        gens: dict[str, dict[int, int]] = {}
        for call in self.model.calls:
            vertices = self._vertices(call.outputs)
            if not vertices:
                continue
            path = call.entry.path
            known = gens.setdefault(path, {})
            base = known.setdefault(call.gen, offset.get(path, 0))
            number = base + call.call
            offset[path] = max(offset.get(path, 0), number + 1)
            self.calls.append((call, number, vertices))
            site = Site(self.model.name, path, number)
            place = Place(
                site.name,
                "output",
                path,
                call.entry.leaf,
                call.entry.seen,
                tuple(self._vertices(call.inputs)),
            )
            for v in vertices:
                self.places.add(v, place)

    def _place_inputs(self) -> None:
        for call, number, _ in self.calls:
            for v in self._vertices(call.inputs):
                if v not in self.places.at or all(p.kind == "input" for p in self.places.at[v]):
                    site = Site(self.model.name, call.entry.path, number, "input")
                    self.places.add(v, Place(site.name, "input", call.entry.path, False, None, call=number))
        for place, _, _ in self.functions:
            for v in place.inputs:
                if v not in self.places.at:
                    self.places.add(v, Place(f"{place.name}.input", "input", place.name, False, None))

    def _innermost(self, seq: int) -> Call | None:
        inside = [c for c, _, _ in self.calls if c.seq[0] <= seq < c.seq[1]]
        return min(inside, key=lambda c: c.seq[1] - c.seq[0]) if inside else None

    def _place_functions(self) -> None:
        graph = self.graph
        counts: dict[tuple[str, str], int] = {}
        found = []
        for i in range(len(graph.nodes)):
            op = graph.op(i)
            if any(a <= graph.seq[i] < b for a, b in self.model.skipped):
                continue
            if op == "CopySlices":
                self._note_in_place(i)
            elif op in FUNCTIONS or op in _LINEAR_OPS:
                found.append((graph.seq[i], i, op))
        for seq, i, op in sorted(found):
            call = self._innermost(seq)
            vertex = (i, 0)
            if call is None or self.places.leaf(vertex) is not None or vertex not in graph.position:
                continue
            if call.entry.leaf and not _is_bare_root(call.entry):
                continue  # inside a leaf module: a part of it (the gates of an LSTM), not a place of its own
            path = call.entry.path
            seen = self._describe(i, op, path)
            if seen is None:
                continue
            number = counts.get((path, seen.kind), 0)
            counts[path, seen.kind] = number + 1
            site = Site(self.model.name, path, number, "function", seen.kind)
            place = Place(site.name, "function", path, True, seen, tuple(graph.next[i][:1]))
            self.places.add(vertex, place)
            self.functions.append((place, (path, number, seen.kind), vertex))

    def _note_in_place(self, i: int) -> None:
        """A view was changed in place: the graph does not say by which operation, so it counts as not covered."""
        call = self._innermost(self.graph.seq[i])
        if call is None or call.entry.leaf:
            return
        path = call.entry.path
        self.model.expected.add((-1, path, i, "function", "in-place"))
        self.model.skip(path or "(root)", "a view is changed in place by an operation that the graph does not name")

    def _describe(self, i: int, op: str, path: str) -> ModuleSeen | None:
        """A function as if it were a module; None for a weight operation without a parameter of the model."""
        if op in FUNCTIONS:
            args = {}
            slope = getattr(self.graph.nodes[i], "_saved_negative_slope", None)
            if op == "LeakyRelu" and isinstance(slope, float):
                args["negative_slope"] = slope
            return ModuleSeen(path, "function", "activation", FUNCTIONS[op], dict(args))
        names = [self.model.params[id(p)] for p in self._parameters(i) if id(p) in self.model.params]
        params = [p for p in self._parameters(i) if id(p) in self.model.params and p.dim() >= 2]
        if not params:
            return None
        weight = params[0]
        transposed = any(self.graph.op(e[0]) in {"T", "Transpose"} for e in self.graph.next[i])
        fan_in = weight.shape[1] if transposed or op in {"Linear", "Convolution"} else weight.shape[0]
        for d in weight.shape[2:]:
            fan_in *= d
        name = self.model.params[id(weight)]
        bias = next((n for n in names if n != name), None)
        kind = "conv" if op == "Convolution" else "linear"
        return ModuleSeen(path, "function", "weights", kind, {}, fan_in, 0, name, bias)

    def _parameters(self, i: int) -> list[Tensor]:
        """Parameters that feed node i, directly or through a transpose."""
        graph = self.graph
        out = list(graph.leaves[i])
        for j, _ in graph.next[i]:
            if graph.op(j) in {"T", "Transpose"}:
                out += graph.leaves[j]
        return out

    def inner_consumers(self, call: Call, v: Vertex) -> tuple[list[int], bool]:
        """(consumers of v that the call made itself, whether there are no others)."""
        all_of_them = self.graph.consumers.get(v, [])
        inner = [c for c in all_of_them if call.seq[0] <= self.graph.seq[c] < call.seq[1]]
        return inner, len(inner) == len(all_of_them)


def _is_bare_root(entry: Entry) -> bool:
    """True for a whole network of the user's own that is one module: raw parameters and functions."""
    return entry.path == "" and entry.seen.kind == entry.seen.cls.lower()


def function_value(node: Any, kind: str) -> Tensor | None:
    """The value that an activation node put out, from what it saved; None where it is gone or was changed in place."""

    def arg(name: str) -> Any:
        return getattr(node, f"_saved_{name}", None)

    try:
        saved = arg("result")
        source = arg("self")
        if kind == "elu":
            saved = _elu(arg)
        elif saved is None and source is not None and kind in _AGAIN:
            with torch.no_grad():
                saved = _AGAIN[kind](source, arg)
    except RuntimeError:  # a saved tensor that was changed in place cannot be read
        return None
    return saved.detach() if isinstance(saved, Tensor) else None


def _elu(arg: Callable[[str], Any]) -> Tensor | None:
    """ELU, CELU and SELU are one node: scale · (x where x > 0, else alpha · (exp(input_scale · x) - 1))."""
    x = arg("self_or_result")
    if x is None:
        x = arg("self")
    if x is None or arg("is_result"):
        return x if isinstance(x, Tensor) else None
    with torch.no_grad():
        negative = arg("alpha") * torch.expm1(x * arg("input_scale"))
        value: Tensor = arg("scale") * torch.where(x > 0, x, negative)
        return value
