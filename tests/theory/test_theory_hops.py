"""Laws of single hops, initialisations, chains and what depth does: printed values, closed forms, refusals."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import numpy as np
import pytest

from gradiometer import theory
from gradiometer.records import UserError
from gradiometer.theory import ACTIVATION_KINDS, Activation, activation

RELU, TANH, SIGMOID = activation("relu"), activation("tanh"), activation("sigmoid")


def near(value: float, printed: str) -> bool:
    """Within half a unit of the last printed digit; a number printed without a point is exact."""
    _, point, digits = printed.partition(".")
    return abs(value - float(printed)) <= (0.501 * 10.0 ** -len(digits) if point else 1e-9)


# initialisation, φ -> χ, √χ, hops to lose a factor 1000; width 256
INITS = [
    ("torch", "linear", ".333", ".577", "12.6"),
    ("torch", "tanh", ".332", ".576", "12.5"),
    ("torch", "relu", ".1667", ".408", "7.7"),
    ("torch", "sigmoid", ".0200", ".141", "3.5"),
    ("torch", "gelu", ".0836", ".289", "5.6"),
    ("torch", "silu", ".0835", ".289", "5.6"),
    ("torch", "selu", ".652", ".808", "32."),
    ("xavier", "relu", ".5", ".7071", "19.9"),
    ("xavier", "sigmoid", ".0557", ".236", "4.8"),
    ("xavier", "gelu", ".25", ".5", "10."),
    ("xavier", "silu", ".25", ".5", "10."),
    ("xavier", "tanh", "1", "1", "inf"),
    ("he", "relu", "1", "1", "inf"),
    ("he", "tanh", "1.1055", "1.051", "inf"),
    ("he", "sigmoid", ".101", ".318", "6.0"),
    ("he", "gelu", ".5", ".7071", "20."),
    ("he", "silu", ".5", ".7071", "20."),
    ("normal_0.01", "tanh", ".0256", ".16", "3.8"),
    ("normal_0.01", "relu", ".0128", ".113", "3.2"),
    ("normal_0.01", "sigmoid", ".0016", ".04", "2.1"),
    ("lecun", "selu", "1.07157", "1.035", "inf"),
]


@pytest.mark.parametrize("row", INITS, ids=lambda row: "-".join(row[:2]))
def test_what_common_initialisations_give(row: tuple[str, str, str, str, str]) -> None:
    init, kind, chi, gain, hops = row
    outlook = theory.init_outlook(activation(kind), init, 256)
    assert near(outlook.chi, chi)
    assert near(outlook.gain, gain)
    assert outlook.hops_to_lose_1000 == math.inf if hops == "inf" else near(outlook.hops_to_lose_1000, hops)


def test_the_gain_of_five_thirds_explodes_and_saturates() -> None:
    outlook = theory.init_outlook(TANH, "xavier", 256, 5 / 3)
    assert near(outlook.chi, "1.2098")
    assert near(outlook.q, "1.18")
    assert near(100 * float(theory.saturation_probability(TANH, outlook.q)), "5.4")


def test_xavier_tanh_falls_algebraically() -> None:
    q, product = float(TANH.m2(1.0)), 1.0  # the second pre-activation, of data with E x² = 1
    for _ in range(1000):
        product *= float(theory.chi(TANH, 1.0, q))
        q = float(theory.variance_map(TANH, 1.0, 0.0, q))
    assert q == pytest.approx(1 / 2000, rel=0.01)
    assert product * 1000 == pytest.approx(1.52, abs=0.01)


def test_a_leaky_network_under_he_and_the_worst_default() -> None:
    leaky = activation("leaky_relu", negative_slope=0.2)
    assert theory.chi(leaky, 2.0, 1.0) == pytest.approx(1.04)
    for kind in ACTIVATION_KINDS:  # the default of torch lies in the ordered phase for every activation
        assert theory.init_outlook(activation(kind), "torch", 128).chi < 0.7


def test_init_variances() -> None:
    assert theory.init_variance("torch", 100, 7) == pytest.approx(1 / 300)
    assert theory.init_variance("Kaiming", 50, 7) == 0.04
    assert theory.init_variance("he_fan_out", 50, 8) == 0.25
    assert theory.init_variance("glorot", 30, 10, gain=5 / 3) == pytest.approx(0.05 * 25 / 9)
    assert theory.init_variance("lecun", 50, 7) == 0.02
    assert theory.init_variance("orthogonal", 50, 100) == 0.01
    assert theory.init_variance("normal-0.02", 1, 9) == pytest.approx(0.02**2)
    assert theory.init_bias_variance("torch", 100) == pytest.approx(1 / 300)
    assert theory.init_bias_variance("he", 100) == 0
    for kind in theory.INIT_KINDS:
        assert theory.init_variance(kind, 20, 30) > 0


def test_norm_hops() -> None:
    assert theory.bn_hop(RELU) == pytest.approx(math.pi / (math.pi - 1))
    assert math.sqrt(theory.bn_hop(RELU)) == pytest.approx(1.211, abs=5.1e-4)
    assert 50 * math.log10(theory.bn_hop(RELU)) / 2 == pytest.approx(4.2, abs=0.051)
    assert theory.bn_hop(activation("linear")) == 1
    assert near(theory.bn_hop(TANH), "1.1778")
    assert theory.ln_hop(RELU) == 1
    assert near(theory.ln_hop(TANH), "1.1778")
    assert near(theory.ln_hop(SIGMOID), "0.1528")
    assert theory.bn_hop(SIGMOID) > 1 > theory.ln_hop(SIGMOID)  # batch norm cures a sigmoid, layer norm does not


def test_hop_gain_counts_the_units_below() -> None:
    assert theory.hop_gain(RELU, 128, 2 / 128, 3.0) == pytest.approx(1)
    assert theory.hop_gain(SIGMOID, 30, 1 / 30, 1.3021) == pytest.approx(0.2048, abs=5.1e-5)
    gains = theory.hop_gain(TANH, [64, 256], 1 / 64, 0.0)
    np.testing.assert_allclose(gains, [1, 2])
    np.testing.assert_allclose(theory.weights_gain([0, 9], [1.0, 0.25]), [0, 1.5])
    # a depthwise filter whose fan_out ignores its groups: C times too small, 64 channels give an eighth
    assert theory.weights_gain(9, theory.init_variance("he", 9 * 64, 9)) == pytest.approx(math.sqrt(2) / 8)


def test_residual_gains() -> None:
    assert theory.residual_gain(1.0, 1.0, 10) ** 2 == pytest.approx(1024)
    assert theory.residual_gain(1.0, 10**-0.5, 10) ** 2 == pytest.approx(1.1**10)
    assert theory.residual_gain(7.0, 0.0, 100) == 1
    np.testing.assert_allclose(theory.residual_gain([0.0, 3.0]), [1, 2])
    gates = theory.forget_gain([-2.0, -4.0])
    np.testing.assert_allclose(gates, [0.119, 0.018], atol=5.1e-4)
    np.testing.assert_allclose(theory.highway_gain(gates, 1.0) ** 2, [0.79, 0.965], atol=5.1e-3)
    assert theory.highway_gain(0.0, 5.0) == 1


def test_forget_gates() -> None:
    gain = theory.forget_gain([0.0, 1.0, 3.0, np.inf])
    np.testing.assert_allclose(gain, [0.5, 0.731, 0.953, 1], atol=5.1e-4)
    assert theory.hops_to_lose(gain[1] ** 2, factor=2) == pytest.approx(2.2, abs=0.051)


def test_recurrent_limits() -> None:
    assert theory.recurrent_limit(TANH) == pytest.approx(1)
    assert theory.recurrent_limit(SIGMOID) == pytest.approx(4)
    assert theory.recurrent_limit(activation("gelu")) < 1  # its slope passes 1


def test_dropout_moves_the_critical_point() -> None:
    assert theory.dropout_hop(RELU, 1.6, 1.0, 0.8) == pytest.approx(1)
    assert theory.dropout_hop(RELU, 2.0, 1.0, 0.8) == pytest.approx(1.25)
    assert theory.dropout_variance_map(RELU, (1.6, 0.1), 3.0, 0.8) == pytest.approx(3.1)
    assert theory.dropout_variance_map(TANH, (1.6, 0.1), 3.0, 1.0) == theory.variance_map(TANH, 1.6, 0.1, 3.0)


def test_stacks_with_norms_and_concatenation() -> None:
    np.testing.assert_allclose(theory.pre_ln_total(0.0, 1.0, [1, 5, 10], 10), [10, 2, 1])
    assert theory.pre_ln_total(1.0, 1.0, 0, 9) == 10
    assert theory.pre_ln_total(0.0, 1.0, 0, 9) == math.inf
    assert theory.post_ln_hop(1.0, 1.0) == 1
    assert theory.post_ln_hop(0.0, 1.0) == 0.5
    np.testing.assert_allclose(theory.dense_total([0, 1, 9]), [1, 0.5, 0.1])
    assert theory.cross_hop(1 / 20) ** 20 == pytest.approx(2.65, abs=5.1e-3)
    assert theory.cross_hop(1.0) ** 20 == 2**20


def test_finite_width() -> None:
    assert theory.finite_width_drift(5.0, [100] * 20)[-1] == pytest.approx(-0.5)
    assert theory.finite_width_band(5.0, [100] * 20)[-1] == pytest.approx(3 * 1.0 + 1.0)
    np.testing.assert_allclose(theory.finite_width_drift([5, 2], [50, 10]), [-0.05, -0.15])
    np.testing.assert_allclose(theory.finite_width_band(0.0, [8, 8]), [0.05, 0.1])
    assert theory.finite_width_band(2.0, np.inf)[0] == 0.05
    assert theory.finite_width_band(2.0, 0)[0] == np.inf
    assert np.isnan(theory.finite_width_band([2.0, np.nan, 2.0], 9)[1:]).all()
    assert theory.low_rank_drift(8) == -0.125
    assert theory.low_rank_drift(0) == -math.inf


def test_an_error_chain_adds_its_hops() -> None:
    chain = theory.error_chain([0.5, 0.5, 1.0], RELU.kappa_backward(1.0), [50, 50, 100])
    np.testing.assert_allclose(chain.ln_gain2, np.cumsum(np.log([0.5, 0.5, 1])) - [0.05, 0.1, 0.125])
    np.testing.assert_allclose(chain.decades, chain.ln_gain2 / math.log(100))
    np.testing.assert_allclose(chain.band_decades, chain.band / math.log(100))
    dead = theory.error_chain([1.0, 0.0, 1.0], 2.0, 10)
    assert np.isneginf(dead.ln_gain2[1:]).all()
    assert np.isnan(theory.error_chain([1.0, np.nan, 1.0], 2.0, 10).decades[1:]).all()


@pytest.mark.parametrize(("width", "depth", "printed"), [(4, 10, ".476"), (8, 20, ".075"), (8, 100, ".32")])
def test_born_dead(width: int, depth: int, printed: str) -> None:
    assert near(theory.born_dead_probability(width, depth), printed)


def test_born_dead_at_the_ends() -> None:
    assert theory.born_dead_probability(32, 100) < 1e-7
    assert theory.born_dead_probability(0, 3) == 1
    assert theory.born_dead_probability(0, 0) == 0


def test_saturation() -> None:
    for q, percent in ((0.5, ".3"), (1, "3.6"), (1.18, "5.4"), (2, "13.9"), (4, "29.5")):
        assert near(100 * float(theory.saturation_probability(TANH, q)), percent)
    for q, percent in ((4.0, "8."), (16.0, "38.")):
        assert near(100 * float(theory.saturation_probability(SIGMOID, q)), percent)
    z = np.random.default_rng(0).standard_normal(200_000) * 3
    for kind, ends in (("tanh", 0.97), ("erf", 0.97), ("softsign", 0.97), ("hardtanh", 0.999999), ("sigmoid", None)):
        act = activation(kind)
        out = act.value(z)
        seen = np.mean(np.abs(out) > ends) if ends else np.mean((out < 0.03) | (out > 0.97))
        assert theory.saturation_probability(act, 9.0) == pytest.approx(seen, abs=4e-3)
    assert theory.saturation_probability(TANH, 0.0) == 0
    assert np.isnan(theory.saturation_probability(RELU, 1.0))
    assert np.isnan(theory.saturation_probability(TANH, np.inf))


def test_shattering() -> None:
    curve = theory.shattering_curve(RELU, (2.0, 0.0), 100)[[0, 4, 9, 19, 49, 99]]
    np.testing.assert_allclose(curve, [0.5, 0.105, 0.0337, 0.0082, 9.1e-4, 1.4e-4], rtol=0.03)
    np.testing.assert_allclose(theory.shattering_curve(activation("linear"), (1.0, 0.0), 5), 1)
    assert theory.shattering_curve(RELU, (2.0, 0.0), 0).shape == (0,)


def test_spectra() -> None:
    linear, hardtanh = activation("linear"), activation("hardtanh")
    assert theory.spectrum_variance(linear, 1.0, 10, "gaussian") == pytest.approx(10)
    assert theory.spectrum_variance(linear, 1.0, 10, "orthogonal") == pytest.approx(0)
    assert theory.spectrum_variance(RELU, 1.0, 10, "gaussian") == pytest.approx(20)
    assert theory.spectrum_variance(RELU, 1.0, 10, "orthogonal") == pytest.approx(10)
    assert theory.spectrum_variance(hardtanh, 1e-2, 10, "orthogonal") == pytest.approx(0, abs=1e-9)
    assert theory.spectrum_variance(hardtanh, 1.0, 10, "orthogonal") > 4


def test_tailored_slopes() -> None:
    slope = theory.tailored_slope(50, 0.9)
    act, c = activation("leaky_relu", negative_slope=slope), 0.0
    for _ in range(50):
        c = float(theory.correlation_map(act, 2 / (1 + slope**2), 0.0, 1.0, c))
    assert c == pytest.approx(0.9, abs=1e-9)
    assert theory.tailored_slope(1, 0.9) == 0.0
    assert theory.tailored_slope(3, 0.0) == 1.0
    assert theory.tailored_slope(100) > slope


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: theory.init_variance("lucky", 3, 3),
        lambda: theory.init_variance("he", 0, 3),
        lambda: theory.init_variance("he", math.nan, 3),
        lambda: theory.init_bias_variance("torch", 0),
        lambda: theory.hop_gain(RELU, -1, 1.0, 1.0),
        lambda: theory.weights_gain(3, [-1.0]),
        lambda: theory.residual_gain(-1.0),
        lambda: theory.highway_gain(1.5, 1.0),
        lambda: theory.dropout_hop(RELU, 2.0, 1.0, 0.0),
        lambda: theory.dropout_variance_map(RELU, (2.0, 0.0), 1.0, 1.1),
        lambda: theory.pre_ln_total(-1.0, 1.0, 1, 3),
        lambda: theory.post_ln_hop(-1.0, 1.0),
        lambda: theory.dense_total(-1),
        lambda: theory.cross_hop(-0.1),
        lambda: theory.finite_width_band(-1.0, 10),
        lambda: theory.finite_width_drift(1.0, -10),
        lambda: theory.born_dead_probability(-1, 3),
        lambda: theory.saturation_probability(TANH, 1.0, 1.0),
        lambda: theory.spectrum_variance(TANH, 1.0, 3, "sparse"),  # type: ignore[arg-type]
        lambda: theory.tailored_slope(0),
        lambda: theory.tailored_slope(5, 1.0),
    ],
)
def test_wrong_calls_are_refused_in_words(wrong: Callable[[], object]) -> None:
    with pytest.raises(UserError, match=r"^theory: .+\."):
        wrong()


FIVE_LINES = ("law:", "shapes, units:", "at 0:", "at inf/nan:", "source:")


def functions_of_the_door() -> list[Callable[..., object]]:
    public = [getattr(theory, name) for name in theory.__all__]
    methods = [m for name, m in vars(Activation).items() if inspect.isfunction(m) and not name.startswith("_")]
    return [f for f in public if inspect.isfunction(f)] + methods


@pytest.mark.parametrize("function", functions_of_the_door(), ids=lambda f: f.__name__)
def test_every_function_says_its_five_lines(function: Callable[..., object]) -> None:
    lines = [line.strip() for line in (function.__doc__ or "").splitlines()]
    found = [head for head in FIVE_LINES if sum(line.startswith(head) for line in lines) == 1]
    assert found == list(FIVE_LINES)


def test_the_door_names_what_exists() -> None:
    assert list(theory.__all__) == sorted(theory.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    assert all(hasattr(theory, name) for name in theory.__all__)
