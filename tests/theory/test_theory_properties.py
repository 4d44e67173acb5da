"""What must hold for every activation and every variance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradiometer import theory
from gradiometer.theory import ACTIVATION_KINDS, activation

kinds = st.sampled_from(ACTIVATION_KINDS)
variances = st.floats(-12, 4).map(lambda decades: 10.0**decades)
correlations = st.floats(-1, 1)
few = settings(max_examples=30)


@few
@given(kinds, variances)
def test_moments_have_their_signs_and_order(kind: str, q: float) -> None:
    act = activation(kind)
    mean, m2, d2, variance = (float(f(q)) for f in (act.mean, act.m2, act.d2, act.variance))
    assert d2 > 0
    assert m2 > 0
    assert 0 < variance <= m2 * (1 + 1e-12)
    assert m2 - mean**2 == pytest.approx(variance, rel=1e-6, abs=1e-15 * m2 + 1e-15)
    # Gaussian Poincaré: a function varies no more than its slope allows
    assert variance <= q * d2 * (1 + 1e-9)
    assert act.kappa_forward(q) >= 0
    assert act.kappa_backward(q) >= 2 - 1e-9


@few
@given(kinds, variances, st.floats(1.01, 100))
def test_the_second_moment_rises_with_the_variance(kind: str, q: float, ratio: float) -> None:
    act = activation(kind)
    assert act.m2(q * ratio) >= act.m2(q)
    assert act.m2_slope(q) > 0


@few
@given(st.sampled_from([k for k in ACTIVATION_KINDS if k != "linear"]))
def test_batch_norm_never_shrinks_the_error(kind: str) -> None:
    assert theory.bn_hop(activation(kind)) > 1


@few
@given(st.floats(-3, 3))
def test_batch_norm_keeps_the_error_only_of_a_line(slope: float) -> None:
    gain = theory.bn_hop(activation("leaky_relu", negative_slope=slope))
    assert gain >= 1 - 1e-12
    assert (gain < 1 + 1e-9) == (abs(slope - 1) < 1e-4) or abs(slope - 1) < 1e-3


@few
@given(variances, st.floats(1e-3, 1e3))
def test_a_rectifier_has_no_scale(q: float, scale: float) -> None:
    act = activation("prelu")
    assert act.m2(scale * q) == pytest.approx(scale * act.m2(q))
    assert act.d2(scale * q) == act.d2(q)


@few
@given(variances)
def test_the_centred_sigmoid_is_a_scaled_tanh(q: float) -> None:
    sigmoid, tanh = activation("centred_sigmoid"), activation("tanh")
    assert sigmoid.m2(q) == pytest.approx(tanh.m2(q / 4) / 4, rel=1e-12)
    assert sigmoid.d2(q) == pytest.approx(tanh.d2(q / 4) / 16, rel=1e-12)
    assert sigmoid.m2(q) < activation("sigmoid").m2(q)
    assert activation("sigmoid").variance(q) == pytest.approx(sigmoid.m2(q), rel=1e-12)


@settings(max_examples=20)
@given(kinds, st.floats(-6, 3).map(lambda d: 10.0**d), correlations)
def test_correlations_stay_correlations(kind: str, q: float, c: float) -> None:
    act = activation(kind)
    mapped = float(theory.correlation_map(act, 1.5, 0.05, q, c))
    assert -1 <= mapped <= 1
    assert abs(act.pair_moment(q, c)) <= act.m2(q) * (1 + 1e-6)
    assert abs(act.pair_slope_moment(q, c)) <= act.d2(q) * (1 + 1e-6)
    assert float(theory.correlation_map(act, 1.5, 0.05, q, 1.0)) == pytest.approx(1, abs=1e-6)


@settings(max_examples=20)
@given(kinds, st.floats(-2, 2).map(lambda d: 10.0**d))
def test_a_critical_point_is_one(kind: str, q: float) -> None:
    act = activation(kind)
    point = theory.critical_point(act, q)
    if point is None:
        assert theory.critical_bias(act, q) < 0
        return
    assert theory.chi(act, point.sigma_w2, q) == pytest.approx(1)
    assert theory.variance_map(act, point.sigma_w2, point.sigma_b2, q) == pytest.approx(q, rel=1e-8)
    assert theory.max_gain(act, point.sigma_w2, 1e4) >= 1 - 1e-6


@settings(max_examples=20)
@given(kinds, st.floats(0.05, 5), st.floats(0, 2), st.floats(-3, 2).map(lambda d: 10.0**d))
def test_a_fixed_point_stays(kind: str, sigma_w2: float, sigma_b2: float, start: float) -> None:
    act = activation(kind)
    q = theory.variance_fixed_point(act, sigma_w2, sigma_b2, start)
    assert q >= 0
    if 0 < q < np.inf:
        assert theory.variance_map(act, sigma_w2, sigma_b2, q) == pytest.approx(q, rel=1e-6)


@few
@given(st.lists(st.floats(0.01, 3), min_size=1, max_size=30), st.integers(4, 4096))
def test_a_chain_is_the_sum_of_its_hops(chi: list[float], width: int) -> None:
    chain = theory.error_chain(chi, 5.0, width)
    assert chain.ln_gain2.shape == chain.band.shape == (len(chi),)
    assert chain.ln_gain2[-1] == pytest.approx(np.log(chi).sum() - 2.5 * len(chi) / width)
    assert (np.diff(chain.band) > 0).all()
    wider = theory.error_chain(chi, 5.0, 4 * width)
    assert (wider.band < chain.band).all()
