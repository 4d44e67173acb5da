"""Hanin 2018: at the edge of chaos the gain of one draw still scatters, by the sum of the widths' reciprocals alone."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor, nn

from gradiometer.views import Axis, Figure, Series

from .experiment import Experiment, Order, Outcome, Row
from .measure import Array, first_pass, injected, seeded
from .plain import alone, blank
from .workers import each

SOURCE = "Hanin and Nica 2018; Hanin 2018"
STRENGTH = 5.0  # of ReLU: 3 E φ'⁴ / (E φ'²)² − 1
STRENGTH_BAND = (4.0, 6.0)
GRID = ((32, 5), (64, 5), (32, 10), (128, 10), (64, 20), (128, 20), (64, 30), (100, 20))  # width, hops
QUICK_GRID = ((32, 5), (32, 10), (64, 20), (32, 16))
CHUNK_NUMBERS = 4_000_000  # weights held at once: 16 MB
AGREEMENT = 1e-4  # of a gain: float32 along twenty hops
DRAWS, QUICK_DRAWS = 1000, 400
GROUPS = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the grid: many networks of ``hops`` layers of one width, drawn from one seed.

    power: Var W · fan-in. slope: of the activation below 0, where ReLU has 0 and a linear layer 1.
    """

    width: int
    hops: int
    draws: int
    seed: int
    power: float = 2.0
    slope: float = 0.0

    @property
    def beta(self) -> float:
        """Sum of the widths' reciprocals."""
        return self.hops / self.width


def log_gains(cell: Cell) -> Array:
    """ln of the squared-norm gain of the error over all hops [draw], in plain tensors.

    law: ln(‖J^T v‖²/‖v‖²), J the Jacobian of ``hops`` layers (weights, then activation) at a random input, v random.
    shapes, units: [draw]; ln of a squared norm. A draw is left out where a layer has no active unit.
    at 0: see above.
    at inf/nan: never.
    source: Hanin and Nica 2018.
    """
    generator = seeded(cell.seed)
    size = max(1, CHUNK_NUMBERS // (cell.hops * cell.width**2))
    found: list[Tensor] = []
    for start in range(0, cell.draws, size):
        found.append(_chunk(cell, min(size, cell.draws - start), generator))
    ln = torch.cat(found)
    return ln[torch.isfinite(ln)].double().numpy()


def _chunk(cell: Cell, draws: int, generator: torch.Generator) -> Tensor:
    # W: [hop, draw, unit above, unit below], x and error: [draw, unit, 1]
    W = torch.randn(cell.hops, draws, cell.width, cell.width, generator=generator) * math.sqrt(cell.power / cell.width)
    x = torch.randn(draws, cell.width, 1, generator=generator)
    error = torch.randn(draws, cell.width, 1, generator=generator)
    start = error.square().sum((1, 2)).log()
    active = []
    for weights in W:
        z = weights @ x
        active.append(torch.where(z > 0, 1.0, cell.slope))
        x = z * active[-1]
    for weights, derivative in zip(W.flip(0), active[::-1], strict=True):
        error = weights.mT @ (error * derivative)
    return error.square().sum((1, 2)).log() - start


def tool_and_plain(seed: int) -> tuple[float, float]:
    """ln gain of one network and one input, by Gradiometer and by the same loop over its own weights."""
    width, hops = 64, 20
    generator = seeded(seed)
    layers: list[nn.Module] = [
        blank(nn.Linear, width, width, bias=False)
    ]  # a station whose output is the input of hop 1
    for _ in range(hops):
        layers += [blank(nn.Linear, width, width, bias=False), nn.ReLU()]
    network = nn.Sequential(*layers)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(0, math.sqrt(2 / width), generator=generator)
    x, error = torch.randn(1, width, generator=generator), torch.randn(1, width, generator=generator)
    norms = first_pass(network, (x, error), injected).error_norms([str(len(layers) - 1), "0"])
    return float(2 * np.log(norms[1] / norms[0])), _by_hand(network, x, error)


def _by_hand(network: nn.Sequential, x: Tensor, error: Tensor) -> float:
    weights = [p.detach() for p in network.parameters()]
    x, masks = x @ weights[0].T, []
    for weight in weights[1:]:
        x = x @ weight.T
        masks.append(x > 0)
        x = x.relu()
    start = float(error.square().sum())
    for weight, mask in zip(weights[:0:-1], masks[::-1], strict=True):
        error = (error * mask) @ weight
    return math.log(float(error.square().sum()) / start)


def outcome(order: Order, power: float = 2.0, slope: float = 0.0) -> Outcome:
    """The experiment; with another variance of the weights, or another activation, it must not reproduce."""
    cells = [dataclasses.replace(cell, power=power, slope=slope) for cell in _cells(order)]
    gains = each(log_gains, cells, order if not order.quick else alone(order), "draws of each width and depth")
    beta = np.array([cell.beta for cell in cells])
    groups = [np.array_split(g, GROUPS) for g in gains]  # [cell, group], so that the slopes have a spread
    variance = np.array([[float(np.var(g, ddof=1)) for g in cell] for cell in groups])
    mean = np.array([[float(np.mean(g)) for g in cell] for cell in groups])
    checks = each(tool_and_plain, range(2 if order.quick else 8), alone(order), "the same by Gradiometer")
    rows = (*_rows(beta, variance, mean), _check_row(checks), *_cell_rows(cells, variance))
    return Outcome(
        name="hanin2018",
        rows=rows,
        figures=(_figure(beta, variance.mean(axis=1)),),
        notes=_NOTES,
        reasons=() if all(row.holds for row in rows) else (_REASON,),
        quick=order.quick,
    )


_NOTES = (
    "The grid is measured with plain batched tensors in float32: the tool takes tens of milliseconds a draw. Some "
    "draws are measured by Gradiometer as well, and agree. The spread is that of five groups of draws.",
    "The law is the first order in 1/n; at a width of 32 the next order adds about a tenth.",
)
_REASON = "Another activation has another strength: 3 E φ′⁴/(E φ′²)² − 1. Away from χ = 1 the mean moves with depth."


def _cells(order: Order) -> list[Cell]:
    grid, draws = (QUICK_GRID, QUICK_DRAWS) if order.quick else (GRID, DRAWS)
    return [Cell(width, hops, draws, seed) for seed, (width, hops) in enumerate(grid)]


def through_zero(x: Array, y: Array) -> float:
    """Slope of the line through the origin.

    law: Σ xy/Σ x².
    shapes, units: both [point]; the unit of y over that of x.
    at 0: nan where every x is 0.
    at inf/nan: nan.
    source: least squares.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.dot(x, y) / np.dot(x, x))


def _rows(beta: Array, variance: Array, mean: Array) -> tuple[Row, ...]:
    return (
        Row(
            name="variance of ln ‖J‖² over β: slope over the grid",
            published="5",
            source=SOURCE,
            statistic="mean",
            values=tuple(through_zero(beta, group) for group in variance.T),
            low=STRENGTH_BAND[0],
            high=STRENGTH_BAND[1],
        ),
        Row(
            name="mean of ln ‖J‖² over β: slope over the grid",
            published="−5/2",
            source=SOURCE,
            statistic="mean",
            values=tuple(through_zero(beta, group) for group in mean.T),
            low=-STRENGTH_BAND[1] / 2,
            high=-STRENGTH_BAND[0] / 2,
        ),
    )


def _check_row(checks: list[tuple[float, float]]) -> Row:
    return Row(
        name="ln gain by Gradiometer minus by hand, same networks",
        published="0",
        source="definition",
        values=tuple(tool - hand for tool, hand in checks),
        low=-AGREEMENT,
        high=AGREEMENT,
    )


def _cell_rows(cells: list[Cell], variance: Array) -> tuple[Row, ...]:
    return tuple(
        Row(
            name=f"width {cell.width}, {cell.hops} hops: variance of ln ‖J‖²",
            published=f"5β = {STRENGTH * cell.beta:.2f}",
            source=SOURCE,
            values=tuple(v.tolist()),
            statistic="mean",
        )
        for cell, v in zip(cells, variance, strict=True)
    )


def _figure(beta: Array, variance: Array) -> Figure:
    order = np.argsort(beta)
    x = tuple(beta[order].tolist())
    axes = (Axis("β, sum of 1/width", "", "linear", values=x), Axis("variance of ln ‖J‖²", "", "linear"))
    return Figure(
        "Spread of the gain over draws",
        axes,
        (
            Series("measured", "error", "dots", tuple(variance[order].tolist())),
            Series("5β", "theory", "dashed", tuple((STRENGTH * beta[order]).tolist())),
        ),
    )


EXPERIMENT = Experiment(
    name="hanin2018",
    title="One draw's gain scatters with β, the sum of the reciprocal widths",
    source="Hanin, Which Neural Net Architectures Give Rise to Exploding and Vanishing Gradients?, 2018; Hanin and "
    "Nica, Products of Many Large Random Matrices and Gradients in Deep Neural Networks, 2018",
    rule="Over a grid of widths and depths the variance of ln ‖J‖² rises as 5β ± 1β and its mean falls as 5β/2 ± β/2; "
    "draws measured by Gradiometer agree with plain tensors.",
    setting="ReLU, Var W = 2/n, no bias, 1000 draws (quick: 400) of each width and depth, one random input and one "
    "random error a draw. Plain batched tensors: the tool would be too slow for that many draws.",
    run=outcome,
)
