"""The numbers behind a verdict: paired differences, their permutation test, Holm's correction, a bootstrap interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 9999  # of the bootstrap, and of the test where not all sign patterns are tried (beyond 13 pairs)
DRAWS_SEED = 20_08  # of those resamples: a verdict is the same however often it is computed


def differences(
    none: ArrayLike, arm: ArrayLike, cap: float, better: Literal["lower", "higher"] = "lower"
) -> NDArray[np.float64]:
    """Gain of an arm over no cure, pair by pair.

    Law: dᵢ = noneᵢ − armᵢ where lower is better, armᵢ − noneᵢ where higher is; clipped to [−cap, cap].
    Shapes: [pair], in the unit of the values.
    At 0: equal values give 0, also 0 at cap 0.
    At nan and inf: a run that diverged. Where only the arm did, −cap; only its partner, cap; both, 0.
    Source: the cap keeps one diverged run from ruling a mean; a failure is counted, never left out.
    """
    x, y = np.asarray(none, dtype=np.float64), np.asarray(arm, dtype=np.float64)
    ends_x, ends_y = np.isfinite(x), np.isfinite(y)
    sign = 1.0 if better == "lower" else -1.0
    with np.errstate(invalid="ignore", over="ignore"):
        d = np.clip(sign * (x - y), -cap, cap)
    d[ends_x & ~ends_y] = -cap
    d[~ends_x & ends_y] = cap
    d[~ends_x & ~ends_y] = 0.0
    return d


def permutation_p(d: NDArray[np.float64]) -> float:
    """Two-sided p of the mean of paired differences under free signs.

    Law: share of the 2ⁿ sign patterns whose mean is at least as far out on one side, doubled, at most 1: exact up to
    13 pairs, from RESAMPLES patterns beyond.
    Shapes: [pair], any unit; the smallest possible value is 2^(1−n).
    At 0: differences that are all 0, or one pair alone, give 1.
    At nan and inf: nan.
    Source: Fisher 1935; ``scipy.stats.permutation_test``.
    """
    if not np.isfinite(d).all():
        return float("nan")
    if len(d) < 2 or not d.any():
        return 1.0
    found = scipy.stats.permutation_test(
        (d,), _mean, permutation_type="samples", n_resamples=RESAMPLES, vectorized=True, rng=_rng()
    )
    return float(min(1.0, found.pvalue))


def holm(p: Sequence[float], family: int = 0) -> list[float]:
    """Holm's correction: step-down adjusted p values, in the order given.

    Law: with p sorted upward, p̃ₖ = max over j ≤ k of (m − j + 1)·pⱼ, at most 1. m: family, or the number of p values
    where that is larger: a comparison that was planned and not made counts like one with p = 1.
    At 0: stays 0. At nan: counts as 1.
    Source: Holm 1979.
    """
    m = max(family, len(p))
    known = np.where(np.isnan(p), 1.0, p) if len(p) else np.empty(0)
    order = np.argsort(known, kind="stable")
    factors = m - np.arange(len(known))
    raised = np.minimum(1.0, np.maximum.accumulate(known[order] * factors))
    out = np.empty(len(known))
    out[order] = raised
    return [float(x) for x in out]


def bootstrap_interval(d: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Interval of the mean difference: bias-corrected and accelerated bootstrap over pairs.

    Shapes: [pair] in, (low, high) out, in their unit. At level 1 and beyond: nan.
    At 0: differences that are all equal give that value twice, a point; fewer than two pairs give nan.
    At nan and inf: nan.
    Source: Efron 1987; ``scipy.stats.bootstrap``. With few pairs it is too narrow, so nothing is decided by it alone.
    """
    if len(d) < 2 or not np.isfinite(d).all() or not 0 < level < 1:
        return float("nan"), float("nan")
    if np.ptp(d) <= 1e-12 * np.abs(d).max():
        return float(d.mean()), float(d.mean())
    found = scipy.stats.bootstrap(
        (d,), _mean, confidence_level=level, n_resamples=RESAMPLES, method="BCa", vectorized=True, rng=_rng()
    )
    low, high = found.confidence_interval
    return float(low), float(high)


def smallest_p(pairs: int) -> float:
    """The smallest p that so many pairs can give: 2^(1−n); 1 for none and one."""
    return 1.0 if pairs < 2 else 2.0 ** (1 - pairs)


def _mean(x: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    return np.asarray(np.mean(x, axis=axis))


def _rng() -> np.random.Generator:
    return np.random.default_rng(DRAWS_SEED)
