"""Nodes of the autograd graph as the search for a loss reads them: children, shapes, saved numbers, values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .kept import Kept

Vertex = tuple[Any, int]
"""A tensor of the graph: the node that made it, and which of the node's outputs it is."""

RESHAPES = frozenset({"View", "Squeeze", "Unsqueeze", "ReshapeAlias", "UnsafeView"})
SAME = frozenset({"ToCopy", "Clone", "Alias", "Contiguous"})
MOVES = frozenset({"Expand", "Permute", "T", "Transpose", "Select", "Slice", "Split", "SplitWithSizes", "Unbind"})
PASSED = RESHAPES | SAME | MOVES
"""Operations that change where numbers stand, not what they are."""

PICKS = frozenset({"Index", "Gather"})
CLAMPS = frozenset({"Clamp", "ClampMin", "ClampMax"})
_UNSIGNED = 2**63


def op(vertex: Vertex) -> str:
    """Name of the node without ``Backward0``: ``Addmm``, ``Relu``."""
    name: str = vertex[0].name()
    return name.split("Backward")[0].rsplit("::", 1)[-1]


def children(vertex: Vertex) -> list[Vertex | None]:
    """The tensors that the node was made of, None for one without gradient."""
    return [(node, nr) if node is not None else None for node, nr in vertex[0].next_functions]


def only_child(vertex: Vertex) -> Vertex | None:
    """The one tensor with gradient that the node was made of; None where there is none, or more than one."""
    found = [c for c in children(vertex) if c is not None]
    return found[0] if len(found) == 1 else None


def is_leaf(vertex: Vertex) -> bool:
    """True for a parameter."""
    return hasattr(vertex[0], "variable")


def shape(vertex: Vertex) -> tuple[int, ...]:
    """Shape of the tensor."""
    node, nr = vertex
    return tuple(int(n) for n in node._input_metadata[nr].shape)


def numel(vertex: Vertex) -> int:
    """Number of elements of the tensor."""
    n = 1
    for d in shape(vertex):
        n *= d
    return n


def signed(value: Any) -> int:
    """A saved dimension or index: torch hands out -1 as 2**64 - 1."""
    number = int(value)
    return number - 2 * _UNSIGNED if number >= _UNSIGNED else number


def dim_of(value: Any, dims: int) -> int:
    """A saved dimension, counted from 0."""
    number = signed(value)
    return number + dims if number < 0 else number


def is_plain(value: object) -> bool:
    """True for a tensor whose elements can be read: no subclass, strided, real, not empty."""
    return (
        isinstance(value, Tensor)
        and type(value) in (Tensor, nn.Parameter)
        and value.layout == torch.strided
        and not (value.is_complex() or value.is_meta or value.is_quantized)
        and value.numel() > 0
    )


@dataclass(frozen=True, slots=True)
class Reader:
    """Values of the graph, where they are certain. readable False: saved tensors lie behind hooks of the user's."""

    readable: bool = True
    kept: Kept | None = None

    def saved(self, vertex: Vertex, name: str) -> Tensor | None:
        """A tensor that the node has saved; None where there is none, or the script has changed it since."""
        if not self.readable:
            return None
        try:
            value = getattr(vertex[0], f"_saved_{name}", None)
        except RuntimeError:  # freed by an earlier pass, or changed in place: backward itself will say so
            return None
        return value.detach() if isinstance(value, Tensor) and is_plain(value) else None

    def number(self, vertex: Vertex, name: str) -> float | None:
        """A saved number, or a saved tensor of one element."""
        if not self.readable:
            return None
        try:
            value = getattr(vertex[0], f"_saved_{name}", None)
        except RuntimeError:
            return None
        if isinstance(value, Tensor):
            return float(value.detach()) if value.numel() == 1 and is_plain(value) else None
        return float(value) if isinstance(value, (int, float)) else None

    def indices(self, vertex: Vertex) -> Sequence[Tensor | None]:
        """The index tensors of ``x[a, b]``."""
        if not self.readable:
            return ()
        try:
            return tuple(vertex[0]._saved_indices)
        except RuntimeError:
            return ()

    def of(self, vertex: Vertex, above: Vertex | None = None) -> Tensor | None:
        """The tensor itself: an output that was kept, a saved result, or a view of one.

        above: an elementwise node of one input that was made of it, and may have saved it.
        """
        found = self._here(vertex)
        if found is None and above is not None and len(children(above)) == 1:
            found = self.saved(above, "self")
        if found is None and (op(vertex) in PASSED or op(vertex) in PICKS):
            found = self._passed(vertex)
        return found if found is not None and tuple(found.shape) == shape(vertex) else None

    def _here(self, vertex: Vertex) -> Tensor | None:
        kept = self.kept.of(vertex) if self.kept is not None else None
        return kept if kept is not None and is_plain(kept) else self.saved(vertex, "result")

    def _passed(self, vertex: Vertex) -> Tensor | None:
        child = only_child(vertex)
        below = self.of(child) if child is not None else None
        if below is None:
            return None
        name = op(vertex)
        if name in RESHAPES:
            return below.reshape(shape(vertex))
        if name == "Expand":
            return below.expand(shape(vertex))
        if name == "Select":
            return below.select(dim_of(vertex[0]._saved_dim, below.dim()), signed(vertex[0]._saved_index))
        if name == "Slice":
            dim, node = dim_of(vertex[0]._saved_dim, below.dim()), vertex[0]
            cut = slice(signed(node._saved_start), signed(node._saved_end), signed(node._saved_step))
            return below[(slice(None),) * dim + (cut,)]
        if name == "Gather":
            index = self.saved(vertex, "index")
            return below.gather(dim_of(vertex[0]._saved_dim, below.dim()), index) if index is not None else None
        if name == "Index":
            indices = self.indices(vertex)
            return below[tuple(slice(None) if i is None else i for i in indices)] if indices else None
        return below if name in SAME else None
