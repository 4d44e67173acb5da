"""Pooling by hand: against torch's own, against differences, as nodes and as calls, with ties and nan."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from dense_checks import Case, call_gap, draw, leaf
from law_checks import autograd_gap, difference_gap, exaggerated, gap, kept, node_gap
from torch import Tensor

from gradiometer.walk.calls import CALLS
from gradiometer.walk.laws import pooling as laws
from gradiometer.walk.laws.law import Applied, Kept, Law
from gradiometer.walk.nodes import READERS
from gradiometer.walk.nodes import pooling as nodes

AUTOGRAD, DIFFERENCE, NODE = 1e-10, 1e-6, 1e-12
MAX_OF = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG_OF = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE_AVG_OF = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
ADAPTIVE_MAX_OF = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


def plateaus(*shape: int) -> Tensor:
    """Numbers of which many are equal."""
    return (draw(*shape) * 1.5).round()


def maximum(x: Tensor, axes: int, **given: Any) -> Case:
    """A maximum over windows; what is not given is torch's default."""
    plain = {"stride": (), "padding": (0,), "dilation": (1,), "ceil_mode": False}
    s = {"axes": axes, **plain, **given}

    def reference(z: Tensor) -> Any:
        one = {k: v[0] if isinstance(v, tuple) and len(v) == 1 else v for k, v in s.items() if k != "axes"}
        one["stride"] = one["stride"] or one["kernel_size"]
        return MAX_OF[axes](z, return_indices=True, **one)

    return Case(laws.MAX_POOL, (x,), s, reference)


def average(x: Tensor, axes: int, **given: Any) -> Case:
    """A mean over windows; what is not given is torch's default."""
    plain = {"stride": (), "padding": (0,), "ceil_mode": False, "count_include_pad": True}
    s = {"axes": axes, **plain, "divisor_override": None, **given}
    left_out = ("axes", "divisor_override") if axes == 1 else ("axes",)

    def reference(z: Tensor) -> Any:
        one = {k: v[0] if isinstance(v, tuple) and len(v) == 1 else v for k, v in s.items() if k not in left_out}
        one["stride"] = one["stride"] or one["kernel_size"]
        return AVG_OF[axes](z, **one)

    return Case(laws.AVG_POOL, (x,), s, reference)


def adaptive(law: Law, x: Tensor, *size: int) -> Case:
    """So many windows along each axis."""
    axes = len(size)
    if law is laws.ADAPTIVE_AVG_POOL:
        return Case(law, (x,), {"axes": axes, "size": size}, lambda z: ADAPTIVE_AVG_OF[axes](z, size))
    return Case(law, (x,), {"axes": axes, "size": size}, lambda z: ADAPTIVE_MAX_OF[axes](z, size, return_indices=True))


AVG, MAX = laws.ADAPTIVE_AVG_POOL, laws.ADAPTIVE_MAX_POOL
X = draw(2, 3, 9, 8)
CASES = {
    "max-1d": maximum(draw(2, 3, 10), 1, kernel_size=(3,), stride=(2,), padding=(1,)),
    "max-1d-dilated": maximum(draw(2, 3, 10), 1, kernel_size=(3,), stride=(1,), dilation=(3,)),
    "max-2d": maximum(X, 2, kernel_size=(2,)),
    "max-2d-overlap": maximum(X, 2, kernel_size=(3, 2), stride=(2, 1), padding=(1, 1)),
    "max-2d-ceil": maximum(X, 2, kernel_size=(2, 3), stride=(2, 3), ceil_mode=True),
    "max-2d-ceil-padded": maximum(X, 2, kernel_size=(3,), stride=(3, 2), padding=(1,), ceil_mode=True),
    "max-2d-ceil-apart": maximum(X, 2, kernel_size=(1, 2), stride=(4, 4), ceil_mode=True),
    "max-2d-dilated": maximum(X, 2, kernel_size=(3,), stride=(2,), padding=(1,), dilation=(2, 3), ceil_mode=True),
    "max-2d-unbatched": maximum(draw(3, 9, 8), 2, kernel_size=(2,)),
    "max-2d-no-example": maximum(draw(0, 3, 9, 8), 2, kernel_size=(2,)),
    "max-3d": maximum(draw(2, 2, 5, 4, 6), 3, kernel_size=(2, 3, 2), stride=(2, 1, 3), padding=(1, 1, 0)),
    "avg-1d": average(draw(2, 3, 10), 1, kernel_size=(3,), stride=(2,), padding=(1,)),
    "avg-1d-ceil": average(draw(2, 3, 10), 1, kernel_size=(4,), ceil_mode=True, count_include_pad=False),
    "avg-2d": average(X, 2, kernel_size=(2,)),
    "avg-2d-padded": average(X, 2, kernel_size=(3, 2), stride=(2, 1), padding=(1, 1)),
    "avg-2d-padding-not-counted": average(X, 2, kernel_size=(3,), padding=(1,), count_include_pad=False),
    "avg-2d-ceil": average(X, 2, kernel_size=(2, 3), stride=(2, 3), padding=(1, 1), ceil_mode=True),
    "avg-2d-ceil-not-counted": average(
        X, 2, kernel_size=(3,), stride=(4, 3), padding=(1,), ceil_mode=True, count_include_pad=False
    ),
    "avg-2d-divisor": average(X, 2, kernel_size=(2,), stride=(1,), padding=(1, 0), divisor_override=3),
    "avg-2d-unbatched": average(draw(3, 9, 8), 2, kernel_size=(2,)),
    "avg-2d-no-example": average(draw(0, 3, 9, 8), 2, kernel_size=(2,)),
    "avg-3d": average(draw(2, 2, 5, 4, 6), 3, kernel_size=(2, 3, 2), stride=(2, 1, 3), padding=(1, 1, 0)),
    "adaptive-avg-1d": adaptive(AVG, draw(2, 3, 10), 4),
    "adaptive-avg-2d": adaptive(AVG, X, 4, 3),
    "adaptive-avg-2d-divides": adaptive(AVG, X, 3, 4),
    "adaptive-avg-2d-one": adaptive(AVG, X, 1, 1),
    "adaptive-avg-2d-more-than-there-are": adaptive(AVG, X, 13, 16),
    "adaptive-avg-2d-all-sizes": adaptive(AVG, draw(1, 1, 7, 11), 5, 7),
    "adaptive-avg-3d": adaptive(AVG, draw(2, 2, 5, 4, 6), 3, 3, 4),
    "adaptive-max-1d": adaptive(MAX, draw(2, 3, 10), 4),
    "adaptive-max-2d": adaptive(MAX, X, 4, 3),
    "adaptive-max-2d-one": adaptive(MAX, X, 1, 1),
    "adaptive-max-2d-more-than-there-are": adaptive(MAX, X, 13, 16),
    "adaptive-max-3d": adaptive(MAX, draw(2, 2, 5, 4, 6), 3, 3, 4),
}
TIED = {
    "max-2d": maximum(plateaus(2, 3, 9, 8), 2, kernel_size=(3,), stride=(2,), padding=(1,)),
    "max-2d-dilated": maximum(plateaus(2, 3, 9, 8), 2, kernel_size=(2,), stride=(1,), dilation=(2, 3)),
    "max-2d-constant": maximum(torch.zeros(1, 1, 6, 6, dtype=torch.float64), 2, kernel_size=(3,), ceil_mode=True),
    "max-3d": maximum(plateaus(1, 2, 5, 4, 6), 3, kernel_size=(3, 2, 3), stride=(1,)),
    "adaptive-max-2d": adaptive(MAX, plateaus(2, 3, 9, 8), 4, 3),
    "adaptive-max-3d": adaptive(MAX, plateaus(1, 2, 5, 4, 6), 2, 3, 4),
}
NODES: dict[str, tuple[str, Callable[[], Tensor]]] = {
    "max": ("MaxPool2DWithIndicesBackward0", lambda: F.max_pool2d(leaf(2, 3, 9, 8), 2)),
    "max overlap": (
        "MaxPool2DWithIndicesBackward0",
        lambda: F.max_pool2d(leaf(2, 3, 9, 8), 3, 2, 1, dilation=(1, 2), ceil_mode=True),
    ),
    "max unbatched": ("MaxPool2DWithIndicesBackward0", lambda: F.max_pool2d(leaf(3, 9, 8), 2)),
    "max 3d": ("MaxPool3DWithIndicesBackward0", lambda: F.max_pool3d(leaf(2, 3, 5, 4, 6), 2, 1)),
    "avg": ("AvgPool2DBackward0", lambda: F.avg_pool2d(leaf(2, 3, 9, 8), 2)),
    "avg padded": (
        "AvgPool2DBackward0",
        lambda: F.avg_pool2d(leaf(2, 3, 9, 8), (3, 2), (2, 1), 1, ceil_mode=True, count_include_pad=False),
    ),
    "avg divisor": ("AvgPool2DBackward0", lambda: F.avg_pool2d(leaf(2, 3, 9, 8), 2, divisor_override=7)),
    "avg 3d": ("AvgPool3DBackward0", lambda: F.avg_pool3d(leaf(2, 3, 5, 4, 6), 2, 1, 1, count_include_pad=False)),
    "adaptive avg": ("AdaptiveAvgPool2DBackward0", lambda: F.adaptive_avg_pool2d(leaf(2, 3, 9, 8), (4, 3))),
    "adaptive avg 3d": ("AdaptiveAvgPool3DBackward0", lambda: F.adaptive_avg_pool3d(leaf(2, 3, 5, 4, 6), (3, 2, 4))),
    "adaptive max": ("AdaptiveMaxPool2DBackward0", lambda: F.adaptive_max_pool2d(leaf(2, 3, 9, 8), (4, 3))),
    "adaptive max 3d": ("AdaptiveMaxPool3DBackward0", lambda: F.adaptive_max_pool3d(leaf(2, 3, 5, 4, 6), (3, 2, 4))),
}

OPERATIONS: dict[str, tuple[str, Callable[[], Any]]] = {
    "max 1d": ("aten::max_pool2d_with_indices", lambda: F.max_pool1d(draw(2, 3, 10), 3, 2, 1, ceil_mode=True)),
    "max": ("aten::max_pool2d_with_indices", lambda: F.max_pool2d(X, 2)),
    "max overlap": ("aten::max_pool2d_with_indices", lambda: F.max_pool2d(X, 3, 2, 1, dilation=(1, 2))),
    "max by name": (
        "aten::max_pool2d_with_indices",
        lambda: torch.ops.aten.max_pool2d_with_indices(X, kernel_size=[3], stride=[2], ceil_mode=True),
    ),
    "max 3d": ("aten::max_pool3d_with_indices", lambda: F.max_pool3d(draw(2, 3, 5, 4, 6), 2)),
    "avg 1d": ("aten::avg_pool2d", lambda: F.avg_pool1d(draw(2, 3, 10), 3, 2, 1, count_include_pad=False)),
    "avg": ("aten::avg_pool2d", lambda: F.avg_pool2d(X, 2)),
    "avg by name": ("aten::avg_pool2d", lambda: torch.ops.aten.avg_pool2d(X, [3], padding=[1], divisor_override=2)),
    "avg 3d": ("aten::avg_pool3d", lambda: F.avg_pool3d(draw(2, 3, 5, 4, 6), 2, 1, 1, True, False)),
    "adaptive avg 1d": ("aten::_adaptive_avg_pool2d", lambda: F.adaptive_avg_pool1d(draw(2, 3, 10), 4)),
    "adaptive avg": ("aten::_adaptive_avg_pool2d", lambda: F.adaptive_avg_pool2d(X, (4, 3))),
    "adaptive avg 3d": ("aten::_adaptive_avg_pool3d", lambda: F.adaptive_avg_pool3d(draw(2, 3, 5, 4, 6), 3)),
    "adaptive max 1d": ("aten::adaptive_max_pool2d", lambda: F.adaptive_max_pool1d(draw(2, 3, 10), 4)),
    "adaptive max": ("aten::adaptive_max_pool2d", lambda: F.adaptive_max_pool2d(X, 1)),
    "adaptive max 3d": ("aten::adaptive_max_pool3d", lambda: F.adaptive_max_pool3d(draw(2, 3, 5, 4, 6), 3)),
}


def places(case: Case) -> tuple[Tensor, Tensor]:
    """Places of the largest values by hand and by torch."""
    _, mine = case.law.forward(case.inputs, case.settings)
    _, true = case.reference(*case.inputs)
    assert mine is not None
    return mine, true


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_law_agrees_with_autograd(case: Case) -> None:
    assert autograd_gap(case.law, case.inputs, case.settings, case.reference) <= AUTOGRAD


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_law_agrees_with_differences(case: Case) -> None:
    assert difference_gap(case.law, case.inputs, case.settings) <= DIFFERENCE


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.name)
def test_an_exaggerated_law_goes_red(law: Law) -> None:
    (wrong,) = exaggerated(law)
    of = next(c for c in CASES.values() if c.law is law)
    assert autograd_gap(wrong, of.inputs, of.settings, of.reference) > 1e-4
    assert difference_gap(wrong, of.inputs, of.settings) > DIFFERENCE


@pytest.mark.parametrize("case", TIED.values(), ids=TIED)
def test_ties_are_broken_as_torch_breaks_them(case: Case) -> None:
    mine, true = places(case)
    assert torch.equal(mine, true)
    assert autograd_gap(case.law, case.inputs, case.settings, case.reference) <= AUTOGRAD


def test_the_ties_are_there() -> None:
    """Breaking them the other way, the last one first, gives other places."""
    case = TIED["max-2d"]
    (x,) = case.inputs
    assert x is not None
    _, turned = case.law.forward((x.flip(-1, -2),), case.settings)
    _, true = case.reference(x)
    assert turned is not None
    assert not torch.equal(x.shape[-1] * x.shape[-2] - 1 - turned.flip(-1, -2), true)


@pytest.mark.parametrize("name", ["max-2d-overlap", "max-2d-ceil-padded", "max-3d", "adaptive-max-2d"])
def test_what_is_not_finite_stays_where_it_is(name: str) -> None:
    case = CASES[name]
    (x,) = case.inputs
    assert x is not None
    strange = x.clone().flatten()
    strange[::7], strange[3::11], strange[5::13] = -math.inf, math.nan, math.inf
    of = Case(case.law, (strange.reshape(x.shape),), case.settings, case.reference)
    mine, true = places(of)
    assert torch.equal(mine, true)
    values, _ = of.law.forward(of.inputs, of.settings)
    assert torch.equal(values.nan_to_num(7.0), of.reference(*of.inputs)[0].nan_to_num(7.0))  # type: ignore[union-attr]
    low = Case(case.law, (torch.full_like(x, -math.inf),), case.settings, case.reference)
    assert torch.equal(*places(low))


def test_an_infinity_stays_in_its_windows() -> None:
    x = X.clone()
    x[0, 0, 0, 0], x[1, 2, 8, 7] = math.inf, math.nan
    for name in ("avg-2d-padded", "adaptive-avg-2d"):
        case = CASES[name]
        (mine,) = case.law.forward((x,), case.settings)
        assert mine is not None
        assert torch.equal(mine.isfinite(), case.reference(x).isfinite())


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_read(name: str) -> None:
    node, expression = NODES[name]
    assert node_gap(expression(), node) <= NODE


@pytest.mark.parametrize("name", NODES)
def test_a_node_that_is_read_gives_its_value_again(name: str) -> None:
    output = NODES[name][1]()
    assert output.grad_fn is not None
    applied = READERS[output.grad_fn.name()](output.grad_fn)
    assert gap(applied.law.forward(applied.inputs, applied.settings)[0], output) <= NODE


def test_every_node_and_every_call_of_the_family_is_tried() -> None:
    assert {node for node, _ in NODES.values()} == set(nodes.READERS)
    tried = {name for name, _ in OPERATIONS.values()}
    assert {name for name, read in CALLS.items() if read.__module__.endswith("calls.pooling")} == tried
    assert {c.law.name for c in CASES.values()} == {law.name for law in laws.LAWS}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_call_is_read(name: str) -> None:
    operation, expression = OPERATIONS[name]
    assert call_gap(expression, operation) <= NODE


def test_a_call_that_is_read_with_other_settings_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    read = CALLS["aten::avg_pool2d"]
    monkeypatch.setitem(CALLS, "aten::avg_pool2d", lambda args, kwargs: read((*args[:5], True), kwargs))
    assert call_gap(OPERATIONS["avg 1d"][1], "aten::avg_pool2d") > 0.01


def test_a_node_that_is_read_with_other_places_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    read = READERS["MaxPool2DWithIndicesBackward0"]

    def shifted(node: Any) -> Applied:
        found = read(node)
        place = found.outputs[1]
        assert place is not None
        return Applied(found.law, found.inputs, (None, (place + 1) % 72), found.settings)

    monkeypatch.setitem(READERS, "MaxPool2DWithIndicesBackward0", shifted)
    assert node_gap(F.max_pool2d(leaf(2, 3, 9, 8), 2)) > 0.1


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_error_needs_the_shape_alone(case: Case) -> None:
    """Neither the input nor a pooled value is needed: only where the largest stood."""
    full = kept(case.law, case.inputs, case.settings)
    lean = Kept((None,), (None, *full.outputs[1:]), full.shapes, full.settings, full.wanted)
    arrived = (torch.ones_like(full.outputs[0]), None)  # type: ignore[arg-type]
    assert gap(case.law.backward(arrived, lean)[0], case.law.backward(arrived, full)[0]) == 0.0


@pytest.mark.parametrize("name", ["max-2d-overlap", "avg-2d-ceil-not-counted", "adaptive-avg-2d", "adaptive-max-2d"])
def test_in_float32_and_turned_everything_stays_as_it_is(name: str) -> None:
    case = CASES[name]
    x = case.inputs[0]
    assert x is not None
    x = x.float()
    turned = x.transpose(2, 3).contiguous().transpose(2, 3)
    true = case.reference(x)
    k = kept(case.law, (turned,), case.settings)
    assert k.outputs[0] is not None and k.outputs[0].dtype == torch.float32
    assert gap(k.outputs[0], true[0] if isinstance(true, tuple) else true) <= 1e-6
    (error,) = case.law.backward((torch.ones_like(k.outputs[0]), None), k)
    assert error is not None and error.dtype == torch.float32
    assert torch.equal(x, turned)
