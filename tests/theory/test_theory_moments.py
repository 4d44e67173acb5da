"""Moments of the activations: against adaptive quadrature, against printed tables, and at the ends of the range."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr
from theory_oracle import PLAIN, moments

from gradiometer.records import UserError
from gradiometer.theory import ACTIVATION_KINDS, Activation, activation

# Near cancellation the oracle itself keeps fewer digits: the mean of SELU is 0 at q = 1, odd functions have none.
RTOL, ATOL = 1e-8, 1e-12


@pytest.mark.parametrize("kind", ACTIVATION_KINDS)
@pytest.mark.parametrize("q", [1e-6, 1.0, 30.0, 1e4])
def test_moments_agree_with_adaptive_quadrature(kind: str, q: float) -> None:
    act = activation(kind)
    for name, expected in moments(kind, q).items():
        assert float(getattr(act, name)(q)) == pytest.approx(expected, rel=RTOL, abs=ATOL), name


def test_the_oracle_tells_two_activations_apart() -> None:
    expected = moments("silu", 1.0)
    others = [float(activation(kind).d2(1.0)) for kind in ACTIVATION_KINDS if kind != "silu"]
    assert min(abs(d2 - expected["d2"]) for d2 in others) > 1e-3


def test_every_kind_has_an_oracle() -> None:
    assert set(PLAIN) == set(ACTIVATION_KINDS)


def test_value_and_derivative_are_the_plain_functions() -> None:
    x = np.linspace(-8.05, 8.05, 47)
    for kind, (value, slope, _) in PLAIN.items():
        act = activation(kind)
        np.testing.assert_allclose(act.value(x), [value(each) for each in x], rtol=1e-12, atol=1e-15, err_msg=kind)
        np.testing.assert_allclose(act.derivative(x), [slope(each) for each in x], rtol=1e-12, atol=1e-15, err_msg=kind)


# Printed values at q = 1: Eφ, M2, D2, D2/Var φ, D2/M2, 1/√M2, κf, κb; half a unit of each printed last digit.
TABLE = {
    "linear": ("0", "1", "1", "1", "1", "1", "2", "2"),
    "tanh": ("0", ".39429", ".46440", "1.1778", "1.1778", "1.5925", ".627", "3.750"),
    "sigmoid": (".5", ".29338", ".04484", "1.0336", ".1528", "1.8462", ".529", "2.411"),
    "relu": (".39894", ".5", ".5", "1.4669", "1", "1.4142", "5", "5"),
    "leaky .2": (".31915", ".52", ".52", "1.2436", "1", "1.3868", "4.556", "4.556"),
    "prelu": (".29921", ".53125", ".53125", "1.2027", "1", "1.3720", "4.336", "4.336"),
    "elu": (".16052", ".64495", ".66810", "1.0790", "1.0359", "1.2452", "2.776", "2.995"),
    "selu": ("0", "1", "1.07157", "1.0716", "1.0716", "1", "1.503", "2.949"),
    "gelu": (".28209", ".42522", ".45585", "1.3188", "1.0720", "1.5335", "6.216", "5.265"),
    "silu": (".20662", ".35578", ".37948", "1.2121", "1.0666", "1.6765", "6.262", "4.970"),
    "hardtanh": ("0", ".51606", ".68269", "1.3229", "1.3229", "1.3920", ".613", "3.394"),
    "softplus": (".80606", ".92125", ".29338", "1.0805", ".3185", "1.0419", "1.755", "3.587"),
    "softsign": ("0", ".18301", ".22767", "1.2440", "1.2440", "2.3375", ".588", "5.409"),
    "mish": (".24040", ".45234", ".47908", "1.2143", "1.0591", "1.4868", "5.349", "4.512"),
}


def half_unit(printed: str) -> float:
    digits = len(printed.partition(".")[2])
    return 0.5001 * 10.0**-digits if digits else 1e-9


@pytest.mark.parametrize("row", TABLE)
def test_printed_moments_at_unit_variance(row: str) -> None:
    act = activation("leaky_relu", negative_slope=0.2) if row == "leaky .2" else activation(row)
    m2, d2 = float(act.m2(1.0)), float(act.d2(1.0))
    computed = (
        float(act.mean(1.0)),
        m2,
        d2,
        d2 / float(act.variance(1.0)),
        d2 / m2,
        m2**-0.5,
        float(act.kappa_forward(1.0)),
        float(act.kappa_backward(1.0)),
    )
    for value, printed in zip(computed, TABLE[row], strict=True):
        assert value == pytest.approx(float(printed), abs=half_unit(printed))


def test_closed_forms_that_the_package_integrates() -> None:
    for q in (0.3, 1.0, 5.0):
        s = np.sqrt(q)
        tail = np.exp(2 * q) * ndtr(-2 * s)
        elu = activation("elu", alpha=1.3)
        assert elu.d2(q) == pytest.approx(0.5 + 1.3**2 * tail, rel=1e-12)
        bend = tail - 2 * np.exp(q / 2) * ndtr(-s) + 0.5
        assert elu.m2(q) == pytest.approx(q / 2 + 1.3**2 * bend, rel=1e-12)


def test_gelu_and_erf_closed_forms_by_another_route() -> None:
    for q in (1e-3, 1.0, 50.0):
        share = np.arcsin(q / (1 + q))
        gelu = activation("gelu")
        assert gelu.m2(q) == pytest.approx(q / 4 + q / (2 * np.pi) * (share + 2 * q / ((1 + q) * np.sqrt(1 + 2 * q))))
        tail = q * (3 + 5 * q) / ((1 + q) * (1 + 2 * q) ** 1.5)
        assert gelu.d2(q) == pytest.approx(0.25 + (share + tail) / (2 * np.pi))
        # the closed GELU against the integrating base class with the same function
        base = Activation("gelu", (), 0.0, gelu.rise, gelu.slope)
        assert (base.m2(q), base.d2(q), base.mean(q)) == pytest.approx((gelu.m2(q), gelu.d2(q), gelu.mean(q)))
        assert activation("erf").m2(q) == pytest.approx(2 / np.pi * np.arcsin(2 * q / (1 + 2 * q)), rel=1e-9)


def test_small_variance_series_of_tanh() -> None:
    tanh, q = activation("tanh"), np.array([1e-12, 1e-9, 1e-6, 1e-5])
    np.testing.assert_allclose(tanh.m2(q), q - 2 * q**2 + 17 / 3 * q**3, rtol=1e-11)
    np.testing.assert_allclose(tanh.d2(q), 1 - 2 * q + 7 * q**2, rtol=1e-12)


def test_large_variance_limits() -> None:
    q = np.array([1e6, 1e8])
    np.testing.assert_allclose(activation("relu").m2(q), q / 2)
    np.testing.assert_allclose(activation("gelu").m2(q), q / 2, rtol=1e-6)
    np.testing.assert_allclose(activation("tanh").d2(q), 4 / 3 / np.sqrt(2 * np.pi * q), rtol=1e-5)
    np.testing.assert_allclose(activation("sigmoid").m2(q), 0.5, rtol=2e-3)
    assert activation("tanh").d2(1e24) == pytest.approx(4 / 3 / np.sqrt(2 * np.pi * 1e24), rel=1e-4)
    np.testing.assert_allclose(activation("softplus").d2(q), 0.5 - 1 / np.sqrt(2 * np.pi * q), rtol=1e-8)


@pytest.mark.parametrize("kind", ACTIVATION_KINDS)
def test_the_whole_range_of_variance_is_finite_and_silent(kind: str) -> None:
    act, q = activation(kind), np.array([0.0, 1e-300, 1e-12, 1e-3, 1.0, 1e4, 1e24, np.inf, np.nan])
    for name in ("mean", "m2", "d2", "variance", "m2_slope", "kappa_forward", "kappa_backward"):
        moment = getattr(act, name)(q)
        assert moment.shape == q.shape
        assert np.isfinite(moment[:-2]).all(), name
        assert np.isnan(moment[-2:]).all(), name
        assert float(getattr(act, name)(1.0)) == pytest.approx(moment[4], rel=1e-12, abs=1e-14)
        assert getattr(act, name)(q.reshape(3, 3)).shape == (3, 3)
    assert np.isfinite(act.m2(1e150))  # silent, though D2 of a bounded φ has long been 0
    assert np.isnan(act.m2(2e150))
    assert act.m2(0.0) == act.value(0.0) ** 2
    assert act.mean(0.0) == act.value(0.0)
    assert act.variance(0.0) == 0


@pytest.mark.parametrize("kind", ACTIVATION_KINDS)
def test_limits_at_zero_are_continuous(kind: str) -> None:
    act = activation(kind)
    for name in ("d2", "m2_slope", "kappa_forward", "kappa_backward"):
        moment = getattr(act, name)
        assert float(moment(0.0)) == pytest.approx(float(moment(1e-12)), rel=1e-5, abs=1e-9), name


def test_a_sigmoid_keeps_its_variance_where_subtraction_would_lose_it() -> None:
    q, sigmoid = 1e-12, activation("sigmoid")
    assert sigmoid.variance(q) == pytest.approx(q / 16, rel=1e-9)
    assert abs(sigmoid.m2(q) - sigmoid.mean(q) ** 2 - q / 16) > 1e-5 * q / 16


def test_settings_shape_the_activation() -> None:
    q = np.array([0.1, 1.0, 7.0])
    sharp = activation("softplus", beta=3.0)
    np.testing.assert_allclose(sharp.m2(q), activation("softplus").m2(9 * q) / 9)
    np.testing.assert_allclose(sharp.d2(q), activation("softplus").d2(9 * q))
    wide = activation("hardtanh", min_val=-2.0, max_val=2.0)
    np.testing.assert_allclose(wide.m2(q), 4 * activation("hardtanh").m2(q / 4))
    np.testing.assert_allclose(activation("hardtanh", min_val=0, max_val=6).m2(q), activation("relu6").m2(q))
    np.testing.assert_allclose(activation("prelu", init=0.2).d2(q), 0.52)
    np.testing.assert_allclose(activation("elu", alpha=1e-9).m2(q), activation("relu").m2(q), rtol=1e-8)
    tanh_form = activation("gelu", approximate="tanh")
    assert tanh_form.d2(1.0) == pytest.approx(float(activation("gelu").d2(1.0)), abs=2e-4)
    assert tanh_form.d2(1.0) != activation("gelu").d2(1.0)
    assert np.isfinite(tanh_form.derivative(np.array([-1e200, 1e200]))).all()


def test_names_are_read_as_pytorch_spells_them() -> None:
    assert activation("LeakyReLU").kind == activation("leaky-relu", inplace=True).kind == "leaky_relu"
    assert activation("Identity").kind == "linear"
    assert activation("PReLU", num_parameters=1, init=0.3).args == (("init", 0.3),)


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("sinus", {}),
        ("relu", {"negative_slope": 0.1}),
        ("leaky_relu", {"negative_slope": float("nan")}),
        ("leaky_relu", {"negative_slope": "steep"}),
        ("elu", {"alpha": None}),
        ("gelu", {"approximate": "cubic"}),
        ("softplus", {"beta": 0.0}),
        ("hardtanh", {"min_val": 1.0, "max_val": 2.0}),
    ],
)
def test_what_is_no_activation_is_refused(kind: str, args: dict[str, float | str | None]) -> None:
    with pytest.raises(UserError, match=r"theory: .+\."):
        activation(kind, **args)


@pytest.mark.parametrize("name", ["mean", "m2", "d2", "variance", "m2_slope", "kappa_forward", "kappa_backward"])
@pytest.mark.parametrize("kind", ["relu", "tanh", "gelu", "erf", "hardtanh"])
def test_a_negative_variance_is_refused(kind: str, name: str) -> None:
    with pytest.raises(UserError, match="negative"):
        getattr(activation(kind), name)([1.0, -1e-3])
