"""The fourteen defects of the article's program, each alone in the corrected one: what it does to the gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradiometer.views.numbers import UNICODE

from .article_program import (
    EXAMPLES,
    NOISE_MEAN,
    TEST_X,
    Array,
    Backward,
    Data,
    Forward,
    Output,
    Weights,
    backward,
    backward_as_printed,
    backward_sigmoid_output,
    draw,
    forward,
    gradients,
    hidden_error,
    loss,
    output_error,
    sigmoid,
    train,
)
from .experiment import Table

DIVERGED = 1e6
WIDE = 100


@dataclass(frozen=True, slots=True)
class Measured:
    """A defect beside the truth, medians over the seeds. error: |g - g*|/|g*| at the start. cosine: of g and g*.

    last: loss after 1000 epochs. diverged: first epoch with a loss above 10⁶, 0 where there is none. part_errors: |g -
    g*|/|g*| of W1, b1, W2, b2. left: size of the true gradient at the end over that at the start.
    """

    error: float
    cosine: float
    last: float
    diverged: int
    part_errors: tuple[float, ...]
    left: float


@dataclass(frozen=True, slots=True)
class Defect:
    """A defect that touches the gradient or the forward pass. truth: the right gradient of the same forward pass."""

    number: str
    what: str
    how: Backward
    effect: Callable[[Measured], str]
    truth: Backward = backward
    output: Output = "identity"
    hidden: int = 1


def measure(defect: Defect, seeds: Sequence[int]) -> Measured:
    """Train the corrected program with one defect in it, from every seed."""
    every = [_measure(defect, seed) for seed in seeds]
    parts = zip(*(one.part_errors for one in every), strict=True)
    return Measured(
        error=_median(one.error for one in every),
        cosine=_median(one.cosine for one in every),
        last=_median(one.last for one in every),
        diverged=int(_median(one.diverged for one in every)),
        part_errors=tuple(_median(values) for values in parts),
        left=_median(one.left for one in every),
    )


def measured_defect(job: tuple[str, tuple[int, ...]]) -> Measured:
    """``measure`` by the number of a defect, for a worker process."""
    number, seeds = job
    return measure(next(d for d in DEFECTS if d.number == number), seeds)


def _median(values: Iterable[float]) -> float:
    return float(np.median(list(values)))


def _measure(defect: Defect, seed: int) -> Measured:
    data, start = draw(seed, defect.hidden)
    seen = forward(data.X, start, defect.output)
    own, true = defect.how(data, start, seen), defect.truth(data, start, seen)
    losses: list[float] = []
    with np.errstate(over="ignore", invalid="ignore"):  # some of them diverge, which is what is measured
        end = train(data, start, defect.how, defect.output, lambda e: losses.append(loss(data.y, e.seen.p)))
        left = defect.truth(data, end, forward(data.X, end, defect.output)).flat
        left_share = float(np.linalg.norm(left) / np.linalg.norm(true.flat))
    g, t = own.flat, true.flat
    gone = next((epoch for epoch, value in enumerate(losses) if not value < DIVERGED), 0)
    return Measured(
        error=float(np.linalg.norm(g - t) / np.linalg.norm(t)),
        cosine=float(g @ t / (np.linalg.norm(g) * np.linalg.norm(t))),
        last=losses[-1],
        diverged=gone,
        part_errors=tuple(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(own, true, strict=True)),
        left=left_share,
    )


# The gradients with one defect each; the number is that of the table.


def _ascending(data: Data, w: Weights, f: Forward) -> Weights:
    return Weights(*(-one for one in backward(data, w, f)))


def _without_error(data: Data, w: Weights, f: Forward) -> Weights:
    return backward(data, w, f)._replace(W2=(f.p.T @ f.a1).T / EXAMPLES)


def _without_output_derivative(data: Data, w: Weights, f: Forward) -> Weights:
    error2 = output_error(data, f)
    return gradients(data, f, error2, hidden_error(error2, w, f))


def _wrong_derivative(data: Data, w: Weights, f: Forward) -> Weights:
    error2 = output_error(data, f)
    s = sigmoid(f.z2)
    return gradients(data, f, error2, error2 @ w.W2.T * s * (1 - s))


def _past_the_hidden_layer(data: Data, w: Weights, f: Forward) -> Weights:
    error2 = output_error(data, f)
    return gradients(data, f, error2, hidden_error(error2, w, f) @ w.W1.T)


def _summed(data: Data, w: Weights, f: Forward) -> Weights:
    return Weights(*(EXAMPLES * one for one in backward(data, w, f)))


def _one_bias_gradient(data: Data, w: Weights, f: Forward) -> Weights:
    right = backward(data, w, f)
    return right._replace(b1=np.full_like(right.b1, right.b1.sum()))


def _p(share: float) -> str:
    return UNICODE.percent(share)


DEFECTS = (
    Defect(
        "2",
        "The output is a sigmoid, below 1; the targets are 2 to 6",
        backward_sigmoid_output,
        lambda m: f"Right gradient of an output that cannot fit: p → 1 and it dies, {_p(m.left)} of it is left.",
        backward_sigmoid_output,
        "sigmoid",
    ),
    Defect(
        "3",
        "Sign: d2 = 2(y − p) is the descent direction, and the update subtracts it",
        _ascending,
        lambda m: "Points exactly uphill.",
    ),
    Defect(
        "4",
        "dW2 = pᵀa1 does not contain the error",
        _without_error,
        lambda m: f"W2 alone is wrong, by {_p(m.part_errors[2])}: it shrinks whatever the error is.",
    ),
    Defect(
        "6",
        "The derivative of the output's sigmoid is missing from d2",
        _without_output_derivative,
        lambda m: "Right direction, too long: the factor p(1 − p) that d2 lacks.",
        backward_sigmoid_output,
        "sigmoid",
    ),
    Defect(
        "7",
        "d1 has σ′(z2) where σ′(z1) belongs",
        _wrong_derivative,
        lambda m: (
            f"W1 is wrong by {_p(m.part_errors[0])}, b1 by {_p(m.part_errors[1])}, W2 and b2 are right; the more "
            "z2 grows, the less the hidden layer learns."
        ),
    ),
    Defect(
        "8",
        "d1 W1ᵀ carries the error past the hidden layer, to the input",
        _past_the_hidden_layer,
        lambda m: f"W1 and b1 get a factor W1 that is not theirs ({_p(m.part_errors[0])} off); W2 and b2 are right.",
    ),
    Defect(
        "9",
        "Sums over the examples where the loss is a mean",
        _summed,
        lambda m: (
            "Right direction, 100 times too long for α = 0.1. With α = 0.001 it is the same program as the right one."
        ),
    ),
    Defect(
        "10",
        "np.sum makes one bias gradient for all hidden units (3 units here)",
        _one_bias_gradient,
        lambda m: f"b1 is wrong by {_p(m.part_errors[1])}. With one unit it does nothing.",
        hidden=3,
    ),
    Defect(
        "all",
        "All of them, as printed",
        backward_as_printed,
        lambda m: "One step saturates the output, and the true gradient is gone.",
        backward_sigmoid_output,
        "sigmoid",
    ),
)
GRADIENT_DEFECTS = ("3", "4", "6", "7", "8", "9", "10")
"""Those that make the gradient another one than the loss has."""


def defect_table(measured: dict[str, Measured], told: dict[str, tuple[str, str]]) -> Table:
    """All fourteen in order. told: number -> what it is and what it does, for those without a gradient of their own."""
    rows = {d.number: _row(d, measured[d.number]) for d in DEFECTS}
    rows |= {number: (number, what, "—", "—", "—", effect) for number, (what, effect) in told.items()}
    order = [*(str(n) for n in range(1, 15)), "all"]
    return Table(
        title="Each defect alone in the corrected program: gradient at the start, loss after 1000 epochs",
        columns=("", "defect", "error", "cosine", "loss", "what it does"),
        rows=tuple(rows[number] for number in order),
    )


def _row(defect: Defect, m: Measured) -> tuple[str, ...]:
    last = f"diverges, epoch {m.diverged}" if m.diverged else UNICODE.number(m.last)
    cosine = f"{m.cosine:.2f}".replace("-", "−")
    return defect.number, defect.what, UNICODE.number(m.error), cosine, last, defect.effect(m)


# Defects that are no wrong gradient: what happens instead is measured too, where it can be.

_FORGETFUL = """
def forward(x):
    z2 = 2 * x
    return z2

def backward(y):
    return y * z2

backward(forward(1))
"""


def name_error() -> str:
    """What Python says where a backward pass reads what only its forward pass knew."""
    try:
        exec(_FORGETFUL, {})
    except NameError as error:
        return str(error)
    return ""


def shape_error() -> str:
    """What NumPy says to the printed d2.dot(W2) with three hidden units; "" where it says nothing."""
    data, w = draw(0, hidden=3)
    f = forward(data.X, w, "sigmoid")
    try:
        backward_as_printed(data, w, f)
    except ValueError as error:
        return str(error)
    return ""


def second_layer_derivative(weights: Literal["U(0, 1)", "N(0, 1/n)"]) -> float:
    """Mean derivative of a second hidden layer of 100 sigmoids: the share of the error that a unit lets through."""
    data, w = draw(0, hidden=WIDE)
    random = np.random.RandomState(1)
    if weights == "U(0, 1)":
        deep, bias = random.rand(WIDE, WIDE), random.rand(1, WIDE)
    else:
        deep, bias = random.randn(WIDE, WIDE) / math.sqrt(WIDE), np.zeros((1, WIDE))
    a = sigmoid(forward(data.X, w).a1 @ deep + bias)
    return float(np.mean(a * (1 - a)))


def straightness(ends: Sequence[Weights]) -> float:
    """Largest distance of a trained prediction from its own best straight line on [0, 1], median over the seeds."""
    X = np.linspace(0, 1, 201)[:, None]
    A = np.hstack([X, np.ones_like(X)])
    far = []
    for w in ends:
        p = forward(X, w).p
        far.append(float(np.max(np.abs(p - A @ np.linalg.lstsq(A, p, rcond=None)[0]))))
    return float(np.median(far))


def on_test_points(w: Weights) -> tuple[float, float, float]:
    """Bias and mean squared error against the article's y_test, and the latter against the true mean 3x + 2.5."""
    p = forward(TEST_X, w).p
    printed: Array = 3 * TEST_X + 2
    return float(np.mean(p - printed)), loss(printed, p), loss(printed + NOISE_MEAN, p)
