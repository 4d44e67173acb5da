"""A fan-out that ignores groups: torch makes depthwise convolutions √C times too weak, and the error pays a hop."""

from __future__ import annotations

import dataclasses
import math
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from gradiometer.views import Axis, Figure, Series

from .experiment import Experiment, Order, Outcome, Row
from .measure import Array, first_pass, injected, seeded
from .plain import alone, blank
from .workers import each

SOURCE = "pytorch issue 23854"
BLOCKS, BATCH = 6, 4
TAPS = 9  # of a 3 x 3 kernel
TOLERANCE = 0.1  # of a gain: one draw scatters by a few percent, the mean over draws by one
PADDING_TOLERANCE = 0.02  # three standard errors of the mean over 20 draws, and the drift of finite width
Fill = Callable[[nn.Conv2d, torch.Generator], None]
"""Gives a grouped convolution its weights."""


def torch_fan_out(conv: nn.Conv2d, generator: torch.Generator) -> None:
    """``torch.nn.init.kaiming_normal_(mode="fan_out")``, as MobileNets and others call it."""
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu", generator=generator)


def true_fan_out(conv: nn.Conv2d, generator: torch.Generator) -> None:
    """He's variance on the fan-out that a grouped convolution really has."""
    fan_out = TAPS * conv.out_channels // conv.groups
    with torch.no_grad():
        conv.weight.normal_(0, math.sqrt(2 / fan_out), generator=generator)


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """A separable network. fill: of its grouped convolutions. side: of its square maps. padding: ``Conv2d``'s own."""

    channels: int
    groups: int
    fill: Fill
    seed: int
    side: int = 8
    padding: str = "circular"


def separable(case: Case) -> nn.Sequential:
    """mix0, then BLOCKS times (depthwise, ReLU, pointwise); pointwise layers keep the norm (Var = 1/C, linear)."""
    generator = seeded(case.seed)
    parts: OrderedDict[str, nn.Module] = OrderedDict()

    def pointwise() -> nn.Conv2d:
        conv = blank(nn.Conv2d, case.channels, case.channels, 1, bias=False)
        with torch.no_grad():
            conv.weight.normal_(0, case.channels**-0.5, generator=generator)
        return conv

    parts["mix0"] = pointwise()
    for number in range(1, BLOCKS + 1):
        options = {"padding": 1, "padding_mode": case.padding, "groups": case.groups, "bias": False}
        conv = blank(nn.Conv2d, case.channels, case.channels, 3, **options)
        case.fill(conv, generator)
        parts |= {f"depthwise{number}": conv, f"act{number}": nn.ReLU(), f"mix{number}": pointwise()}
    return nn.Sequential(parts)


def station_errors(case: Case) -> Array:
    """‖δ‖ loss first: at each activation and at the input of its depthwise convolution, by turns [station]."""
    generator = seeded(case.seed + 1000)
    shape = (BATCH, case.channels, case.side, case.side)
    batch = torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)
    sites = [site for number in range(BLOCKS, 0, -1) for site in (f"act{number}", f"mix{number - 1}")]
    return first_pass(separable(case), batch, injected).error_norms(sites)


def hop_gain(errors: Array) -> float:
    """Geometric mean of the norm gains of the depthwise hops, ReLU included.

    law: (Π ‖δ below‖/‖δ above‖)^(1/BLOCKS).
    shapes, units: errors [station] as ``station_errors`` gives them; pure number.
    at 0: nan.
    at inf/nan: nan.
    source: definition.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.exp(np.log(errors[1::2] / errors[::2]).mean()))


def padding_gain(side: int, hops: int) -> float:
    """Norm gain a hop that zero padding leaves in a chain of 3 x 3 convolutions.

    law: T moves a third of an error's power to each neighbour along one axis, and what leaves the map is lost;
        (1ᵀ T^hops 1/side)^(1/hops), for two axes and a norm. After many hops (1 + 2 cos(π/(side + 1)))/3.
    shapes, units: side of a square map, number of hops; pure number.
    at 0: ZeroDivisionError for no hops.
    at inf/nan: not for integers.
    source: fan counted at every place instead of in the middle only.
    """
    T = (np.eye(side) + np.eye(side, k=1) + np.eye(side, k=-1)) / 3
    left = np.linalg.matrix_power(T, hops).sum() / side
    return float(left ** (1 / hops))


def outcome(order: Order, wrong: Fill = torch_fan_out) -> Outcome:
    """The experiment, with the initialisation that is accused."""
    inits = 5 if order.quick else 40
    accused = _measured(order, inits, Case(64, 64, wrong, 0), "torch's fan-out, 64 channels")
    cured = _measured(order, inits, Case(64, 64, true_fan_out, 0), "true fan-out, 64 channels")
    narrow = _measured(order, inits, Case(32, 32, wrong, 0), "torch's fan-out, 32 channels")
    four = _measured(order, inits, Case(32, 4, wrong, 0), "torch's fan-out, 4 groups")
    rows = (
        _fan_row(),
        _gain_row("64 channels, torch's fan-out: gain of a depthwise hop", "1/8", 1 / 8, accused),
        _gain_row("64 channels, true fan-out: gain of a depthwise hop", "1", 1.0, cured),
        _gain_row("32 channels, torch's fan-out: gain of a depthwise hop", "1/√32 = .177", 32**-0.5, narrow),
        _gain_row("32 channels in 4 groups, torch's fan-out: gain of a hop", "1/√4 = .5", 0.5, four),
        *_padding_rows(order),
    )
    return Outcome(
        name="depthwise-fan",
        rows=rows,
        figures=(_figure(accused, cured),),
        notes=_NOTES,
        reasons=() if all(row.holds for row in rows) else (_REASON,),
        quick=order.quick,
    )


_NOTES = (
    "The issue shows the wrong number, (9, 36) instead of (9, 9); the gains are what it does: Var W = 2/(9 C) where "
    "2/9 is meant. A batch normalisation behind the convolution hides it, and most published nets have one.",
    "Maps are wrapped around at the edges, except in the rows about zero padding, which has a loss of its own.",
    "Pointwise layers are linear, as the bottlenecks of MobileNetV2: where a ReLU follows them as well, the maps drift "
    "to constants over six blocks and the gain with the true fan falls to about .93.",
)
_REASON = "A gain of √(fan-out · Var W · ½) needs the variance that torch's fan-out gives; torch may count groups now."


def _measured(order: Order, inits: int, case: Case, words: str) -> Array:
    """[draw, station]"""
    cases = [dataclasses.replace(case, seed=seed) for seed in range(inits)]
    return np.array(each(station_errors, cases, alone(order), words))


def _fan_row() -> Row:
    weight = blank(nn.Conv2d, 4, 4, 3, groups=4).weight
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(weight)
    return Row(
        name="Conv2d(4, 4, 3, groups=4): fan-out by torch over the true one",
        published="36/9 = 4",
        source=SOURCE,
        values=(fan_out / fan_in,),
        low=4.0,
        high=4.0,
    )


def _gain_row(name: str, published: str, expected: float, errors: Array) -> Row:
    return Row(
        name=name,
        published=published,
        source=f"{SOURCE}, by its fan-out",
        values=tuple(hop_gain(draw) for draw in errors),
        low=round(expected * (1 - TOLERANCE), 4),
        high=round(expected * (1 + TOLERANCE), 4),
    )


def _padding_rows(order: Order) -> tuple[Row, ...]:
    rows = []
    for side in (8, 16) if order.quick else (8, 16, 32):
        case = Case(64, 64, true_fan_out, 0, side=side, padding="zeros")
        found = _measured(order, 20 if order.quick else 40, case, f"zero padding, {side} × {side}")
        expected = padding_gain(side, BLOCKS)
        rows.append(
            Row(
                name=f"true fan-out, zero padding, {side} × {side}: gain of a hop",
                published=f"{expected:.3f}".removeprefix("0"),
                source="closed form: taps that leave the map",
                values=tuple(hop_gain(draw) for draw in found),
                statistic="mean",
                low=round(expected - PADDING_TOLERANCE, 3),
                high=round(expected + PADDING_TOLERANCE, 3),
            )
        )
    return tuple(rows)


def _figure(accused: Array, cured: Array) -> Figure:
    series = []
    for name, errors, role in (("true fan-out", cured, "healthy"), ("torch's fan-out", accused, "error")):
        decades = np.log10(errors) - np.log10(errors[:, :1])
        middle, low, high = (tuple(v.tolist()) for v in np.quantile(decades, (0.5, 0.05, 0.95), axis=0))
        series.append(Series(name, role, "line", middle, low, high))
    steps = np.array([0.0, *([math.log10(1 / 8), 0.0] * BLOCKS)[: 2 * BLOCKS - 1]])
    series.append(Series("1/8 a depthwise hop", "theory", "dashed", tuple(np.cumsum(steps).tolist())))
    labels = tuple(label for number in range(BLOCKS, 0, -1) for label in (f"act {number}", f"below {number}"))
    axes = (Axis("site", "", "sites", labels), Axis("error left", "decades", "decades"))
    return Figure("Six separable blocks of 64 channels", axes, tuple(series))


EXPERIMENT = Experiment(
    name="depthwise-fan",
    title="torch's fan-out ignores groups: a depthwise layer keeps only 1/√C of the error",
    source="pytorch/pytorch issue 23854, 2019 (open); timm issue 84, keras issue 11773",
    rule="torch counts 36 where 9 is true; the gain of a depthwise hop with 64 channels is 1/8, with 32 it is 1/√32, "
    "in 4 groups ½, and 1 with the true fan-out (all ± 10 %); zero padding keeps what the closed form says, ± .02.",
    setting="Six blocks of depthwise 3 × 3, ReLU, pointwise, no batch normalisation; random maps of 8 × 8 and a random "
    "error at the output, weights by torch.nn.init.kaiming_normal_(mode='fan_out'), measured by Gradiometer.",
    run=outcome,
)
