"""Laws of the recurrent networks: the gain of one time step, in the last of the stacked layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from gradiometer import theory

from .laws_setting import Hop, Setting
from .laws_weights import state_power

FORGET_BIAS = 1.0
LINEAR_KAPPA = 2.0
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
NODE_WEIGHTS = NODE_WEIGHTS / NODE_WEIGHTS.sum()


@dataclass(frozen=True, slots=True)
class Drawn:
    """Variances of one recurrent layer, each times its fan-in: of what it reads, of its state, and of both biases."""

    given: float
    kept: float
    bias_given: float
    bias_kept: float


def drawn(setting: Setting, number: int) -> Drawn:
    """The variances of the layer of that number, 0 reads the input. torch draws all with 1/√n, n the state's size."""
    n, init = setting.recipe.width, setting.recipe.init
    below = setting.n_in if number == 0 else n
    if init == "torch":
        return Drawn(below / (3 * n), 1 / 3, 1 / (3 * n), 1 / (3 * n))
    power = 1.0 if number == 0 else state_power(setting.recipe.activation)
    given, bias = setting.power("drive", (below, n), power)
    return Drawn(given, setting.power("hidden", (n, n), 1.0)[0], bias, 0.0)


def rnn(setting: Setting) -> list[Hop]:
    """σh² D2(q_t) a time step, q_t = σh² E h² + σx² E x² + σb²."""
    act, n = setting.act, setting.recipe.width
    layers = [drawn(setting, number) for number in range(setting.recipe.depth)]
    state, hops = [0.0] * len(layers), []
    for _ in range(setting.n_steps):
        below, q = 1.0, 0.0
        for at, w in enumerate(layers):
            q = w.kept * state[at] + w.given * below + w.bias_given + w.bias_kept
            below = state[at] = float(act.m2(q))
        hops.append(Hop(layers[-1].kept * float(act.d2(q)), float(act.kappa_backward(q)) / n))
    return hops


def gru(setting: Setting) -> list[Hop]:
    """E z² and what comes back through the gates, from state to state.

    law: E z² + σh² {E(z(1−z))² (E h² + E n²) + E(1−z)² E(1−n²)² [E r² + E(r(1−r))² (σh² E h² + σb²)]}.
    """
    layers = [drawn(setting, number) for number in range(setting.recipe.depth)]
    state, hops = [0.0] * len(layers), []
    for _ in range(setting.n_steps):
        below, gain2 = 1.0, 0.0
        for at, w in enumerate(layers):
            below, gain2 = _gru_step(w, state[at], below)
            state[at] = below
        hops.append(Hop(gain2, LINEAR_KAPPA / setting.recipe.width))
    return hops


def _gru_step(w: Drawn, state: float, below: float) -> tuple[float, float]:
    """(E h² after the step, gain² of the error over it)."""
    kept = w.kept * state + w.bias_kept
    gate = w.given * below + w.bias_given + kept
    opening, slope = _mean_square(expit, gate), _mean_square(_slope, gate)
    q = w.given * below + w.bias_given + opening * kept
    tanh = theory.activation("tanh")
    new, new_slope = float(tanh.m2(q)), float(tanh.d2(q))
    shut = opening  # E(1−z)² = E z² for a gate without bias
    through_new = shut * new_slope * (opening + slope * kept)
    gain2 = opening + w.kept * (slope * (state + new) + through_new)
    return shut * new + opening * state, gain2


def lstm(setting: Setting) -> list[Hop]:
    """E f² and what comes back through the gates, from cell to cell; f = σ(1) is most of it.

    law: two errors a step, e_c at the cell and e_h at the state (see ``_lstm_back``).
    """
    layers = [drawn(setting, number) for number in range(setting.recipe.depth)]
    state, cell = [0.0] * len(layers), [0.0] * len(layers)
    seen = []  # of the last layer: the cell's power before each step, and the gates' variance in it
    for _ in range(setting.n_steps):
        below = 1.0
        for at, w in enumerate(layers):
            z = w.given * below + w.bias_given + w.kept * state[at] + w.bias_kept
            if at == len(layers) - 1:
                seen.append((cell[at], z, w))
            kept = _mean_square(expit, z - w.bias_given - w.bias_kept, FORGET_BIAS) * cell[at]
            cell[at] = kept + _mean_square(expit, z) * _mean_square(np.tanh, z)
            below = state[at] = _mean_square(expit, z) * _mean_square(np.tanh, cell[at])
    return _lstm_back(seen, setting.recipe.width)


def _lstm_back(seen: list[tuple[float, float, Drawn]], n: int) -> list[Hop]:
    hops, e_cell, e_state = [], 1.0, 0.0
    for cell, z, w in reversed(seen):
        gate, slope = _mean_square(expit, z), _mean_square(_slope, z)
        forget = z - w.bias_given - w.bias_kept
        to_gates = slope * _mean_square(np.tanh, z) + gate * _mean_square(_flat, z)
        to_gates += _mean_square(_slope, forget, FORGET_BIAS) * cell
        back = w.kept * (e_cell * to_gates + e_state * slope * _mean_square(np.tanh, cell))
        kept = e_cell * _mean_square(expit, forget, FORGET_BIAS)
        lower = kept + back * gate * _mean_square(_flat, cell)
        hops.append(Hop(lower / e_cell, LINEAR_KAPPA / n))
        e_cell, e_state = lower, back
    return hops


def _mean_square(f: Callable[[np.ndarray], np.ndarray], variance: float, mean: float = 0.0) -> float:
    """E f(z)², z of that variance and mean."""
    return float(np.sum(NODE_WEIGHTS * f(mean + np.sqrt(variance) * NODES) ** 2))


def _slope(z: np.ndarray) -> np.ndarray:
    """σ'."""
    share = expit(z)
    return np.asarray(share * (1 - share))


def _flat(z: np.ndarray) -> np.ndarray:
    """tanh'."""
    return np.asarray(1 - np.tanh(z) ** 2)
