"""One saturated neuron: squared error against cross-entropy (Nielsen 2015, chapter 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from gradiometer.views import Axis, Figure, Series

from .experiment import Experiment, Order, Outcome, Row

LR = 0.15
STEPS = 300
NEAR, FAR = (0.6, 0.9), (2.0, 2.0)  # weight and bias at the start
BOOK = "section “The cross-entropy cost function”"


@dataclass(frozen=True, slots=True)
class Curve:
    """One training of the neuron, x = 1 to y = 0. outputs: [step], of the untrained neuron first. errors: dC/dz."""

    outputs: tuple[float, ...]
    errors: tuple[float, ...]


def train_neuron(start: tuple[float, float], cost: str, lr: float = LR) -> Curve:
    """Gradient descent by autograd in float64. cost: ``squared``, (y - a)^2 / 2, or ``cross-entropy``."""
    weight, bias = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in start)
    outputs: list[float] = []
    errors: list[float] = []
    for _ in range(STEPS + 1):
        z = weight * 1.0 + bias
        of_z, of_weight, of_bias = torch.autograd.grad(_cost(z, cost), (z, weight, bias))
        outputs.append(float(torch.sigmoid(z.detach())))
        errors.append(float(of_z))
        with torch.no_grad():
            weight -= lr * of_weight
            bias -= lr * of_bias
    return Curve(tuple(outputs), tuple(errors))


def _cost(z: Tensor, cost: str) -> Tensor:
    target = torch.zeros_like(z)
    if cost == "squared":
        return (torch.sigmoid(z) - target) ** 2 / 2
    return F.binary_cross_entropy_with_logits(z, target)


def outcome(lr: float) -> Outcome:
    """The three trainings at one learning rate, judged."""
    near, far = train_neuron(NEAR, "squared", lr), train_neuron(FAR, "squared", lr)
    entropy = train_neuron(FAR, "cross-entropy", lr)
    return Outcome(
        name="loss",
        rows=_rows(near, far, entropy),
        figures=(_outputs(near, far, entropy), _errors(far, entropy)),
        notes=(
            "Nielsen's pictures use learning rate 0.005 for cross-entropy, so that its curve can be seen next to the "
            "other; here both costs have 0.15, so that nothing but the cost differs.",
        ),
        reasons=("Another learning rate or another number of steps: the figures follow from these exactly.",),
    )


def _rows(near: Curve, far: Curve, entropy: Curve) -> tuple[Row, ...]:
    ratio = entropy.errors[0] / far.errors[0]
    return (
        _row("squared error from (0.6, 0.9): output at the start", "0.82", near.outputs[0], 0.815, 0.825),
        _row("… after 300 steps", "about 0.09", near.outputs[300], 0.085, 0.095),
        _row("squared error from (2, 2): output at the start", "0.98", far.outputs[0], 0.975, 0.985),
        _row("… after 150 steps", "has not changed much", far.outputs[150], 0.9, None),
        _row("… after 300 steps", "closer to 0", far.outputs[300], None, 0.3),
        _row("cross-entropy from (2, 2): output after 150 steps", "", entropy.outputs[150], None, 0.05),
        _row("… after 300 steps", "", entropy.outputs[300], None, 0.05),
        _row("error at the neuron, cross-entropy over squared, first step", "1/σ′(4) = 56.6", ratio, 56.55, 56.65),
    )


def _row(name: str, published: str, value: float, low: float | None, high: float | None) -> Row:
    return Row(name=name, published=published, source=BOOK, values=(value,), low=low, high=high)


def _outputs(near: Curve, far: Curve, entropy: Curve) -> Figure:
    steps = Axis("step", "", "linear", values=tuple(float(k) for k in range(STEPS + 1)))
    return Figure(
        "Output of the neuron on its way to 0, from the weight and the bias in brackets",
        (steps, Axis("output", "", "linear")),
        (
            Series("squared error (2, 2)", "error", "line", far.outputs),
            Series("squared error (.6, .9)", "activation", "line", near.outputs),
            Series("cross-entropy (2, 2)", "elasticity", "line", entropy.outputs),
        ),
    )


def _errors(far: Curve, entropy: Curve) -> Figure:
    steps = Axis("step", "", "linear", values=tuple(float(k) for k in range(STEPS + 1)))
    return Figure(
        "Error at the neuron, both from (2, 2)",
        (steps, Axis("∂C/∂z", "", "log")),
        (
            Series("squared error", "error", "line", far.errors),
            Series("cross-entropy", "elasticity", "line", entropy.errors),
        ),
    )


def run(order: Order) -> Outcome:
    """Both forms are the same: it takes less than a second."""
    order.tick(0, 1, "three trainings of one neuron")
    out = outcome(LR)
    order.tick(1, 1, "three trainings of one neuron")
    return out


EXPERIMENT = Experiment(
    name="loss",
    title="One saturated neuron learns slowly from squared error, and at once from cross-entropy",
    source="Nielsen 2015, Neural Networks and Deep Learning, chapter 3",
    rule="the printed outputs to their last digit; the sentences of the text as bounds; 1/σ′ by its own formula",
    setting=(
        "One sigmoid neuron learns to answer 0 to the input 1: gradient descent, learning rate 0.15, 300 steps, "
        "float64, gradients by autograd."
    ),
    run=run,
)
