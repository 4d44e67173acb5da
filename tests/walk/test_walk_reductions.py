"""Laws, nodes and calls of reductions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from law_checks import difference_gap, exaggerated, kept
from table_checks import Case, case, every_check, randn

from gradiometer.walk.laws import LAWS
from gradiometer.walk.laws.law import Law

V = randn(4, seed=7)
X = randn(3, 4)
Y = randn(5, 4, seed=1)
Z = randn(2, 3, 4)
S = randn(seed=8)
HOLES = torch.where(randn(3, 4, seed=3) > 0, X, torch.zeros_like(X))  # zeros among numbers
MISSING = torch.where(randn(3, 4, seed=3) > 0, X, torch.full_like(X, torch.nan))

CASES = [
    case("sum", "SumBackward0", lambda z: z.sum(), Z),
    case("sum", "SumBackward0", lambda s: s.sum(), S),
    case("sum", "SumBackward1", lambda z: z.sum((0, -1)), Z),
    case("sum", "SumBackward1", lambda z: z.sum(-2, keepdim=True), Z),
    case("sum", "SumBackward1", lambda z: z.sum((), keepdim=True), Z),
    case("sum", "SumBackward1", lambda z: z.sum(-1), randn(3, 0)),
    case("sum", "SumBackward1", lambda s: s.sum(-1), S),
    case("nansum", "NansumBackward0", lambda x: x.nansum(), MISSING, smooth=False),
    case("nansum", "NansumBackward0", lambda x: x.nansum(0, keepdim=True), MISSING, smooth=False),
    case("mean", "MeanBackward0", lambda z: z.mean(), Z),
    case("mean", "MeanBackward1", lambda z: z.mean((-1, 0)), Z),
    case("mean", "MeanBackward1", lambda z: z.mean(1, keepdim=True), Z),
    case("var", "VarBackward0", lambda z: z.var(), Z),
    case("var", "VarBackward0", lambda z: z.var(-1, unbiased=False), Z),
    case("var", "VarBackward0", lambda z: z.var((0, 1), correction=2, keepdim=True), Z),
    case("std", "StdBackward0", lambda z: z.std(), Z),
    case("std", "StdBackward0", lambda z: z.std((0, 2), unbiased=False), Z),
    case("std", "StdBackward0", lambda z: z.std(1, correction=1, keepdim=True), Z),
    case("var_mean", "VarMeanBackward0", lambda z: torch.var_mean(z, -1), Z),
    case("var_mean", "VarMeanBackward0", lambda z: torch.var_mean(z, (0, 1), correction=0, keepdim=True), Z),
    case("std_mean", "StdMeanBackward0", lambda z: torch.std_mean(z, -1), Z),
    case("std_mean", "StdMeanBackward0", lambda z: torch.std_mean(z), Z),
    case("logsumexp", "LogsumexpBackward0", lambda z: z.logsumexp(-1), Z),
    case("logsumexp", "LogsumexpBackward0", lambda z: z.logsumexp((0, -2), keepdim=True), Z),
    case("logsumexp", "LogsumexpBackward0", lambda z: (z * 1000).logsumexp(1), Z, smooth=False),
    case("logsumexp", "LogsumexpBackward0", lambda s: s.logsumexp(0), S),
    case("linalg_vector_norm", "LinalgVectorNormBackward0", lambda z: z.norm(), Z),
    case("linalg_vector_norm", "LinalgVectorNormBackward0", lambda z: z.norm(dim=(0, -1), keepdim=True), Z),
    case("linalg_vector_norm", "LinalgVectorNormBackward0", lambda z: z.norm(p=1, dim=1), Z),
    case("linalg_vector_norm", "LinalgVectorNormBackward0", lambda z: z.norm(p=3, dim=1), Z),
    case("linalg_vector_norm", "LinalgVectorNormBackward0", lambda z: torch.linalg.vector_norm(z, 0.5, -1), Z),
    case("linalg_vector_norm", "LinalgVectorNormBackward0", lambda z: torch.linalg.vector_norm(z, torch.inf, -1), Z),
    case("linalg_vector_norm", "LinalgVectorNormBackward0", lambda z: torch.linalg.vector_norm(z, -torch.inf), Z),
    case("linalg_vector_norm", "LinalgVectorNormBackward0", lambda z: torch.linalg.vector_norm(z, 0, 1), Z),
    case("linalg_vector_norm", "LinalgVectorNormBackward0", lambda x: x.norm(dim=-1), HOLES * 0, smooth=False),
    case("norm", "NormBackward0", lambda x: torch.ops.aten.norm.Scalar(x, 3), X),
    case("norm", "NormBackward1", lambda x: torch.pairwise_distance(x, x.flip(0) * 2), X),
    case("norm", "NormBackward2", lambda x: torch.ops.aten.norm.ScalarOpt_dtype(x, 2, dtype=x.dtype), X),
    case("norm", "NormBackward3", lambda x: torch.ops.aten.norm.ScalarOpt_dim_dtype(x, 2, [1], True, dtype=x.dtype), X),
    case("trace", "TraceBackward0", lambda x: x.trace(), X),
    case("amax", "AmaxBackward0", lambda z: z.amax((0, -1)), Z),
    case("amin", "AminBackward0", lambda z: z.amin(-1, keepdim=True), Z),
    case("amax", "AmaxBackward0", lambda x: x.amax(0), torch.ones(3, 4, dtype=torch.float64), smooth=False),
    case("amax", "AmaxBackward0", lambda s: s.amax(), S),
    case("max", "MaxBackward1", lambda z: z.max(), Z),
    case("min", "MinBackward1", lambda x: x.min(), HOLES.clamp(min=0), smooth=False),
    case("max", "MaxBackward0", lambda z: z.max(-2), Z),
    case("max", "MaxBackward0", lambda z: z.max(-1, keepdim=True), Z),
    case("max", "MaxBackward0", lambda x: x.max(1), torch.ones(3, 4, dtype=torch.float64), smooth=False),
    case("min", "MinBackward0", lambda z: z.min(0), Z),
    case("min", "MinBackward0", lambda s: s.min(0), S),
    case("median", "MedianBackward0", lambda z: z.median(), Z),
    case("median", "MedianBackward1", lambda z: z.median(-1), Z),
    case("median", "MedianBackward1", lambda z: z.median(1, keepdim=True), Z),
    case("aminmax", "AminmaxBackward0", lambda z: torch.aminmax(z, dim=1), Z),
    case("aminmax", "AminmaxBackward0", lambda z: torch.aminmax(z), Z),
    *(
        case("_cdist_forward", "CdistBackward0", lambda x, z, p=p: torch.cdist(x, z, p=p), X, randn(2, 5, 4, seed=2))
        for p in (0.0, 1.0, 1.5, 2.0, 4.0, torch.inf)
    ),
    case("_euclidean_dist", "EuclideanDistBackward0", lambda x, y: torch.ops.aten._euclidean_dist(x, y), X, Y),
    case("dist", "DistBackward0", lambda x, y: torch.dist(x, y[:3]), X, Y),
    case("dist", "DistBackward0", lambda x, v: torch.dist(x, v, 3), X, V),
    case("_pdist_forward", "PdistBackward0", lambda x: torch.pdist(x), X),
    case("_pdist_forward", "PdistBackward0", lambda x: torch.pdist(x, 1.0), X),
    case("prod", "ProdBackward0", lambda x: x.prod(), X),
    case("prod", "ProdBackward0", lambda v: v.prod(), torch.tensor([2.0, 0.0, 3.0], dtype=torch.float64)),
    case("prod", "ProdBackward1", lambda z: z.prod(1, keepdim=True), Z),
    case("prod", "ProdBackward1", lambda x: x.prod(-1), HOLES),
    case("cumsum", "CumsumBackward0", lambda z: z.cumsum(-2), Z),
    case("cumprod", "CumprodBackward0", lambda z: z.cumprod(-1), Z),
    case("cumprod", "CumprodBackward0", lambda x: x.cumprod(0), HOLES),
    case("logcumsumexp", "LogcumsumexpBackward0", lambda z: z.logcumsumexp(1), Z),
    case(
        "_weight_norm_interface",
        "WeightNormInterfaceBackward0",
        lambda x, v: torch._weight_norm(x, v[:3, None]),
        randn(3, 4, seed=2),
        V,
        smooth=False,
    ),
    case(
        "_weight_norm_interface",
        "WeightNormInterfaceBackward0",
        lambda z, v: torch._weight_norm(z, v[None, None], 2),
        randn(2, 3, 4, seed=2),
        V,
        smooth=False,
    ),
]


@every_check
@pytest.mark.parametrize("given", CASES)
def test_an_expression_by_its_law(given: Case, check: Callable[[Case], None]) -> None:
    check(given)


def weight_alone(law: Law) -> Law:
    """The law without its second output: the lengths are no output to autograd."""
    return dataclasses.replace(
        law,
        forward=lambda inputs, settings: law.forward(inputs, settings)[:1],
        backward=lambda errors, at: law.backward((*errors, None), dataclasses.replace(at, outputs=(*at.outputs, None))),
    )


@pytest.mark.parametrize(("dim", "shape"), [(0, (3, 1, 1)), (2, (1, 1, 4))])
def test_weight_norm_is_difference(dim: int, shape: tuple[int, ...]) -> None:
    inputs = (randn(3, 2, 4, seed=2), randn(*shape, seed=3))
    law = weight_alone(LAWS["weight_norm"])
    assert difference_gap(law, inputs, {"dim": dim}) <= 1e-6
    assert difference_gap(exaggerated(law)[0], inputs, {"dim": dim}) > 1e-5


def test_log_of_summed_exponentials_of_nothing_hands_zero_on() -> None:
    x = torch.full((2, 3), -torch.inf, dtype=torch.float64)
    x[1, 0] = 0.0
    k = kept(LAWS["logsumexp"], (x,), {"dim": [1], "keepdim": False})
    (error,) = LAWS["logsumexp"].backward((torch.ones(2, dtype=torch.float64),), k)
    assert torch.equal(k.outputs[0], torch.tensor([-torch.inf, 0.0], dtype=torch.float64))
    assert torch.equal(error[1], torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64))
    assert torch.isfinite(error).all()


def test_extreme_takes_all_of_one_element_where_it_has_an_index() -> None:
    x = torch.ones(3, dtype=torch.float64)
    for name, expected in (("max_along", [1.0, 0.0, 0.0]), ("amax", [1 / 3] * 3)):
        k = kept(LAWS[name], (x,), {"dim": 0, "keepdim": False})
        (error,) = LAWS[name].backward((torch.ones((), dtype=torch.float64), None), k)
        assert error.tolist() == expected


def test_mean_and_variance_of_nothing_are_nan() -> None:
    empty = torch.zeros(0, 2, dtype=torch.float64)
    settings = {"dim": [0], "keepdim": False, "correction": None}
    for name in ("mean", "var", "std"):
        k = kept(LAWS[name], (empty,), settings)
        assert torch.isnan(k.outputs[0]).all()
        (error,) = LAWS[name].backward((torch.ones(2, dtype=torch.float64),), k)
        assert error.shape == empty.shape


def test_spread_of_equal_numbers_hands_zero_on() -> None:
    x = torch.ones(2, 3, dtype=torch.float64)
    k = kept(LAWS["std"], (x,), {"dim": [1], "keepdim": False, "correction": 1})
    (error,) = LAWS["std"].backward((torch.ones(2, dtype=torch.float64),), k)
    assert torch.equal(error, torch.zeros_like(x))


def test_half_precision_is_summed_wide() -> None:
    x = torch.full((4096,), 60.0, dtype=torch.float16)  # the sum is beyond the largest float16
    settings = {"dim": None, "keepdim": False, "dtype": None}
    assert LAWS["mean"].forward((x,), settings)[0].item() == 60.0
    assert LAWS["sum"].forward((x,), settings)[0].isinf()


def test_whole_numbers_keep_their_type() -> None:
    whole = torch.tensor([[1, 2], [3, 4]])
    assert LAWS["sum"].forward((whole,), {"dim": None, "keepdim": False})[0].dtype == torch.int64
    assert LAWS["cumsum"].forward((whole,), {"dim": 0})[0].tolist() == [[1, 2], [4, 6]]
    values, index = LAWS["max_along"].forward((whole,), {"dim": 1, "keepdim": False})
    assert values.tolist() == [2, 4]
    assert index.tolist() == [1, 1]
