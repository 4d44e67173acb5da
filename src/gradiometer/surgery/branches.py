"""Residual branches that a network has by itself: where they end, from one forward pass."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..measurement.models import flatten
from .feeds import ACTIVATIONS, LAYERS
from .passes import Batch, run_once, undisturbed

ADDITIONS = frozenset({"add", "add_", "__add__", "__radd__", "__iadd__"})
PASSING = frozenset({"dropout", "dropout1d", "dropout2d", "mul", "__mul__", "__rmul__", "mul_", "div", "__truediv__"})
"""What may stand between the end of a branch and the sum: a factor that is a number, or dropout."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch of a residual sum. path: the module whose output it ends in, "" where it ends in no module's output;
    place: of the module in whose forward the sum is; beside: a layer of weights inside the branch; calls: of path."""

    path: str
    place: str
    beside: str
    calls: int


@dataclass(slots=True)
class _Node:
    """A tensor of the pass. parents: nodes it was made of; layer: path of the layer that made it; ends: modules that
    put it out, inner ones first."""

    parents: tuple[int, ...]
    op: str
    layer: str = ""
    ends: list[str] = field(default_factory=list)


def branches_of(model: nn.Module, batch: Batch) -> list[Branch]:
    """The branches in the order of the pass: sums a + b where b passes layers that a does not, both from one signal."""
    reader = _Reader()
    with undisturbed(model), ExitStack() as stack:
        for path, module in model.named_modules():
            for handle in (
                module.register_forward_pre_hook(reader.entering(path), with_kwargs=True),
                module.register_forward_hook(reader.leaving(path, module), with_kwargs=True),
            ):
                stack.callback(handle.remove)
        stack.enter_context(reader)
        run_once(model, batch)
    return reader.found


class _Reader(TorchFunctionMode):
    """Notes what every tensor was made of. Each tensor is kept alive, so that an id means one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[_Node] = []
        self.at: dict[int, int] = {}
        self.alive: list[Tensor] = []
        self.stack: list[str] = []
        self.calls: dict[str, int] = {}
        self.found: list[Branch] = []
        self.sums: list[tuple[int, int, str]] = []

    def entering(self, path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, named: Any) -> None:
            self.stack.append(path)
            self.calls[path] = self.calls.get(path, 0) + 1
            for value in (*flatten(args), *flatten(named)):
                self.node(value)

        return hook

    def leaving(self, path: str, module: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, args: Any, named: Any, out: Any) -> None:
            self.stack.pop()
            for value in list(flatten(out))[:1]:  # of attention, which gives (output, weights), the output
                if isinstance(module, (*LAYERS, nn.MultiheadAttention)):
                    self.put(value, tuple(self.node(v) for v in (*flatten(args), *flatten(named))), "layer", path)
                if isinstance(out, Tensor):
                    self.nodes[self.node(value)].ends.append(path)
            if path == "":
                self.judge()

        return hook

    def node(self, value: Tensor) -> int:
        found = self.at.get(id(value))
        return self.put(value, (), "given") if found is None else found

    def put(self, value: Tensor, parents: tuple[int, ...], op: str, layer: str = "") -> int:
        self.nodes.append(_Node(parents, op, layer))
        self.alive.append(value)
        self.at[id(value)] = len(self.nodes) - 1
        return len(self.nodes) - 1

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        name = getattr(func, "__name__", "")
        given = [v for v in (*flatten(tuple(args)), *flatten(named)) if v.is_floating_point() and v.dim()]
        parents = tuple(dict.fromkeys(self.node(v) for v in given))
        out = func(*args, **named)
        if name in ADDITIONS and len(given) == 2 and given[0].shape == given[1].shape and len(parents) == 2:
            self.sums.append((parents[0], parents[1], self.stack[-1] if self.stack else ""))
        for value in flatten(out):
            if parents and (id(value) not in self.at or name.endswith("_") or name.startswith("__i")):
                self.put(value, parents, name)
        return out

    # ---- afterwards --------------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Tell the branches of all sums."""
        for a, b, place in self.sums:
            above, below = self.ancestors(a), self.ancestors(b)
            if not above & below:
                continue
            sides = [(self.weight(above - below), a), (self.weight(below - above), b)]
            (light, _), (heavy, end) = sorted(sides)
            if heavy <= light:
                continue
            own = (above if end == a else below) - (below if end == a else above)
            layers = [self.nodes[i].layer for i in sorted(own) if self.nodes[i].layer]
            path = self.ending(end, place)
            self.found.append(Branch(path, place, layers[-1], self.calls.get(path, 0)))

    def ancestors(self, start: int) -> set[int]:
        out, todo = set(), [start]
        while todo:
            at = todo.pop()
            if at not in out:
                out.add(at)
                todo += self.nodes[at].parents
        return out

    def weight(self, nodes: set[int]) -> tuple[int, int]:
        """(layers that are followed by an activation or stand alone, all layers): a projection is lighter."""
        layers = sum(bool(self.nodes[i].layer) for i in nodes)
        acts = sum(self.nodes[i].op.rstrip("_") in ACTIVATIONS for i in nodes)
        return (layers > 0) * (1 + acts), layers

    def ending(self, at: int, place: str) -> str:
        """The outermost module inside ``place`` whose output this is, but for a factor or dropout."""
        while True:
            node = self.nodes[at]
            inside = [p for p in node.ends if p != place and (not place or p.startswith(f"{place}."))]
            if inside:
                return inside[-1]
            if node.op not in PASSING or len(node.parents) != 1:
                return ""
            at = node.parents[0]
