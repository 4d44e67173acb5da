"""Matrices by hand: against torch's own operations, against differences, as nodes and as calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from dense_checks import Case, call_gap, draw, leaf
from law_checks import autograd_gap, difference_gap, exaggerated, gap, kept, node_gap
from torch import Tensor, nn

from gradiometer.walk.calls import CALLS
from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws import dense as laws
from gradiometer.walk.laws.law import Applied, Kept, Law
from gradiometer.walk.nodes import READERS
from gradiometer.walk.nodes import dense as nodes

AUTOGRAD, DIFFERENCE, NODE = 1e-10, 1e-6, 1e-12
SCALED = {"alpha": -1.7, "beta": 0.3}
PLAIN = {"alpha": 1, "beta": 1}


def scaled(operation: Callable[..., Tensor], settings: dict[str, float]) -> Callable[..., Tensor]:
    return lambda *inputs: operation(*inputs, **settings)


def turned(*shape: int, seed: int = 0) -> Tensor:
    """Not contiguous: the last two axes stand the other way round in memory."""
    return draw(*shape[:-2], shape[-1], shape[-2], seed=seed).transpose(-2, -1)


BILINEAR = {"missing": ((1, 3), (0,), (1, 2)), "summed": (2, 3)}
EVERY = {"missing": ((), (), ()), "summed": (0,)}
X, W, B = draw(5, 3), draw(4, 3, seed=1), draw(4, seed=2)
CASES = {
    "linear": Case(laws.LINEAR, (X, W, B), {}, F.linear),
    "linear-no-bias": Case(laws.LINEAR, (X, W, None), {}, F.linear),
    "linear-many-axes": Case(laws.LINEAR, (draw(2, 3, 2, 3), W, B), {}, F.linear),
    "linear-one-example": Case(laws.LINEAR, (draw(3), W, B), {}, F.linear),
    "linear-turned": Case(laws.LINEAR, (turned(5, 3), turned(4, 3, seed=1), B), {}, F.linear),
    "linear-no-example": Case(laws.LINEAR, (draw(0, 3), W, B), {}, F.linear),
    "addmm": Case(laws.ADDMM, (B, X, turned(3, 4)), PLAIN, scaled(torch.addmm, PLAIN)),
    "addmm-scaled": Case(laws.ADDMM, (draw(5, 4), X, draw(3, 4)), SCALED, scaled(torch.addmm, SCALED)),
    "addmm-column": Case(laws.ADDMM, (draw(5, 1), X, draw(3, 4)), SCALED, scaled(torch.addmm, SCALED)),
    "addmm-one": Case(laws.ADDMM, (draw(1), X, draw(3, 4)), SCALED, scaled(torch.addmm, SCALED)),
    "addmm-scalar": Case(laws.ADDMM, (draw(), X, draw(3, 4)), SCALED, scaled(torch.addmm, SCALED)),
    "addmm-no-example": Case(laws.ADDMM, (B, draw(0, 3), draw(3, 4)), PLAIN, scaled(torch.addmm, PLAIN)),
    "mm": Case(laws.MM, (X, draw(3, 4)), {}, torch.mm),
    "mm-turned": Case(laws.MM, (turned(5, 3), turned(3, 4)), {}, torch.mm),
    "bmm": Case(laws.BMM, (draw(2, 5, 3), turned(2, 3, 4)), {}, torch.bmm),
    "baddbmm": Case(laws.BADDBMM, (draw(2, 5, 4), draw(2, 5, 3), draw(2, 3, 4)), SCALED, scaled(torch.baddbmm, SCALED)),
    "baddbmm-row": Case(
        laws.BADDBMM, (draw(1, 4), draw(2, 5, 3), draw(2, 3, 4)), SCALED, scaled(torch.baddbmm, SCALED)
    ),
    "addbmm": Case(laws.ADDBMM, (draw(5, 4), draw(2, 5, 3), draw(2, 3, 4)), SCALED, scaled(torch.addbmm, SCALED)),
    "mv": Case(laws.MV, (turned(5, 3), draw(3)), {}, torch.mv),
    "addmv": Case(laws.ADDMV, (draw(5), X, draw(3)), SCALED, scaled(torch.addmv, SCALED)),
    "addmv-one": Case(laws.ADDMV, (draw(1), X, draw(3)), SCALED, scaled(torch.addmv, SCALED)),
    "dot": Case(laws.DOT, (draw(6)[::2], draw(3, seed=1)), {}, torch.dot),
    "addr": Case(laws.ADDR, (draw(3, 4), draw(3), draw(4)), SCALED, scaled(torch.addr, SCALED)),
    "addr-row": Case(laws.ADDR, (draw(4), draw(3), draw(4)), SCALED, scaled(torch.addr, SCALED)),
    "trilinear": Case(
        laws.TRILINEAR,
        (draw(2, 3), draw(5, 3, 4), draw(2, 4)),
        BILINEAR,
        lambda a, w, b: torch._trilinear(a, w, b, [1, 3], [0], [1, 2], [2, 3]),
    ),
    "trilinear-elementwise": Case(
        laws.TRILINEAR,
        (draw(2, 3), draw(2, 3, seed=1), draw(2, 3, seed=2)),
        EVERY,
        lambda a, w, b: (a * w * b).sum(0),
    ),
}

NODES: dict[str, tuple[str, Callable[[], Tensor]]] = {
    "layer": ("AddmmBackward0", lambda: F.linear(leaf(5, 3), leaf(4, 3), leaf(4))),
    "first layer": ("AddmmBackward0", lambda: F.linear(draw(5, 3), leaf(4, 3), leaf(4))),
    "frozen weight": ("AddmmBackward0", lambda: F.linear(leaf(5, 3), draw(4, 3), leaf(4))),
    "frozen layer": ("AddmmBackward0", lambda: F.linear(leaf(5, 3), draw(4, 3), draw(4))),
    "only a bias": ("AddmmBackward0", lambda: F.linear(draw(5, 3), draw(4, 3), leaf(4))),
    "no bias": ("MmBackward0", lambda: F.linear(leaf(5, 3), leaf(4, 3))),
    "addmm": ("AddmmBackward0", lambda: torch.addmm(leaf(5, 1), leaf(5, 3), leaf(3, 4), **SCALED)),
    "in place": ("AddmmBackward0", lambda: leaf(5, 4).clone().addmm_(leaf(5, 3), leaf(3, 4), **SCALED)),
    "mm": ("MmBackward0", lambda: leaf(5, 3) @ leaf(3, 4)),
    "mm left": ("MmBackward0", lambda: leaf(5, 3) @ draw(3, 4)),
    "mm right": ("MmBackward0", lambda: draw(5, 3) @ leaf(3, 4)),
    "bmm": ("BmmBackward0", lambda: torch.bmm(leaf(2, 5, 3), leaf(2, 3, 4))),
    "bmm left": ("BmmBackward0", lambda: torch.bmm(leaf(2, 5, 3), draw(2, 3, 4))),
    "baddbmm": ("BaddbmmBackward0", lambda: torch.baddbmm(leaf(1, 5, 4), leaf(2, 5, 3), leaf(2, 3, 4), **SCALED)),
    "addbmm": ("AddbmmBackward0", lambda: torch.addbmm(leaf(1, 4), leaf(2, 5, 3), leaf(2, 3, 4), **SCALED)),
    "mv": ("MvBackward0", lambda: leaf(5, 3) @ leaf(3)),
    "mv of a vector": ("MvBackward0", lambda: draw(5, 3) @ leaf(3)),
    "addmv": ("AddmvBackward0", lambda: torch.addmv(leaf(1), leaf(5, 3), leaf(3), **SCALED)),
    "dot": ("DotBackward0", lambda: leaf(3) @ leaf(3, seed=1)),
    "vdot": ("VdotBackward0", lambda: torch.vdot(leaf(3), leaf(3, seed=1))),
    "addr": ("AddrBackward0", lambda: torch.addr(leaf(3, 1), leaf(3), leaf(4), **SCALED)),
    "bilinear": (
        "TrilinearBackward0",
        lambda: torch._trilinear(leaf(2, 3), leaf(5, 3, 4), leaf(2, 4), [1, 3], [0], [1, 2], [2, 3]),
    ),
    "bilinear of data": (
        "TrilinearBackward0",
        lambda: torch._trilinear(draw(2, 3), leaf(5, 3, 4), draw(2, 4), [1, 3], [0], [1, 2], [2, 3]),
    ),
}

OPERATIONS: dict[str, tuple[str, Callable[[], Any]]] = {
    "layer": ("aten::addmm", lambda: F.linear(draw(2, 5, 3), W, B)),
    "no bias": ("aten::mm", lambda: F.linear(X, W)),
    "addmm": ("aten::addmm", lambda: torch.addmm(draw(1, 4), X, draw(3, 4), **SCALED)),
    "in place": ("aten::addmm", lambda: draw(5, 4).addmm_(X, draw(3, 4), **SCALED)),
    "bmm": ("aten::bmm", lambda: draw(2, 2, 5, 3) @ draw(2, 2, 3, 4)),
    "baddbmm": ("aten::baddbmm", lambda: torch.baddbmm(draw(4), draw(2, 5, 3), draw(2, 3, 4), **SCALED)),
    "addbmm": ("aten::addbmm", lambda: torch.addbmm(draw(4), draw(2, 5, 3), draw(2, 3, 4), **SCALED)),
    "mv": ("aten::mv", lambda: draw(2, 5, 3) @ draw(3)),
    "addmv": ("aten::addmv", lambda: torch.addmv(draw(5), X, draw(3), **SCALED)),
    "dot": ("aten::dot", lambda: draw(3) @ draw(3)),
    "vdot": ("aten::vdot", lambda: torch.vdot(draw(3), draw(3, seed=1))),
    "addr": ("aten::addr", lambda: torch.addr(draw(4), draw(3), draw(4), beta=2)),
    "bilinear": ("aten::_trilinear", lambda: F.bilinear(draw(2, 3), draw(2, 4), draw(5, 3, 4), draw(5))),
    "einsum": ("aten::bmm", lambda: torch.einsum("ni,oi->no", X, W)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_law_agrees_with_autograd(case: Case) -> None:
    assert autograd_gap(case.law, case.inputs, case.settings, case.reference) <= AUTOGRAD


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_law_agrees_with_differences(case: Case) -> None:
    assert difference_gap(case.law, case.inputs, case.settings) <= DIFFERENCE


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.name)
def test_an_exaggerated_law_goes_red(law: Law) -> None:
    case = next(c for c in CASES.values() if c.law is law)
    (wrong,) = exaggerated(law)
    assert autograd_gap(wrong, case.inputs, case.settings, case.reference) > 1e-4
    assert difference_gap(wrong, case.inputs, case.settings) > DIFFERENCE


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_read(name: str) -> None:
    node, expression = NODES[name]
    assert node_gap(expression(), node) <= NODE


def test_every_node_and_every_call_of_the_family_is_tried() -> None:
    assert {node for node, _ in NODES.values()} == set(nodes.READERS)
    tried = {name for name, _ in OPERATIONS.values()} | {"aten::linear"}
    assert {name for name, read in CALLS.items() if read.__module__.endswith("calls.dense")} == tried
    assert {c.law.name for c in CASES.values()} == {law.name for law in laws.LAWS}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_call_is_read(name: str) -> None:
    operation, expression = OPERATIONS[name]
    assert call_gap(expression, operation) <= NODE


def test_a_call_of_a_whole_layer_is_read_where_nothing_takes_it_apart() -> None:
    for args, kwargs in (((X, W, B), {}), ((X, W), {"bias": B}), ((X, W), {})):
        called = CALLS["aten::linear"](args, kwargs)
        (z,) = called.law.forward(called.inputs, called.settings)
        assert gap(z, F.linear(*args, **kwargs)) <= NODE
    with torch.inference_mode():
        layer = nn.Linear(3, 4, dtype=torch.float64)
        assert call_gap(lambda: layer(X), "aten::linear") <= NODE


def test_a_broken_value_of_a_call_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    read = CALLS["aten::mm"]

    def turned_round(args: Any, kwargs: Any) -> Any:
        return read((args[0] * 1.001, args[1]), kwargs)

    monkeypatch.setitem(CALLS, "aten::mm", turned_round)
    assert call_gap(lambda: X @ draw(3, 4), "aten::mm") > 1e-4


def test_a_reader_that_mixes_up_its_factors_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    def mixed(node: Any) -> Applied:
        return Applied(laws.MM, (node._saved_mat2, node._saved_self), (None,), {})

    monkeypatch.setitem(READERS, "MmBackward0", mixed)
    assert node_gap(leaf(3, 3) @ leaf(3, 3, seed=1), "MmBackward0") > 0.1


def test_what_is_not_finite_is_left_out_where_beta_is_nought() -> None:
    settings = {"alpha": 1, "beta": 0}
    bias = torch.full((4,), torch.nan, dtype=torch.float64)
    (z,) = laws.ADDMM.forward((bias, X, W.T), settings)
    assert gap(z, torch.addmm(bias, X, W.T, beta=0)) <= NODE
    assert node_gap(torch.addmm(bias.requires_grad_(), leaf(5, 3), leaf(3, 4), beta=0), "AddmmBackward0") <= NODE
    assert torch.isnan(laws.ADDMM.forward((bias, X, W.T), PLAIN)[0]).all()


def test_only_what_is_wanted_is_handed_on() -> None:
    for case in (CASES["linear"], CASES["addmm"], CASES["mm"], CASES["dot"], CASES["trilinear"]):
        full = kept(case.law, case.inputs, case.settings)
        for i in range(len(case.inputs)):
            wanted = tuple(j == i for j in range(len(case.inputs)))
            only = Kept(full.inputs, full.outputs, full.shapes, full.settings, wanted)
            arrived = (torch.ones_like(full.outputs[0]),)  # type: ignore[arg-type]
            errors = case.law.backward(arrived, only)
            assert [e is not None for e in errors] == list(wanted)
            assert gap(errors[i], case.law.backward(arrived, full)[i]) <= NODE


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_in_float32_everything_stays_float32(case: Case) -> None:
    inputs = tuple(x.float() if x is not None else None for x in case.inputs)
    k = kept(case.law, inputs, case.settings)
    true = case.reference(*inputs)
    assert k.outputs[0] is not None and k.outputs[0].dtype == torch.float32
    assert gap(k.outputs[0], true) <= 1e-6
    for error in case.law.backward((torch.ones_like(k.outputs[0]),), k):
        assert error is None or error.dtype == torch.float32


def test_a_layer_does_not_change_what_it_is_given() -> None:
    for case in CASES.values():
        before = [x.clone() for x in case.inputs if x is not None]
        k = kept(case.law, case.inputs, case.settings)
        arrived = torch.ones_like(k.outputs[0])  # type: ignore[arg-type]
        case.law.backward((arrived,), k)
        assert all(torch.equal(a, b) for a, b in zip(before, [x for x in case.inputs if x is not None], strict=True))
        assert torch.equal(arrived, torch.ones_like(arrived))


def test_laws_are_found_by_name() -> None:
    assert all(LAWS[law.name] is law for law in laws.LAWS)
    assert {law.name for law in laws.LAWS if law.role == "weights"} == {"linear", "addmm", "mm"}
    assert all(law.title == "weights" for law in laws.LAWS if law.role == "weights")
