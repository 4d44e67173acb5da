"""He 2015: rectifiers need √(2/n); with .01 a VGG loses the error, with Xavier thirty layers stall."""

from __future__ import annotations

import dataclasses
import math
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gradiometer.views import Axis, Figure, Mark, Series

from .experiment import Experiment, Order, Outcome, Row
from .measure import Array, classified, finite_width_bounds, first_pass, injected, seeded
from .plain import Budget, alone, batch_of, blank, dense_network, digits, drawn, last_loss, normal_draw, train_losses
from .workers import each

SOURCE = "He et al. 2015, section 2.2"
CHANNELS = (3, 64, 64, 128, 128, 256, 256, 512, 512, 512, 512)
"""VGG-B: input, then what conv1 to conv10 give."""
POOLED = (2, 4, 6, 8)
"""Convolutions of VGG-B with a max-pooling behind them; the fifth one is behind conv10, where nothing is measured."""
FIXED_SD = 0.01
PRINTED_LOSS = 1.7e4  # 5.9 · 4.2² · 2.9² · 2.1⁴
CONV_TOLERANCE = 0.15  # of the gain: the print has two digits, and one draw varies by 7 %
DEPTH, WIDTH = 30, 128
HE, XAVIER = 2.0, 1.0
"""Var W · fan-in; with square layers Xavier's 2/(in + out) is 1/n."""
LN_POWER_PER_LOG2 = 2 * math.log(2)
TRIVIAL = math.log(10)
STALLED = 2.26  # 2 % below ln 10: what a constant answer to a batch of 64 stays within
LEARNED, LEARNED_QUICK = 0.1, 1.5


def formula_loss(sd: float = FIXED_SD) -> float:
    """Factor by which the error at conv10's output exceeds that at conv2's input.

    law: Π over conv2..conv10 of 1/(sd √(n̂/2)), n̂ = k² · channels out.
    shapes, units: standard deviation of the weights in, pure number out.
    at 0: an sd of 0 raises ZeroDivisionError.
    at inf/nan: inf gives 0, nan stays nan.
    source: He 2015, equation 14.
    """
    return math.prod(1 / (sd * math.sqrt(9 * channels / 2)) for channels in CHANNELS[2:])


@dataclasses.dataclass(frozen=True, slots=True)
class Stack:
    """The convolutions of VGG-B. sd: of the weights from conv2 on. pooled: those with a max-pooling behind them."""

    sd: float
    side: int
    pooled: tuple[int, ...]
    seed: int


def _stack(case: Stack) -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    generator = seeded(case.seed)
    for number, (below, above) in enumerate(pairwise(CHANNELS), start=1):
        # wrapped around the edges: zero padding takes a share of the error that 224 x 224 does not feel and 8 x 8 does
        conv = blank(nn.Conv2d, below, above, 3, padding=1, bias=False, padding_mode="circular")
        with torch.no_grad():
            conv.weight.normal_(0, math.sqrt(2 / (9 * below)) if number == 1 else case.sd, generator=generator)
        parts[f"conv{number}"], parts[f"relu{number}"] = conv, nn.ReLU()
        if number in case.pooled:
            parts[f"pool{number}"] = nn.MaxPool2d(2)
    return nn.Sequential(parts)


def stack_errors(case: Stack) -> Array:
    """Root mean square of the error at the output of each convolution's ReLU, conv10 first, conv1 last [layer].

    The last is the input of conv2.
    """
    generator = seeded(case.seed + 1000)
    network = _stack(case)
    batch = torch.randn(2, 3, case.side, case.side, generator=generator)
    with torch.no_grad():
        error = torch.randn(network(batch).shape, generator=generator)
    sites = [f"relu{number}" for number in range(len(CHANNELS) - 1, 0, -1)]
    return first_pass(network, (batch, error), injected).error_rms(sites)


@dataclasses.dataclass(frozen=True, slots=True)
class Deep:
    """A ReLU network of ``depth`` layers of WIDTH behind a linear stem; power: Var W · fan-in."""

    depth: int
    power: float
    seed: int


def deep_network(case: Deep) -> nn.Sequential:
    """The network: stem, then (layer, ReLU) times depth, then a head; every layer N(0, power/fan-in), no bias."""
    inner = dense_network([WIDTH] * (case.depth + 1) + [10], nn.ReLU)
    parts = OrderedDict({"stem": blank(nn.Linear, 64, WIDTH)} | dict(inner.named_children()))
    return drawn(nn.Sequential(parts), normal_draw(case.power), case.seed)


def deep_errors(case: Deep) -> Array:
    """‖δ‖ at the outputs of the ReLUs and of the stem [station], loss first."""
    sites = [*(f"act{number}" for number in range(case.depth, 0, -1)), "stem"]
    return first_pass(deep_network(case), batch_of(digits(), 64, case.seed), classified).error_norms(sites)


@dataclasses.dataclass(frozen=True, slots=True)
class Training:
    """One training of a deep network by plain SGD."""

    deep: Deep
    steps: int
    lr: float = 0.01
    batch: int = 64


def losses_of(case: Training) -> list[float]:
    """Its loss before each step."""
    network = deep_network(case.deep)
    optimizer = torch.optim.SGD(network.parameters(), lr=case.lr)
    return train_losses(network, optimizer, Budget(case.steps, case.batch, case.deep.seed + 1000))


@dataclasses.dataclass(frozen=True, slots=True)
class Ingredients:
    """What is compared: standard deviation of the fixed init, Var W · fan-in of the two arms."""

    fixed_sd: float = FIXED_SD
    xavier: float = XAVIER
    he: float = HE


def outcome(order: Order, made_of: Ingredients = Ingredients()) -> Outcome:
    """The experiment; other ingredients than the published ones must not reproduce it."""
    conv, conv_figure = _convolutions(order, made_of)
    gains, gain_figure = _gains(order, made_of)
    trained, training_figure = _trainings(order, made_of)
    rows = (*conv, *gains, *trained)
    return Outcome(
        name="he2015",
        rows=rows,
        figures=(conv_figure, gain_figure, training_figure),
        notes=_NOTES,
        reasons=() if all(row.holds for row in rows) else (_REASON,),
        quick=order.quick,
    )


_NOTES = (
    "The formula leaves out VGG's max-poolings, and so does the judged measurement: each shares an error over 4 times "
    "as many units, but hands it only to units that fire. The row with poolings is shown.",
    "Pictures are random and small (8 × 8, wrapped around at the edges): the formula asks nothing of their content.",
    "The 30-layer network of the paper is convolutional and was trained on ImageNet; here width 128, dense, on digits. "
    "That its Xavier arm stalls is the same; that a 22-layer one converges in the end is not tried.",
)
_REASON = "The gain of a hop is √(Var W · fan · ½): another variance gives another profile, and another training."


def _convolutions(order: Order, made_of: Ingredients) -> tuple[tuple[Row, ...], Figure]:
    inits, pooled = (4, 1) if order.quick else (20, 8)
    plain = [Stack(made_of.fixed_sd, 4 if order.quick else 8, (), seed) for seed in range(inits)]
    found = np.array(each(stack_errors, plain, alone(order), "VGG-B, weights of .01"))  # [init, layer]
    with_pools = [Stack(made_of.fixed_sd, 48, POOLED, seed) for seed in range(pooled)]
    shown = np.array(each(stack_errors, with_pools, alone(order), "VGG-B with its poolings"))
    rows = (
        Row(
            name="VGG-B, weights of .01: error at conv10 over error at conv2",
            published="1.7 × 10⁴",
            source=SOURCE,
            values=tuple((found[:, 0] / found[:, -1]).tolist()),
            low=PRINTED_LOSS * (1 - CONV_TOLERANCE),
            high=PRINTED_LOSS * (1 + CONV_TOLERANCE),
        ),
        Row(
            name="the same by the formula, without rounding",
            published="1.7 × 10⁴",
            source=f"{SOURCE}, equation 14",
            values=(formula_loss(made_of.fixed_sd),),
            low=1.65e4,
            high=1.75e4,
        ),
        Row(
            name="the same with the four max-poolings between them, per unit",
            values=tuple((shown[:, 0] / shown[:, -1]).tolist()),
        ),
    )
    hops = [math.log10(made_of.fixed_sd * math.sqrt(9 * c / 2)) for c in reversed(CHANNELS[2:])]
    labels = tuple(f"conv{number}" for number in range(len(CHANNELS) - 1, 0, -1))
    formula: Array = np.float64(10) ** np.cumsum([[0.0, *hops]], axis=1)
    figure = _profiles(
        "VGG-B with weights of .01: error at each convolution",
        labels,
        [("measured", found, "error"), ("formula", formula, "theory")],
    )
    return rows, figure


def _gains(order: Order, made_of: Ingredients) -> tuple[tuple[Row, ...], Figure]:
    inits = 6 if order.quick else 30
    arms = {"Xavier": made_of.xavier, "He": made_of.he}
    found = {}  # arm -> [init, station]
    for number, (arm, power) in enumerate(arms.items()):
        cases = [Deep(DEPTH, power, 100 * number + seed) for seed in range(inits)]
        found[arm] = np.array(each(deep_errors, cases, alone(order), f"30 layers, {arm}"))
    total = {arm: np.log2(errors[:, -1] / errors[:, 0]) for arm, errors in found.items()}
    rows = (
        _gain_row("30 layers, Xavier: error at the input, log2", "−15 (1/32768)", -DEPTH / 2, total["Xavier"]),
        _gain_row("30 layers, He: error at the input, log2", "0 (1)", 0.0, total["He"]),
    )
    labels = (*(str(number) for number in range(DEPTH, 0, -1)), "stem")
    line: Array = np.float64(0.5) ** (np.arange(DEPTH + 1) / 2)[None]
    figure = _profiles(
        "30 ReLU layers: error at each layer",
        labels,
        [("He", found["He"], "healthy"), ("Xavier", found["Xavier"], "error"), ("2^(−L/2)", line, "theory")],
    )
    return rows, figure


def _gain_row(name: str, published: str, expected: float, values: Array) -> Row:
    low, high = finite_width_bounds("relu", 1.0, DEPTH / WIDTH, len(values))
    return Row(
        name=name,
        published=published,
        source=SOURCE,
        values=tuple(values.tolist()),
        statistic="mean",
        low=round(expected + low / LN_POWER_PER_LOG2, 2),
        high=round(expected + high / LN_POWER_PER_LOG2, 2),
    )


def _trainings(order: Order, made_of: Ingredients) -> tuple[tuple[Row, ...], Figure]:
    seeds, steps = (1, 120) if order.quick else (5, 600)
    arms = {"Xavier": made_of.xavier, "He": made_of.he}
    jobs = [Training(Deep(DEPTH, power, seed), steps) for power in arms.values() for seed in range(seeds)]
    ran = alone(order) if order.quick else order
    curves = np.array(each(losses_of, jobs, ran, "30 layers, plain SGD")).reshape(len(arms), seeds, steps)
    ends = [[last_loss(curve) for curve in arm] for arm in curves.tolist()]
    rows = (
        Row(
            name=f"Xavier: loss after {steps} steps (trivial 2.303)",
            published="stalls",
            source=f"{SOURCE}, figure 3",
            values=tuple(ends[0]),
            low=STALLED,
        ),
        Row(
            name=f"He: loss after {steps} steps",
            published="converges",
            source=f"{SOURCE}, figure 3",
            values=tuple(ends[1]),
            high=LEARNED_QUICK if order.quick else LEARNED,
        ),
    )
    every = np.arange(0, steps, max(1, steps // 60))
    series = [
        Series(arm, role, "line", *_smooth(curves[i], every))
        for i, (arm, role) in enumerate(zip(arms, ("error", "healthy"), strict=True))
    ]
    axes = (
        Axis("step", "", "steps", tuple(str(s) for s in every), tuple(float(s) for s in every)),
        Axis("loss", "", "linear"),
    )
    mark = Mark("limit", TRIVIAL, TRIVIAL, "trivial loss")
    return rows, Figure("30 ReLU layers trained by plain SGD", axes, tuple(series), (mark,))


def _smooth(curves: Array, every: NDArray[np.int64]) -> tuple[tuple[float, ...], ...]:
    """Median, smallest and largest loss over the seeds, each a mean over the steps up to the next place."""
    parts = np.split(curves, every[1:], axis=1)
    means = np.array([part.mean(axis=1) for part in parts])  # [place, seed]
    return tuple(tuple(v.tolist()) for v in (np.median(means, axis=1), means.min(axis=1), means.max(axis=1)))


def _profiles(title: str, labels: tuple[str, ...], arms: Sequence[tuple[str, Array, str]]) -> Figure:
    """Each arm [init, station] as decades left of the error: median, and the middle nine tenths of the draws."""
    series = []
    for name, errors, role in arms:
        decades = np.log10(errors) - np.log10(errors[:, :1])
        low, middle, high = (tuple(v.tolist()) for v in np.quantile(decades, (0.05, 0.5, 0.95), axis=0))
        if role == "theory":
            series.append(Series(name, role, "dashed", middle))
        else:
            series.append(Series(name, role, "line", middle, low, high))
    axes = (Axis("layer", "", "sites", labels), Axis("error left", "decades", "decades"))
    return Figure(title, axes, tuple(series))


EXPERIMENT = Experiment(
    name="he2015",
    title="Rectifiers need twice the variance: fixed .01 and Xavier lose the error",
    source="He, Zhang, Ren, Sun, Delving Deep into Rectifiers, 2015, section 2.2 and figure 3",
    rule="VGG-B loses 1.7 × 10⁴ ± 15 % from conv10 to conv2; thirty layers keep 1/32768 with Xavier and 1 with He, "
    "within three standard errors of finite width; trained, Xavier stays within 2 % of ln 10 and He falls below .1 "
    "(quick: 1.5 after a fifth of the steps).",
    setting="Convolutions of VGG-B with the published channels on small random pictures; a dense ReLU network of 30 "
    "layers of width 128, batch 64, SGD of .01 on digits; errors measured by Gradiometer. Differs: no ImageNet.",
    run=outcome,
)
