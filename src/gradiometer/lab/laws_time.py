"""Laws of the recurrent networks: the gain of one time step, in the last of the stacked layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from .laws_setting import Hop, Setting
from .laws_weights import state_power
from .proportions import FORGET_BIAS

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
    """From state to state: z, the way back through n, which the same weights take at every step, and the gates.

    law: of a layer that reads the input; a sum over paths (see ``_tied``). No law above it: what a layer reads there
        moves slowly, and so do its gates.
    """
    if setting.recipe.depth > 1:
        return []
    w, state, steps = drawn(setting, 0), 0.0, []
    for _ in range(setting.n_steps):
        step, state = _gru_step(w, state)
        steps.append(step)
    return _tied(steps, setting)


def _gru_step(w: Drawn, state: float) -> tuple[TiedStep, float]:
    """(One step, E h² after it)."""
    biases = w.bias_given + w.bias_kept
    kept = w.kept * state + w.bias_kept
    gate = w.given + biases + w.kept * state
    opening, slope = _mean_square(expit, gate), _mean_square(_slope, gate)
    q = w.given + w.bias_given + opening * kept
    new, flat = _mean_square(np.tanh, q), _mean_square(_flat, q)
    straight = w.kept * (_mean(expit, gate) ** 2 * _mean(_flat, q)) ** 2
    back = w.kept * (slope * (state + new) + opening * flat * (opening + slope * kept))
    return TiedStep(opening, _mean(expit, gate), straight, back - straight), opening * (new + state)


def lstm(setting: Setting) -> list[Hop]:
    """From cell to cell: f = σ(1) most of all, and the way back through the state and the gates.

    law: as gru.
    """
    if setting.recipe.depth > 1:
        return []
    w, state, cell, steps = drawn(setting, 0), 0.0, 0.0, []
    for _ in range(setting.n_steps):
        forget = w.given + w.kept * state  # the forget gate's biases are set, not drawn
        gate = forget + w.bias_given + w.bias_kept
        opening, slope, new = _mean_square(expit, gate), _mean_square(_slope, gate), _mean_square(np.tanh, gate)
        out = w.kept * opening * _mean_square(_flat, cell)  # from the cell below to the gates
        back = slope * new + opening * _mean_square(_flat, gate) + cell * _mean_square(_slope, forget, FORGET_BIAS)
        straight = w.kept * (_mean(expit, gate) ** 2 * _mean(_flat, cell) * _mean(_flat, gate)) ** 2
        held = _mean_square(expit, forget, FORGET_BIAS)
        steps.append(TiedStep(held, _mean(expit, forget, FORGET_BIAS), straight, out * back - straight))
        cell = held * cell + opening * new
        state = opening * _mean_square(np.tanh, cell)
    return _tied(steps, setting)


@dataclass(frozen=True, slots=True)
class TiedStep:
    """One step of a gated recurrence.

    held: E of the squared gate that hands on. gate: its mean. straight: squared gain of the way through the weights
    with factors that keep their sign over time. scattered: of the ways whose sign changes.
    """

    held: float
    gate: float
    straight: float
    scattered: float


def _tied(steps: list[TiedStep], setting: Setting) -> list[Hop]:
    """The hops of a recurrence whose weights are the same at every step.

    law: an error takes 2^T paths, at each step held by its unit or through the weights to another one. Two paths that
        pass the weights equally often, at whatever steps, end with one sign, so they add before they are squared; the
        sum runs over pairs, by how many passages the one is ahead of the other. In step a pair is held by E z², out of
        step by (E z)². With weights drawn anew at every step there would be no pairs out of step.
    """
    pairs = np.zeros(2 * len(steps) + 3)  # by how far one is ahead; both ends stay 0
    home = len(pairs) // 2
    pairs[home] = 1.0
    hops = []
    for step in reversed(steps):
        before = pairs[home]
        hold = np.full(pairs.size, step.gate**2)
        hold[home] = step.held + step.scattered
        apart = step.gate * np.sqrt(step.straight)
        pairs[1:-1] = (hold + step.straight)[1:-1] * pairs[1:-1] + apart * (pairs[:-2] + pairs[2:])
        hops.append(Hop(float(pairs[home] / before), LINEAR_KAPPA / setting.recipe.width))
    return hops


def _mean_square(f: Callable[[np.ndarray], np.ndarray], variance: float, mean: float = 0.0) -> float:
    """E f(z)², z of that variance and mean."""
    return float(np.sum(NODE_WEIGHTS * f(mean + np.sqrt(variance) * NODES) ** 2))


def _mean(f: Callable[[np.ndarray], np.ndarray], variance: float, mean: float = 0.0) -> float:
    """E f(z), z of that variance and mean."""
    return float(np.sum(NODE_WEIGHTS * f(mean + np.sqrt(variance) * NODES)))


def _slope(z: np.ndarray) -> np.ndarray:
    """σ'."""
    share = expit(z)
    return np.asarray(share * (1 - share))


def _flat(z: np.ndarray) -> np.ndarray:
    """tanh'."""
    return np.asarray(1 - np.tanh(z) ** 2)
