"""Maps of variance and correlation, their fixed points, and the critical lines: printed values and foreign oracles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.stats import multivariate_normal
from theory_oracle import PLAIN, normal_pdf

from gradiometer import theory
from gradiometer.records import UserError
from gradiometer.theory import ACTIVATION_KINDS, activation

TANH = activation("tanh")


def pair_oracle(kind: str, q: float, c: float, which: int) -> float:
    """E f(z1) f(z2) by nested adaptive quadrature; `which` 0 is φ, 1 is φ'."""
    f, s, root = PLAIN[kind][which], math.sqrt(q), math.sqrt(1 - c * c)

    def density(h: float, g: float) -> float:
        return f(s * g) * f(s * (c * g + root * h)) * normal_pdf(g) * normal_pdf(h)

    return float(dblquad(density, -8, 8, -8, 8, epsabs=1e-7, epsrel=1e-6)[0])


@pytest.mark.parametrize(("kind", "q", "c"), [("tanh", 2.0, 0.3), ("silu", 1.0, -0.6), ("softplus", 0.5, 0.8)])
def test_pair_moments_agree_with_nested_quadrature(kind: str, q: float, c: float) -> None:
    act = activation(kind)
    assert act.pair_moment(q, c) == pytest.approx(pair_oracle(kind, q, c, 0), abs=1e-6)
    assert act.pair_slope_moment(q, c) == pytest.approx(pair_oracle(kind, q, c, 1), abs=1e-6)
    assert abs(act.pair_moment(q, c) - act.pair_moment(q, c + 0.01)) > 1e-5


@pytest.mark.parametrize("kind", ACTIVATION_KINDS)
def test_pair_moments_agree_with_their_hermite_series(kind: str) -> None:
    # E f(z1)f(z2) = Σ a_k² c^k with a_k = E f(√q g) He_k(g)/√k!; c = .3 leaves .3^30 = 1e-16 of any tail.
    act, q, c = activation(kind), 0.7, 0.3
    g = np.arange(-10, 10, 0.005) + 0.0025  # midpoint rule, which a jump of φ' costs at most 1e-3
    weight = np.exp(-(g**2) / 2) / np.sqrt(2 * np.pi) * 0.005
    for f, moment in zip(PLAIN[kind][:2], (act.pair_moment(q, c), act.pair_slope_moment(q, c)), strict=True):
        samples = np.array([f(math.sqrt(q) * x) for x in g])
        series, before, hermite = 0.0, np.zeros_like(g), np.ones_like(g)
        for k in range(30):
            series += float(np.sum(samples * hermite * weight)) ** 2 * c**k
            before, hermite = hermite, (g * hermite - math.sqrt(k) * before) / math.sqrt(k + 1)
        assert moment == pytest.approx(series, abs=1e-3 if kind in ("hardtanh",) else 2e-6)


@pytest.mark.parametrize("c", [-0.9, -0.2, 0.0, 0.5, 0.999])
@pytest.mark.parametrize("q", [0.04, 1.0, 25.0])
def test_hardtanh_pairs_agree_with_the_bivariate_normal(q: float, c: float) -> None:
    act, cut = activation("hardtanh"), 1 / math.sqrt(q)
    both = multivariate_normal([0, 0], [[1, c], [c, 1]])
    inside = both.cdf([cut, cut]) - 2 * both.cdf([cut, -cut]) + both.cdf([-cut, -cut])
    assert act.pair_slope_moment(q, c) == pytest.approx(inside, abs=1e-6)


@pytest.mark.parametrize("kind", ACTIVATION_KINDS)
@pytest.mark.parametrize("q", [1e-6, 1.0, 1e4])
def test_pairs_meet_the_moments_at_the_ends(kind: str, q: float) -> None:
    act = activation(kind)
    assert act.pair_moment(q, 1.0) == pytest.approx(float(act.m2(q)), rel=1e-8)
    assert act.pair_moment(q, 0.0) == pytest.approx(float(act.mean(q)) ** 2, rel=1e-8, abs=1e-14)
    assert act.pair_slope_moment(q, 1.0) == pytest.approx(float(act.d2(q)), rel=1e-8)


@pytest.mark.parametrize("kind", ACTIVATION_KINDS)
def test_the_slope_of_a_pair_moment_is_the_slopes_pair_moment(kind: str) -> None:
    act, q, c, h = activation(kind), 1.7, 0.4, 1e-4
    rise = (act.pair_moment(q, c + h) - act.pair_moment(q, c - h)) / (2 * h)
    assert rise == pytest.approx(q * act.pair_slope_moment(q, c), rel=1e-5)


@pytest.mark.parametrize("kind", ACTIVATION_KINDS)
def test_pairs_at_zero_and_beyond_the_numbers(kind: str) -> None:
    act = activation(kind)
    assert act.pair_moment(0.0, 0.5) == pytest.approx(float(act.m2(0.0)))
    assert act.pair_slope_moment(0.0, 1.0) == pytest.approx(float(act.d2(0.0)))
    for moment in (act.pair_moment, act.pair_slope_moment):
        assert math.isnan(moment(math.nan, 0.5))
        assert math.isnan(moment(math.inf, 0.5))
        assert math.isnan(moment(1.0, math.nan))
        with pytest.raises(UserError, match="correlation"):
            moment(1.0, 1.1)
        with pytest.raises(UserError, match="negative"):
            moment(-1.0, 0.5)


def test_variance_map_and_gains() -> None:
    relu = activation("relu")
    np.testing.assert_allclose(theory.variance_map(relu, 2.0, 0.1, [0.0, 1.0, 3.0]), [0.1, 1.1, 3.1])
    assert theory.chi(TANH, 0.0, 1.0) == 0
    assert theory.chi_parallel(TANH, 2.1533, 1.0) == pytest.approx(0.39, abs=5e-3)
    h = 1e-5
    slope = (theory.variance_map(TANH, 1.5, 0.1, 0.8 + h) - theory.variance_map(TANH, 1.5, 0.1, 0.8 - h)) / (2 * h)
    assert theory.chi_parallel(TANH, 1.5, 0.8) == pytest.approx(slope, rel=1e-8)
    for bad in (lambda: theory.variance_map(TANH, -1.0, 0.0, 1.0), lambda: theory.chi(TANH, -1.0, 1.0)):
        with pytest.raises(UserError, match="sigma_w2"):
            bad()


def test_relu_correlation_creeps_to_one() -> None:
    relu, c = activation("relu"), 0.0
    for _ in range(1000):
        c = float(theory.correlation_map(relu, 2.0, 0.0, 1.0, c))
    assert 1 - c == pytest.approx(4.31e-5, abs=5e-8)
    assert 9 * math.pi**2 / (2 * 1000**2) == pytest.approx(4.44e-5, abs=5e-8)


def test_correlation_map_shapes_and_ends() -> None:
    c = np.array([[-1.0, 0.0], [0.5, 1.0]])
    mapped = theory.correlation_map(TANH, 2.0, 0.0, 1.0, c)
    assert mapped.shape == (2, 2)
    np.testing.assert_allclose(mapped[[0, 0, 1], [0, 1, 1]], [-1, 0, 1], atol=1e-10)
    assert np.isnan(theory.correlation_map(TANH, 2.0, 0.0, 0.0, 0.5))
    assert theory.correlation_slope(TANH, 2.0, 1.0, 1.0) == pytest.approx(float(theory.chi(TANH, 2.0, 1.0)))
    np.testing.assert_allclose(theory.gradient_correlation(activation("relu"), 1.0, [0.0, 1.0]), [0.5, 1.0])


# σb² = .05, tanh: σw² -> q*, χ, ξ_q, c*, ξ_c, 6ξ_c, ξ_∇, as printed
TANH_PHASES = {
    1.0: (".1936", ".7590", "1.75", "1", "3.63", "21.8"),
    1.2: (".2699", ".8452", "1.81", "1", "5.94", "35.7"),
    1.4: (".3649", ".9110", "1.74", "1", "10.7", "64."),
    1.6: (".4743", ".9637", "1.62", "1", "27.0", "162."),
    2.0: (".7218", "1.0477", "1.39", ".744", "25.2", "151.", "21.5"),
    2.5: ("1.064", "1.1335", "1.18", ".447", "11.8", "70.8", "7.98"),
    3.0: ("1.428", "1.2089", "1.04", ".299", "9.05", "54.", "5.27"),
    4.0: ("2.195", "1.3424", ".87", ".165", "6.98", "42.", "3.40"),
}


def near(value: float, printed: str) -> bool:
    """Within half a unit of the last printed digit; a number printed without a point is exact."""
    _, point, digits = printed.partition(".")
    return abs(value - float(printed)) <= (0.501 * 10.0 ** -len(digits) if point else 1e-9)


@pytest.mark.parametrize("sigma_w2", TANH_PHASES)
def test_phases_of_tanh(sigma_w2: float) -> None:
    q = theory.variance_fixed_point(TANH, sigma_w2, 0.05)
    chi = float(theory.chi(TANH, sigma_w2, q))
    xi_q = float(theory.depth_scale(theory.chi_parallel(TANH, sigma_w2, q)))
    c = theory.correlation_fixed_point(TANH, sigma_w2, 0.05, q)
    xi_c = float(theory.depth_scale(theory.correlation_slope(TANH, sigma_w2, q, c)))
    computed = (q, chi, xi_q, c, xi_c, 6 * xi_c, float(theory.error_depth_scale(chi)))
    for value, printed in zip(computed, TANH_PHASES[sigma_w2], strict=False):
        assert near(value, printed), (value, printed)


def test_the_edge_of_chaos_of_tanh() -> None:
    q = theory.variance_fixed_point(TANH, 1.76, 0.05)
    assert q == pytest.approx(0.570, abs=1e-3)
    assert theory.chi(TANH, 1.76, q) == pytest.approx(1, abs=5e-4)
    assert theory.correlation_fixed_point(TANH, 1.76, 0.05, q) == 1.0
    assert theory.correlation_fixed_point(TANH, 1.9, 0.05, theory.variance_fixed_point(TANH, 1.9, 0.05)) < 0.9


def test_fixed_points_by_plain_iteration() -> None:
    for kind, sigma_w2, sigma_b2 in (
        ("tanh", 1.7, 0.05),
        ("sigmoid", 4.0, 0.3),
        ("selu", 1.0, 0.0),
        ("gelu", 1.5, 0.2),
    ):
        act, q = activation(kind), 1.0
        for _ in range(150):
            q = float(theory.variance_map(act, sigma_w2, sigma_b2, q))
        assert theory.variance_fixed_point(act, sigma_w2, sigma_b2) == pytest.approx(q, rel=1e-8)


@pytest.mark.parametrize(
    ("kind", "sigma_w2", "sigma_b2", "start", "expected"),
    [
        ("relu", 2.0, 0.0, 3.0, 3.0),  # every variance stays
        ("relu", 1.9, 0.0, 3.0, 0.0),
        ("relu", 2.1, 0.0, 3.0, math.inf),
        ("relu", 2.0, 0.1, 3.0, math.inf),
        ("tanh", 1.0, 0.0, 1.0, 0.0),
        ("tanh", 0.0, 0.3, 1.0, 0.3),
        ("gelu", 2.0, 0.0, 1.0, 0.0),  # He starves GELU
        ("silu", 2.6352, 0.0625, 1.5, math.inf),  # an unstable point pushes away
    ],
)
def test_where_a_variance_goes(kind: str, sigma_w2: float, sigma_b2: float, start: float, expected: float) -> None:
    assert theory.variance_fixed_point(activation(kind), sigma_w2, sigma_b2, start) == pytest.approx(expected)


def test_fixed_points_beyond_the_numbers() -> None:
    assert math.isnan(theory.variance_fixed_point(TANH, math.nan, 0.0))
    assert math.isnan(theory.correlation_fixed_point(TANH, 2.0, 0.0, 0.0))
    assert theory.correlation_fixed_point(TANH, 2.0, 0.0, 0.6) == 0.0
    np.testing.assert_array_equal(theory.depth_scale([0.0, 1.0, 2.0, np.inf]), [0, np.inf, np.inf, np.inf])
    assert theory.depth_scale(math.exp(-1)) == pytest.approx(1) == theory.depth_scale(-math.exp(-1))
    assert np.isnan(theory.depth_scale(np.nan))
    np.testing.assert_array_equal(theory.error_depth_scale([0.0, 1.0, np.inf]), [0, np.inf, 0])
    np.testing.assert_array_equal(theory.hops_to_lose([0.0, 1.0, 1.3]), [0, np.inf, np.inf])


# the universal recipe at q = 1
RECIPES = {
    "tanh": ("2.1533", ".1510"),
    "hardtanh": ("1.465", ".244"),
    "elu": ("1.4968", ".0347"),
    "selu": ("0.93321", ".0668"),
    "gelu": ("2.1937", ".0672"),
    "silu": ("2.6352", ".0625"),
    "mish": ("2.0873", ".0558"),
    "softsign": ("4.3923", ".1961"),
    "relu": ("2", "0"),
    "linear": ("1", "0"),
}


@pytest.mark.parametrize("kind", RECIPES)
def test_critical_recipes(kind: str) -> None:
    act, point = activation(kind), theory.critical_point(activation(kind))
    assert point is not None
    assert near(point.sigma_w2, RECIPES[kind][0])
    assert near(point.sigma_b2, RECIPES[kind][1])
    assert theory.chi(act, point.sigma_w2, 1.0) == pytest.approx(1, abs=1e-12)
    assert theory.variance_map(act, point.sigma_w2, point.sigma_b2, 1.0) == pytest.approx(1, abs=1e-9)
    assert theory.chi(act, 0.9 * point.sigma_w2, 1.0) < 0.95


@pytest.mark.parametrize("kind", ["sigmoid", "softplus"])
def test_no_recipe_at_unit_variance(kind: str) -> None:
    assert theory.critical_point(activation(kind)) is None
    assert theory.critical_bias(activation(kind), 1.0) < 0


@pytest.mark.parametrize(
    ("kind", "chi_parallel"),
    [("tanh", 0.39), ("elu", 0.86), ("selu", 0.73), ("gelu", 1.067), ("silu", 1.099), ("mish", 1.016)],
)
def test_stability_of_the_recipes(kind: str, chi_parallel: float) -> None:
    point = theory.critical_point(activation(kind))
    assert point is not None
    assert point.chi_parallel == pytest.approx(chi_parallel, abs=5.1e-3 if chi_parallel < 1 else 5.1e-4)
    assert point.stable == (chi_parallel < 1)


@pytest.mark.parametrize(
    ("kind", "q", "sigma_w2", "sigma_b2"),
    [
        ("gelu", "3.56155", "1.98306", ".172922"),
        ("silu", "14.3202", "1.98800", ".555143"),
        ("mish", "1.6702", "2.01352", ".09452"),
        ("relu", "1", "2", "0"),
    ],
)
def test_double_critical_points(kind: str, q: str, sigma_w2: str, sigma_b2: str) -> None:
    point = theory.double_critical(activation(kind))
    assert point is not None
    assert near(point.q, q)
    assert near(point.sigma_w2, sigma_w2)
    assert near(point.sigma_b2, sigma_b2)
    assert point.chi_parallel == pytest.approx(1, abs=1e-9)
    assert point.stable


def test_double_critical_closed_form_and_absence() -> None:
    gelu = theory.double_critical(activation("gelu"))
    assert gelu is not None
    assert gelu.q == pytest.approx((3 + math.sqrt(17)) / 2, rel=1e-10)
    assert theory.double_critical(activation("sigmoid")) is None
    assert theory.double_critical(activation("softplus")) is None
    tanh = theory.double_critical(TANH)
    assert tanh is not None
    assert (tanh.sigma_w2, tanh.sigma_b2, tanh.q) == (pytest.approx(1), 0, 0)


@pytest.mark.parametrize(
    ("kind", "sigma_b2", "sigma_w2", "q"),
    [
        ("tanh", 0.0, "1", "0"),
        ("tanh", 1e-4, "1.0860", ".0457"),
        ("tanh", 0.01, "1.4242", ".2733"),
        ("tanh", 0.05, "1.76095", ".57005"),
        ("tanh", 0.1, "1.9861", ".8058"),
        ("tanh", 0.2, "2.2852", "1.1645"),
        ("tanh", 0.3, "2.5051", "1.4612"),
        ("hardtanh", 0.05, "1.1655", ".4639"),
        ("erf", 0.0, ".785398163", "0"),
        ("erf", 0.05, "1.3758", ".5172"),
        ("sigmoid", 0.0, "103.0", "45.6"),
        ("centred_sigmoid", 0.0, "16", "0"),
        ("relu", 0.0, "2", "1"),
    ],
)
def test_critical_lines(kind: str, sigma_b2: float, sigma_w2: str, q: str) -> None:
    point = theory.critical_at_bias(activation(kind), sigma_b2)
    assert point is not None
    assert near(point.sigma_w2, sigma_w2)
    assert near(point.q, q)
    assert point.sigma_b2 == sigma_b2


def test_no_critical_line_where_none_exists() -> None:
    assert theory.critical_at_bias(activation("relu"), 0.05) is None
    assert theory.critical_at_bias(activation("softplus"), 0.0) is None
    assert theory.critical_at_bias(TANH, math.nan) is None
    with pytest.raises(UserError, match="sigma_b2"):
        theory.critical_at_bias(TANH, -0.1)


def test_the_tanh_recipe_carried_over_to_the_centred_sigmoid() -> None:
    tanh = theory.critical_at_bias(TANH, 0.05)
    sigmoid = theory.critical_at_bias(activation("centred_sigmoid"), 0.2)
    assert tanh is not None
    assert sigmoid is not None
    assert sigmoid.sigma_w2 == pytest.approx(16 * tanh.sigma_w2, rel=1e-9)
    assert sigmoid.q == pytest.approx(4 * tanh.q, rel=1e-9)
    assert sigmoid.sigma_w2 == pytest.approx(28.175, abs=5.1e-4)


def test_sigmoid_is_critical_only_at_tenfold_weights() -> None:
    point = theory.critical_at_bias(activation("sigmoid"), 0.0)
    assert point is not None
    assert math.sqrt(point.sigma_w2) == pytest.approx(10.149, abs=5.1e-4)
    for sigma_w, chi in ((1, ".0557"), (2, ".1716"), (4, ".3989"), (6, ".601"), (8, ".795")):
        assert near(theory.outlook(activation("sigmoid"), sigma_w**2).chi, chi)


@pytest.mark.parametrize("kind", ACTIVATION_KINDS)
def test_which_activations_are_guilty(kind: str) -> None:
    guilty = kind in ("sigmoid", "centred_sigmoid", "softplus")
    assert theory.critical_within(activation(kind)) != guilty


def test_guilt_depends_on_the_bound() -> None:
    sigmoid, centred, softplus = (activation(k) for k in ("sigmoid", "centred_sigmoid", "softplus"))
    assert theory.critical_within(sigmoid, 110.0)
    assert theory.critical_within(centred, 16.01)
    assert not theory.critical_within(centred, 15.9)
    assert not theory.critical_within(activation("relu"), 1.99)
    assert theory.max_gain(centred) == pytest.approx(0.5)
    assert theory.max_gain(activation("relu")) == pytest.approx(1)
    assert theory.max_gain(activation("linear"), 0.25) == pytest.approx(0.5)
    # softplus nears 1 from below only as the variance grows without bound
    reach = [theory.max_gain(softplus, 4.0, q_max) for q_max in (10.0, 1e2, 1e4)]
    assert reach == sorted(reach)
    assert reach[-1] < 1


def test_max_gain_by_brute_force() -> None:
    for kind in ("tanh", "sigmoid", "gelu"):
        act = activation(kind)
        rests = [theory.outlook(act, s, b, 9.0) for s in (1.0, 1.7, 1.9, 3.0, 4.0) for b in (0.0, 0.2, 0.5, 3.0)]
        best = max(rest.chi for rest in rests if rest.q <= 100)
        limit = theory.max_gain(act) ** 2
        assert 0.9 * limit <= best <= limit * (1 + 1e-5), (kind, best, limit)
