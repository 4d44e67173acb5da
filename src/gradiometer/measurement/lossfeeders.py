"""What stands between the last weights of a network and its loss: activations, softmax, logarithms, nearest first."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from .lossnodes import CLAMPS, PASSED, Reader, Vertex, children, dim_of, is_leaf, only_child, op, shape
from .lossvalues import ends_of

FEEDERS = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "LogSigmoid": "log_sigmoid",
    "Relu": "relu",
    "LeakyRelu": "leaky_relu",
    "Elu": "elu",
    "Gelu": "gelu",
    "Silu": "silu",
    "Tanh": "tanh",
    "Hardtanh": "hardtanh",
    "Softplus": "softplus",
    "Exp": "exp",
    "Log": "log",
    "Clamp": "clamp",
    "ClampMin": "clamp",
    "ClampMax": "clamp",
    "NativeDropout": "dropout",
    "FusedDropout": "dropout",
}
NO_ACTIVATION = frozenset({"log", "clamp", "dropout"})
SOFTMAXES = frozenset({"Softmax", "LogSoftmax"})
LONGEST = 24  # operations without weights in a row; a longer chain is not the end of a network


@dataclass(slots=True)
class Feeders:
    """names: the feeders, nearest the loss first; at: their vertices; end: the tensor below the last of them.

    tail: the tensors between the last feeder and the end that hold the same numbers, each with what took it.
    flips: number of sign changes (1 - x, -x) that were passed; picks: where classes were chosen.
    """

    names: list[str] = field(default_factory=list)
    at: list[Vertex] = field(default_factory=list)
    above: list[Vertex | None] = field(default_factory=list)
    end: Vertex | None = None
    end_above: Vertex | None = None
    tail: list[tuple[Vertex, Vertex | None]] = field(default_factory=list)
    flips: int = 0
    picks: list[Vertex] = field(default_factory=list)


def read_feeders(start: Vertex, reader: Reader) -> Feeders:
    """Walk down from ``start`` while the operations have no weights."""
    found = Feeders()
    current, above = start, None
    for _ in range(LONGEST):
        name = _feeder(current, reader)
        if name:
            found.names.append(name)
            found.at.append(current)
            found.above.append(above)
            found.tail = []
        elif op(current) in PASSED:
            found.tail.append((current, above))
        elif _is_moved(current, reader, found):
            found.tail = []
        else:
            break
        below = next((c for c in children(current) if c is not None), None)
        if below is None or is_leaf(below):
            break
        current, above = below, current
    found.end, found.end_above = current, above
    found.tail.append((current, above))
    return found


def _feeder(vertex: Vertex, reader: Reader) -> str:
    """Name of an activation, of a division by the sum, of a dropout mask; "" for anything else."""
    name = op(vertex)
    if name in FEEDERS:
        return FEEDERS[name]
    if name == "Div" and _divided_by_sum(vertex) is not None:
        return "normalise"
    if name == "Mul" and only_child(vertex) is not None and _is_dropout(vertex, reader):
        return "dropout"
    return ""


def _divided_by_sum(vertex: Vertex) -> Vertex | None:
    """The sum in x / sum(x), with whatever stands between the sum and the division; None where it is another."""
    both = children(vertex)
    if len(both) != 2 or both[0] is None or both[1] is None:
        return None
    top, bottom = both
    for _ in range(4):
        if bottom is None:
            return None
        name = op(bottom)
        if name == "Sum" or (name == "LinalgVectorNorm" and float(bottom[0]._saved_ord) == 1):
            below = only_child(bottom)
            same = below is not None and top is not None and (below == top or op(below) == op(top))
            return bottom if same else None
        if name not in PASSED and name not in CLAMPS and name != "Add":
            return None
        bottom = only_child(bottom)
    return None


def _is_dropout(vertex: Vertex, reader: Reader) -> bool:
    """x · mask, where the mask has the shape of x and holds 0 and one number above 1."""
    mask = reader.saved(vertex, "other")
    if mask is None or tuple(mask.shape) != shape(vertex) or mask.numel() > 2**20:
        return False
    low, high = (float(v) for v in torch.aminmax(mask))
    return low == 0 and high > 1 and bool(((mask == 0) | (mask == high)).all())


def _is_moved(vertex: Vertex, reader: Reader, found: Feeders) -> bool:
    """True for a number added or multiplied, a class picked: what is passed without a name."""
    name = op(vertex)
    one = only_child(vertex)
    if name == "Neg" or (name == "Rsub" and one is not None):
        found.flips += 1
        return True
    if name in {"Index", "Gather"} and one is not None:
        found.picks.append(vertex)
        return True
    if name == "Sub":
        return _is_shift(vertex, found)
    if name == "Add":
        return one is not None
    if name in {"Mul", "Div"} and one is not None:
        factor = reader.number(vertex, "other")
        if factor is None:
            factor = reader.number(vertex, "self")
        if factor is not None and factor < 0:
            found.flips += 1
        return factor is not None
    return False


def _is_shift(vertex: Vertex, found: Feeders) -> bool:
    """x - c, c - x, and x - max(x)."""
    first, *rest = children(vertex)
    second = rest[0] if rest else None
    if first is None:
        found.flips += 1
        return second is not None
    return second is None or op(second) in {"Max", "Amax"}


@dataclass(frozen=True, slots=True)
class LastActivation:
    """The softmax nearest the loss (its dimension of how many, and its size) and the range after the activation."""

    dim: int = -1
    size: int = 0
    dims: int = 0
    low: float = math.nan
    high: float = math.nan


def last_activation(found: Feeders, own: Vertex | None, reader: Reader) -> LastActivation:
    """own: the log_softmax or logsumexp that belongs to the loss itself (``F.cross_entropy``), and is no feeder.

    Of several softmaxes the first that runs over the examples or over one unit is told, else the nearest feeder.
    """
    feeding = [s for v in found.at if (s := _softmax(v)) is not None]
    inside = _softmax(own) if own is not None else None
    every = ([inside] if inside is not None else []) + feeding
    odd = [s for s in every if _odd(s)]
    dim, size, dims = next(iter(odd or feeding or every), (-1, 0, 0))
    return LastActivation(dim, size, dims, *_range(found, reader))


def _softmax(vertex: Vertex) -> tuple[int, int, int] | None:
    """(dimension that is normalised, its size, number of dimensions) of a softmax, a logsumexp, a division by a sum."""
    name = op(vertex)
    over: Vertex | None = vertex
    at: Vertex | None = vertex
    if name == "Logsumexp":
        at = only_child(vertex)
    elif name == "Log":  # of a sum of exponentials
        over = at = only_child(vertex)
        at = only_child(at) if at is not None and op(at) == "Sum" else None
    elif name == "Div":
        over = _divided_by_sum(vertex)
    elif name not in SOFTMAXES:
        return None
    if over is None or at is None:
        return None
    sizes, saved = shape(at), getattr(over[0], "_saved_dim", None)
    dims = saved if isinstance(saved, tuple) else (saved,)
    if not sizes or len(dims) != 1 or dims[0] is None:
        return None
    dim = dim_of(dims[0], len(sizes))
    return dim, sizes[dim], len(sizes)


def _odd(softmax: tuple[int, int, int]) -> bool:
    dim, size, dims = softmax
    return size == 1 or (dim == 0 and dims > 1)


def _range(found: Feeders, reader: Reader) -> tuple[float, float]:
    """Least and largest number that leaves the activation nearest the loss, or the network where there is none."""
    at = next((i for i, name in enumerate(found.names) if name not in NO_ACTIVATION), None)
    places = found.tail if at is None else [(found.at[at], found.above[at])]
    values = (reader.of(vertex, above) for vertex, above in places)
    value = next((v for v in values if v is not None), None)
    return ends_of(value) if value is not None else (math.nan, math.nan)
