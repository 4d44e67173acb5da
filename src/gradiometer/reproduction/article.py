"""The article's regression program: as printed it kills its own gradient, corrected it fits the line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradiometer.views import Axis, Figure, Mark, Series
from gradiometer.views.numbers import UNICODE

from .article_defects import (
    DEFECTS,
    GRADIENT_DEFECTS,
    Measured,
    defect_table,
    measured_defect,
    name_error,
    on_test_points,
    second_layer_derivative,
    shape_error,
    straightness,
)
from .article_lab import Agreement, agreement
from .article_program import (
    ALPHA,
    EPOCHS,
    Backward,
    Epoch,
    Weights,
    backward,
    backward_as_printed,
    backward_sigmoid_output,
    draw,
    gradient_check,
    least_squares,
    loss,
    train,
)
from .experiment import Experiment, Judged, Order, Outcome, Row
from .workers import each

SEEDS, QUICK_SEEDS = 20, 5
LAB_SEEDS, QUICK_LAB_SEEDS = 3, 1
CHECK_SEEDS, CHECK_HIDDEN = 3, 3
SHOWN_UPDATES = 12  # of the picture in which the gradient dies
EXACT = 1e-9  # what 1000 additions of float64 may be off
EVERY: Judged = "every value"
GRADIENTS = tuple(defect.number for defect in DEFECTS)


@dataclass(frozen=True, slots=True)
class Printed:
    """The printed program from one seed. losses, biases (b2), true_gradients (|dL/dW2|): [epoch], 0 to 1000."""

    losses: tuple[float, ...]
    biases: tuple[float, ...]
    true_gradients: tuple[float, ...]
    mean_square: float  # of the targets
    predicted_bias: float  # b2 at the end where p is 0 from the first step on: each epoch takes alpha 2 sum(y)


@dataclass(frozen=True, slots=True)
class Corrected:
    """The corrected program from one seed. losses: [epoch]. gradients (|dL/dW2|): [epoch]. floor: least squares."""

    losses: tuple[float, ...]
    gradients: tuple[float, ...]
    floor: float
    end: Weights


def run_printed(seed: int) -> Printed:
    """Patched only so that it runs: its z2 and a1 are handed to the backward pass."""
    data, start = draw(seed)
    losses: list[float] = []
    biases: list[float] = []
    true: list[float] = []

    def note(e: Epoch) -> None:
        losses.append(loss(data.y, e.seen.p))
        biases.append(float(e.weights.b2[0, 0]))
        true.append(abs(float(backward_sigmoid_output(data, e.weights, e.seen).W2[0, 0])))

    train(data, start, backward_as_printed, "sigmoid", note)
    predicted = biases[1] - (EPOCHS - 1) * ALPHA * 2 * float(data.y.sum())
    return Printed(tuple(losses), tuple(biases), tuple(true), float(np.mean(data.y**2)), predicted)


def run_corrected(seed: int, how: Backward = backward) -> Corrected:
    """The corrected program, or one with another gradient in it."""
    data, start = draw(seed)
    losses: list[float] = []
    sizes: list[float] = []

    def note(e: Epoch) -> None:
        losses.append(loss(data.y, e.seen.p))
        sizes.append(abs(float(how(data, e.weights, e.seen).W2[0, 0])))

    end = train(data, start, how, "identity", note)
    return Corrected(tuple(losses), tuple(sizes), least_squares(data), end)


def run(order: Order) -> Outcome:
    """Printed and corrected program over the seeds, every defect by itself, and the same network by the lab."""
    seeds = tuple(range(QUICK_SEEDS if order.quick else SEEDS))
    here = replace(order, processes=1)  # a tenth of a second each
    printed = each(run_printed, seeds, here, "the program as printed")
    corrected = each(run_corrected, seeds, here, "the corrected program")
    jobs = [(d.number, seeds) for d in DEFECTS]
    defects = dict(zip(GRADIENTS, each(measured_defect, jobs, here if order.quick else order, "defects"), strict=True))
    lab = each(agreement, seeds[: QUICK_LAB_SEEDS if order.quick else LAB_SEEDS], here, "the lab's network")
    return outcome(printed, corrected, defects, lab)


def outcome(
    printed: Sequence[Printed], corrected: Sequence[Corrected], defects: dict[str, Measured], lab: Sequence[Agreement]
) -> Outcome:
    """What was measured, judged."""
    return Outcome(
        name="article",
        rows=(*_printed_rows(printed), *_corrected_rows(corrected), *_other_rows(defects, lab)),
        figures=(_losses(printed[0], corrected[0]), _gradients(printed[0], corrected[0])),
        tables=(defect_table(defects, _told(printed[0], corrected)),),
        notes=_NOTES,
        reasons=("The program run here is no longer the one that the article prints, or its correction is wrong.",),
    )


def _printed_rows(printed: Sequence[Printed]) -> tuple[Row, ...]:
    lost = tuple(math.log10(one.true_gradients[1] / one.true_gradients[0]) for one in printed)
    return (
        Row(name="printed, seed 0: loss before the first step", values=(printed[0].losses[0],)),
        Row(name="printed: b2 after one step", values=tuple(p.biases[1] for p in printed), high=-50, by=EVERY),
        Row(name="printed: change of the true ∂L/∂W2 in that step", unit="decades", values=lost, high=-20, by=EVERY),
        Row(
            name="printed: true ∂L/∂W2 in epoch 10",
            values=tuple(p.true_gradients[10] for p in printed),
            low=0,
            high=0,
            by=EVERY,
        ),
        Row(
            name="printed: loss after 1000 epochs, off the mean of y² by a share of",
            values=tuple(abs(p.losses[EPOCHS] / p.mean_square - 1) for p in printed),
            high=EXACT,
            by=EVERY,
        ),
        Row(name="printed, seed 0: b2 after 1000 epochs", values=(printed[0].biases[EPOCHS],)),
        Row(
            name="printed: b2 after 1000 epochs, off b2 after one − 999 × 2αΣy by a share of",
            values=tuple(abs(p.biases[EPOCHS] / p.predicted_bias - 1) for p in printed),
            high=EXACT,
            by=EVERY,
        ),
    )


def _corrected_rows(corrected: Sequence[Corrected]) -> tuple[Row, ...]:
    scores = [on_test_points(one.end) for one in corrected]
    bias, printed_mse, true_mse = (tuple(column) for column in zip(*scores, strict=True))
    ratio = tuple(one.losses[EPOCHS] / one.floor for one in corrected)
    checks = tuple(gradient_check(*draw(seed, CHECK_HIDDEN), backward) for seed in range(CHECK_SEEDS))
    room = 0.03 if len(corrected) >= SEEDS else 0.06  # the mean of fewer seeds lies further off
    return (
        Row(name="corrected: gradient against finite differences", values=checks, high=1e-7, by=EVERY),
        Row(name="corrected: loss over that of least squares", values=ratio, low=0.9, high=1.1, by=EVERY),
        Row(name="corrected: test mean of p − (3x + 2)", values=bias, low=0.35, high=0.62, by=EVERY),
        Row(name="the same, over the seeds", values=bias, statistic="mean", low=0.47 - room, high=0.47 + room),
        Row(name="corrected: test error against 3x + 2.5", values=true_mse, high=0.02, by=EVERY),
        Row(name="corrected: test error against the article's y_test, 3x + 2", values=printed_mse),
    )


def _other_rows(defects: dict[str, Measured], lab: Sequence[Agreement]) -> tuple[Row, ...]:
    wrong = sum(defects[number].error > 1e-3 for number in GRADIENT_DEFECTS)
    total = len(GRADIENT_DEFECTS)
    return (
        Row(
            name="gradiometer.lab beside NumPy: losses of all epochs, largest relative difference",
            values=tuple(one.loss for one in lab),
            high=1e-5,
            by=EVERY,
        ),
        Row(
            name="gradiometer.lab beside NumPy: parameters at the end, largest difference",
            values=tuple(one.weights for one in lab),
            high=1e-4,
            by=EVERY,
        ),
        Row(name=f"defects of the {total} in the gradient that measurably change it", values=(wrong,), low=total),
    )


def _told(printed: Printed, corrected: Sequence[Corrected]) -> dict[str, tuple[str, str]]:
    """What is no wrong gradient, with what happens instead."""
    n, ends = UNICODE, [one.end for one in corrected]
    to_printed, to_mean = (float(np.median([on_test_points(w)[k] for w in ends])) for k in (1, 2))
    losses = [one.losses[EPOCHS] for one in corrected]
    uniform, fan = second_layer_derivative("U(0, 1)"), second_layer_derivative("N(0, 1/n)")
    return {
        "1": (
            "backward reads z2 and a1, which only forward knows",
            f"No step is taken. NameError: {name_error()}.",
        ),
        "5": (
            "Transposes are missing where 1 × 1 hides it",
            f"Nothing with one hidden unit. With three: ValueError, {shape_error().partition(':')[0]}.",
        ),
        "11": (
            "loss is never called, y_test never used",
            f"Changes no number, so there is none to give here. Called, it would have said "
            f"{n.number(printed.losses[0])}, then {n.number(printed.losses[1])} for ever.",
        ),
        "12": (
            "No seed; weights from U(0, 1), all positive, whatever the fan",
            f"Runs end between {n.number(min(losses))} and {n.number(max(losses))}. Harmless with one unit; a second "
            f"layer of 100 would pass {n.number(uniform)} of the error a unit (N(0, 1/n): {n.number(fan)}).",
        ),
        "13": (
            "y_test = 3x + 2 leaves out the mean of the noise, ½",
            f"Not in the gradient. The test error reads {n.number(to_printed)} (a perfect model: 0.25); against "
            f"3x + 2.5 it is {n.number(to_mean)}.",
        ),
        "14": (
            "“Linear regression” with a sigmoid in between",
            f"Words. The trained prediction is {n.number(straightness(ends))} off its own best line at most.",
        ),
    }


def _losses(printed: Printed, corrected: Corrected) -> Figure:
    epochs = sorted({round(10 ** (k / 20)) for k in range(61)})
    return Figure(
        "Loss of the printed and of the corrected program, seed 0",
        (
            Axis("epoch", "", "log", values=tuple(float(e) for e in epochs)),
            Axis("mean squared error before the update", "", "log"),
        ),
        (
            Series("as printed", "guilty", "line", tuple(printed.losses[e] for e in epochs)),
            Series("corrected", "error", "line", tuple(corrected.losses[e] for e in epochs)),
            Series("best straight line", "theory", "dashed", tuple(corrected.floor for _ in epochs)),
        ),
    )


def _gradients(printed: Printed, corrected: Corrected) -> Figure:
    shown = range(SHOWN_UPDATES + 1)
    dead = next((e for e in shown if printed.true_gradients[e] == 0), SHOWN_UPDATES + 1)
    marks = (Mark("word", dead, SHOWN_UPDATES, "exactly zero"),) if dead <= SHOWN_UPDATES else ()
    return Figure(
        "The true gradient dies in the first steps of the printed program, seed 0",
        (
            Axis("epoch", "", "linear", values=tuple(float(e) for e in shown)),
            Axis("|∂L/∂W2|", "", "log"),
        ),
        (
            Series("as printed", "guilty", "line", tuple(printed.true_gradients[e] or math.nan for e in shown)),
            Series("corrected", "error", "line", tuple(corrected.gradients[e] for e in shown)),
        ),
        marks,
    )


_NOTES = (
    "The article prints no result. Judged are closed forms (a prediction of 0 costs the mean of y²; each epoch then "
    "takes 2αΣy from b2), least squares on the same examples, and finite differences.",
    "Patched only so that it runs: its z2 and a1 are handed to the backward pass. It has no seed; seed s here is "
    "NumPy's RandomState(s), drawn in the printed order.",
    "Over all examples y² has the mean 16 + 10/12 = 16.83, its noise the variance 1/12 = 0.0833.",
    "error in the table: |g − g*| / |g*| of the gradient at the start, g* the true one of the same forward pass. "
    "Medians over the seeds.",
)

EXPERIMENT = Experiment(
    name="article",
    title="The article's program kills its own gradient in one step; corrected, it fits the line",
    source="the article on the origin of vanishing gradients, its program for 3x + 2 + U(0, 1)",
    rule=(
        "printed: saturated by the first step, gradient exactly 0 by epoch 10, loss frozen at the mean of y²; "
        "corrected: as good as least squares, and ½ above the article's y_test"
    ),
    setting="NumPy, float64, one hidden sigmoid, 100 examples, α = 0.1, 1000 epochs, as the article has it.",
    run=run,
)
