"""Yang 2019: batch normalisation before each activation makes the error grow by one factor a hop, whatever the init."""

from __future__ import annotations

import dataclasses
import math
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from gradiometer.theory import activation, bn_hop
from gradiometer.views import Axis, Figure, Series

from .experiment import Experiment, Order, Outcome, Row
from .measure import Array, first_pass, injected, seeded
from .plain import Activation, alone, blank
from .workers import each

SOURCE = "Yang et al. 2019"
WIDTH = BATCH = 256
HE_POWER = 2.0
KINDS: dict[str, Activation] = {"relu": nn.ReLU, "tanh": nn.Tanh, "linear": nn.Identity}
WORDS = {"relu": "ReLU", "tanh": "tanh", "linear": "linear"}
TOLERANCE = 0.05  # width and batch of 256 instead of infinity move a hop by 1/256 times a few
GROWTH_TOLERANCE = 0.15  # decades of a whole network


class Skip(nn.Module):
    """x + F(x)."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        out: Tensor = x + self.branch(x)
        return out


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One network. power: Var W · fan-in. norm: before each activation. join: makes a block from its branch."""

    kind: Activation
    depth: int
    seed: int
    power: float = HE_POWER
    norm: Callable[[int], nn.Module] = nn.BatchNorm1d
    join: Callable[[nn.Module], nn.Module] = nn.Sequential


def build(case: Case) -> nn.Sequential:
    """A layer ``hop0``, then ``depth`` blocks of (batch normalisation, activation, layer): ``hop1``, ``hop2``, ..."""
    generator = seeded(case.seed)

    def layer() -> nn.Linear:
        linear = blank(nn.Linear, WIDTH, WIDTH, bias=False)
        with torch.no_grad():
            linear.weight.normal_(0, math.sqrt(case.power / WIDTH), generator=generator)
        return linear

    parts: OrderedDict[str, nn.Module] = OrderedDict(hop0=layer())
    for number in range(1, case.depth + 1):
        parts[f"hop{number}"] = case.join(nn.Sequential(case.norm(WIDTH), case.kind(), layer()))
    return nn.Sequential(parts)


def hop_errors(case: Case) -> Array:
    """‖δ‖ at the output of each block, loss first [station]; the error that comes in is random."""
    generator = seeded(case.seed + 1000)
    batch = torch.randn(BATCH, WIDTH, generator=generator), torch.randn(BATCH, WIDTH, generator=generator)
    sites = [f"hop{number}" for number in range(case.depth, -1, -1)]
    return first_pass(build(case), batch, injected).error_norms(sites)


def hop_gains(errors: Array) -> Array:
    """Squared-norm gain of each hop that has a normalised block on both sides [draw, hop].

    law: ‖δ lower‖²/‖δ upper‖².
    shapes, units: errors [draw, station] in, loss first; without the hop next to the loss and the one next to the
        input.
    at 0: inf or nan where an upper error is 0.
    at inf/nan: nan.
    source: Yang 2019; the loss hop loses what batch normalisation projects out, the input hop sees the data's variance.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((errors[:, 1:] / errors[:, :-1]) ** 2)[:, 1:-1]


def outcome(order: Order, norm: Callable[[int], nn.Module] = nn.BatchNorm1d) -> Outcome:
    """The experiment; with another normalisation, or none, it must not reproduce."""
    inits, depth = (2, 12) if order.quick else (10, 30)
    base = Case(nn.ReLU, depth, 0, norm=norm)

    def measured(words: str, case: Case) -> Array:
        cases = [dataclasses.replace(case, seed=seed) for seed in range(inits)]
        return np.array(each(hop_errors, cases, alone(order), words))

    plain = {name: measured(WORDS[name], dataclasses.replace(base, kind=kind)) for name, kind in KINDS.items()}
    powers = {power: measured(f"σw² = {power:g}", dataclasses.replace(base, power=power)) for power in (0.5, 8.0)}
    skips = measured("residual", dataclasses.replace(base, join=Skip))
    rows = (*_activation_rows(plain), *_power_rows(plain["relu"], powers), *_skip_rows(plain["relu"], skips))
    return Outcome(
        name="yang2019",
        rows=rows,
        figures=(_figure(plain["relu"], skips),),
        notes=_NOTES,
        reasons=() if all(row.holds for row in rows) else (_REASON,),
        quick=order.quick,
    )


_NOTES = (
    "The published factor is the limit of infinite width and batch. With 256 of both, tanh and linear come out a "
    "little above it.",
    "The hop next to the loss and the one next to the input are left out: the first loses what the normalisation "
    "projects out, the second sees the variance of the data.",
)
_REASON = "The factor is E φ′²/Var φ behind a batch normalisation; without one it is σw² E φ′², which an init sets."


def _activation_rows(plain: dict[str, Array]) -> tuple[Row, ...]:
    printed = {"relu": "π/(π−1) = 1.467", "tanh": "1.178", "linear": "1"}
    sources = {"relu": SOURCE, "tanh": f"{SOURCE}, its formula at tanh", "linear": f"{SOURCE}, its formula at linear"}
    rows = []
    for name, errors in plain.items():
        values = np.median(hop_gains(errors), axis=1)  # [draw]
        expected = float(bn_hop(activation(name)))
        rows.append(
            Row(
                name=f"{WORDS[name]}: squared-norm gain of a hop",
                published=printed[name],
                source=sources[name],
                values=tuple(values.tolist()),
                low=round(expected - TOLERANCE, 3) if name == "relu" else None,
                high=round(expected + TOLERANCE, 3) if name == "relu" else None,
            )
        )
    middle = [np.median(hop_gains(plain[name]), axis=1) for name in ("relu", "tanh", "linear")]
    for (upper, lower), (a, b) in zip((("ReLU", "tanh"), ("tanh", "linear")), ((0, 1), (1, 2)), strict=True):
        rows.append(
            Row(
                name=f"{upper} grows faster than {lower}: difference",
                published="near-linear grows least",
                source=SOURCE,
                values=tuple((middle[a] - middle[b]).tolist()),
                low=0.0,
            )
        )
    return tuple(rows)


def _power_rows(he: Array, powers: dict[float, Array]) -> tuple[Row, ...]:
    """The init scales the error once, at its own layer, and no hop between two normalisations."""
    rows = []
    for power, errors in powers.items():
        change = np.median(hop_gains(errors) / hop_gains(he), axis=1)
        rows.append(
            Row(
                name=f"ReLU: gain of a hop at σw² = {power:g} over that at 2",
                published="1",
                source=f"{SOURCE}: no weight variance removes it",
                values=tuple(change.tolist()),
                low=0.99,
                high=1.01,
            )
        )
    return tuple(rows)


def skip_growth(n_blocks: int) -> float:
    """Decades by which the error grows over ``n_blocks`` blocks x + W ReLU(BN(x)).

    law: Σ ½ log10(1 + D2/q_l), q_l = 1 + l Var φ: the skip's variance grows by one branch a block, in units of σw².
    shapes, units: a number in, decades out.
    at 0: 0.
    at inf/nan: not for integers.
    source: De and Smith 2020 for the growth of the skip, with E φ′² and Var φ of this activation.
    """
    act = activation("relu")
    d2, variance = float(act.d2(1.0)), float(act.variance(1.0))
    return sum(0.5 * math.log10(1 + d2 / (1 + block * variance)) for block in range(n_blocks))


def _skip_rows(plain: Array, skips: Array) -> tuple[Row, ...]:
    """Both over the same inner hops: neither the one next to the loss nor the one next to the input."""
    hops = plain.shape[1] - 3
    without, expected = 0.5 * hops * math.log10(math.pi / (math.pi - 1)), skip_growth(hops + 1) - skip_growth(1)
    grown = [np.log10(errors[:, -2] / errors[:, 1]) for errors in (plain, skips)]
    return (
        Row(
            name=f"ReLU, {hops} hops: growth without skips",
            unit="decades",
            published=f"{without:.2f}",
            source=f"{SOURCE}, 1.467 to the power of the hops",
            values=tuple(grown[0].tolist()),
            low=round(without - GROWTH_TOLERANCE, 2),
            high=round(without + GROWTH_TOLERANCE, 2),
        ),
        Row(
            name=f"ReLU, {hops} hops: growth with skips",
            unit="decades",
            published=f"{expected:.2f}: block l adds 1/l",
            source="De and Smith 2020",
            values=tuple(grown[1].tolist()),
            low=round(expected - GROWTH_TOLERANCE, 2),
            high=round(expected + GROWTH_TOLERANCE, 2),
        ),
    )


def _figure(plain: Array, skips: Array) -> Figure:
    series = []
    for name, errors, role in (("with skips", skips, "healthy"), ("plain", plain, "error")):
        decades = np.log10(errors[:, 1:-1]) - np.log10(errors[:, 1:2])
        middle, low, high = (tuple(v.tolist()) for v in np.quantile(decades, (0.5, 0.0, 1.0), axis=0))
        series.append(Series(name, role, "line", middle, low, high))
    line = 0.5 * math.log10(math.pi / (math.pi - 1)) * np.arange(plain.shape[1] - 2)
    series.append(Series("π/(π−1) a hop", "theory", "dashed", tuple(line.tolist())))
    labels = tuple(str(number) for number in range(plain.shape[1] - 2, 0, -1))
    axes = (Axis("block", "", "sites", labels), Axis("error", "decades", "decades"))
    return Figure("Batch normalisation before each ReLU", axes, tuple(series))


EXPERIMENT = Experiment(
    name="yang2019",
    title="Batch normalisation without skips makes the error explode",
    source="Yang, Pennington, Rao, Sohl-Dickstein, Schoenholz, A Mean Field Theory of Batch Normalization, 2019",
    rule="A hop of BN and ReLU multiplies the squared error by 1.467 ± .05; its weight variance changes that by less "
    "than 1 %; tanh grows less, linear least; all inner hops together grow by 1.467 a hop, with skips by 1/l a block, "
    "both ± .15 decades.",
    setting="Width and batch 256, 30 blocks (quick: 12), random inputs and a random error at the output, measured by "
    "Gradiometer. Differs: finite width and batch.",
    run=outcome,
)
