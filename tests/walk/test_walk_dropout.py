"""Dropout by hand: with the mask that torch drew, as a node and as a call."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from dense_checks import Case, call_gap, draw, leaf
from family_checks import assert_keeps_to_the_rules, assert_tells, first_only
from law_checks import autograd_gap, difference_gap, exaggerated, gap, kept, node_gap
from torch import Tensor

from gradiometer.walk.calls import CALLS
from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws import dropout as laws
from gradiometer.walk.laws.law import Law

AUTOGRAD, DIFFERENCE, NODE = 1e-10, 1e-6, 1e-12
X = draw(6, 5)


def mask(x: Tensor, p: float, seed: int = 0) -> Tensor:
    """The mask that torch's dropout draws with this seed: 1 with probability 1 − p."""
    torch.manual_seed(seed)
    return torch.empty_like(x).bernoulli_(1 - p)


def seeded(operation: Callable[..., Tensor], p: float, seed: int = 0) -> Callable[..., Tensor]:
    def run(x: Tensor, _: Tensor) -> Tensor:
        torch.manual_seed(seed)
        return operation(x, p, True)

    return run


WHOLE = mask(draw(2, 3, 1, 1), 0.5)  # [N, C, 1, 1]: a channel is dropped as a whole
CASES = {
    "dropout": Case(LAWS["dropout"], (X, mask(X, 0.3) > 0), {"p": 0.3}, seeded(F.dropout, 0.3)),
    "dropout-numbers": Case(LAWS["dropout"], (X, mask(X, 0.8).bool()), {"p": 0.8}, seeded(F.dropout, 0.8)),
    "dropout-channels": Case(LAWS["dropout"], (draw(2, 3, 2, 2), WHOLE > 0), {"p": 0.5}, seeded(F.dropout2d, 0.5)),
    "dropout-none": Case(LAWS["dropout"], (X, torch.ones_like(X) > 0), {"p": 0.0}, seeded(F.dropout, 0.0)),
    "dropout-all": Case(LAWS["dropout"], (X, torch.zeros_like(X) > 0), {"p": 1.0}, seeded(F.dropout, 1.0)),
    "alpha": Case(LAWS["alpha_dropout"], (X, mask(X, 0.3) > 0), {"p": 0.3}, seeded(F.alpha_dropout, 0.3)),
    "alpha-all": Case(LAWS["alpha_dropout"], (X, torch.zeros_like(X) > 0), {"p": 1.0}, seeded(F.alpha_dropout, 1.0)),
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


def test_another_mask_goes_red() -> None:
    case = CASES["dropout"]
    other = (X, mask(X, 0.3, seed=1) > 0)
    assert autograd_gap(case.law, other, case.settings, case.reference) > 0.1


@pytest.mark.parametrize("p", [0.3, 0.8, 1.0])
def test_a_node_is_read(p: float) -> None:
    torch.manual_seed(0)
    assert node_gap(torch.native_dropout(leaf(6, 5), p, True)[0], "NativeDropoutBackward0") <= NODE


def test_on_a_cpu_dropout_is_a_product_with_its_mask() -> None:
    for operation in (F.dropout, F.dropout1d):
        node = operation(leaf(2, 6, 5), 0.4).grad_fn
        assert node is not None and node.name() == "MulBackward0"


@pytest.mark.parametrize(("p", "train"), [(0.3, True), (0.8, None), (1.0, True), (0.0, True), (0.3, False)])
def test_a_call_is_read_with_the_mask_that_torch_draws(p: float, train: bool | None) -> None:
    torch.manual_seed(4)
    called = CALLS["aten::native_dropout"]((X, p, train), {})
    found = called.law.forward(called.inputs, called.settings)
    torch.manual_seed(4)
    true = torch.native_dropout(X, p, train)
    assert found[1] is not None and torch.equal(found[1], true[1])
    assert gap(found[0], true[0]) <= NODE


def test_a_call_with_another_mask_goes_red() -> None:
    torch.manual_seed(4)
    with torch.no_grad():
        assert call_gap(lambda: torch.native_dropout(X, 0.5, True), "aten::native_dropout") > 0.1


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_law_keeps_to_the_rules(case: Case) -> None:
    assert_keeps_to_the_rules(case)


def test_the_mean_stays_the_same() -> None:
    x = torch.ones(100_000, dtype=torch.float64)
    for p in (0.2, 0.7):
        y = kept(LAWS["dropout"], (x, mask(x, p) > 0), {"p": p}).outputs[0]
        assert y is not None and y.mean().item() == pytest.approx(1.0, abs=0.02)
        z = draw(100_000, seed=1)
        kept_up = kept(LAWS["alpha_dropout"], (z, mask(z, p) > 0), {"p": p}).outputs[0]
        assert kept_up is not None
        assert kept_up.mean().item() == pytest.approx(0.0, abs=0.02)
        assert kept_up.var().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.name)
def test_a_law_tells_what_it_does(law: Law) -> None:
    assert_tells(law)
    assert law.role == "dropout" and LAWS[law.name] is law
