"""A loss as a function of the network's outputs, rebuilt from the autograd graph that lies between the two.

Every operation on the way is applied again with what its node has saved: targets, weights, factors, dimensions. A
tensor that a node does not save (the targets of a hand-written difference) is the difference between two that are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .lossnodes import RESHAPES, SAME, Reader, Vertex, children, is_leaf, op, shape
from .rebuiltnodes import MAKERS, Function, RefusedError, constant_of

MOST_NODES = 400  # operations between outputs and loss; Python recurses once for each
EQUAL = 1e-4  # relative: float32 in another order of summation differs by less, a wrong target by more


@dataclass(slots=True)
class Rebuilt:
    """The operations in their order. Slot i < ``outputs`` is the i-th output, each line fills the next slot."""

    outputs: int
    lines: list[tuple[Function, tuple[int, ...]]] = field(default_factory=list)
    last: int = 0

    def __call__(self, outputs: Sequence[Tensor]) -> Tensor:
        """The loss at other outputs of the same shapes."""
        values = list(outputs)
        for apply, slots in self.lines:
            values.append(apply(*(values[i] for i in slots)))
        return values[self.last]


def rebuild(root: Vertex, outputs: Mapping[Vertex, Tensor], loss: Tensor, reader: Reader) -> Rebuilt:
    """The loss at ``root`` as a function of ``outputs`` (place in the graph -> value there).

    Law: the rebuilt value at the outputs that were seen equals ``loss`` to EQUAL, relative. At nan and inf, or where
    it differs, or where an operation is unknown: RefusedError. Nothing of the graph is kept.
    """
    with torch.no_grad():
        builder = _Builder(reader, outputs)
        builder.made.last = builder.slot(root, loss.detach())
        there, seen = float(builder.values[builder.made.last]), float(loss)
    if not abs(there - seen) <= EQUAL * abs(seen):
        raise RefusedError(f"it was {seen:.6g} and comes out as {there:.6g}")
    return builder.made


class _Builder:
    def __init__(self, reader: Reader, outputs: Mapping[Vertex, Tensor]) -> None:
        self.reader = reader
        self.values = [t.detach() for t in outputs.values()]
        self.at = {vertex: i for i, vertex in enumerate(outputs)}
        self.made = Rebuilt(len(self.values))

    def slot(self, vertex: Vertex, known: Tensor | None = None) -> int:
        """Number of the value at ``vertex``. known: that value, where the operation above has saved it."""
        found = self.at.get(vertex)
        if found is not None:
            return found
        name = op(vertex)
        if is_leaf(vertex):
            raise RefusedError("a parameter is part of it beside the network's output")
        if len(self.at) > MOST_NODES:
            raise RefusedError(f"more than {MOST_NODES} operations lie between output and loss")
        own = children(vertex)
        below = [c for c in own if c is not None]
        if name in _SUMS and len(below) == 1:
            return self._shifted(vertex, below[0], known)
        if name in _PAIRS and len(below) == 2:
            return self._pair(vertex, name, (below[0], below[1]))
        maker = MAKERS.get(name)
        if maker is None or len(below) != 1:
            raise RefusedError(f"`{name.lower() or 'an unknown operation'}` lies between output and loss")
        slot = self.slot(below[0], self._known_below(vertex, below[0], known))
        return self._put(vertex, maker(vertex, self.reader), (slot,))

    def _put(self, vertex: Vertex, apply: Function, slots: tuple[int, ...]) -> int:
        value = apply(*(self.values[i] for i in slots))
        if tuple(value.shape) != shape(vertex):
            raise RefusedError(f"`{op(vertex).lower()}` comes out in another shape")
        self.made.lines.append((apply, slots))
        self.values.append(value)
        self.at[vertex] = len(self.values) - 1
        return self.at[vertex]

    def _known_below(self, vertex: Vertex, below: Vertex, known: Tensor | None) -> Tensor | None:
        """The value under an operation, as the operation has saved it or as it follows from its own."""
        name = op(vertex)
        if name in RESHAPES or name in SAME:
            return known.reshape(shape(below)) if known is not None else None
        if name == "Neg":
            return -known if known is not None else None
        if name in {"Mul", "Div"} and known is not None:
            constant = constant_of(vertex, self.reader) if children(vertex)[0] is not None else None
            if constant is None or (isinstance(constant, Tensor) and constant.numel() != 1) or not float(constant):
                return None
            return known / constant if name == "Mul" else known * constant
        if name == "Sqrt":
            result = self.reader.saved(vertex, "result")
            return result**2 if result is not None else None
        return self.reader.saved(vertex, "self")

    def _shifted(self, vertex: Vertex, below: Vertex, known: Tensor | None) -> int:
        """A sum or difference with a tensor that no node saves: what is left of its value."""
        if known is None:
            raise RefusedError("a tensor without gradient is added or subtracted, and no operation has kept it")
        name, alpha = op(vertex), _alpha(vertex)
        first = children(vertex)[0] is not None
        sign = {"Add": (alpha, 1.0), "Sub": (-alpha, 1.0), "Rsub": (1.0, -alpha)}[name][first]
        slot = self.slot(below)
        rest = known.detach() - sign * self.values[slot]
        return self._put(vertex, lambda x: sign * x + rest, (slot,))

    def _pair(self, vertex: Vertex, name: str, below: tuple[Vertex, Vertex]) -> int:
        first, second = (
            self.slot(v, self.reader.saved(vertex, side)) for v, side in zip(below, ("self", "other"), strict=True)
        )
        return self._put(vertex, _PAIRS[name](vertex), (first, second))


_SUMS = frozenset({"Add", "Sub", "Rsub"})


def _alpha(vertex: Vertex) -> float:
    return float(getattr(vertex[0], "_saved_alpha", 1))


def _add(vertex: Vertex) -> Function:
    alpha = _alpha(vertex)
    return lambda a, b: a + alpha * b


def _sub(vertex: Vertex) -> Function:
    alpha = _alpha(vertex)
    return lambda a, b: a - alpha * b


def _rsub(vertex: Vertex) -> Function:
    alpha = _alpha(vertex)
    return lambda a, b: b - alpha * a


_PAIRS: dict[str, Callable[[Vertex], Function]] = {
    "Add": _add,
    "Sub": _sub,
    "Rsub": _rsub,
    "Mul": lambda vertex: torch.mul,
    "Div": lambda vertex: torch.div,
}
