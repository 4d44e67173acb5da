"""Normalisations by hand: against torch's own, against differences, as nodes and as calls; running statistics.

N batch, C channels, G groups of channels.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from dense_checks import Case, call_gap, draw, leaf
from family_checks import assert_keeps_to_the_rules, assert_tells, first_only
from law_checks import autograd_gap, difference_gap, exaggerated, gap, kept, node_gap
from torch import Tensor, nn

from gradiometer.walk.calls import CALLS
from gradiometer.walk.calls import norms as calls
from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws import norms as laws
from gradiometer.walk.laws.law import Applied, Kept, Law
from gradiometer.walk.laws.norms_batch import running_update
from gradiometer.walk.nodes import READERS
from gradiometer.walk.nodes import norms as nodes

AUTOGRAD, DIFFERENCE, NODE = 1e-10, 1e-6, 1e-12
ULP = 2e-15  # a few roundings

X, IMAGES = draw(6, 4) * 2 + 1, draw(3, 4, 5, 2) * 2 - 1  # [N, C], [N, C, height, width]
W, B = draw(4, seed=1) + 1, draw(4, seed=2)
MEAN, VAR = draw(4, seed=3), draw(4, seed=4) ** 2 + 0.1


def one(name: str, inputs: tuple[Tensor | None, ...], reference: Callable[..., Any], **settings: Any) -> Case:
    return Case(LAWS[name], inputs, settings, reference)


def training(x: Tensor, w: Tensor | None = None, b: Tensor | None = None) -> Tensor:
    return F.batch_norm(x, None, None, w, b, training=True, eps=1e-3)


def evaluating(x: Tensor, w: Tensor | None = None, b: Tensor | None = None) -> Tensor:
    return F.batch_norm(x, MEAN.to(x.dtype), VAR.to(x.dtype), w, b, training=False, eps=1e-3)


def layer(shape: tuple[int, ...]) -> Callable[..., Tensor]:
    return lambda x, w=None, b=None: F.layer_norm(x, shape, w, b, 1e-3)


def group(groups: int) -> Callable[..., Tensor]:
    return lambda x, w=None, b=None: F.group_norm(x, groups, w, b, 1e-3)


def rms(shape: tuple[int, ...], eps: float | None) -> Callable[..., Tensor]:
    return lambda x, w=None: F.rms_norm(x, shape, w, eps)


RUNNING = {"running_mean": MEAN, "running_var": VAR, "eps": 1e-3}
SHAPED = {"normalized_shape": (4,), "eps": 1e-3}
WIDE = {"normalized_shape": (5, 2), "eps": 1e-3}
CASES = {
    "batch": one("batch_norm", (X, W, B), training, eps=1e-3),
    "batch-images": one("batch_norm", (IMAGES, W, B), training, eps=1e-3),
    "batch-turned": one("batch_norm", (IMAGES.transpose(1, 2).contiguous().transpose(1, 2), W, B), training, eps=1e-3),
    "batch-no-weight": one("batch_norm", (X, None, B), training, eps=1e-3),
    "batch-plain": one("batch_norm", (X, None, None), training, eps=1e-3),
    "batch-eval": one("batch_norm_eval", (X, W, B), evaluating, **RUNNING),
    "batch-eval-images": one("batch_norm_eval", (IMAGES, W, None), evaluating, **RUNNING),
    "batch-eval-no-weight": one("batch_norm_eval", (IMAGES, None, B), evaluating, **RUNNING),
    "batch-eval-no-example": one("batch_norm_eval", (draw(0, 4), W, B), evaluating, **RUNNING),
    "layer": one("layer_norm", (X, W, B), layer((4,)), **SHAPED),
    "layer-plain": one("layer_norm", (X, None, None), layer((4,)), **SHAPED),
    "layer-no-bias": one("layer_norm", (draw(2, 3, 4), W, None), layer((4,)), **SHAPED),
    "layer-wide": one("layer_norm", (IMAGES, draw(5, 2), draw(5, 2, seed=1)), layer((5, 2)), **WIDE),
    "layer-turned": one("layer_norm", (draw(4, 6).T, W, B), layer((4,)), **SHAPED),
    "layer-no-example": one("layer_norm", (draw(0, 4), W, B), layer((4,)), **SHAPED),
    "rms": one("rms_norm", (X, W), rms((4,), 1e-3), **SHAPED),
    "rms-plain": one("rms_norm", (X, None), rms((4,), None), normalized_shape=(4,), eps=None),
    "rms-wide": one("rms_norm", (IMAGES, draw(5, 2)), rms((5, 2), 1e-3), **WIDE),
    "group": one("group_norm", (IMAGES, W, B), group(2), groups=2, eps=1e-3),
    "group-rows": one("group_norm", (X, W, B), group(2), groups=2, eps=1e-3),
    "group-one": one("group_norm", (IMAGES, None, None), group(1), groups=1, eps=1e-3),
    "group-turned": one("group_norm", (draw(3, 5, 2, 4).permute(0, 3, 1, 2), W, None), group(4), groups=4, eps=1e-3),
    "group-no-example": one("group_norm", (draw(0, 4, 2), W, B), group(2), groups=2, eps=1e-3),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_law_agrees_with_autograd(case: Case) -> None:
    assert autograd_gap(case.law, case.inputs, case.settings, case.reference) <= AUTOGRAD


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_law_agrees_with_differences(case: Case) -> None:
    assert difference_gap(first_only(case.law), case.inputs, case.settings) <= DIFFERENCE


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.name)
def test_an_exaggerated_law_goes_red(law: Law) -> None:
    case = next(c for c in CASES.values() if c.law is law)
    (wrong,) = exaggerated(law)
    assert autograd_gap(wrong, case.inputs, case.settings, case.reference) > 1e-4
    assert difference_gap(first_only(wrong), case.inputs, case.settings) > DIFFERENCE


def frozen(training: bool, **parts: Tensor) -> Tensor:
    """A batch norm with running statistics, whose buffers are copies."""
    x = parts.pop("x", leaf(3, 4, 5))
    return F.batch_norm(x, MEAN.clone(), VAR.clone(), parts.get("w"), parts.get("b"), training=training)


def legit(name: str, *running: Tensor, training: tuple[bool, ...] = ()) -> Tensor:
    operation = getattr(torch.ops.aten, name)
    y: Tensor = operation(leaf(3, 4, 5), leaf(4), leaf(4), *running, *training, 0.1, 1e-3)[0]
    return y


NODES: dict[str, tuple[str, Callable[[], Tensor]]] = {
    "batch": ("NativeBatchNormBackward0", lambda: frozen(True, w=leaf(4), b=leaf(4))),
    "batch, plain": ("NativeBatchNormBackward0", lambda: frozen(True)),
    "batch of data": ("NativeBatchNormBackward0", lambda: frozen(True, x=draw(3, 4), w=leaf(4), b=leaf(4))),
    "batch, frozen": ("NativeBatchNormBackward0", lambda: frozen(True, w=draw(4), b=leaf(4))),
    "batch, only a bias": ("NativeBatchNormBackward0", lambda: frozen(True, x=draw(3, 4), b=leaf(4))),
    "batch without buffers": ("NativeBatchNormBackward0", lambda: training(leaf(3, 4), leaf(4), leaf(4))),
    "batch in eval": ("NativeBatchNormBackward0", lambda: frozen(False, w=leaf(4), b=leaf(4))),
    "batch in eval, frozen": ("NativeBatchNormBackward0", lambda: frozen(False, w=draw(4), b=draw(4))),
    "batch in eval, a bias": ("NativeBatchNormBackward0", lambda: frozen(False, b=leaf(4))),
    "legit": ("NativeBatchNormLegitBackward0", lambda: legit("_native_batch_norm_legit", MEAN, VAR, training=(False,))),
    "legit without": ("NativeBatchNormLegitBackward1", lambda: legit("_native_batch_norm_legit", training=(True,))),
    "legit in eval": (
        "NativeBatchNormLegitNoTrainingBackward0",
        lambda: legit("_native_batch_norm_legit_no_training", MEAN, VAR),
    ),
    "with update": (
        "BatchNormWithUpdateBackward0",
        lambda: legit("_batch_norm_with_update", MEAN.clone(), VAR.clone()),
    ),
    "without update": ("BatchNormNoUpdateBackward0", lambda: legit("_batch_norm_no_update", MEAN, VAR)),
    "layer": ("NativeLayerNormBackward0", lambda: F.layer_norm(leaf(3, 5, 4), (5, 4), leaf(5, 4), leaf(5, 4))),
    "layer, plain": ("NativeLayerNormBackward0", lambda: F.layer_norm(leaf(3, 4), (4,))),
    "layer of data": ("NativeLayerNormBackward0", lambda: F.layer_norm(draw(3, 4), (4,), leaf(4), leaf(4))),
    "layer, only a bias": ("NativeLayerNormBackward0", lambda: F.layer_norm(draw(3, 4), (4,), None, leaf(4))),
    "layer, frozen": ("NativeLayerNormBackward0", lambda: F.layer_norm(leaf(3, 4), (4,), draw(4), draw(4))),
    "group": ("NativeGroupNormBackward0", lambda: F.group_norm(leaf(3, 4, 5), 2, leaf(4), leaf(4))),
    "group, plain": ("NativeGroupNormBackward0", lambda: F.group_norm(leaf(3, 8), 2)),
    "group of data": ("NativeGroupNormBackward0", lambda: F.group_norm(draw(3, 4, 5), 2, leaf(4), leaf(4))),
    "group turned": ("NativeGroupNormBackward0", lambda: F.group_norm(leaf(3, 5, 4).transpose(1, 2), 2, leaf(4))),
}


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_read(name: str) -> None:
    node, expression = NODES[name]
    assert node_gap(expression(), node) <= NODE


def test_an_instance_norm_is_a_batch_norm_of_one_example() -> None:
    y = F.instance_norm(leaf(3, 4, 5), MEAN.clone(), VAR.clone(), leaf(4), leaf(4))
    inner = y.grad_fn.next_functions[0][0]  # type: ignore[union-attr]
    assert inner is not None and inner.name() == "NativeBatchNormBackward0"
    with torch.no_grad():
        assert call_gap(lambda: F.instance_norm(draw(3, 4, 5), weight=W, bias=B), "aten::native_batch_norm") <= NODE


def test_a_fused_rms_norm_is_read() -> None:
    """Torch makes this node on accelerators alone, so one with the same attributes stands for it."""
    attributes = {a for a in dir(torch._C._functions.FusedRmsNormBackward0) if a.startswith("_saved")}
    x, w = leaf(6, 4), leaf(4, seed=1)
    rstd = torch.rsqrt((x * x).mean(1, keepdim=True) + 1e-3).detach()
    saved = {"input": x, "weight": w, "result1": rstd, "normalized_shape": (4,)}
    assert {f"_saved_{name}" for name in saved} == attributes
    applied = READERS["FusedRmsNormBackward0"](SimpleNamespace(**{f"_saved_{name}": v for name, v in saved.items()}))
    delta = draw(6, 4, seed=5)
    true = torch.autograd.grad(F.rms_norm(x, (4,), w, 1e-3), (x, w), delta)
    k = Kept(applied.inputs, applied.outputs, (x.shape, w.shape), applied.settings, (True, True))
    with torch.no_grad():
        found = applied.law.backward((delta, None), k)
    assert max(gap(a, b) for a, b in zip(found, true, strict=True)) <= NODE


def test_a_reader_that_forgets_the_statistics_of_the_batch_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(node: Any) -> Applied:
        return nodes._batch(node, False, node._saved_running_mean, node._saved_running_var)

    monkeypatch.setitem(READERS, "NativeBatchNormBackward0", wrong)
    assert node_gap(frozen(True, w=leaf(4), b=leaf(4)), "NativeBatchNormBackward0") > 0.1


BUFFERS = (MEAN, VAR)
OPERATIONS: dict[str, tuple[str, Callable[[], Any]]] = {
    "batch": ("aten::native_batch_norm", lambda: F.batch_norm(IMAGES, None, None, W, B, training=True)),
    "batch with buffers": (
        "aten::native_batch_norm",
        lambda: F.batch_norm(X, MEAN.clone(), VAR.clone(), W, B, training=True),
    ),
    "batch in eval": ("aten::native_batch_norm", lambda: F.batch_norm(IMAGES, *BUFFERS, W, B)),
    "batch in eval, plain": ("aten::native_batch_norm", lambda: F.batch_norm(X, *BUFFERS)),
    "legit": (
        "aten::_native_batch_norm_legit",
        lambda: torch.ops.aten._native_batch_norm_legit(X, W, B, MEAN.clone(), VAR.clone(), True, 0.1, 1e-3),
    ),
    "legit without buffers": (
        "aten::_native_batch_norm_legit",
        lambda: torch.ops.aten._native_batch_norm_legit(X, W, B, True, 0.1, 1e-3),
    ),
    "legit in eval": (
        "aten::_native_batch_norm_legit_no_training",
        lambda: torch.ops.aten._native_batch_norm_legit_no_training(X, W, B, *BUFFERS, 0.1, 1e-3),
    ),
    "layer": ("aten::native_layer_norm", lambda: F.layer_norm(IMAGES, (5, 2), draw(5, 2), draw(5, 2))),
    "layer, plain": ("aten::native_layer_norm", lambda: F.layer_norm(X, (4,))),
    "group": ("aten::native_group_norm", lambda: F.group_norm(IMAGES, 2, W, B)),
    "group of rows": ("aten::native_group_norm", lambda: F.group_norm(X, 4)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_call_is_read(name: str) -> None:
    operation, expression = OPERATIONS[name]
    assert call_gap(expression, operation) <= NODE


def test_a_call_of_a_fused_rms_norm_is_read() -> None:
    for eps in (1e-3, None):
        called = CALLS["aten::_fused_rms_norm"]((X, [4], W, eps), {})
        found = called.law.forward(called.inputs, called.settings)
        true = torch.ops.aten._fused_rms_norm(X, [4], W, eps)
        assert max(gap(a, b) for a, b in zip(found, true, strict=True)) <= NODE


def test_a_call_with_another_epsilon_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CALLS, "aten::native_layer_norm", lambda args, kwargs: calls._layer_norm(*args[:4], 0.1))
    assert call_gap(lambda: F.layer_norm(X, (4,)), "aten::native_layer_norm") > 1e-3


def test_every_law_node_and_call_of_the_family_is_tried() -> None:
    assert {c.law.name for c in CASES.values()} == {law.name for law in laws.LAWS}
    assert {node for node, _ in NODES.values()} | {"FusedRmsNormBackward0"} == set(nodes.READERS)
    assert {name for name, _ in OPERATIONS.values()} | {"aten::_fused_rms_norm"} == set(calls.CALLS)


def called_in_training(momentum: float | None, x: Tensor) -> tuple[nn.BatchNorm1d, Kept]:
    """A module after two passes of torch's own, and what the law kept of the call that the second made."""
    module = nn.BatchNorm1d(4, momentum=momentum).double()
    module(1 - 3 * x)  # a cumulative average takes another share at each pass
    before = (module.running_mean.clone(), module.running_var.clone())  # type: ignore[union-attr, operator]
    module(x)
    share = 1 / 2 if momentum is None else momentum
    called = CALLS["aten::native_batch_norm"]((x, module.weight, module.bias, *before, True, share, 1e-5), {})
    with torch.no_grad():
        return module, kept(called.law, called.inputs, called.settings)


@pytest.mark.parametrize("momentum", [0.1, 0.9, None])
@pytest.mark.parametrize("x", [X, draw(2, 4, 3)], ids=["rows", "signals"])
def test_running_statistics_are_those_of_torch(momentum: float | None, x: Tensor) -> None:
    module, k = called_in_training(momentum, x)
    before = [k.settings["running_mean"].clone(), k.settings["running_var"].clone()]
    found = running_update(k)
    assert found is not None
    assert gap(found[0], module.running_mean) <= ULP and gap(found[1], module.running_var) <= ULP  # type: ignore[arg-type]
    assert torch.equal(before[0], k.settings["running_mean"]) and torch.equal(before[1], k.settings["running_var"])
    assert gap(found[1], before[1]) > 1e-3


def test_running_statistics_are_none_where_none_are_kept() -> None:
    assert running_update(kept(LAWS["batch_norm"], (X, None, None), {"eps": 1e-3, "momentum": 0.1})) is None


def test_the_rule_of_a_norm_has_three_parts() -> None:
    """Neither a shift of x nor a stretch of it changes the output (with ε = 0), so the error has no part along them."""
    k = kept(LAWS["layer_norm"], (X, W, B), {"normalized_shape": (4,), "eps": 0.0})
    error = LAWS["layer_norm"].backward((draw(6, 4, seed=8), None, None), k)[0]
    assert error is not None
    assert error.sum(1).abs().max() <= NODE and (error * X).sum(1).abs().max() <= NODE
    bare = kept(LAWS["rms_norm"], (X, W), {"normalized_shape": (4,), "eps": 0.0})
    along = LAWS["rms_norm"].backward((draw(6, 4, seed=8), None), bare)[0]
    assert along is not None
    assert (along * X).sum(1).abs().max() <= NODE and along.sum(1).abs().max() > 1e-3


def test_what_does_not_vary_gives_a_finite_error() -> None:
    flat = torch.full((3, 4), 2.5, dtype=torch.float64)
    for name, settings in (
        ("layer_norm", SHAPED),
        ("batch_norm", {"eps": 1e-3}),
        ("group_norm", {"groups": 2, "eps": 1e-3}),
    ):
        k = kept(LAWS[name], (flat, W, B), settings)
        assert torch.isfinite(k.outputs[0]).all()  # type: ignore[arg-type]
        error = LAWS[name].backward((draw(3, 4), None, None), k)[0]
        assert error is not None and torch.isfinite(error).all()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_law_keeps_to_the_rules(case: Case) -> None:
    assert_keeps_to_the_rules(case)


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.name)
def test_a_law_tells_what_it_does(law: Law) -> None:
    assert_tells(law)
    assert law.role == "norm" and LAWS[law.name] is law
    parts = law.error.split(",")[0]
    assert parts.count(r"\langle") == {"batch_norm_eval": 0, "rms_norm": 1}.get(law.name, 2)
