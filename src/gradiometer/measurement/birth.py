"""Where a nan or inf was born, read from what the autograd graph has saved."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .graph import Graph

INPUTS = ("_saved_self", "_saved_input", "_saved_mat1", "_saved_other", "_saved_mat2", "_saved_weight")


def find_birth(graph: Graph, names: dict[int, str]) -> str:
    """The first operation, from the input on, that put out nan or inf; "" where what was saved does not show it.

    names: id(parameter) -> its name; a parameter that is nan or inf itself is named. Reads saved tensors: not to be
    called where they lie behind hooks (checkpointing).
    """
    for i in reversed(range(len(graph.nodes))):
        node = graph.nodes[i]
        for p in graph.leaves[i]:
            if not _finite(p):
                return f"parameter {names.get(id(p), 'of unknown name')}"
        if not all(_finite(x) for x in _saved(node, INPUTS)):
            producers = [graph.op(j) for j, _ in graph.next[i]]
            return f"{'/'.join(dict.fromkeys(producers)).lower() or 'the data'}, before {graph.op(i).lower()}"
        if not all(_finite(x) for x in _saved(node, ("_saved_result",))):
            return graph.op(i).lower()
    return ""


def _saved(node: Any, names: tuple[str, ...]) -> list[Tensor]:
    out = []
    for name in names:
        try:
            value = getattr(node, name, None)
        except RuntimeError:  # changed in place since
            continue
        if isinstance(value, Tensor):
            out.append(value)
    return out


def _finite(x: Tensor) -> bool:
    return not x.is_floating_point() or x.is_meta or bool(torch.isfinite(x.detach()).all())
