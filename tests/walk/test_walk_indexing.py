"""Laws, nodes and calls of indices."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from table_checks import Case, case, every_check, randn

from gradiometer.walk.calls import CALLS
from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws.law import Kept
from gradiometer.walk.nodes import READERS

V = randn(4, seed=7)
X = randn(3, 4)
Y = randn(3, 4, seed=1)
Z = randn(2, 3, 4)
S = randn(seed=8)
MASK = randn(3, 4, seed=3) > 0
ROWS = torch.tensor([2, 0, 2])
PLACES = torch.tensor([[0, 0], [1, 3], [3, 2]])
APART = torch.tensor([[0, 2], [1, 3], [3, 2]])


def written(x: torch.Tensor, key: object, value: object) -> torch.Tensor:
    """x[key] = value on a copy."""
    y = x * 1
    y[key] = value
    return y


CASES = [
    case("index", "IndexBackward0", lambda x: x[ROWS], X),
    case("index", "IndexBackward0", lambda z: z[:, ROWS], Z),
    case("index", "IndexBackward0", lambda z: z[ROWS[1:2], :, ROWS], Z),
    case("index", "IndexBackward0", lambda x: x[MASK], X),
    case("index", "IndexBackward0", lambda x: x[:, torch.tensor([True, False, True, True])], X),
    case("index", "IndexBackward0", lambda z: z[torch.arange(2), torch.tensor([-1, 0])], Z),
    case("index", "IndexBackward0", lambda x: x[ROWS[:0]], X),
    case("_unsafe_index", "UnsafeIndexBackward0", lambda x: torch.ops.aten._unsafe_index(x, [None, ROWS]), X),
    case("index_select", "IndexSelectBackward0", lambda z: z.index_select(-2, ROWS), Z),
    case("index_select", "IndexSelectBackward0", lambda v: v.index_select(0, torch.tensor(2)), V),
    case("index_select", "IndexSelectBackward0", lambda s: s.index_select(0, torch.tensor([0])), S),
    case("gather", "GatherBackward0", lambda x: x.gather(-1, PLACES), X),
    case("gather", "GatherBackward0", lambda x: torch.take_along_dim(x, PLACES, 1), X),
    case("take", "TakeBackward0", lambda x: x.take(torch.tensor([[1, 5], [11, 5]])), X),
    case("masked_select", "MaskedSelectBackward0", lambda x: x.masked_select(MASK), X),
    case("masked_select", "MaskedSelectBackward0", lambda x: x.masked_select(MASK[0]), X),
    case("masked_select", "MaskedSelectBackward0", lambda v: v.masked_select(MASK), V),
    case("masked_fill", "MaskedFillBackward0", lambda x: x.masked_fill(MASK, -9.0), X),
    case("masked_fill", "MaskedFillBackward0", lambda z: z.masked_fill(MASK[:, :1], -3), Z),
    case("masked_fill", "MaskedFillBackward0", lambda x: (x * 1).masked_fill_(MASK, 0), X),
    case("masked_fill", "MaskedFillBackward0", lambda v: v.masked_fill(MASK, 2), V),
    case("masked_fill", "MaskedFillBackward1", lambda x, s: x.masked_fill(MASK, s), X, S),
    case("where", "WhereBackward0", lambda x, v: torch.where(MASK, x, v), X, V),
    case("where", "WhereBackward0", lambda x: torch.where(MASK, 0.0, x), X),
    case("where", "WhereBackward0", lambda v, s: torch.where(MASK, s, v[:, None, None]), V, S),
    case("sort", "SortBackward1", lambda z: z.sort(stable=True, dim=1), Z),
    case("sort", "SortBackward0", lambda z: z.sort(-1, descending=True), Z),
    case("sort", "SortBackward0", lambda s: s.sort(), S),
    case("topk", "TopkBackward0", lambda z: z.topk(2), Z),
    case("topk", "TopkBackward0", lambda z: z.topk(2, dim=1, largest=False), Z),
    case("topk", "TopkBackward0", lambda s: s.topk(1), S),
    case("kthvalue", "KthvalueBackward0", lambda z: z.kthvalue(2, 1), Z),
    case("kthvalue", "KthvalueBackward0", lambda z: z.kthvalue(3, keepdim=True), Z),
    case("index_put", "IndexPutBackward0", lambda x, v: written(x, ROWS[:2], v), X, V),
    case("index_put", "IndexPutBackward0", lambda x: written(x, MASK, 0.0), X),
    case("index_put", "IndexPutBackward0", lambda x, s: written(x, (slice(None), ROWS[:2]), s), X, S),
    case("index_put", "IndexPutBackward0", lambda x, y: x.index_put((ROWS,), y, accumulate=True), X, Y),
    case("index_put", "IndexPutBackward0", lambda x, y: x.index_put((ROWS, ROWS), y[:1, 0], accumulate=True), X, Y),
    case(
        "_unsafe_index_put",
        "UnsafeIndexPutBackward0",
        lambda x, v: torch.ops.aten._unsafe_index_put(x, [ROWS[:2]], v),
        X,
        V,
    ),
    case("scatter", "ScatterBackward0", lambda x, y: x.scatter(1, APART, y[:, :2] * 1), X, Y),
    case("scatter", "ScatterBackward1", lambda x: x.scatter(-1, PLACES, 1.5), X),
    case("scatter", "ScatterBackward1", lambda x: (x * 1).scatter_(-1, PLACES, 1.5), X),
    case("scatter_add", "ScatterAddBackward0", lambda x, y: x.scatter_add(1, PLACES, y[:, :2] * 1), X, Y),
    case("scatter_reduce", "ScatterReduceBackward0", lambda x, y: x.scatter_reduce(1, PLACES, y[:, :2], "sum"), X, Y),
    case("scatter_reduce", "ScatterReduceBackward0", lambda x, y: x.scatter_reduce(1, PLACES, y[:, :2], "mean"), X, Y),
    case("scatter_reduce", "ScatterReduceBackward0", lambda x, y: x.scatter_reduce(1, PLACES, y[:, :2], "amax"), X, Y),
    case(
        "scatter_reduce",
        "ScatterReduceBackward0",
        lambda x, y: x.scatter_reduce(1, PLACES, y[:, :2], "amin", include_self=False),
        X,
        Y,
    ),
    case(
        "scatter_reduce",
        "ScatterReduceBackward0",
        lambda x, y: x.scatter_reduce(1, PLACES, y[:, :2], "mean", include_self=False),
        X,
        Y,
    ),
    case(
        "scatter_reduce",
        "ScatterReduceBackward0",
        lambda x, y: x.scatter_reduce(1, PLACES, y[:, :2], "sum", include_self=False),
        X,
        Y,
    ),
    *(
        case(
            "scatter_reduce",
            "ScatterReduceBackward0",
            lambda x, y, own=own: x.scatter_reduce(1, PLACES, y[:, :2], "prod", include_self=own),
            X,
            y,
        )
        for own in (True, False)
        for y in (Y, Y * MASK)
    ),
    case("index_add", "IndexAddBackward0", lambda x, y: x.index_add(0, ROWS, y), X, Y),
    case("index_add", "IndexAddBackward0", lambda z, y: z.index_add(-2, ROWS[:2], y[:, :2], alpha=0.5), Z, Y[None] * Z),
    case("index_copy", "IndexCopyBackward0", lambda x, y: x.index_copy(0, ROWS[:2], y[:2]), X, Y),
    case("index_fill", "IndexFillBackward0", lambda x: x.index_fill(1, ROWS, 3.0), X),
    case("index_fill", "IndexFillBackward1", lambda x, s: x.index_fill(1, ROWS, s), X, S),
    case("masked_scatter", "MaskedScatterBackward0", lambda x, y: x.masked_scatter(MASK, y), X, Y),
    case("masked_scatter", "MaskedScatterBackward0", lambda z, y: z.masked_scatter(MASK[:1], y), Z, randn(30)),
    case(
        "masked_scatter",
        "MaskedScatterBackward0",
        lambda x, e: x.masked_scatter(torch.zeros_like(MASK), e),
        X,
        randn(0),
    ),
    case("slice_scatter", "SliceScatterBackward0", lambda x, y: x.slice_scatter(y[:, ::2], -1, 0, 4, 2), X, Y),
    case("select_scatter", "SelectScatterBackward0", lambda x, v: x.select_scatter(v, 0, -1), X, V),
]


@every_check
@pytest.mark.parametrize("given", CASES)
def test_an_expression_by_its_law(given: Case, check: Callable[[Case], None]) -> None:
    check(given)


def test_masked_with_infinity() -> None:
    law = LAWS["masked_fill"]
    settings = {"mask": MASK, "value": -torch.inf}
    (value,) = law.forward((X,), settings)
    assert torch.equal(value, X.masked_fill(MASK, -torch.inf))
    (error,) = law.backward((torch.full_like(X, torch.nan),), Kept((X,), (value,), (X.shape,), settings, (True,)))
    assert torch.equal(error == 0, MASK)  # what was masked gets exactly 0, whatever arrives


def test_masked_whole_numbers_keep_their_type() -> None:
    whole = torch.arange(4)
    called = CALLS["aten::masked_fill"]((whole, whole > 1, -100), {})
    (value,) = called.law.forward(called.inputs, called.settings)
    assert value.tolist() == [0, 1, -100, -100]
    assert value.dtype == torch.int64


def test_choice_between_two_numbers() -> None:
    called = CALLS["aten::where"]((MASK, 1.0, 0.0), {})
    (value,) = called.law.forward(called.inputs, called.settings)
    assert torch.equal(value, MASK.to(value.dtype))


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("where", (MASK,), "condition alone"),
        ("scatter", (X, 1, PLACES, Y, "add"), "reduce"),
    ],
)
def test_refused_calls_say_why(name: str, args: tuple[object, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CALLS[f"aten::{name}"](args, {})


def test_equal_extremes_of_a_scatter_share_the_error() -> None:
    leaves = [torch.zeros(1, 2, dtype=torch.float64).requires_grad_() for _ in range(2)]
    index = torch.tensor([[0, 0]])
    y = leaves[0].scatter_reduce(1, index, leaves[1], "amax")
    true = torch.autograd.grad(y.sum(), leaves, retain_graph=True)
    applied = READERS[y.grad_fn.name()](y.grad_fn)
    shapes = (torch.Size((1, 2)), torch.Size((1, 2)))
    found = applied.law.backward(
        (torch.ones_like(y),), Kept(applied.inputs, applied.outputs, shapes, applied.settings, (True, True))
    )
    assert torch.allclose(found[0], true[0])
    assert torch.allclose(found[1], true[1])
    assert found[0].tolist() == [[1 / 3, 1.0]]


def test_a_scatter_without_itself_forgets_what_stood_there() -> None:
    """torch counts a value that happens to equal the result, although it had no part in it."""
    settings = {"dim": 0, "index": torch.tensor([0]), "reduce": "amax", "include_self": False}
    inputs = (torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64))
    law = LAWS["scatter_reduce"]
    outputs = law.forward(inputs, settings)
    shapes = (torch.Size((1,)), torch.Size((1,)))
    found = law.backward((torch.ones(1, dtype=torch.float64),), Kept(inputs, outputs, shapes, settings, (True, True)))
    assert [e.tolist() for e in found] == [[0.0], [1.0]]


def test_unwanted_errors_are_not_made() -> None:
    settings = {"condition": MASK}
    at = Kept((X, V), (None,), (X.shape, None), settings, (True, False))
    found = LAWS["where"].backward((Y,), at)
    assert found[0] is not None
    assert found[1] is None
