"""Adam's ε: where the early gradients are smaller than it, Adam stops moving them; a smaller ε moves them, blindly."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from gradiometer.theory import activation, init_bias_variance, init_variance
from gradiometer.views import Axis, Figure, Series

from .experiment import Experiment, Order, Outcome, Row
from .measure import classified, first_pass
from .plain import (
    Budget,
    Draw,
    alone,
    batch_of,
    dense_network,
    digits,
    drawn,
    last_loss,
    torch_draw,
    train_losses,
    xavier_draw,
)
from .workers import each

SOURCE = "mean field (Schoenholz 2017) against the ε of Kingma and Ba 2015"
EPSILON, TINY_EPSILON = 1e-8, 1e-20
"""Adam's default, and one that no gradient here comes near."""
WIDTH, BATCH = 64, 64
OUTPUT_ERROR2 = 0.9  # ‖softmax − one-hot‖² at a constant answer to ten classes
DEPTHS = {("sigmoid", "xavier"): 13, ("sigmoid", "torch"): 10, ("relu", "torch"): 21}
"""(activation, init) -> the first depth whose ‖δ‖ at layer 1 is below ε."""
SEARCHED, SEARCHED_QUICK = 3, 2  # depths on both sides of the expected one
MODULES: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}
DRAWS: dict[str, Draw] = {"xavier": xavier_draw, "torch": torch_draw}
WORDS = {"sigmoid": "sigmoid", "relu": "ReLU", "xavier": "Xavier", "torch": "torch's default"}
DEEP, SHALLOW = 20, 2
EARLY_STEPS = 20  # the learning time is the median over these
NO_FALL = 2.19  # 5 % below ln 10
LEARNED = 1.15  # half of ln 10
STUCK_FACTOR, RESTORED_FACTOR = 1e4, 10.0
SWEPT_DEPTHS = (2, 4, 6, 8, 10, 12, 14, 16, 18, 20)
LONG_STEPS, LONG_SEEDS = 1000, 3


@dataclasses.dataclass(frozen=True, slots=True)
class Start:
    """One network at its initialisation."""

    kind: str
    init: str
    depth: int
    seed: int


def sigmoid_or_relu(case: Start) -> nn.Sequential:
    """The network of a case: ``depth`` layers of WIDTH and a head."""
    return drawn(dense_network([64, *[WIDTH] * case.depth, 10], MODULES[case.kind]), DRAWS[case.init], case.seed)


def first_layer(case: Start) -> tuple[float, float]:
    """‖δ‖ of one example at layer 1 (root mean square over the batch), and the root mean square of ∇W there.

    The loss is a mean over the batch, so that an example's own error is BATCH times what arrives.
    """
    seen = first_pass(sigmoid_or_relu(case), batch_of(digits(), BATCH, case.seed), classified)
    error = float(seen.error_norms(["layer1"])[0]) * math.sqrt(BATCH)
    return error, float(seen.gradient_norms(["layer1.weight"])[0]) / math.sqrt(64 * WIDTH)


def expected_error(kind: str, init: str, depth: int) -> float:
    """‖δ‖ of one example at layer 1 in mean field.

    law: forward q through every layer, then ‖δ_l‖² = n Var W D2(q_l) ‖δ_{l+1}‖² from ‖δ‖² = .9 at the outputs.
    shapes, units: names and a depth in; units of the loss over a pre-activation.
    at 0: a depth of 0 is an IndexError.
    at inf/nan: never.
    source: Schoenholz 2017.
    """
    act = activation(kind)
    widths = [64, *[WIDTH] * depth, 10]
    m2, powers = 1.0, []
    for below, above in pairwise(widths[:-1]):
        q = below * init_variance(init, below, above) * m2 + init_bias_variance(init, below)
        powers.append(q)
        m2 = float(act.m2(q))
    error2 = OUTPUT_ERROR2
    for below, above, q in zip(widths[1:-1][::-1], widths[2:][::-1], powers[::-1], strict=True):
        error2 *= below * init_variance(init, below, above) * float(act.d2(q))
    return math.sqrt(error2)


def expected_depth(kind: str, init: str) -> int:
    """The first depth whose expected error at layer 1 is below ε."""
    return next(depth for depth in range(1, 200) if expected_error(kind, init, depth) < EPSILON)


@dataclasses.dataclass(frozen=True, slots=True)
class Training:
    """A sigmoid network with Xavier weights, trained by Adam."""

    depth: int
    epsilon: float
    seed: int
    steps: int
    lr: float = 1e-3


@dataclasses.dataclass(frozen=True, slots=True)
class Trained:
    """What became of it: learning times of the first and the last layer in steps, loss at the end."""

    first: float
    last: float
    loss: float


def run_adam(case: Training) -> Trained:
    """One training by Adam; the learning times are medians over its first steps."""
    network = sigmoid_or_relu(Start("sigmoid", "xavier", case.depth, case.seed))
    optimizer = torch.optim.Adam(network.parameters(), lr=case.lr, eps=case.epsilon)
    ends = [network.get_parameter(f"{name}.weight") for name in ("layer1", "head")]
    before = [end.detach().clone() for end in ends]
    times: list[list[float]] = []

    def note(step: int) -> None:
        if step < EARLY_STEPS:
            now = [end.detach().clone() for end in ends]
            times.append([_ratio(float(b.norm()), float((n - b).norm())) for b, n in zip(before, now, strict=True)])
            before[:] = now

    losses = train_losses(network, optimizer, Budget(case.steps, BATCH, case.seed + 1000), note)
    first, last = np.median(np.array(times), axis=0)
    return Trained(float(first), float(last), last_loss(losses))


def _ratio(size: float, moved: float) -> float:
    return size / moved if moved else math.inf


@dataclasses.dataclass(frozen=True, slots=True)
class Ingredients:
    """The two values of ε, and the depth of the network in which ε rules."""

    epsilon: float = EPSILON
    tiny: float = TINY_EPSILON
    depth: int = DEEP


def outcome(order: Order, made_of: Ingredients = Ingredients()) -> Outcome:
    """The experiment; with another ε, or in a shallow network, it must not reproduce."""
    starts = [row for pair in DEPTHS for row in _start_rows(order, pair, made_of.epsilon)]
    trained = _trained(order, made_of)
    rows = (*starts, *_training_rows(trained, order))
    return Outcome(
        name="adam-epsilon",
        rows=rows,
        figures=(_sweep(order, made_of),),
        notes=_NOTES,
        reasons=() if all(row.holds for row in rows) else (_REASON,),
        quick=order.quick,
    )


_NOTES = (
    "‖δ‖ is that of one example, the root mean square over the batch. What Adam itself compares with ε is smaller: the "
    "entries of ∇W, a mean over the batch. They fall below ε two to four layers earlier.",
    "That a small ε brings no learning is a matter of time: in a network of 20 layers the loss stays at ln 10 for 300 "
    "steps, as with the default; after 1000 steps it has fallen to about 1.9, where with the default ε it has not.",
)
_REASON = "Adam divides by √v + ε: ε rules where the early gradients are below it, which needs enough depth."


def _start_rows(order: Order, pair: tuple[str, str], epsilon: float) -> tuple[Row, Row]:
    """The first depth at which an example's error is below ε, and what Adam sees at the expected depth."""
    kind, init = pair
    expected, reach = DEPTHS[pair], SEARCHED_QUICK if order.quick else SEARCHED
    depths = range(expected - reach, expected + reach + 1)
    seeds = 3 if order.quick else 15
    words = f"{WORDS[kind]}, {WORDS[init]}"
    cases = [Start(kind, init, depth, seed) for seed in range(seeds) for depth in depths]
    found = np.array(each(first_layer, cases, alone(order), words)).reshape(seeds, len(depths), 2)
    below = [[depth for depth, error in zip(depths, row, strict=True) if error < epsilon] for row in found[:, :, 0]]
    return (
        Row(
            name=f"{words}: first depth with ‖δ‖ at layer 1 below ε = {short(epsilon)}",
            unit="layers",
            published=str(expected),
            source=SOURCE,
            values=tuple(float(min(row, default=math.inf)) for row in below),
            low=expected - 1,
            high=expected + 1,
        ),
        Row(
            name=f"{words}, {expected} layers: root mean square of ∇W at layer 1, over ε",
            values=tuple((found[:, reach, 1] / epsilon).tolist()),
            high=1.0,
        ),
    )


def short(epsilon: float) -> str:
    """1e-8 and not 1e-08."""
    return f"{epsilon:g}".replace("e-0", "e-")


def _trained(order: Order, made_of: Ingredients) -> dict[str, list[Trained]]:
    seeds, steps = (2, 100) if order.quick else (5, 300)
    arms = {
        "default": Training(made_of.depth, made_of.epsilon, 0, steps),
        "tiny": Training(made_of.depth, made_of.tiny, 0, steps),
        "shallow": Training(SHALLOW, made_of.epsilon, 0, steps),
    }
    if not order.quick:
        arms["default long"] = Training(made_of.depth, made_of.epsilon, 0, LONG_STEPS)
        arms["tiny long"] = Training(made_of.depth, made_of.tiny, 0, LONG_STEPS)
    jobs = {
        name: [dataclasses.replace(case, seed=seed) for seed in range(LONG_SEEDS if "long" in name else seeds)]
        for name, case in arms.items()
    }
    flat = [job for several in jobs.values() for job in several]
    ran = iter(each(run_adam, flat, alone(order) if order.quick else order, "Adam"))
    return {name: [next(ran) for _ in several] for name, several in jobs.items()}


def _training_rows(trained: dict[str, list[Trained]], order: Order) -> tuple[Row, ...]:
    default, tiny = trained["default"], trained["tiny"]
    rows = [
        Row(
            name="20 sigmoid layers: learning time of layer 1 with ε = 1e-8 over that with 1e-20",
            published="stops moving",
            source=SOURCE,
            values=tuple(a.first / b.first for a, b in zip(default, tiny, strict=True)),
            low=STUCK_FACTOR,
        ),
        Row(
            name="the same network, ε = 1e-20: learning time of layer 1 over that of the last",
            published="moves again",
            source=SOURCE,
            values=tuple(t.first / t.last for t in tiny),
            high=RESTORED_FACTOR,
        ),
        _loss_row("ε = 1e-8: loss at the end (trivial 2.303)", default, NO_FALL, None),
        _loss_row("ε = 1e-20: loss at the end (trivial 2.303)", tiny, NO_FALL, None),
        _loss_row("2 sigmoid layers, ε = 1e-8: loss", trained["shallow"], None, NO_FALL if order.quick else LEARNED),
    ]
    for name, words in (("default long", "ε = 1e-8"), ("tiny long", "ε = 1e-20")):
        if name in trained:
            rows.append(_loss_row(f"{words}: loss after {LONG_STEPS} steps", trained[name], None, None))
    return tuple(rows)


def _loss_row(name: str, trained: Sequence[Trained], low: float | None, high: float | None) -> Row:
    return Row(name=name, values=tuple(t.loss for t in trained), low=low, high=high)


def _sweep(order: Order, made_of: Ingredients) -> Figure:
    """Learning time of layer 1 over the depth, for both ε."""
    arms = {f"ε = {short(eps)}": eps for eps in (made_of.epsilon, made_of.tiny)}
    jobs = [Training(depth, eps, 0, EARLY_STEPS) for eps in arms.values() for depth in SWEPT_DEPTHS]
    times = np.array([t.first for t in each(run_adam, jobs, alone(order), "learning time over depth")])
    curves = times.reshape(len(arms), len(SWEPT_DEPTHS))
    series = [
        Series(name, role, "line", tuple(curve.tolist()))
        for name, role, curve in zip(arms, ("error", "healthy"), curves, strict=True)
    ]
    axes = (
        Axis("layers", "", "linear", values=tuple(float(depth) for depth in SWEPT_DEPTHS)),
        Axis("layer 1 needs", "steps", "log"),
    )
    return Figure("Learning time of layer 1 under Adam, sigmoid, Xavier", axes, tuple(series))


EXPERIMENT = Experiment(
    name="adam-epsilon",
    title="Beyond a depth Adam's ε freezes the early layers; a smaller ε moves them without information",
    source="Kingma and Ba, Adam, 2015 (ε = 1e-8); the depths by mean-field theory (Schoenholz et al. 2017)",
    rule="‖δ‖ at layer 1 falls below 1e-8 at 13, 10 and 21 layers (sigmoid Xavier, sigmoid default, ReLU default), "
    "± 1; there ε exceeds what Adam sees. At 20 sigmoid layers the default ε makes layer 1 learn 10 000 "
    "times slower than ε = 1e-20 does, which moves it at the last layer's pace (within 10); with neither does the loss "
    "fall by 5 % in 300 steps (quick: 100), while in 2 layers it falls by half (quick: by 5 %).",
    setting="Width 64, digits, batch 64; errors measured by Gradiometer; trainings by torch's Adam with its default "
    "learning rate .001.",
    run=outcome,
)
