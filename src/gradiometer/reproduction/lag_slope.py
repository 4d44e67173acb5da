"""How the error fades over the time steps of a fresh recurrent network: measured, and in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import binom, expit
from torch import Tensor, nn

from gradiometer.theory import activation, chi, variance_fixed_point

from .lag_network import Kind, Reader, adding_batch, squared_error
from .measure import Array, first_pass, seeded

WIDTH = 128
N_STEPS = 40
LAGS = 30  # the slope is taken from lag 1 to this one: lag 0 is the head's own error
EXAMPLES = 32  # Gradiometer sends that many examples of a batch back through a recurrence
WEIGHT_POWER = 1 / 3  # n Var W of U(±1/√n)


@dataclass(frozen=True, slots=True)
class Start:
    """A fresh network: what recurs, and for an LSTM its forget bias."""

    kind: Kind
    seed: int
    forget_bias: float = 1.0
    width: int = WIDTH


@dataclass(frozen=True, slots=True)
class Faded:
    """ln of the error at lag 0, 1, 2, ... [lag]. measured: ∂L/∂h by Gradiometer's time steps; autograd: the same by a
    loop of cells; cell: ∂L/∂c of an LSTM whose states h are held, so that only the cell carries it (else empty)."""

    measured: tuple[float, ...]
    autograd: tuple[float, ...]
    cell: tuple[float, ...]


def faded(start: Start) -> Faded:
    """Measure one draw on one batch of the adding problem."""
    model = Reader(start.kind, start.width, start.seed, start.forget_bias)
    batch = adding_batch(N_STEPS, EXAMPLES, seeded(start.seed + 600_000))
    run = first_pass(model, batch, squared_error).run
    times = [(site.call, column) for column, site in enumerate(run.sites()) if site.kind == "time"]
    norms = run.of("err_norm")[0]
    measured = [float(norms[column]) for _, column in sorted(times)]
    by_state, by_cell = _unrolled(model, batch)
    return Faded(_logs(measured), _logs(by_state), _logs(by_cell))


def _logs(by_time: list[float]) -> tuple[float, ...]:
    return tuple(math.log(norm) if norm > 0 else -math.inf for norm in reversed(by_time))


def _unrolled(model: Reader, batch: tuple[Tensor, Tensor]) -> tuple[list[float], list[float]]:
    """Error norms at h_t and, along the cell alone, at c_t, by torch's cells and autograd [time]."""
    x, targets = batch
    cls = nn.LSTMCell if isinstance(model.core, nn.LSTM) else nn.RNNCell
    with torch.random.fork_rng(devices=[]):
        cell = cls(2, model.core.hidden_size)
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            cell.get_parameter(name).copy_(model.core.get_parameter(f"{name}_l0"))
    h = c = torch.zeros(len(x), model.core.hidden_size)
    states, lines, line = [], [], c
    for t in range(x.shape[1]):
        if isinstance(cell, nn.LSTMCell):
            line = _line(cell, x[:, t], h.detach(), line)
            lines.append(line)
            h, c = cell(x[:, t], (h, c))
        else:
            h = cell(x[:, t], h)
        states.append(h)
    loss = (model.head(h).squeeze(-1) - targets).square().mean()
    by_state = [float(g.norm()) for g in torch.autograd.grad(loss, states)]
    if not lines:
        return by_state, []
    return by_state, [float(g.norm()) for g in torch.autograd.grad(lines[-1].sum(), lines)]


def _line(cell: nn.LSTMCell, x: Tensor, held: Tensor, line: Tensor) -> Tensor:
    gates = x @ cell.weight_ih.T + held @ cell.weight_hh.T + cell.bias_ih + cell.bias_hh
    given, forget, new, _ = gates.chunk(4, dim=1)
    return torch.sigmoid(forget) * line + torch.sigmoid(given) * torch.tanh(new)


def slope(logs: tuple[float, ...] | Array) -> float:
    """Nats a time step.

    law: least squares line through ln ‖δ‖ at lags 1 to LAGS.
    shapes, units: [lag]; nats a step.
    at 0: an error of 0 has the logarithm −inf and gives nan.
    at inf/nan: nan.
    source: Hochreiter 1991: an error that is scaled at each step fades exponentially.
    """
    values = np.asarray(logs, dtype=np.float64)[1 : LAGS + 1]
    if len(values) < LAGS or not np.isfinite(values).all():
        return math.nan
    return float(np.polyfit(np.arange(LAGS), values, 1)[0])


def rnn_slope(width: int = WIDTH) -> float:
    """Nats a time step of a fresh tanh RNN.

    law: ½ ln χ, χ = n Var W · D2(q*), q* the fixed point of the variance of the pre-activation, to which input and
    both biases add n-independent draws of variance 1/(3n).
    shapes, units: number of units in; nats a step.
    at 0: width 0 raises ZeroDivisionError.
    at inf/nan: infinite width gives ½ ln ⅓.
    source: Pascanu 2013 with mean field (Schoenholz 2017).
    """
    marked = 2 / N_STEPS
    drive = (1 / 3 + marked + 2) / (3 * width)  # E value² + E mark² + two biases
    tanh = activation("tanh")
    return 0.5 * math.log(float(chi(tanh, WEIGHT_POWER, float(variance_fixed_point(tanh, WEIGHT_POWER, drive)))))


def lstm_logs(forget_bias: float) -> Array:
    """ln of the error of a fresh LSTM at lags 0 to LAGS, over all its ways, relative to lag 0.

    law: c' = f c + ¼ W c while the gates stand at ½ and the cell is small, so the error after k steps is the sum over
    the steps at which it took the way through W: ½ ln Σ_j C(k, j)² f^(2(k−j)) s^(2j), f = σ(b), s² = n Var W/16. The
    same W at every step adds the C(k, j) ways up before they are squared.
    shapes, units: [lag]; nats.
    at 0: lag 0 gives 0.
    at inf/nan: nan stays nan.
    source: derived here; without the second way it is Gers 2000, f a step.
    """
    kept, sent = float(expit(forget_bias)), math.sqrt(WEIGHT_POWER) / 4
    out = []
    for lag in range(LAGS + 1):
        j = np.arange(lag + 1)
        out.append(0.5 * math.log(float(np.sum(binom(lag, j) ** 2 * kept ** (2 * (lag - j)) * sent ** (2 * j)))))
    return np.array(out)
