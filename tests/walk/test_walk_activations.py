"""Activations by hand: against torch's own, against differences, as nodes and as calls; their slopes and bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from activation_cases import CASES, Z, law
from dense_checks import Case, call_gap, draw, leaf
from family_checks import assert_keeps_to_the_rules, assert_tells, first_only
from law_checks import autograd_gap, difference_gap, exaggerated, kept, node_gap
from torch import Tensor

from gradiometer.lab.activations import make_activation
from gradiometer.records.errors import ModelError
from gradiometer.walk.calls import CALLS
from gradiometer.walk.calls import activations as calls
from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws import activations as laws
from gradiometer.walk.laws.law import Applied, Law
from gradiometer.walk.nodes import READERS
from gradiometer.walk.nodes import activations as nodes

AUTOGRAD, DIFFERENCE, NODE = 1e-10, 1e-6, 1e-12
SINGLE = 4e-8  # torch's backward takes 1/6 of hardsigmoid and the α of CELU in float32, also for float64


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_law_agrees_with_autograd(case: Case) -> None:
    assert autograd_gap(case.law, case.inputs, case.settings, case.reference) <= AUTOGRAD


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_law_agrees_with_differences(case: Case) -> None:
    assert difference_gap(first_only(case.law), case.inputs, case.settings) <= DIFFERENCE


def test_hardsigmoid_is_more_exact_than_torch_in_float64() -> None:
    found = autograd_gap(law("hardsigmoid"), (Z,), {}, F.hardsigmoid)
    assert 1e-8 < found <= SINGLE
    assert difference_gap(law("hardsigmoid"), (Z,), {}) <= DIFFERENCE
    inside = kept(law("hardsigmoid"), (torch.zeros(3, dtype=torch.float64),), {})
    (error,) = law("hardsigmoid").backward((torch.ones(3, dtype=torch.float64),), inside)
    assert error is not None and error.tolist() == [1 / 6] * 3


def test_celu_is_more_exact_than_torch_where_alpha_is_no_float32() -> None:
    assert AUTOGRAD < autograd_gap(law("celu"), (Z,), {"alpha": 0.6}, lambda z: F.celu(z, 0.6)) <= SINGLE
    plain = autograd_gap(
        law("celu"), (Z,), {"alpha": 0.6}, lambda z: torch.where(z > 0, z, 0.6 * torch.expm1(z.clamp(max=0) / 0.6))
    )
    assert plain <= AUTOGRAD


@pytest.mark.parametrize("each", laws.LAWS, ids=lambda each: each.name)
def test_an_exaggerated_law_goes_red(each: Law) -> None:
    case = next(c for c in CASES.values() if c.law is each)
    (wrong,) = exaggerated(each)
    assert autograd_gap(wrong, case.inputs, case.settings, case.reference) > 1e-4
    assert difference_gap(first_only(wrong), case.inputs, case.settings) > DIFFERENCE


def changed(operation: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """What an in-place operation makes of a tensor that is no leaf."""
    return operation(3 * leaf(5, 6), *args, **kwargs)


NODES: dict[str, tuple[str, Callable[[], Tensor]]] = {
    "relu": ("ReluBackward0", lambda: F.relu(leaf(5, 6))),
    "relu in place": ("ReluBackward0", lambda: changed(torch.relu_)),
    "relu6": ("HardtanhBackward0", lambda: F.relu6(5 * leaf(5, 6))),
    "relu6 in place": ("HardtanhBackward0", lambda: changed(F.relu6, inplace=True)),
    "hardtanh": ("HardtanhBackward0", lambda: F.hardtanh(leaf(5, 6), -0.5, 0.7)),
    "leaky": ("LeakyReluBackward0", lambda: F.leaky_relu(leaf(5, 6), 0.3)),
    "leaky in place": ("LeakyReluBackward1", lambda: changed(F.leaky_relu_, 0.3)),
    "rrelu in eval": ("RreluWithNoiseBackward0", lambda: F.rrelu(leaf(5, 6))),
    "rrelu in training": ("RreluWithNoiseBackward0", lambda: F.rrelu(leaf(5, 6), training=True)),
    "rrelu without a range": ("RreluWithNoiseBackward0", lambda: F.rrelu(leaf(5, 6), 0.2, 0.2, training=True)),
    "rrelu in place": ("RreluWithNoiseBackward1", lambda: changed(F.rrelu_)),
    "rrelu in training and place": ("RreluWithNoiseBackward1", lambda: changed(F.rrelu_, training=True)),
    "prelu": ("PreluKernelBackward0", lambda: F.prelu(leaf(2, 3, 4), leaf(3))),
    "prelu, one slope": ("PreluKernelBackward0", lambda: F.prelu(leaf(2, 3, 4), leaf(1))),
    "prelu of data": ("PreluKernelBackward0", lambda: F.prelu(draw(2, 3, 4), leaf(3))),
    "prelu, frozen": ("PreluKernelBackward0", lambda: F.prelu(leaf(2, 3, 4), draw(3))),
    "hardswish": ("HardswishBackward0", lambda: F.hardswish(3 * leaf(5, 6))),
    "hardswish in place": ("HardswishBackward0", lambda: changed(F.hardswish, inplace=True)),
    "threshold": ("ThresholdBackward0", lambda: F.threshold(leaf(5, 6), 0.1, 2.0)),
    "threshold in place": ("ThresholdBackward1", lambda: changed(F.threshold_, 0.1, 2.0)),
    "softshrink": ("SoftshrinkBackward0", lambda: F.softshrink(leaf(5, 6), 0.4)),
    "hardshrink": ("HardshrinkBackward0", lambda: F.hardshrink(leaf(5, 6), 0.4)),
    "tanh": ("TanhBackward0", lambda: torch.tanh(leaf(5, 6))),
    "tanh in place": ("TanhBackward0", lambda: changed(torch.tanh_)),
    "sigmoid": ("SigmoidBackward0", lambda: torch.sigmoid(leaf(5, 6))),
    "erf": ("ErfBackward0", lambda: torch.erf(leaf(5, 6))),
    "log sigmoid": ("LogSigmoidBackward0", lambda: F.logsigmoid(3 * leaf(5, 6))),
    "gelu": ("GeluBackward0", lambda: F.gelu(leaf(5, 6))),
    "gelu by tanh": ("GeluBackward0", lambda: F.gelu(leaf(5, 6), approximate="tanh")),
    "silu": ("SiluBackward0", lambda: F.silu(leaf(5, 6))),
    "silu in place": ("SiluBackward0", lambda: changed(F.silu, inplace=True)),
    "mish": ("MishBackward0", lambda: F.mish(leaf(5, 6))),
    "softplus": ("SoftplusBackward0", lambda: F.softplus(9 * leaf(5, 6), 2.0, 4.0)),
    "elu": ("EluBackward0", lambda: F.elu(leaf(5, 6), 0.6)),
    "elu in place": ("EluBackward1", lambda: changed(F.elu_, 0.6)),
    "selu": ("EluBackward0", lambda: F.selu(leaf(5, 6))),
    "selu in place": ("EluBackward1", lambda: changed(torch.selu_)),
    "celu": ("CeluBackward0", lambda: F.celu(leaf(5, 6), 0.75)),
    "celu in place": ("CeluBackward1", lambda: changed(torch.celu_, 0.75)),
    "glu": ("GluBackward0", lambda: F.glu(leaf(5, 6))),
    "glu of rows": ("GluBackward0", lambda: F.glu(leaf(6, 5), 0)),
}


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_read(name: str) -> None:
    node, expression = NODES[name]
    torch.manual_seed(0)
    assert node_gap(expression(), node) <= NODE


def test_the_node_of_hardsigmoid_is_read() -> None:
    assert node_gap(F.hardsigmoid(3 * leaf(5, 6)), "HardsigmoidBackward0") <= SINGLE


def test_a_reader_of_the_wrong_slope_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(node: Any) -> Applied:
        return Applied(law("leaky_relu"), (node._saved_self,), (None,), {"slope": node._saved_negative_slope * 1.01})

    monkeypatch.setitem(READERS, "LeakyReluBackward0", wrong)
    assert node_gap(F.leaky_relu(leaf(5, 6), 0.3), "LeakyReluBackward0") > 1e-4


OPERATIONS: dict[str, tuple[str, Callable[[], Any]]] = {
    "relu": ("aten::relu", lambda: F.relu(Z)),
    "relu in place": ("aten::relu", lambda: F.relu_(Z.clone())),
    "relu6": ("aten::hardtanh", lambda: F.relu6(4 * Z)),
    "hardtanh": ("aten::hardtanh", lambda: F.hardtanh(Z, -0.5, 2.0)),
    "hardtanh in place": ("aten::hardtanh", lambda: F.hardtanh_(Z.clone())),
    "leaky": ("aten::leaky_relu", lambda: F.leaky_relu(Z)),
    "leaky with a slope": ("aten::leaky_relu", lambda: F.leaky_relu(Z, 0.3)),
    "rrelu in eval": ("aten::rrelu_with_noise", lambda: F.rrelu(Z)),
    "rrelu with limits": ("aten::rrelu_with_noise", lambda: F.rrelu(Z, 0.1, 0.5)),
    "hardsigmoid": ("aten::hardsigmoid", lambda: F.hardsigmoid(Z)),
    "hardswish": ("aten::hardswish", lambda: F.hardswish(Z)),
    "threshold": ("aten::threshold", lambda: F.threshold(Z, 0.1, 2.0)),
    "softshrink": ("aten::softshrink", lambda: F.softshrink(Z)),
    "softshrink further": ("aten::softshrink", lambda: F.softshrink(Z, 0.7)),
    "hardshrink": ("aten::hardshrink", lambda: F.hardshrink(Z)),
    "tanh": ("aten::tanh", lambda: torch.tanh(Z)),
    "sigmoid": ("aten::sigmoid", lambda: torch.sigmoid(Z)),
    "erf": ("aten::erf", lambda: torch.erf(Z)),
    "log sigmoid": ("aten::log_sigmoid_forward", lambda: F.logsigmoid(Z)),
    "gelu": ("aten::gelu", lambda: F.gelu(Z)),
    "gelu by tanh": ("aten::gelu", lambda: F.gelu(Z, approximate="tanh")),
    "silu": ("aten::silu", lambda: F.silu(Z)),
    "mish": ("aten::mish", lambda: F.mish(Z)),
    "softplus": ("aten::softplus", lambda: F.softplus(9 * Z)),
    "softplus with settings": ("aten::softplus", lambda: F.softplus(Z, 2.0, 4.0)),
    "elu": ("aten::elu", lambda: F.elu(Z)),
    "elu with α": ("aten::elu", lambda: F.elu(Z, 0.6)),
    "elu in place": ("aten::elu", lambda: F.elu_(Z.clone())),
    "selu": ("aten::elu", lambda: F.selu(Z)),
    "celu": ("aten::celu", lambda: F.celu(Z)),
    "celu with α": ("aten::celu", lambda: F.celu(Z, 0.4)),
    "prelu": ("aten::_prelu_kernel", lambda: F.prelu(draw(2, 3, 4), draw(3))),
    "glu": ("aten::glu", lambda: F.glu(Z)),
    "glu of images": ("aten::glu", lambda: F.glu(draw(2, 4, 3), dim=1)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_call_is_read(name: str) -> None:
    operation, expression = OPERATIONS[name]
    assert call_gap(expression, operation) <= NODE


def test_a_call_with_other_defaults_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CALLS, "aten::leaky_relu", lambda args, kwargs: calls._leaky_relu(args[0], 0.02))
    assert call_gap(lambda: F.leaky_relu(Z), "aten::leaky_relu") > 1e-4


def test_every_law_node_and_call_of_the_family_is_tried() -> None:
    assert {c.law.name for c in CASES.values()} == {each.name for each in laws.LAWS}
    assert {node for node, _ in NODES.values()} | {"HardsigmoidBackward0"} == set(nodes.READERS)
    assert {name for name, _ in OPERATIONS.values()} == set(calls.CALLS)


def test_rrelu_in_training_is_refused_as_a_call() -> None:
    with pytest.raises(ModelError, match="RReLU in training draws its slopes"), torch.no_grad():
        call_gap(lambda: F.rrelu(Z, training=True), "aten::rrelu_with_noise")


def test_every_activation_of_the_lab_has_laws() -> None:
    for kind in ("relu", "leaky_relu", "prelu", "tanh", "erf", "sigmoid", "hardtanh", "relu6", "elu", "selu", "gelu"):
        output = make_activation(kind).double()(leaf(5, 6))
        assert node_gap(output) <= NODE, kind
        assert READERS[output.grad_fn.name()](output.grad_fn).law.name == kind


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_law_keeps_to_the_rules(case: Case) -> None:
    assert_keeps_to_the_rules(case)


@pytest.mark.parametrize("each", laws.LAWS, ids=lambda each: each.name)
def test_a_law_tells_what_it_does(each: Law) -> None:
    assert_tells(each)
    assert each.role == "activation" and LAWS[each.name] is each
    assert (r"\sigma'" in each.step) == (each.name in ("sigmoid", "glu"))
