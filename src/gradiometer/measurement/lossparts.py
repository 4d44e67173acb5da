"""The root of a backward pass as a sum of parts: loss nodes, squares, logarithms, picked logits, each with its share.

Law: every number on the way is read as a mean. The mean of a sum over n elements is n times their mean, of a stack of
k losses 1/k of each; so that ``scale`` is what the root gains where the mean of the part gains 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from .lossnodes import CLAMPS, PASSED, Reader, Vertex, children, dim_of, is_leaf, numel, only_child, op, shape

LOSS_NODES: dict[str, str] = {
    "MseLoss": "mse",
    "NllLoss": "nll",
    "NllLoss2D": "nll",
    "BinaryCrossEntropy": "bce",
    "BinaryCrossEntropyWithLogits": "bce_logits",
    "SmoothL1Loss": "smooth_l1",
    "HuberLoss": "huber",
    "MultiMarginLoss": "multi_margin",
    "MultilabelMarginLoss": "multilabel_margin",
    "SoftMarginLoss": "soft_margin",
    "CtcLoss": "ctc",
    "CudnnCtcLoss": "ctc",
    "KlDiv": "kl_div",
}
VISITED = 600  # nodes looked at before the rest of the sum is given up as unknown: a loop of 100 losses has 200
PENALTY_DEPTH = 8  # operations between a penalty on weights and its parameter
_BENDS = frozenset({"Sqrt", "Log", "Exp", "Pow"})
_PENALTY = PASSED | frozenset({"Pow", "Abs", "Norm", "LinalgVectorNorm", "Mul", "Div", "Sum", "Mean", "Add", "Sub"})
_PENALTY_MORE = frozenset({"Stack", "Cat", "Sqrt", "Neg", "Dot", "Square", "Exp"})


@dataclass(frozen=True, slots=True)
class Way:
    """From the root down to a part.

    scale: see above; nan where a number on the way is unknown. constant: product of the plain numbers among it.
    bends: functions that are not linear on the way, nearest the part last, each with the scale above it.
    sums: (size of the first dimension, whether it was summed) of every sum on the way.
    weights: a tensor without gradient that multiplies the single elements; picked: class index of each example.
    less_constant: the part is subtracted from a tensor without gradient. shifted: a constant is added on the way.
    """

    scale: float = 1.0
    constant: float = 1.0
    bends: tuple[tuple[str, float], ...] = ()
    sums: tuple[int, ...] = ()
    weights: Tensor | None = None
    weighted: bool = False
    picked: Tensor | None = None
    picks: int = 0
    less_constant: bool = False
    shifted: bool = False

    def times(self, number: float | None) -> Way:
        """The way with one more plain number on it."""
        c = float("nan") if number is None else number
        return replace(self, scale=self.scale * c, constant=self.constant * c)

    def weighing(self, weights: Tensor | None) -> Way:
        """The way through a product with a tensor that has no gradient."""
        if weights is None or self.weights is not None:
            return replace(self, weighted=True, weights=None)
        return replace(self, weights=weights)


@dataclass(frozen=True, slots=True)
class Part:
    """One summand of the root. sort: a loss of LOSS_NODES, ``square``, ``distance``, ``hinge``, ``soft_margin``,
    ``norm``, ``log`` (of a probability), ``logsumexp``, ``exp``, ``raw`` (anything else that has a gradient).

    at: its vertex; below: the tensor under it, on the network's side.
    """

    sort: str
    at: Vertex
    below: Vertex
    way: Way


@dataclass(slots=True)
class Parts:
    """The parts under a root in the order in which they were added; penalties: some hang on parameters alone.

    cut: there were too many to look at all.
    """

    found: list[Part] = field(default_factory=list)
    penalties: bool = False
    cut: bool = False


def find_parts(root: Vertex, reader: Reader, way: Way) -> Parts:
    """Take a root apart. way: what stands above it, such as the scale of AMP."""
    parts = Parts()
    stack = [(root, way)]
    for _ in range(VISITED):
        if not stack:
            return parts
        vertex, way = stack.pop()
        part = _part(vertex, way, reader)
        below = [] if part is not None else list(_below(vertex, way, reader))
        if below:
            stack.extend(reversed(below))
        elif is_penalty(vertex):
            parts.penalties = True
        else:
            parts.found.append(part or Part("raw", vertex, vertex, way))
    parts.cut = True
    return parts


# ---- parts ---------------------------------------------------------------------------------------------------------


def _part(vertex: Vertex, way: Way, reader: Reader) -> Part | None:
    name = op(vertex)
    first = next((c for c in children(vertex) if c is not None), None)
    if first is None or is_leaf(vertex):
        return None
    if name in LOSS_NODES:
        return Part(LOSS_NODES[name], vertex, first, way)
    if name == "Log":
        return None if numel(vertex) == 1 and _has_loss_below(first) else Part("log", vertex, first, way)
    if name in {"LogSoftmax", "LogSigmoid"}:
        return Part("log", vertex, vertex, way)
    if name in {"Logsumexp", "Exp"}:
        return Part(name.lower(), vertex, first, way)
    sort = _on_difference(vertex, name) or _margin(vertex, name, reader)
    return Part(sort, vertex, first, way) if sort else None


def _has_loss_below(vertex: Vertex) -> bool:
    """A logarithm of a loss, not of a probability."""
    current: Vertex | None = vertex
    for _ in range(PENALTY_DEPTH):
        if current is None:
            return False
        name = op(current)
        if name in LOSS_NODES or name in {"Mean", "Sum"}:
            return True
        current = next((c for c in children(current) if c is not None), None)
    return False


def _on_difference(vertex: Vertex, name: str) -> str:
    """A square, an absolute value or a norm of a difference."""
    both = children(vertex)
    first = both[0]
    if first is None or find_difference(first) is None:
        return ""
    if name == "Pow" and _exponent(vertex) == 2:
        return "square"
    if name == "Mul" and len(both) == 2 and both[0] == both[1]:
        return "square"
    if name == "Abs":
        return "distance"
    return "norm" if name in {"LinalgVectorNorm", "Norm"} else ""


def _exponent(vertex: Vertex) -> float:
    value = getattr(vertex[0], "_saved_exponent", 0)
    return float(value) if isinstance(value, (int, float)) else 0.0


def find_difference(vertex: Vertex) -> Vertex | None:
    """The subtraction that made a tensor, behind operations that only move numbers; None where there is none."""
    current: Vertex | None = vertex
    for _ in range(4):
        if current is None or is_leaf(current):
            return None
        name = op(current)
        if name in {"Sub", "Rsub"} or (name == "Add" and only_child(current) is not None):
            return current if any(c is not None and not is_leaf(c) for c in children(current)) else None
        if name not in PASSED:
            return None
        current = only_child(current)
    return None


def _margin(vertex: Vertex, name: str, reader: Reader) -> str:
    """max(0, 1 - y s) and log(1 + exp(-y s)) with labels y = ±1."""
    if name == "Softplus":
        return "soft_margin" if labels_of(vertex, reader) is not None else ""
    floor = reader.number(vertex, "min") if name in CLAMPS else 0.0
    if name != "Relu" and not (name in {"Clamp", "ClampMin"} and floor == 0 and _no_ceiling(vertex)):
        return ""
    inside = only_child(vertex)
    if inside is None or op(inside) not in {"Rsub", "Add", "Sub"}:
        return ""
    return "hinge" if labels_of(vertex, reader) is not None else ""


def _no_ceiling(vertex: Vertex) -> bool:
    return getattr(vertex[0], "_saved_max", None) is None


def labels_of(vertex: Vertex, reader: Reader) -> Tensor | None:
    """The labels ±1 that multiply the scores under a hinge; None where no such product is found."""
    found = find_product(vertex, reader)
    if found is None:
        return None
    product, flips = found
    own = _constant(product, reader)
    if own is None or own.numel() < 2 or not bool((own.abs() == 1).all()):
        return None
    return own if flips % 2 else -own  # the loss is one of -y s


def find_product(vertex: Vertex, reader: Reader) -> tuple[Vertex, int] | None:
    """(the first product with a tensor that has no gradient, changes of sign above it), below sums with numbers."""
    current, flips = only_child(vertex), 0
    for _ in range(6):
        if current is None or is_leaf(current):
            return None
        name = op(current)
        own = children(current)
        number = _number(current, reader) if name == "Mul" else None
        if name == "Mul" and len(own) == 2 and number is None:
            return (current, flips) if only_child(current) is not None else None
        if name not in PASSED and name not in {"Neg", "Rsub", "Add", "Sub", "Mul"}:
            return None
        negative = number is not None and number < 0
        flips += name in {"Neg", "Rsub"} or (name == "Sub" and own[0] is None) or negative
        current = only_child(current)
    return None


def _number(vertex: Vertex, reader: Reader) -> float | None:
    """The plain number that a tensor is multiplied by."""
    return reader.number(vertex, "self" if children(vertex)[0] is None else "other")


def is_penalty(vertex: Vertex) -> bool:
    """A part that hangs on parameters alone, such as a sum of squared weights: no loss of a prediction."""
    level: list[Vertex] = [vertex]
    for _ in range(PENALTY_DEPTH):
        below: list[Vertex] = []
        for v in level:
            if is_leaf(v):
                continue
            if op(v) not in _PENALTY | _PENALTY_MORE:
                return False
            below += [c for c in children(v) if c is not None]
        if not below:
            return True
        level = below[:64]
    return False


# ---- the way down --------------------------------------------------------------------------------------------------


def _below(vertex: Vertex, way: Way, reader: Reader) -> Iterator[tuple[Vertex, Way]]:
    """The summands of one vertex, each with its way; nothing where the operation is no linear one."""
    name = op(vertex)
    both = children(vertex)
    one = only_child(vertex)
    if name in {"Add", "Sub", "Rsub"}:
        yield from _sum(vertex, name, way)
    elif name in {"Mul", "Div"}:
        yield from _product(vertex, name, way, reader)
    elif name in {"Stack", "Cat"}:
        for child in both:
            if child is not None:
                yield child, replace(way, scale=way.scale * numel(child) / max(1, numel(vertex)))
    elif name == "Where" and len(both) == 2:
        yield from _where(vertex, way, reader)
    elif one is None:
        return
    elif name == "Neg":
        yield one, replace(way, scale=-way.scale)
    elif name == "Mean":
        yield one, way
    elif name == "Sum":
        yield one, _summed(vertex, one, way)
    elif name in {"Index", "Gather"}:
        yield one, _picking(vertex, name, way, reader)
    elif name in PASSED or name in {"MaskedFill", "MaskedSelect", "NanToNum"} or name in CLAMPS:
        yield one, way
    elif name in _BENDS and numel(vertex) == 1:
        bend = f"Pow {_exponent(vertex)}" if name == "Pow" else name
        yield one, replace(way, scale=1.0, bends=(*way.bends, (bend, way.scale)))


def _sum(vertex: Vertex, name: str, way: Way) -> Iterator[tuple[Vertex, Way]]:
    both = children(vertex)
    alpha = float(getattr(vertex[0], "_saved_alpha", 1))
    signs = {"Add": (1.0, alpha), "Sub": (1.0, -alpha), "Rsub": (-alpha, 1.0)}[name]
    for child, sign in zip(both, signs, strict=False):
        if child is not None:
            other_is_tensor = (name == "Sub" and both[0] is None) or (name == "Rsub" and len(both) == 2)
            less = way.less_constant or (other_is_tensor and sign < 0 and only_child(vertex) is not None)
            shifted = way.shifted or only_child(vertex) is not None
            yield child, replace(way, scale=way.scale * sign, less_constant=less, shifted=shifted)


def _constant(vertex: Vertex, reader: Reader) -> Tensor | None:
    """The factor without gradient of a product."""
    both = children(vertex)
    return reader.saved(vertex, "self" if both[0] is None else "other")


def _product(vertex: Vertex, name: str, way: Way, reader: Reader) -> Iterator[tuple[Vertex, Way]]:
    both = children(vertex)
    power = 1.0 if name == "Mul" else -1.0
    one = only_child(vertex)
    if one is not None and (name == "Mul" or both[0] is not None):
        number = reader.number(vertex, "self" if both[0] is None else "other")
        if number is not None:
            yield one, way.times(number**power if number else (0.0 if power > 0 else None))
            return
        factor = _constant(vertex, reader)
        yield one, way.weighing(factor if factor is None or power > 0 else 1 / factor)
    elif name == "Mul" and len(both) == 2 and both[0] is not None and both[1] is not None:
        for child, other in ((both[0], "other"), (both[1], "self")):  # a learned weight times a loss
            number = reader.number(vertex, other)
            if number is not None:
                yield child, replace(way, scale=way.scale * number)


def _where(vertex: Vertex, way: Way, reader: Reader) -> Iterator[tuple[Vertex, Way]]:
    condition = reader.saved(vertex, "condition")
    for child, wanted in zip(children(vertex), (True, False), strict=True):
        if child is not None:
            mask = None if condition is None else (condition == wanted).to(torch.float32)
            yield child, way.weighing(mask)


def _summed(vertex: Vertex, one: Vertex, way: Way) -> Way:
    before = shape(one)
    dims = getattr(vertex[0], "_saved_dim", None)
    over = {dim_of(d, len(before)) for d in dims} if dims else set(range(len(before)))
    first = (before[0],) if before and 0 in over else ()
    times = numel(one) / max(1, numel(vertex))
    return replace(way, scale=way.scale * times, sums=way.sums + first)


def _picking(vertex: Vertex, name: str, way: Way, reader: Reader) -> Way:
    """``x[range(n), y]`` and ``x.gather(1, y)`` pick a class of each example; a mask or a slice picks none."""
    if name == "Gather":
        index = reader.saved(vertex, "index")
        return replace(way, picked=index, picks=way.picks + 1)
    indices = [i for i in reader.indices(vertex) if i is not None]
    if len(indices) < 2 or any(i.dtype == torch.bool for i in indices):
        return way
    return replace(way, picked=indices[-1], picks=way.picks + 1)


def carried(value: float, way: Way) -> float:
    """What the root has where the mean of the part is ``value`` and no other part counts; nan where unknown."""
    now = value * way.scale
    for name, above in reversed(way.bends):
        now = _bent(name, now) * above
    return now


def _bent(name: str, x: float) -> float:

    try:
        if name == "Sqrt":
            return math.sqrt(x)
        if name == "Log":
            return math.log(x)
        if name == "Exp":
            return math.exp(x)
        return float(x ** float(name.split()[1]))
    except (ValueError, OverflowError, ZeroDivisionError, TypeError):
        return math.nan
