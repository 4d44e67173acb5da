"""Foreign oracles for laws: torch's own operation with plain autograd, and float64 finite differences."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gradiometer.walk.laws.law import Applied, Kept, Law, Settings, Tensors
from gradiometer.walk.nodes import READERS

STEP = 1e-6  # of the central difference; its error is about 1e-10 for smooth values of order 1


def gap(found: Tensor | None, true: Tensor | None) -> float:
    """‖found − true‖ / ‖true‖; a missing tensor stands for zeros."""
    if found is None and true is None:
        return 0.0
    if found is None or true is None:
        other = found if found is not None else true
        return float(torch.linalg.vector_norm(other.detach()))
    assert found.shape == true.shape, f"{tuple(found.shape)} instead of {tuple(true.shape)}"
    size = float(torch.linalg.vector_norm(true.detach()))
    return float(torch.linalg.vector_norm((found - true).detach())) / (size or 1.0)


def kept(law: Law, inputs: Tensors, settings: Settings, wanted: Sequence[bool] | None = None) -> Kept:
    """What the law's own forward pass leaves."""
    outputs = law.forward(inputs, settings)
    shapes = tuple(x.shape if x is not None else None for x in inputs)
    asked = tuple(wanted or [x is not None and x.is_floating_point() for x in inputs])
    return Kept(inputs, outputs, shapes, settings, asked)


def deltas_for(outputs: Tensors, seed: int = 0) -> Tensors:
    """Random errors for the floating outputs."""
    draw = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(y.shape, generator=draw, dtype=torch.float64) if y is not None and y.is_floating_point() else None
        for y in outputs
    )


def autograd_gap(law: Law, inputs: Tensors, settings: Settings, reference: Callable[..., Any]) -> float:
    """Largest gap of value and errors to ``reference(*inputs)``, torch's own operation, under plain autograd."""
    leaves = tuple(
        x.detach().clone().requires_grad_() if x is not None and x.is_floating_point() else x for x in inputs
    )
    true = reference(*leaves)
    true = true if isinstance(true, tuple) else (true,)
    with torch.no_grad():
        k = kept(law, inputs, settings)
        worst = max(gap(a, b) for a, b in zip(k.outputs, true, strict=False) if b.is_floating_point())
        deltas = deltas_for(k.outputs)
        errors = law.backward(deltas, k)
    pairs = [(y, d) for y, d in zip(true, deltas, strict=False) if d is not None and y.requires_grad]
    targets = [x for x in leaves if x is not None and x.requires_grad]
    graded = iter(torch.autograd.grad([y for y, _ in pairs], targets, [d for _, d in pairs], allow_unused=True))
    assert len(errors) == len(inputs)
    for x, error in zip(leaves, errors, strict=True):
        if x is not None and x.requires_grad:
            worst = max(worst, gap(error, next(graded)))
    return worst


def difference_gap(law: Law, inputs: Tensors, settings: Settings) -> float:
    """Largest gap of ⟨error, direction⟩ to the central difference of the law's own value along random directions."""
    with torch.no_grad():
        k = kept(law, inputs, settings)
        deltas = deltas_for(k.outputs)
        errors = law.backward(deltas, k)
        draw = torch.Generator().manual_seed(1)
        worst = 0.0
        for i, (x, error) in enumerate(zip(inputs, errors, strict=True)):
            if x is None or not x.is_floating_point() or error is None:
                continue
            way = torch.randn(x.shape, generator=draw, dtype=torch.float64)
            ends = []
            for sign in (1.0, -1.0):
                moved = (*inputs[:i], x + sign * STEP * way, *inputs[i + 1 :])
                outputs = law.forward(moved, settings)
                ends.append(sum(float((y * d).sum()) for y, d in zip(outputs, deltas, strict=True) if d is not None))
            slope = (ends[0] - ends[1]) / (2 * STEP)
            worst = max(worst, abs(slope - float((error * way).sum())) / max(1.0, abs(slope)))
    return worst


def node_gap(output: Tensor, name: str | None = None) -> float:
    """Gap between the law that a node is read as and the node itself, for the node that made ``output``."""
    node = output.grad_fn
    assert node is not None
    assert name is None or node.name() == name, node.name()
    applied: Applied = READERS[node.name()](node)
    shapes = tuple(_edge_shape(child, nr) for child, nr in node.next_functions)
    wanted = tuple(child is not None for child, _ in node.next_functions)
    draw = torch.Generator().manual_seed(2)
    count = len(node._input_metadata)
    deltas: list[Tensor | None] = [None] * count
    deltas[output.output_nr] = torch.randn(output.shape, generator=draw, dtype=output.dtype)
    with torch.no_grad():
        k = Kept(applied.inputs, applied.outputs, shapes, applied.settings, wanted)
        found = applied.law.backward(tuple(deltas), k)
        true = node(*deltas)
    true = true if isinstance(true, tuple) else (true,)
    # the engine sums what a node sends along a broadcast edge; a node called by itself leaves that to us
    true = tuple(
        e.sum_to_size(shape) if e is not None and shape is not None else e
        for e, shape in zip(true, shapes, strict=True)
    )
    assert len(found) == len(wanted), f"{len(found)} errors for {len(wanted)} edges"
    return max((gap(a, b) for a, b, w in zip(found, true, wanted, strict=True) if w), default=0.0)


def _edge_shape(child: Any, nr: int) -> torch.Size | None:
    if child is None:
        return None
    if hasattr(child, "variable"):
        return child.variable.shape
    return torch.Size(child._input_metadata[nr].shape)


def exaggerated(*laws: Law) -> tuple[Law, ...]:
    """The same laws with a deliberately wrong backward rule: every error 1.001 times too large."""

    def wrong(law: Law) -> Law:
        def backward(deltas: Tensors, at: Kept) -> Tensors:
            return tuple(e * 1.001 if e is not None else None for e in law.backward(deltas, at))

        return dataclasses.replace(law, backward=backward)

    return tuple(wrong(law) for law in laws)
