"""One torch expression, looked at four ways: its call, its law, its autograd node, and all of it in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from law_checks import autograd_gap, difference_gap, exaggerated, gap, kept
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from gradiometer.walk.calls import CALLS
from gradiometer.walk.calls.calling import Called
from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws.law import Kept
from gradiometer.walk.nodes import READERS


def randn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal numbers, the same on every call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@dataclass(frozen=True)
class Case:
    """An expression of ``inputs``: the operation and the node that it ends in.

    smooth: whether finite differences may be taken; node: None where the output has no node of this family.
    """

    operation: str
    node: str | None
    expression: Callable[..., Any]
    inputs: tuple[Tensor, ...]
    smooth: bool = True


def case(operation: str, node: str | None, expression: Callable[..., Any], *inputs: Tensor, smooth: bool = True) -> Any:
    """A parameter for a test."""
    made = Case(f"aten::{operation}", node, expression, inputs, smooth)
    return pytest.param(made, id=f"{operation}-{node}")


class _Seen(TorchDispatchMode):
    """Keeps the last call of one operation, its arguments as they were, and what it gave."""

    def __init__(self, operation: str) -> None:
        super().__init__()
        self.operation = operation
        self.call: tuple[Any, Any, Any, Any] | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        before = (args, kwargs or {})
        if func._schema.is_mutable:
            name, before = name.removesuffix("_"), tree_map(lambda x: x.clone() if isinstance(x, Tensor) else x, before)
        out = func(*args, **(kwargs or {}))
        if name == self.operation:
            self.call = (func, *before, tree_map(lambda x: x.clone() if isinstance(x, Tensor) else x, out))
        return out


def seen(case: Case, inputs: Iterable[Tensor]) -> tuple[Any, Any, Any, Any]:
    """(operation, args, kwargs, outputs) of the call of the case."""
    with torch.no_grad(), _Seen(case.operation) as mode:
        case.expression(*inputs)
    assert mode.call is not None, f"{case.operation} was not called"
    return mode.call


def called(case: Case) -> tuple[Called, tuple[Any, ...], Callable[..., Any]]:
    """The call read as a law; its true outputs; the operation as a function of the law's inputs alone."""
    func, args, kwargs, out = seen(case, case.inputs)
    read = CALLS[case.operation](args, kwargs)

    def reference(*leaves: Tensor) -> Any:
        mine = {id(x): leaf for x, leaf in zip(read.inputs, leaves, strict=True)}
        swapped, words = tree_map(lambda x: mine.get(id(x), x) if isinstance(x, Tensor) else x, (args, kwargs))
        if func._schema.is_mutable:
            swapped = (swapped[0].clone(), *swapped[1:])
        made = func(*swapped, **words)
        return tuple(made) if isinstance(made, list) else made

    return read, tuple(out) if isinstance(out, tuple | list) else (out,), reference


def check_call(case: Case) -> None:
    """The law gives what the operation gives: same shapes and types, 1e-12."""
    read, true, _ = called(case)
    assert LAWS[read.law.name] is read.law
    before = [x.clone() for x in read.inputs if x is not None]
    with torch.no_grad():
        found = read.law.forward(read.inputs, read.settings)
    assert len(found) == len(true)
    for mine, theirs in zip(found, true, strict=True):
        assert mine is not None
        assert mine.dtype == theirs.dtype
        if theirs.is_floating_point():
            assert gap(mine, theirs) <= 1e-12
        else:
            assert torch.equal(mine, theirs)
    after = [x for x in read.inputs if x is not None]
    assert all(torch.equal(x.nan_to_num(), y.nan_to_num()) for x, y in zip(after, before, strict=True))


def check_law(case: Case) -> None:
    """The law's error is autograd's to 1e-10, and that of finite differences to 1e-6."""
    read, _, reference = called(case)
    assert autograd_gap(read.law, read.inputs, read.settings, reference) <= 1e-10
    if case.smooth:
        assert difference_gap(read.law, read.inputs, read.settings) <= 1e-6


def check_exaggerated(case: Case) -> None:
    """A law whose errors are a thousandth too large is found out, wherever there is an error at all."""
    read, _, reference = called(case)
    wrong = exaggerated(read.law)[0]
    k = kept(read.law, read.inputs, read.settings)
    ones = tuple(torch.ones_like(y) if y is not None and y.is_floating_point() else None for y in k.outputs)
    if all(e is None or not e.any() for e in read.law.backward(ones, k)):
        return
    assert autograd_gap(wrong, read.inputs, read.settings, reference) > 1e-4
    if case.smooth:
        assert difference_gap(wrong, read.inputs, read.settings) > 1e-5


def check_node(case: Case) -> None:
    """The node, read as a law, hands on what the node itself does, to 1e-12; also where one output got no error."""
    leaves = [x.clone().requires_grad_() if x.is_floating_point() else x for x in case.inputs]
    out = case.expression(*leaves)
    first = next(y for y in (out if isinstance(out, tuple | list) else (out,)) if y.grad_fn is not None)
    assert first.grad_fn.name() == case.node
    assert reader_gap(first.grad_fn) <= 1e-12
    if len(first.grad_fn._input_metadata) > 1:
        assert reader_gap(first.grad_fn, without=1) <= 1e-12


def reader_gap(node: Any, without: int = -1) -> float:
    """Largest gap of the law's errors to the node's own. The engine would sum these over broadcast axes: so do we.

    without: the output at which no error arrives.
    """
    metas = node._input_metadata
    deltas = tuple(
        randn(*meta.shape, seed=i + 5, dtype=meta.dtype) if i != without and meta.dtype.is_floating_point else None
        for i, meta in enumerate(metas)
    )
    applied = READERS[node.name()](node)
    assert len(applied.inputs) == len(node.next_functions)
    assert LAWS[applied.law.name] is applied.law
    shapes = tuple(_shape(child, nr) for child, nr in node.next_functions)
    wanted = tuple(child is not None for child, _ in node.next_functions)
    with torch.no_grad():
        true = node(*deltas)
        found = applied.law.backward(deltas, Kept(applied.inputs, applied.outputs, shapes, applied.settings, wanted))
    true = true if isinstance(true, tuple) else (true,)
    assert len(found) == len(wanted)
    worst = 0.0
    for mine, theirs, shape in zip(found, true, shapes, strict=True):
        if shape is not None:
            worst = max(worst, gap(mine, theirs.sum_to_size(shape) if theirs is not None else None))
        else:
            assert mine is None
    return worst


def _shape(child: Any, nr: int) -> torch.Size | None:
    if child is None:
        return None
    return child.variable.shape if hasattr(child, "variable") else torch.Size(child._input_metadata[nr].shape)


def check_float32(case: Case) -> None:
    """In float32 the law stays in float32, forward and back, and gives what torch gives, to single precision."""
    single = [x.float() if x.is_floating_point() else x for x in case.inputs]
    _, args, kwargs, true = seen(case, single)
    read = CALLS[case.operation](args, kwargs)
    with torch.no_grad():
        k = kept(read.law, read.inputs, read.settings)
        deltas = tuple(torch.ones_like(y) if y is not None and y.is_floating_point() else None for y in k.outputs)
        errors = read.law.backward(deltas, k)
    for mine, theirs in zip(k.outputs, true if isinstance(true, tuple | list) else (true,), strict=True):
        assert mine is not None
        assert mine.dtype == theirs.dtype
        if theirs.is_floating_point():
            assert gap(mine, theirs) <= 1e-5
    assert all(e is None or x is None or e.dtype == x.dtype for e, x in zip(errors, read.inputs, strict=True))


every_check = pytest.mark.parametrize(
    "check",
    [check_call, check_law, check_exaggerated, check_node, check_float32],
    ids=lambda check: check.__name__.removeprefix("check_"),
)
"""A test that is made once for each of these."""
