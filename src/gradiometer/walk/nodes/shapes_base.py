"""How nodes of shapes, indices, arithmetic and reductions are read: by the names under which they save things."""

from __future__ import annotations

from typing import Any

import torch

from ..laws.law import Applied, Law
from .reading import Reader


def plain(x: Any) -> Any:
    """A saved value as it was given: whole numbers are saved as unsigned ones of 64 bits, so that −1 reads 2⁶⁴ − 1."""
    if isinstance(x, bool) or not isinstance(x, int | tuple | list):
        return x
    if isinstance(x, int):
        return x - 2**64 if x >= 2**63 else x
    return tuple(plain(one) for one in x)


def saved(node: Any, name: str) -> Any:
    """``node._saved_<name>``, whole numbers with their sign."""
    return plain(getattr(node, f"_saved_{name}"))


def reading(law: Law, settings: str = "", inputs: str = "-", outputs: str = "-", **fixed: Any) -> Reader:
    """A reader of what a node has saved under these names; ``-`` stands for a tensor that it has not saved.

    settings: names, or ``ours=theirs`` where the law calls it otherwise. fixed: settings that are the same always.
    """
    pairs = [pair.partition("=") for pair in settings.split()]
    renamed = {ours: theirs or ours for ours, _, theirs in pairs}

    def read(node: Any) -> Applied:
        return Applied(
            law,
            tuple(None if name == "-" else saved(node, name) for name in inputs.split()),
            tuple(None if name == "-" else saved(node, name) for name in outputs.split()),
            {**fixed, **{ours: saved(node, theirs) for ours, theirs in renamed.items()}},
        )

    return read


def rank(node: Any) -> int:
    """How many axes the node's first output has."""
    return len(node._input_metadata[0].shape)


def below(node: Any, i: int) -> tuple[torch.dtype, torch.device] | None:
    """Type and device of the tensor at the end of the i-th edge; None where it leads nowhere."""
    child, nr = node.next_functions[i]
    if child is None:
        return None
    at = child.variable if hasattr(child, "variable") else child._input_metadata[nr]
    return at.dtype, at.device


def nodes(names: str, reader: Reader) -> dict[str, Reader]:
    """One reader for several nodes: ``View0 Squeeze1`` stands for ViewBackward0 and SqueezeBackward1."""
    return {f"{name[:-1]}Backward{name[-1]}": reader for name in names.split()}
