"""The adding problem: over a long lag the error of a tanh RNN is gone, that of an LSTM is not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from gradiometer.views import Axis, Figure, Mark, Series

from .experiment import Experiment, Order, Outcome, Row
from .fair import Searched, order_rows, rates_table, search
from .lag_network import BASELINE, Kind, Training, judged_error, validation_error
from .lag_slope import LAGS, Faded, Start, faded, lstm_logs, rnn_slope, slope
from .measure import Array
from .plain import alone
from .workers import each

HOCHREITER = "Hochreiter & Schmidhuber 1997"
PASCANU = "Pascanu 2013 with mean field"
TOLERANCE = 0.1  # of a slope: finite width 128 and 30 lags leave about half of it
SAME = 1e-3  # Gradiometer's time steps against a loop of cells, in float32
KINDS: tuple[Kind, ...] = ("tanh RNN", "LSTM")
SOLVED = 0.02  # an eighth of the baseline
UNSOLVED = 0.9 * BASELINE
HALF = round(0.5 * BASELINE, 3)  # what it takes to know one of the two values


@dataclass(frozen=True, slots=True)
class Plan:
    """Draws of the slopes; lengths, rates, steps and seeds of the trainings. bias: the LSTM's forget bias."""

    draws: int = 20
    lengths: tuple[int, ...] = (10, 20, 40)
    rnn_rates: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03)
    lstm_rates: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03)
    steps: int = 1200
    search_seeds: tuple[int, ...] = (100, 101)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    bias: float = 1.0


FULL = Plan()
QUICK = Plan(4, (8, 30), (0.01,), (0.02,), 450, (), (0, 1, 2))


def outcome(order: Order, plan: Plan) -> Outcome:
    """The experiment by a plan."""
    slope_rows, slope_figure = _slopes(order, plan)
    rates = _search(order, plan)
    errors = _train(order, plan, rates)
    rows = (*slope_rows, *_training_rows(plan, errors))
    return Outcome(
        name="lag",
        rows=rows,
        figures=(slope_figure, _training_figure(plan, errors)),
        tables=(rates_table(rates),),
        notes=_NOTES,
        reasons=() if all(row.holds for row in rows) else (_REASON,),
        quick=order.quick,
    )


_NOTES = (
    "The error of the LSTM fades more slowly than its cell alone: it also goes through h and the gates, at every step "
    "by the same weights, and these ways add up. So σ(1) a step is judged on the cell, and the sum over all ways on "
    "∂L/∂h.",
    "Differs from the sources: values from U(0, 1) and their plain sum; one mark in the first tenth, one in the second "
    "half; a forget gate, which came in 2000; Adam with a clipped gradient for both networks.",
    "T is small, so that the budget lets the LSTM solve every length; Hochreiter & Schmidhuber bridge lags beyond 1000 "
    "with far more sequences. That the RNN fails is a statement about this budget and these rates.",
)
_REASON = (
    "A lag of T = 40 costs a fresh RNN e^(0.56 · 40), ten decades, and the LSTM three; another forget bias, other "
    "weights or more steps move both."
)


def _arms(plan: Plan) -> dict[str, tuple[Kind, float]]:
    """Name -> network and forget bias whose fading is measured."""
    return {"tanh RNN": ("tanh RNN", 0.0), "LSTM": ("LSTM", plan.bias), "LSTM, b = 0": ("LSTM", plan.bias - 1)}


def _slopes(order: Order, plan: Plan) -> tuple[tuple[Row, ...], Figure]:
    found: dict[str, list[Faded]] = {}
    for name, (kind, bias) in _arms(plan).items():
        starts = [Start(kind, seed, bias) for seed in range(plan.draws)]
        found[name] = each(faded, starts, alone(order), f"error over the lag, {name}")
    rows = (
        _slope_row("tanh RNN: ln of the error, a step", rnn_slope(), PASCANU, found["tanh RNN"]),
        _slope_row("LSTM, forget bias 0: the same", slope(lstm_logs(0.0)), "all ways", found["LSTM, b = 0"]),
        _slope_row("LSTM, forget bias 1: the same", slope(lstm_logs(1.0)), "all ways", found["LSTM"]),
        _cell_row("LSTM, forget bias 0: along the cell alone", 0.0, found["LSTM, b = 0"]),
        _cell_row("LSTM, forget bias 1: along the cell alone", 1.0, found["LSTM"]),
        Row(
            name="Gradiometer's time steps against a loop of cells, largest difference",
            values=tuple(_difference(draws) for draws in found.values()),
            high=SAME,
            by="every value",
        ),
    )
    return rows, _slope_figure(found)


def _slope_row(name: str, expected: float, source: str, draws: list[Faded]) -> Row:
    return _within(name, expected, source, tuple(slope(draw.measured) for draw in draws))


def _cell_row(name: str, bias: float, draws: list[Faded]) -> Row:
    return _within(name, math.log(float(expit(bias))), "ln σ(b), Gers 2000", tuple(slope(d.cell) for d in draws))


def _within(name: str, expected: float, source: str, values: tuple[float, ...]) -> Row:
    return Row(
        name=name,
        unit="nats",
        published=f"{expected:.3f}".replace("-", "−"),
        source=source,
        values=values,
        statistic="mean",
        low=round(expected * (1 + TOLERANCE), 3),  # both are negative
        high=round(expected * (1 - TOLERANCE), 3),
    )


def _difference(draws: list[Faded]) -> float:
    """Largest relative difference over all draws and lags."""
    return max(float(np.max(np.abs(np.expm1(np.subtract(d.measured, d.autograd))))) for d in draws)


def _search(order: Order, plan: Plan) -> dict[str, Searched]:
    jobs = {
        _arm(kind, length): {
            rate: [Training(kind, length, rate, plan.steps, s, forget_bias=plan.bias) for s in plan.search_seeds]
            for rate in (plan.rnn_rates if kind == "tanh RNN" else plan.lstm_rates)
        }
        for length in plan.lengths
        for kind in KINDS
    }
    return search(validation_error, jobs, order, "learning rates on validation sequences")


def _arm(kind: Kind, length: int) -> str:
    return f"{kind}, T = {length}"


def _train(order: Order, plan: Plan, rates: dict[str, Searched]) -> dict[str, tuple[float, ...]]:
    arms = [(kind, length) for length in plan.lengths for kind in KINDS]
    jobs = [
        Training(kind, length, rates[_arm(kind, length)].rate, plan.steps, seed, forget_bias=plan.bias)
        for kind, length in arms
        for seed in plan.seeds
    ]
    found = each(judged_error, jobs, order, "adding problem, the seeds that are judged")
    n = len(plan.seeds)
    return {_arm(*arm): tuple(found[i * n : (i + 1) * n]) for i, arm in enumerate(arms)}


def _training_rows(plan: Plan, errors: dict[str, tuple[float, ...]]) -> tuple[Row, ...]:
    short, long = plan.lengths[0], plan.lengths[-1]
    rnn, lstm = errors[_arm("tanh RNN", long)], errors[_arm("LSTM", long)]
    told = "1/6 = 0.167 for always answering 1"
    return (
        Row(name=f"tanh RNN, T = {short}: squared error", values=errors[_arm("tanh RNN", short)], high=HALF),
        Row(name=f"tanh RNN, T = {long}", published=told, source="variance of the sum", values=rnn, low=UNSOLVED),
        Row(name=f"LSTM, T = {long}", published="solves it", source=HOCHREITER, values=lstm, high=SOLVED),
        *order_rows(f"RNN − LSTM, T = {long}", rnn, lstm),
    )


def _slope_figure(found: dict[str, list[Faded]]) -> Figure:
    roles = {"tanh RNN": "error", "LSTM": "healthy", "LSTM, b = 0": "activation"}
    closed = {
        "tanh RNN": rnn_slope() * np.arange(LAGS),
        "LSTM": lstm_logs(1.0)[1:] - lstm_logs(1.0)[1],
        "LSTM, b = 0": lstm_logs(0.0)[1:] - lstm_logs(0.0)[1],
    }
    series = []
    for name, draws in found.items():
        logs = np.array([draw.measured for draw in draws])[:, 1 : LAGS + 1] / math.log(10)  # [draw, lag], decades
        low, middle, high = (tuple(v.tolist()) for v in np.quantile(logs - logs[:, :1], (0.05, 0.5, 0.95), axis=0))
        series.append(Series(name, roles[name], "line", middle, low, high))
    series += [Series(f"{n}, closed form", "theory", "dashed", _decades(logs)) for n, logs in closed.items()]
    lags = tuple(float(lag) for lag in range(1, LAGS + 1))
    axes = (Axis("lag", "steps", "linear", values=lags), Axis("error left", "decades", "decades"))
    return Figure("Error at h, the end of the sequence on the left", axes, tuple(series))


def _decades(logs: Array) -> tuple[float, ...]:
    return tuple((logs / math.log(10)).tolist())


def _training_figure(plan: Plan, errors: dict[str, tuple[float, ...]]) -> Figure:
    series = []
    for kind, role in zip(KINDS, ("error", "healthy"), strict=True):
        found = np.array([errors[_arm(kind, length)] for length in plan.lengths])  # [length, seed]
        low, middle, high = (tuple(v.tolist()) for v in (found.min(1), np.median(found, axis=1), found.max(1)))
        series.append(Series(kind, role, "line", middle, low, high))
    lengths = Axis("length T", "steps", "linear", values=tuple(float(length) for length in plan.lengths))
    mark = Mark("limit", BASELINE, BASELINE, "always 1")
    title = f"Adding problem after {plan.steps} optimizer steps"
    return Figure(title, (lengths, Axis("squared error", "", "linear")), tuple(series), (mark,))


def run(order: Order) -> Outcome:
    """Slopes here, trainings in worker processes."""
    return outcome(order, QUICK if order.quick else FULL)


EXPERIMENT = Experiment(
    name="lag",
    title="Over a long lag the error of a tanh RNN is gone; that of an LSTM is not, and it learns",
    source="Hochreiter & Schmidhuber 1997 (the adding problem); Pascanu, Mikolov, Bengio 2013",
    rule="the error fades by the closed forms a step, each within 10 %; at the longest T the RNN stays above .15 (1/6: "
    "always 1) and the LSTM falls below .02, with an interval between them that excludes 0; at the shortest T the "
    "RNN gets below 1/12.",
    setting="Slopes: width 128, T = 40, torch's own initialisation, 20 draws, by Gradiometer's time steps. Trainings: "
    "width 32, batch 32, 1200 steps of Adam; the rate of each arm is searched on validation sequences and two seeds, "
    "five others are judged. Quick: 450 steps, three seeds, and rates as the full form found them.",
    run=run,
)
