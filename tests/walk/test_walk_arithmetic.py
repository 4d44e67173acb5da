"""Laws, nodes and calls of arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from law_checks import gap, kept
from table_checks import Case, case, every_check, randn
from torch import Tensor

from gradiometer.walk.calls import CALLS
from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws.arithmetic_unary import CURVED_LAWS, STRAIGHT_LAWS
from gradiometer.walk.laws.law import Kept
from gradiometer.walk.nodes import READERS

V = randn(4, seed=7)
X = randn(3, 4)
Y = randn(3, 4, seed=1)
Z = randn(2, 3, 4)
S = randn(seed=8)
UP = X.abs() + 0.5  # positive
INSIDE = X.tanh() * 0.9  # between -1 and 1
NUMBER = torch.tensor(2.5, dtype=torch.float64)
STEPS = X + 0.03  # no element near a step of a rounding


def in_place(change: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The change on a copy of the first input."""
    return lambda x, *others: change(x * 1, *others)


CASES = [
    case("add", "AddBackward0", lambda x, v: x + v, X, V),
    case("add", "AddBackward0", lambda x: x + 2, X),
    case("add", "AddBackward0", lambda x: 2.5 + x, X),
    case("add", "AddBackward0", lambda v, z: torch.add(v[:, None, None, None], z[..., :1], alpha=-3), V, Z),
    case("add", "AddBackward0", lambda x: x + NUMBER, X),
    case("add", "AddBackward0", lambda s, x: s + x, S, X),
    case("add", "AddBackward0", in_place(lambda x, v: x.add_(v, alpha=2)), X, V),
    case("add", "AddBackward1", lambda x: torch.ops.aten.add.Scalar(x, 2, 3), X),
    case("sub", "SubBackward0", lambda x, v: x - v, X, V),
    case("sub", "SubBackward0", lambda x: x - 1, X),
    case("sub", "SubBackward0", lambda x, y: torch.sub(x, y, alpha=0.5), X, Y),
    case("sub", "SubBackward1", lambda x: torch.ops.aten.sub.Scalar(x, 2, 3), X),
    case("rsub", "RsubBackward1", lambda x: 1 - x, X),
    case("rsub", "RsubBackward1", lambda x: torch.rsub(x, 2.0, alpha=3), X),
    case("rsub", "RsubBackward0", lambda x, v: torch.rsub(x, v, alpha=3), X, V),
    case("mul", "MulBackward0", lambda x, v: x * v, X, V),
    case("mul", "MulBackward0", lambda x: x * 0.5, X),
    case("mul", "MulBackward0", lambda s, z: s * z, S, Z),
    case("mul", "MulBackward0", lambda x: x * torch.ones(4, dtype=x.dtype), X),
    case("mul", "MulBackward0", lambda x: NUMBER.to(x.dtype) * x, X),
    case("mul", "MulBackward0", in_place(lambda x: x.mul_(3)), X),
    case("mul", "MulBackward1", lambda x: torch.ops.aten.mul.Scalar(x, 3), X),
    case("div", "DivBackward0", lambda x, v: x / v, X, V),
    case("div", "DivBackward0", lambda x: x / 4, X),
    case("div", "DivBackward0", lambda x, u: x / u[:, :1], X, UP),
    case("div", "DivBackward0", lambda u: NUMBER.to(u.dtype) / u, UP),
    case("div", "DivBackward1", lambda x: torch.ops.aten.div.Scalar(x, 4), X),
    case("div", "DivBackward2", lambda x, v: torch.div(x, v, rounding_mode="floor"), X, V),
    case("div", "DivBackward2", lambda x: torch.div(x, 2, rounding_mode="trunc"), X),
    case("div", "DivBackward3", lambda x: torch.ops.aten.div.Scalar_mode(x, 2, rounding_mode="floor"), X),
    case("lerp", "LerpBackward0", lambda x, v: torch.lerp(x, v, 0.3), X, V),
    case("lerp", "LerpBackward1", lambda x, y, v: torch.lerp(x, y, v), X, Y, V),
    case("lerp", "LerpBackward1", lambda x, y, v: torch.lerp(x, y, v), X[:1], Y[:, :1], V),
    case("addcmul", "AddcmulBackward0", lambda x, v, y: torch.addcmul(x, v, y, value=0.5), X, V, Y),
    case("addcmul", "AddcmulBackward0", lambda x, v, y: torch.addcmul(v, x, y), X, V, Y),
    case("addcdiv", "AddcdivBackward0", lambda x, v, u: torch.addcdiv(x, v, u, value=-2), X, V, UP),
    case("copy", "torch::autograd::CopyBackwards", in_place(lambda x, v: x.copy_(v)), X, V),
    case("fill", "FillBackward2", in_place(lambda x: x.fill_(3)), X),
    case("fill", "FillBackward3", in_place(lambda x, s: x.fill_(s)), X, S),
    case("fill", "FillBackward0", lambda x: torch.fill(x, 3), X),
    case("fill", "FillBackward1", lambda x, s: torch.fill(x, s), X, S),
    case("zero", "ZeroBackward0", in_place(lambda x: x.zero_()), X),
    case("neg", "NegBackward0", lambda x: -x, X),
    case("abs", "AbsBackward0", torch.abs, X),
    case("exp", "ExpBackward0", torch.exp, X),
    case("exp2", "Exp2Backward0", torch.exp2, X),
    case("expm1", "Expm1Backward0", torch.expm1, X),
    case("log", "LogBackward0", torch.log, UP),
    case("log2", "Log2Backward0", torch.log2, UP),
    case("log10", "Log10Backward0", torch.log10, UP),
    case("log1p", "Log1PBackward0", torch.log1p, UP),
    case("sqrt", "SqrtBackward0", torch.sqrt, UP),
    case("rsqrt", "RsqrtBackward0", torch.rsqrt, UP),
    case("reciprocal", "ReciprocalBackward0", torch.reciprocal, UP),
    case("sin", "SinBackward0", torch.sin, X),
    case("cos", "CosBackward0", in_place(lambda x: x.cos_()), X),
    case("tan", "TanBackward0", torch.tan, INSIDE),
    case("asin", "AsinBackward0", torch.asin, INSIDE),
    case("acos", "AcosBackward0", torch.acos, INSIDE),
    case("atan", "AtanBackward0", torch.atan, X),
    case("sinh", "SinhBackward0", torch.sinh, X),
    case("cosh", "CoshBackward0", torch.cosh, X),
    case("asinh", "AsinhBackward0", torch.asinh, X),
    case("acosh", "AcoshBackward0", torch.acosh, UP + 1),
    case("atanh", "AtanhBackward0", torch.atanh, INSIDE),
    case("erfc", "ErfcBackward0", torch.erfc, X),
    case("erfinv", "ErfinvBackward0", torch.erfinv, INSIDE),
    case("lgamma", "LgammaBackward0", torch.lgamma, UP),
    case("digamma", "DigammaBackward0", torch.digamma, UP),
    case("sign", "SignBackward0", torch.sign, X),
    case("sgn", "SgnBackward0", torch.sgn, X),
    case("floor", "FloorBackward0", torch.floor, STEPS),
    case("ceil", "CeilBackward0", torch.ceil, STEPS),
    case("trunc", "TruncBackward0", torch.trunc, STEPS),
    case("round", "RoundBackward0", torch.round, STEPS),
    case("round", "RoundBackward1", lambda x: x.round(decimals=1), STEPS),
    case("frac", "FracBackward0", torch.frac, STEPS),
    case("fmod", "FmodBackward0", lambda x: torch.fmod(x, 0.7), STEPS),
    case("remainder", "RemainderBackward0", lambda x: x % 0.7, STEPS),
    case("fmod", "FmodBackward1", lambda x, u: torch.fmod(x * 3, u), X, UP),
    case("remainder", "RemainderBackward1", lambda x, v: x * 3 % v, X, V),
    case("nan_to_num", "NanToNumBackward0", torch.nan_to_num, X),
    case("logit", "LogitBackward0", torch.logit, X.sigmoid()),
    case("logit", "LogitBackward0", lambda x: torch.logit(x, eps=0.3), X.sigmoid()),
    case("pow", "PowBackward0", lambda x: x**2, X),
    case("pow", "PowBackward0", torch.square, X),
    case("pow", "PowBackward0", lambda x: x**-1.5, UP),
    case("pow", "PowBackward0", lambda x: x**0, X),
    case("pow", "PowBackward0", in_place(lambda x: x.pow_(3)), X),
    case("pow", "PowBackward1", lambda u, v: u**v, UP, V),
    case("pow", "PowBackward1", lambda v, u: u[:1] ** v, V, UP),
    case("pow", "PowBackward2", lambda x: 2**x, X),
    case("xlogy", "XlogyBackward0", torch.xlogy, X, UP),
    case("xlogy", "XlogyBackward0", lambda v, u: torch.xlogy(v, u), V, UP),
    case("xlogy", "XlogyBackward1", lambda u: torch.xlogy(2.0, u), UP),
    case("xlogy", "XlogyBackward2", lambda x: torch.xlogy(x, 3.0), X),
    case("logaddexp", "LogaddexpBackward0", torch.logaddexp, X, V),
    case("atan2", "Atan2Backward0", torch.atan2, X, V),
    case("hypot", "HypotBackward0", torch.hypot, X, V),
    case("clamp", "ClampBackward1", lambda x: x.clamp(-0.5, 0.7), X),
    case("clamp", "ClampBackward1", lambda x: x.clamp(max=0.7), X),
    case("clamp", "ClampBackward1", in_place(lambda x: x.clamp_(min=0)), X),
    case("clamp", "ClampBackward0", lambda x, v, y: x.clamp(v, y), X, V, Y),
    case("clamp", "ClampBackward0", lambda x, v: x.clamp(min=v), X, V),
    case("clamp", "ClampBackward0", lambda x, v: x.clamp(max=v), X, V),
    case("clamp_min", "ClampMinBackward0", lambda x: torch.clamp_min(x, 0.1), X),
    case("clamp_min", "ClampMinBackward1", lambda x, v: torch.clamp_min(x, v), X, V),
    case("clamp_max", "ClampMaxBackward0", lambda x: torch.clamp_max(x, 0.1), X),
    case("clamp_max", "ClampMaxBackward1", lambda x, s: torch.clamp_max(x, s), X, S),
    case("maximum", "MaximumBackward0", lambda x, v: torch.maximum(x, v), X, V),
    case("maximum", "MaximumBackward0", lambda x, y: torch.max(x, y), X, Y),
    case("minimum", "MinimumBackward0", lambda x, v: torch.minimum(x, v), X, V),
    case("fmax", "FmaxBackward0", lambda x, v: torch.fmax(x, v), X, V),
    case("fmin", "FminBackward0", lambda x, v: torch.fmin(x, v), X, V),
]


@every_check
@pytest.mark.parametrize("given", CASES)
def test_an_expression_by_its_law(given: Case, check: Callable[[Case], None]) -> None:
    check(given)


LOCAL = [name for name, law in LAWS.items() if law.local is not None and law.name in {*CURVED_LAWS, *STRAIGHT_LAWS}]
WITH_SETTINGS = {
    "power": {"exponent": 3},
    "exponential": {"base": 1.7},
    "scale": {"other": -0.4},
    "clamp": {"min": 0.6, "max": 0.9},
    "logit": {"eps": None},
    "nan_to_num": {"nan": None, "posinf": None, "neginf": None},
    **{name: {"other": 0.7, "decimals": 1} for name in LOCAL},
}


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_local_derivative_is_autograds(name: str) -> None:
    law, settings = LAWS[name], WITH_SETTINGS[name]
    z = (UP + 1 if name == "acosh" else UP / 4).requires_grad_()
    (y,) = law.forward((z,), settings)
    (true,) = torch.autograd.grad(y.sum(), z)
    with torch.no_grad():
        found = law.local(kept(law, (z.detach(),), settings))
    assert found.shape == z.shape
    assert gap(found, true) <= 1e-12
    if law.largest is not None:
        assert found.abs().max() <= law.largest


@pytest.mark.parametrize("name", [n for n in WITH_SETTINGS if LAWS[n].largest is not None])
def test_no_slope_is_above_the_largest(name: str) -> None:
    z = torch.linspace(-30, 30, 4001, dtype=torch.float64)
    z = z[(z.abs() < 1) | (name not in {"asin", "acos", "atanh", "erfinv"})]
    slopes = LAWS[name].local(kept(LAWS[name], (z,), WITH_SETTINGS[name])).abs()
    assert slopes.max() <= LAWS[name].largest + 1e-12
    if LAWS[name].largest > 0:
        assert slopes.max() >= 0.99 * LAWS[name].largest


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin", "clamp_min", "clamp_max"])
def test_of_equal_values_as_torch(name: str) -> None:
    leaves = [torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64).requires_grad_() for _ in range(2)]
    y = getattr(torch, name)(*leaves)
    true = torch.autograd.grad(y.sum(), leaves)
    with torch.no_grad():
        found = LAWS[name].backward((torch.ones(3, dtype=torch.float64),), kept(LAWS[name], tuple(leaves), {}))
    assert [e.tolist() for e in found] == [e.tolist() for e in true]


def test_on_a_limit_the_value_gets_the_error() -> None:
    z = torch.tensor([-1.0, 0.0, 1.0, 2.0], dtype=torch.float64)
    k = kept(LAWS["clamp"], (z,), {"min": 0.0, "max": 1.0})
    (error,) = LAWS["clamp"].backward((torch.full_like(z, torch.inf),), k)
    assert error.tolist() == [0.0, torch.inf, torch.inf, 0.0]


def test_powers_at_zero_as_torch() -> None:
    base = torch.tensor([0.0, 0.0, 2.0, 0.0], dtype=torch.float64).requires_grad_()
    exponent = torch.tensor([2.0, 0.0, 0.0, 1.0], dtype=torch.float64).requires_grad_()
    y = base**exponent
    true = torch.autograd.grad(y.sum(), (base, exponent))
    with torch.no_grad():
        found = LAWS["powers"].backward((torch.ones_like(y),), kept(LAWS["powers"], (base, exponent), {}))
    assert [e.tolist() for e in found] == [e.tolist() for e in true]


def test_x_log_y_at_zero_as_torch() -> None:
    x = torch.tensor([0.0, 0.0, 2.0, 0.0], dtype=torch.float64)
    y = torch.tensor([0.0, -1.0, 3.0, torch.nan], dtype=torch.float64)
    (found,) = LAWS["xlogy"].forward((x, y), {})
    assert torch.equal(found.nan_to_num(7.0), torch.xlogy(x, y).nan_to_num(7.0))


def test_sums_of_huge_exponentials_stay_finite() -> None:
    a = torch.tensor([1000.0, -1000.0, torch.inf], dtype=torch.float64)
    b = torch.tensor([999.0, 1000.0, torch.inf], dtype=torch.float64)
    (found,) = LAWS["logaddexp"].forward((a, b), {})
    assert torch.equal(found, torch.logaddexp(a, b))


def test_whole_numbers_and_truths_keep_their_type() -> None:
    whole, truth = torch.arange(3), torch.tensor([True, False, True])
    assert CALLS["aten::add"]((truth, truth), {}).law.forward((truth, truth), {"alpha": 1})[0].dtype == torch.bool
    for name in ("add", "sub", "mul"):
        called = CALLS[f"aten::{name}"]((whole, 2), {})
        assert called.law.forward(called.inputs, called.settings)[0].dtype == torch.int64
    called = CALLS["aten::div"]((whole, 2), {})
    assert called.law.forward(called.inputs, called.settings)[0].dtype == torch.get_default_dtype()


def test_an_error_has_the_type_of_its_input() -> None:
    half = torch.ones(2, 3, dtype=torch.float32)
    k = kept(LAWS["multiply"], (half, X[:2, :3]), {})
    assert k.outputs[0].dtype == torch.float64
    errors = LAWS["multiply"].backward((k.outputs[0],), k)
    assert [e.dtype for e in errors] == [torch.float32, torch.float64]


def test_a_number_is_a_scale_and_a_tensor_is_a_product() -> None:
    leaf = X.clone().requires_grad_()
    for y, law in ((leaf * 3, "scale"), (leaf * NUMBER, "scale"), (leaf * X, "multiply"), (leaf * leaf, "multiply")):
        assert READERS[y.grad_fn.name()](y.grad_fn).law.name == law
    assert CALLS["aten::mul"]((X, 3), {}).law.name == "scale"
    assert CALLS["aten::mul"]((X, NUMBER), {}).law.name == "multiply"


def test_unwanted_errors_are_not_made() -> None:
    at = Kept((None, V), (None,), (X.shape, None), {}, (True, False))  # the first operand was not kept
    found = LAWS["multiply"].backward((Y,), at)
    assert torch.equal(found[0], Y * V)
    assert found[1] is None
