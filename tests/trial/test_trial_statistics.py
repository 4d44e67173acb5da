from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gradiometer.trial.statistics import bootstrap_interval, differences, holm, permutation_p, smallest_p

FLOATS = st.floats(-50, 50, allow_subnormal=False)
PAIRS = arrays.arrays(np.float64, st.integers(2, 9), elements=FLOATS.map(lambda x: round(x, 3)))


def all_signs(d: np.ndarray) -> float:
    """The test by hand: every sign pattern, one after the other."""
    seen = abs(sum(d))
    means = [sum(s * x for s, x in zip(signs, d, strict=True)) for signs in itertools.product((1, -1), repeat=len(d))]
    return min(1.0, 2 * sum(m >= seen - 1e-9 for m in means) / len(means))


@given(PAIRS)
def test_the_test_is_that_of_all_sign_patterns(d: np.ndarray) -> None:
    assert permutation_p(d) == pytest.approx(all_signs(d), abs=1e-12)


@given(PAIRS)
def test_the_test_knows_no_direction_and_no_unit(d: np.ndarray) -> None:
    assert permutation_p(-d) == pytest.approx(permutation_p(d))
    assert permutation_p(d * 1024) == pytest.approx(permutation_p(d))


def test_the_smallest_p_is_that_of_pairs_that_all_agree() -> None:
    for n in range(2, 10):
        assert permutation_p(np.linspace(1, 2, n)) == smallest_p(n) == 2.0 ** (1 - n)
    assert permutation_p(np.array([1.0, 2.0, 3.0, -4.0])) > smallest_p(4)
    assert permutation_p(np.zeros(8)) == permutation_p(np.ones(1)) == smallest_p(1) == 1.0
    assert math.isnan(permutation_p(np.array([1.0, math.nan])))


def test_differences_are_gains_and_failures_count_the_cap() -> None:
    none = [2.0, 2.0, 2.0, math.nan, math.nan, math.inf, 2.0]
    arm = [1.5, 9.0, math.nan, 1.0, math.nan, -math.inf, -9.0]
    assert differences(none, arm, 3.0).tolist() == [0.5, -3.0, -3.0, 3.0, 0.0, 0.0, 3.0]
    assert differences(none, arm, 3.0, "higher").tolist() == [-0.5, 3.0, -3.0, 3.0, 0.0, 0.0, -3.0]


@given(PAIRS, PAIRS, st.floats(0, 10))
def test_differences_stay_within_the_cap_and_change_sign_with_the_sides(x: np.ndarray, y: np.ndarray, cap: float):
    n = min(len(x), len(y))
    d = differences(x[:n], y[:n], cap)
    assert np.abs(d).max() <= cap
    assert np.array_equal(differences(y[:n], x[:n], cap), -d)


def test_holm_as_in_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.01, 0.04, 0.03], family=6) == pytest.approx([0.06, 0.16, 0.15])
    assert holm([0.5, math.nan]) == [1.0, 1.0] and holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_lies_between_no_correction_and_bonferroni(p: list[float]) -> None:
    raised = holm(p)
    for raw, got in zip(p, raised, strict=True):
        assert raw <= got + 1e-12 and got <= min(1.0, raw * len(p)) + 1e-12
    assert [raised[i] for i in np.argsort(p, kind="stable")] == sorted(raised)
    assert all(a <= b for a, b in zip(raised, holm(p, family=9), strict=True))


def test_the_interval_covers_the_mean_of_a_large_sample_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    hits = [low <= 1.0 <= high for low, high in (bootstrap_interval(rng.exponential(1.0, 60), 0.9) for _ in range(150))]
    assert 0.83 <= np.mean(hits) <= 0.95  # 0.9 ± three standard errors, and a little less for its bias


def test_the_interval_of_equal_differences_is_a_point() -> None:
    assert bootstrap_interval(np.full(8, 0.3), 0.95) == pytest.approx((0.3, 0.3))
    assert bootstrap_interval(np.zeros(8), 0.95) == (0.0, 0.0)
    for bad, level in ((np.ones(1), 0.95), (np.array([1.0, math.inf]), 0.95), (np.arange(8.0), 1.0)):
        assert all(math.isnan(x) for x in bootstrap_interval(bad, level))
    d = np.array([0.1, 0.4, 0.2, 0.9, 0.3])
    low, high = bootstrap_interval(d, 0.95)
    wide_low, wide_high = bootstrap_interval(d, 0.99)
    assert wide_low < low < d.mean() < high < wide_high
    assert bootstrap_interval(d, 0.95) == (low, high)
