"""The laws against random networks in plain numpy, float64, with backward passes written out by hand.

Widths are 256 unless a law of small widths is tested; tolerances are about four standard errors √(κ/(n · draws)).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from gradiometer import theory
from gradiometer.theory import activation

Array = NDArray[np.float64]
N, BATCH = 256, 16


def power(x: Array) -> float:
    return float(np.sum(x * x))


def mean_square(x: Array) -> float:
    return float(np.mean(x * x))


def gaussian(rng: np.random.Generator, variance: float, *shape: int) -> Array:
    return rng.standard_normal(shape) * np.sqrt(variance)


PLAIN: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "linear": (lambda z: z, np.ones_like),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "silu": (lambda z: z / (1 + np.exp(-z)), lambda z: (1 + np.exp(-z) + z * np.exp(-z)) / (1 + np.exp(-z)) ** 2),
}


def dense_network(kind: str, sigma: tuple[float, float], depth: int, seed: int) -> tuple[list[float], list[float]]:
    """Forward variances q and backward gains² per hop, input side first, of one dense network started at q = 1."""
    phi, slope = PLAIN[kind]
    rng = np.random.default_rng(seed)
    z = gaussian(rng, 1.0, BATCH, N)
    signals, weights = [z], []
    for _ in range(depth):
        weights.append(gaussian(rng, sigma[0] / N, N, N))
        signals.append(phi(signals[-1]) @ weights[-1].T + gaussian(rng, sigma[1], 1, N))
    error, gains = rng.standard_normal((BATCH, N)), []
    for below, W in zip(signals[-2::-1], weights[::-1], strict=True):
        before, error = power(error), (error @ W) * slope(below)
        gains.append(power(error) / before)
    return [mean_square(s) for s in signals], gains[::-1]


@pytest.mark.parametrize(
    ("kind", "sigma"),
    [
        ("relu", (2.0, 0.0)),
        ("tanh", (1.76095, 0.05)),
        ("tanh", (1.0, 0.1)),
        ("sigmoid", (1.0, 0.0)),
        ("silu", (2.0, 0.1)),
        ("linear", (1 / 3, 0.1)),
    ],
)
def test_dense_hops(kind: str, sigma: tuple[float, float]) -> None:
    act, depth, seeds = activation(kind), 6, 3
    runs = [dense_network(kind, sigma, depth, seed) for seed in range(seeds)]
    q, expected_q, expected = 1.0, [], 0.0
    for _ in range(depth):
        expected += float(np.log(theory.chi(act, sigma[0], q)))
        q = float(theory.variance_map(act, *sigma, q))
        expected_q.append(q)
    measured = np.mean([np.log(gains).sum() for _, gains in runs])
    assert measured == pytest.approx(expected, abs=4 * np.sqrt(5 * depth / (N * seeds)))
    np.testing.assert_allclose(np.mean([qs[1:] for qs, _ in runs], axis=0), expected_q, rtol=0.35)
    assert abs(measured - expected - depth * np.log(1.3)) > 4 * np.sqrt(5 * depth / (N * seeds))


def test_widths_may_change_from_layer_to_layer() -> None:
    rng, widths = np.random.default_rng(1), (256, 64, 512, 128)
    z = [gaussian(rng, 1.0, BATCH, widths[0])]
    weights = [gaussian(rng, 3.0 / n, m, n) for n, m in pairwise(widths)]
    for W in weights:
        z.append(np.tanh(z[-1]) @ W.T)
    error = rng.standard_normal(z[-1].shape)
    for below, W in zip(z[-2::-1], weights[::-1], strict=True):
        before, error = power(error), (error @ W) * (1 - np.tanh(below) ** 2)
        gain = theory.hop_gain(activation("tanh"), W.shape[1], 3.0 / W.shape[1], mean_square(below))
        assert np.sqrt(power(error) / before) == pytest.approx(float(gain), rel=0.15)
        rms_gain = np.sqrt(mean_square(error) / (before / (BATCH * W.shape[0])))
        assert abs(rms_gain - gain) > 0.2 * gain  # per-unit values are another law


@pytest.mark.parametrize(("kind", "sigma"), [("relu", (2.0, 0.0)), ("tanh", (2.5, 0.05)), ("sigmoid", (9.0, 0.1))])
def test_correlations_of_two_inputs(kind: str, sigma: tuple[float, float]) -> None:
    phi, _ = PLAIN[kind]
    act, rng = activation(kind), np.random.default_rng(5)
    q, c, seen = 1.0, 0.2, []
    for _ in range(8):
        first, other = gaussian(rng, 1.0, 2, N)
        pair = np.stack([first, 0.2 * first + np.sqrt(1 - 0.04) * other])
        for _ in range(4):
            pair = phi(pair) @ gaussian(rng, sigma[0] / N, N, N).T + gaussian(rng, sigma[1], 1, N)
        seen.append(pair[0] @ pair[1] / np.sqrt(power(pair[0]) * power(pair[1])))
    for _ in range(4):
        c = float(theory.correlation_map(act, *sigma, q, c))
        q = float(theory.variance_map(act, *sigma, q))
    assert np.mean(seen) == pytest.approx(c, abs=0.06)
    assert abs(c - 0.2) > 0.07


def residual_stack(depth: int, alpha: float, seed: int) -> float:
    """Squared-norm gain of x + α W2 relu(W1 x), He-initialised."""
    rng = np.random.default_rng(seed)
    x, kept = gaussian(rng, 1.0, BATCH, N), []
    for _ in range(depth):
        W1, W2 = gaussian(rng, 1 / N, N, N), gaussian(rng, 2 / N, N, N)
        z = x @ W1.T
        kept.append((W1, W2, z))
        x = x + alpha * np.maximum(z, 0) @ W2.T
    error = rng.standard_normal((BATCH, N))
    start = power(error)
    for W1, W2, z in reversed(kept):
        error = error + alpha * ((error @ W2) * (z > 0)) @ W1
    return power(error) / start


@pytest.mark.parametrize("alpha", [1.0, 10**-0.5, 0.0])
def test_residual_blocks(alpha: float) -> None:
    measured = np.mean([residual_stack(10, alpha, seed) for seed in range(3)])
    assert np.log(measured) == pytest.approx(2 * np.log(theory.residual_gain(1.0, alpha, 10)), abs=0.35 * alpha)


def test_highway_blocks() -> None:
    rng, gate = np.random.default_rng(2), 0.3
    x, kept = gaussian(rng, 1.0, BATCH, N), []
    for _ in range(6):
        W = gaussian(rng, 2 / N, N, N)
        kept.append((W, x @ W.T > 0))
        x = gate * np.maximum(x @ W.T, 0) + (1 - gate) * x
    error = rng.standard_normal((BATCH, N))
    start = power(error)
    for W, on in reversed(kept):
        error = (1 - gate) * error + gate * (error * on) @ W
    measured = np.sqrt(power(error) / start) ** (1 / 6)
    assert measured == pytest.approx(float(theory.highway_gain(gate, 1.0)), rel=0.03)
    assert abs(measured - 1) > 0.1


@pytest.mark.parametrize(("kind", "sigma_w2"), [("relu", 1.6), ("relu", 2.0), ("tanh", 1.5)])
def test_dropout_hops(kind: str, sigma_w2: float) -> None:
    phi, slope = PLAIN[kind]
    rng, keep, depth, act = np.random.default_rng(3), 0.8, 8, activation(kind)
    z, kept, q, expected = gaussian(rng, 1.0, BATCH, N), [], 1.0, 0.0
    for _ in range(depth):
        W, mask = gaussian(rng, sigma_w2 / N, N, N), (rng.random((BATCH, N)) < keep) / keep
        kept.append((W, mask, z))
        z = (phi(z) * mask) @ W.T
        expected += float(np.log(theory.dropout_hop(act, sigma_w2, q, keep)))
        q = float(theory.dropout_variance_map(act, (sigma_w2, 0.0), q, keep))
    error = rng.standard_normal((BATCH, N))
    start = power(error)
    for W, mask, below in reversed(kept):
        error = (error @ W) * mask * slope(below)
    assert np.log(power(error) / start) == pytest.approx(expected, abs=0.6)
    assert mean_square(z) == pytest.approx(q, rel=0.3)


def normalised(z: Array, axis: int, centre: float) -> tuple[Array, Array]:
    shifted = z - centre * z.mean(axis=axis, keepdims=True)
    scale = np.sqrt(np.mean(shifted**2, axis=axis, keepdims=True))
    return shifted / scale, scale


def through_norm(error: Array, z_hat: Array, scale: Array, axis: int, centre: float) -> Array:
    across = z_hat * np.mean(error * z_hat, axis=axis, keepdims=True)
    return (error - centre * error.mean(axis=axis, keepdims=True) - across) / scale


def norm_network(kind: str, sigma_w2: float, axis: int, centre: float) -> float:
    """Mean ln gain² of the hops weights - norm - activation, but for the one behind the loss (its error was not yet
    projected by a norm) and the one at the input (its data are no activations)."""
    phi, slope = PLAIN[kind]
    rng = np.random.default_rng(4)
    x, kept = gaussian(rng, 1.0, N, N), []
    for _ in range(7):
        W = gaussian(rng, sigma_w2 / N, N, N)
        z_hat, scale = normalised(x @ W.T, axis, centre)
        kept.append((W, z_hat, scale))
        x = phi(z_hat)
    error, gains = rng.standard_normal((N, N)), []
    for W, z_hat, scale in reversed(kept):
        before = power(error)
        error = through_norm(error * slope(z_hat), z_hat, scale, axis, centre) @ W
        gains.append(np.log(power(error) / before))
    return float(np.mean(gains[1:-1]))


@pytest.mark.parametrize("kind", ["relu", "tanh", "linear"])
@pytest.mark.parametrize("sigma_w2", [0.1, 5.0])
def test_batch_norm_hops(kind: str, sigma_w2: float) -> None:
    measured = norm_network(kind, sigma_w2, axis=0, centre=1.0)
    assert measured == pytest.approx(np.log(theory.bn_hop(activation(kind))), abs=0.05)


@pytest.mark.parametrize("kind", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("centre", [0.0, 1.0], ids=["rms norm", "layer norm"])
def test_layer_norm_hops(kind: str, centre: float) -> None:
    measured = norm_network(kind, 0.7, axis=1, centre=centre)
    assert measured == pytest.approx(np.log(theory.ln_hop(activation(kind))), abs=0.1)
    if kind != "tanh":  # an odd φ has no mean to lose: both norms obey one law there
        assert abs(measured - np.log(theory.bn_hop(activation(kind)))) > 0.3


def normed_residual(kind: str, sigma2: tuple[float, float], depth: int, where: str) -> list[float]:
    """Squared-norm gain from the end to each block's input, W2 φ(W1 ·) branches, RMS norm before or after."""
    phi, slope = PLAIN[kind]
    rng = np.random.default_rng(6)
    x, kept = normalised(gaussian(rng, 1.0, BATCH, N), 1, 0.0)[0], []
    for _ in range(depth):
        W1, W2 = gaussian(rng, sigma2[0] / N, N, N), gaussian(rng, sigma2[1] / N, N, N)
        inside, scale = normalised(x, 1, 0.0) if where == "pre" else (x, np.ones((BATCH, 1)))
        z = inside @ W1.T
        x = x + phi(z) @ W2.T
        outside, outer = normalised(x, 1, 0.0) if where == "post" else (x, np.ones((BATCH, 1)))
        kept.append((W1, W2, z, inside, scale, outside, outer))
        x = outside
    error, totals = rng.standard_normal((BATCH, N)), [1.0]
    start = power(error)
    for W1, W2, z, inside, scale, outside, outer in reversed(kept):
        error = through_norm(error, outside, outer, 1, 0.0) if where == "post" else error
        branch = ((error @ W2) * slope(z)) @ W1
        error = error + (through_norm(branch, inside, scale, 1, 0.0) if where == "pre" else branch)
        totals.append(power(error) / start)
    return totals[::-1]


def test_pre_norm_stacks_grow_like_one_over_the_depth() -> None:
    depth = 12
    totals = normed_residual("relu", (1.0, 2.0), depth, "pre")
    expected = theory.pre_ln_total(1.0, 1.0, np.arange(depth + 1), depth)
    np.testing.assert_allclose(np.log(totals), np.log(expected), atol=0.25)
    assert expected[0] == 13


@pytest.mark.parametrize(("kind", "sigma2"), [("relu", (1.0, 2.0)), ("sigmoid", (1.0, 4.0))])
def test_post_norm_blocks(kind: str, sigma2: tuple[float, float]) -> None:
    act = activation(kind)
    branch_power = sigma2[1] * float(act.m2(sigma2[0]))
    chi_branch = sigma2[1] * float(act.d2(sigma2[0])) * sigma2[0]
    totals = normed_residual(kind, sigma2, 10, "post")
    hop = float(theory.post_ln_hop(chi_branch, branch_power))
    assert np.log(totals[0]) / 10 == pytest.approx(np.log(hop), abs=0.06)
    assert (hop < 0.6) == (kind == "sigmoid")


def test_dense_connections() -> None:
    n, depth, runs = 96, 12, []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        layers, kept = [gaussian(rng, 1.0, BATCH, n)], []
        for index in range(1, depth + 1):
            seen = np.concatenate(layers, axis=1)
            W = gaussian(rng, 2 / (index * n), n, index * n)
            kept.append((W, seen @ W.T > 0))
            layers.append(np.maximum(seen @ W.T, 0))
        errors = [np.zeros((BATCH, n)) for _ in layers]
        errors[-1] = rng.standard_normal((BATCH, n))
        for index in range(depth, 0, -1):
            W, on = kept[index - 1]
            parts = np.split((errors[index] * on) @ W, index, axis=1)
            for below, part in zip(errors[:index], parts, strict=True):
                below += part
        runs.append([power(error) / power(errors[-1]) for error in errors])
    mean = np.mean(runs, axis=0)[:-1]
    np.testing.assert_allclose(mean, theory.dense_total(np.arange(depth)), rtol=0.25)


@pytest.mark.parametrize("sigma_w2", [1 / 12, 1.0])
def test_cross_layers(sigma_w2: float) -> None:
    rng, depth = np.random.default_rng(8), 12
    x0 = gaussian(rng, 1.0, BATCH, N)
    error = rng.standard_normal((BATCH, N))
    start = power(error)
    for _ in range(depth):  # the law of the error needs no forward values: the layer is linear in x
        error = error + (error * x0) @ gaussian(rng, sigma_w2 / N, N, N)
    assert np.log(power(error) / start) / depth == pytest.approx(np.log(theory.cross_hop(sigma_w2)), abs=0.05)


def single_inputs(hop: Callable[[np.random.Generator, Array], Array], n: int, depth: int, draws: int) -> Array:
    """ln gain² of a chain for one error vector, for many draws of the weights."""
    out = np.empty(draws)
    for draw in range(draws):
        rng = np.random.default_rng(100 + draw)
        error = rng.standard_normal(n)
        start = power(error)
        for _ in range(depth):
            error = hop(rng, error)
        out[draw] = np.log(power(error) / start)
    return out


def test_finite_width_shifts_and_spreads_the_log_gain() -> None:
    n, depth, draws = 32, 16, 200

    def relu_hop(rng: np.random.Generator, error: Array) -> Array:
        return (error @ gaussian(rng, 2 / n, n, n)) * (rng.random(n) < 0.5)

    seen = single_inputs(relu_hop, n, depth, draws)
    kappa = float(activation("relu").kappa_backward(1.0))
    chain = theory.error_chain(1.0, kappa, [n] * depth)
    spread = kappa * depth / n
    assert np.mean(seen) == pytest.approx(chain.ln_gain2[-1], abs=4 * np.sqrt(spread / draws))
    assert np.mean(seen) < -6 * np.sqrt(spread / draws)  # infinite width would say 0
    assert np.var(seen) == pytest.approx(spread, rel=0.4)
    assert np.mean(np.abs(seen - chain.ln_gain2[-1]) < chain.band[-1]) > 0.98


def test_low_rank_layers_drift() -> None:
    n, rank, depth, draws = 96, 8, 12, 60

    def low_rank_hop(rng: np.random.Generator, error: Array) -> Array:
        return (error @ gaussian(rng, 1 / rank, n, rank)) @ gaussian(rng, 1 / n, rank, n)

    seen = single_inputs(low_rank_hop, n, depth, draws)
    full = float(theory.finite_width_drift(2.0, [n] * depth)[-1])
    error = np.sqrt((2 / n + 2 / rank) * depth / draws)
    assert np.mean(seen) == pytest.approx(full + depth * float(theory.low_rank_drift(rank)), abs=4 * error)
    assert np.mean(seen) < full - 4 * error
