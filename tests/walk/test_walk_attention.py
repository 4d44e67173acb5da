"""Softmax and attention by hand: against torch's own, against differences, as nodes and as calls.

N batch, H heads of queries, J heads of keys and values, L queries, S keys, E width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from dense_checks import Case, call_gap, draw, leaf
from family_checks import assert_keeps_to_the_rules, assert_tells, first_only
from law_checks import autograd_gap, difference_gap, exaggerated, gap, kept, node_gap
from torch import Tensor, nn

from gradiometer.records.errors import ModelError
from gradiometer.walk.calls import CALLS
from gradiometer.walk.calls import attention as calls
from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws import attention as laws
from gradiometer.walk.laws.law import Applied, Kept, Law
from gradiometer.walk.nodes import READERS
from gradiometer.walk.nodes import attention as nodes

AUTOGRAD, DIFFERENCE, NODE = 1e-10, 1e-6, 1e-12

Q, K, V = draw(2, 4, 5, 3), draw(2, 4, 6, 3, seed=1), draw(2, 4, 6, 3, seed=2)  # [N, H, L, E], [N, H, S, E]
FEW_K, FEW_V = draw(2, 2, 6, 3, seed=3), draw(2, 2, 6, 3, seed=4)  # [N, J, S, E]
BIAS = draw(5, 6, seed=5)  # [L, S]
SEEN = draw(2, 1, 5, 6, seed=6) > -0.5  # [N, 1, L, S]
BLIND = SEEN.clone()
BLIND[0, 0, 2] = False  # one query sees no key
EMPTY = draw(3, 4).masked_fill(torch.tensor([[False], [True], [False]]), -torch.inf)  # its second row


def sdpa(**settings: Any) -> Callable[..., Tensor]:
    def run(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, **settings)

    return run


def attend(*inputs: Tensor | None, gqa: bool = False, **settings: Any) -> Case:
    full = (*inputs, *(None,) * (4 - len(inputs)))
    return Case(LAWS["attention"], full, settings, sdpa(enable_gqa=gqa, **settings))


def over(name: str, reference: Callable[..., Tensor], x: Tensor, dim: int, **settings: Any) -> Case:
    return Case(LAWS[name], (x,), {"dim": dim, **settings}, lambda z: reference(z, dim))


CASES = {
    "softmax": over("softmax", F.softmax, draw(5, 4), -1),
    "softmax-rows": over("softmax", F.softmax, draw(2, 5, 4).transpose(0, 2), 1),
    "softmax-one-number": over("softmax", F.softmax, draw(), 0),
    "softmax-no-example": over("softmax", F.softmax, draw(0, 4), 1),
    "softmax-masked": over("softmax", F.softmax, draw(3, 4).masked_fill(draw(3, 4) > 0.8, -torch.inf), 1),
    "safe": over("safe_softmax", torch.ops.aten._safe_softmax, draw(5, 4), -1),
    "safe-empty": over("safe_softmax", torch.ops.aten._safe_softmax, EMPTY, 1),
    "log": over("log_softmax", F.log_softmax, draw(5, 4), -1),
    "log-rows": over("log_softmax", F.log_softmax, draw(2, 5, 4), 1),
    "log-no-example": over("log_softmax", F.log_softmax, draw(0, 4), 1),
    "attention": attend(Q, K, V),
    "attention-causal": attend(Q, K, V, is_causal=True),
    "attention-scaled": attend(Q, K, V, scale=0.3),
    "attention-bias": attend(Q, K, V, BIAS),
    "attention-bias-of-a-head": attend(Q, K, V, draw(1, 4, 5, 6)),
    "attention-seen": attend(Q, K, V, SEEN),
    "attention-blind": attend(Q, K, V, BLIND),
    "attention-grouped": attend(Q, FEW_K, FEW_V, gqa=True),
    "attention-grouped-biased": attend(Q, FEW_K, FEW_V, BIAS, gqa=True),
    "attention-wide-values": attend(Q, K, draw(2, 4, 6, 7)),
    "attention-no-heads": attend(draw(5, 3), draw(6, 3), draw(6, 3)),
    "attention-turned": attend(*(draw(2, n, 4, 3, seed=n).transpose(1, 2) for n in (5, 6, 6))),
    "attention-shared": attend(Q, draw(1, 1, 6, 3), draw(1, 1, 6, 3, seed=2)),
    "attention-no-example": attend(draw(0, 4, 5, 3), draw(0, 4, 6, 3), draw(0, 4, 6, 3)),
}
SMOOTH = {name: case for name, case in CASES.items() if name not in ("softmax-masked", "safe-empty")}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_law_agrees_with_autograd(case: Case) -> None:
    assert autograd_gap(case.law, case.inputs, case.settings, case.reference) <= AUTOGRAD


@pytest.mark.parametrize("case", SMOOTH.values(), ids=SMOOTH)
def test_a_law_agrees_with_differences(case: Case) -> None:
    assert difference_gap(first_only(case.law), case.inputs, case.settings) <= DIFFERENCE


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.name)
def test_an_exaggerated_law_goes_red(law: Law) -> None:
    case = next(c for c in CASES.values() if c.law is law)
    (wrong,) = exaggerated(law)
    assert autograd_gap(wrong, case.inputs, case.settings, case.reference) > 1e-4
    assert difference_gap(first_only(wrong), case.inputs, case.settings) > DIFFERENCE


def leaves(heads: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    return leaf(2, 4, 5, 3), leaf(2, heads, 6, 3, seed=1), leaf(2, heads, 6, 3, seed=2)


FLASH = "ScaledDotProductFlashAttentionForCpuBackward0"
NODES: dict[str, tuple[str, Callable[[], Tensor]]] = {
    "softmax": ("SoftmaxBackward0", lambda: F.softmax(leaf(5, 4), -1)),
    "softmax of rows": ("SoftmaxBackward0", lambda: F.softmax(leaf(2, 5, 4), 1)),
    "softmin": ("SoftmaxBackward0", lambda: F.softmin(leaf(5, 4), -2)),
    "safe": ("SafeSoftmaxBackward0", lambda: torch.ops.aten._safe_softmax(leaf(5, 4), -1)),
    "masked": ("MaskedSoftmaxBackward0", lambda: torch._masked_softmax(leaf(5, 4), draw(5, 4) > 0.5, 1)),
    "log": ("LogSoftmaxBackward0", lambda: F.log_softmax(leaf(5, 4), 1)),
    "log of rows": ("LogSoftmaxBackward0", lambda: F.log_softmax(leaf(2, 5, 4), -2)),
    "attention": (FLASH, lambda: sdpa()(*leaves())),
    "attention, causal": (FLASH, lambda: sdpa(is_causal=True)(*leaves())),
    "attention, scaled": (FLASH, lambda: sdpa(scale=0.3)(*leaves())),
    "attention with a bias": (FLASH, lambda: sdpa()(*leaves(), BIAS)),
    "attention with a mask": (FLASH, lambda: sdpa()(*leaves(), SEEN)),
    "attention, one blind": (FLASH, lambda: sdpa()(*leaves(), BLIND)),
    "attention, grouped": (FLASH, lambda: sdpa(enable_gqa=True)(*leaves(2))),
    "attention over data": (FLASH, lambda: sdpa()(leaf(2, 4, 5, 3), K, V)),
}


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_read(name: str) -> None:
    node, expression = NODES[name]
    assert node_gap(expression(), node) <= NODE


def test_a_reader_that_forgets_the_mask_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(node: Any) -> Applied:
        applied = nodes._attention(node)
        return Applied(applied.law, applied.inputs, applied.outputs, {**applied.settings, "mask": None})

    monkeypatch.setitem(READERS, FLASH, wrong)
    assert node_gap(sdpa()(*leaves(), BIAS), FLASH) > 0.1


CPU = "aten::_scaled_dot_product_flash_attention_for_cpu"
OPERATIONS: dict[str, tuple[str, Callable[[], Any]]] = {
    "softmax": ("aten::_softmax", lambda: F.softmax(draw(5, 4), -1)),
    "softmax in another dtype": ("aten::_softmax", lambda: F.softmax(draw(5, 4), 0, dtype=torch.float64)),
    "log softmax": ("aten::_log_softmax", lambda: F.log_softmax(draw(5, 4), 1)),
    "safe": ("aten::_safe_softmax", lambda: torch.ops.aten._safe_softmax(EMPTY, 1)),
    "safe by its dtype": ("aten::_safe_softmax", lambda: torch.ops.aten._safe_softmax(EMPTY, 1, dtype=torch.float64)),
    "attention": (CPU, lambda: sdpa()(Q, K, V)),
    "attention, causal": (CPU, lambda: sdpa(is_causal=True)(Q, K, V)),
    "attention, scaled": (CPU, lambda: sdpa(scale=0.3)(Q, K, V)),
    "attention with a bias": (CPU, lambda: sdpa()(Q, K, V, BIAS)),
    "attention, one blind": (CPU, lambda: sdpa()(Q, K, V, BLIND)),
    "attention, grouped": (CPU, lambda: sdpa(enable_gqa=True)(Q, FEW_K, FEW_V)),
    "attention of a module": (CPU, lambda: _module()(*[draw(2, 5, 8)] * 3, need_weights=False)),
    "attention with both": (
        CPU,
        lambda: torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(Q, K, V, 0.0, True, attn_mask=BIAS),
    ),
}


def _module() -> nn.MultiheadAttention:
    torch.manual_seed(0)
    return nn.MultiheadAttention(8, 2, batch_first=True).double()


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_call_is_read(name: str) -> None:
    operation, expression = OPERATIONS[name]
    assert call_gap(expression, operation) <= NODE


def test_a_call_with_another_scale_goes_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CALLS, CPU, lambda args, kwargs: calls._attention(*args, scale=0.5))
    assert call_gap(lambda: sdpa()(Q, K, V), CPU) > 1e-3


def test_every_law_node_and_call_of_the_family_is_tried() -> None:
    assert {c.law.name for c in CASES.values()} == {law.name for law in laws.LAWS}
    assert {node for node, _ in NODES.values()} == set(nodes.READERS)
    assert {name for name, _ in OPERATIONS.values()} == set(calls.CALLS)


def test_attention_that_drops_is_refused_as_a_call() -> None:
    with pytest.raises(ModelError, match=r"drops 0\.2 of its shares inside torch"):
        CALLS[CPU]((Q, K, V, 0.2), {})


def test_with_dropout_torch_takes_attention_apart() -> None:
    node = sdpa(dropout_p=0.2)(*leaves()).grad_fn
    assert node is not None and node.name() != FLASH


def test_a_bias_that_is_learned_gets_an_error_as_an_input_and_none_as_a_setting() -> None:
    case = CASES["attention-bias"]
    k = kept(case.law, case.inputs, case.settings)
    delta = draw(2, 4, 5, 3, seed=8)
    as_input = case.law.backward((delta, None), k)
    assert as_input[3] is not None and as_input[3].shape == BIAS.shape
    as_setting = Kept((Q, K, V), k.outputs, k.shapes[:3], {"mask": BIAS}, (True,) * 3)
    errors = case.law.backward((delta, None), as_setting)
    assert len(errors) == 3
    assert max(gap(a, b) for a, b in zip(errors, as_input[:3], strict=True)) <= NODE


def test_only_the_values_wanted_gives_the_values_alone() -> None:
    k = kept(LAWS["attention"], (Q, K, V, BIAS), {}, wanted=(False, False, True, False))
    errors = LAWS["attention"].backward((draw(2, 4, 5, 3), None), k)
    assert [e is not None for e in errors] == [False, False, True, False]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_large_scores_stay_finite(dtype: torch.dtype) -> None:
    x = torch.tensor([[-1000.0, 0.0, 1000.0], [900.0, 900.0, -900.0]], dtype=dtype)
    (p,) = LAWS["softmax"].forward((x,), {"dim": 1})
    (y,) = LAWS["log_softmax"].forward((x,), {"dim": 1})
    assert p is not None and y is not None
    assert p.tolist() == [[0.0, 0.0, 1.0], [0.5, 0.5, 0.0]]
    assert torch.allclose(
        y, torch.tensor([[-2000, -1000, 0], [-math.log(2), -math.log(2), -1800 - math.log(2)]], dtype=dtype)
    )
    q, k = 100 * Q.to(dtype), 100 * K.to(dtype)
    found, log_total = LAWS["attention"].forward((q, k, V.to(dtype), None), {})
    assert found is not None and log_total is not None
    assert torch.isfinite(found).all() and torch.isfinite(log_total).all()


def test_a_row_that_is_masked_altogether() -> None:
    (plain,) = LAWS["softmax"].forward((EMPTY,), {"dim": 1})
    (safe,) = LAWS["safe_softmax"].forward((EMPTY,), {"dim": 1})
    assert plain is not None and safe is not None
    assert torch.isnan(plain[1]).all() and safe[1].tolist() == [0.0] * 4  # as torch has it
    found, _ = LAWS["attention"].forward((Q, K, V, BLIND), {})
    assert found is not None and torch.equal(found[0, :, 2], torch.zeros(4, 3, dtype=torch.float64))


def test_a_softmax_that_widens_gives_the_error_in_the_dtype_of_its_input() -> None:
    called = CALLS["aten::_softmax"]((draw(5, 4).half(), 1, True), {})
    k = kept(called.law, called.inputs, called.settings)
    assert k.outputs[0] is not None and k.outputs[0].dtype == torch.float32
    (error,) = called.law.backward((torch.ones(5, 4),), k)
    assert error is not None and error.dtype == torch.float16


@pytest.mark.parametrize("case", SMOOTH.values(), ids=SMOOTH)
def test_a_law_keeps_to_the_rules(case: Case) -> None:
    assert_keeps_to_the_rules(case)


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.name)
def test_a_law_tells_what_it_does(law: Law) -> None:
    assert_tells(law)
    assert law.role == ("attention" if law.name == "attention" else "softmax") and LAWS[law.name] is law
