"""Tasks that are drawn: the article's line, XOR, three pictures in the plane, the adding problem."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from gradiometer.records import UserError

from ..recipe import Recipe
from .splits import Array, class_split, generator, number_split, scale_by_column, standardised
from .task import Split, Task

ARTICLE_EXAMPLES = (100, 1000, 1000)  # training as in the article; the other two wide enough to score by
POINTS = (1000, 500, 500)
CIRCLE_RADII, CIRCLE_NOISE = (1.0, 0.5), 0.1
BLOB_CENTRE = 2.0  # of unit Gaussians at (±2, ±2): the best accuracy is Φ(2)² = 95.5 %
SPIRAL_TURNS, SPIRAL_START, SPIRAL_NOISE = 1.5, 0.15, 0.02
ADDING_EXAMPLES = (5000, 1000, 1000)
ADDING_LENGTH, ADDING_LONGEST = 50, 1000  # at the longest 7 000 x 1 000 x 2 numbers, 56 MB

Draw = Callable[[np.random.Generator, int], tuple[Array, Array]]
"""Generator and number of examples -> inputs [example, ...], targets [example]."""


def load_article(recipe: Recipe) -> Task:
    """y = 3x + 2 + u with x, u ~ U(0, 1): mean 4, variance 10/12, of which the noise is 1/12. Never standardised."""
    rng = generator(recipe)
    train, validation, test = (number_split(*_line(rng, n)) for n in ARTICLE_EXAMPLES)
    return Task(
        name="article",
        goal="regression",
        forms={"vector": (1,)},
        n_out=1,
        train=train,
        validation=validation,
        test=test,
        words="3x + 2 + U(0, 1): 100 points to learn from (batch 0 is the article's full batch), 1000 fresh ones each "
        "to validate and to test; inputs and targets as they are. No prediction is better than 3x + 2.5 (error 1/12)",
        truths={"3x + 2": lambda x: 3 * x + 2, "3x + 2.5": lambda x: 3 * x + 2.5},
    )


def _line(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    x = rng.random((n, 1))
    return x, 3 * x[:, 0] + 2 + rng.random(n)


def load_xor(recipe: Recipe) -> Task:
    """The four points, never standardised: the inputs are bits."""
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    split = Split(x, torch.tensor([0, 1, 1, 0]))
    return Task(
        name="xor",
        goal="classification",
        forms={"vector": (2,), "sequence": (2, 1)},
        n_out=2,
        train=split,
        validation=split,
        test=split,
        words="exclusive or of two bits: there are four points only, so all three splits are these four, "
        "and a score says what was learnt by heart",
    )


@dataclass(frozen=True, slots=True)
class _Picture:
    """A task in the plane."""

    classes: int
    draw: Draw
    words: str


def load_picture(recipe: Recipe) -> Task:
    """Circles, blobs or spirals: points in the plane, each split drawn afresh, all classes equally often."""
    picture, rng = _PICTURES[recipe.task], generator(recipe)
    drawn = [picture.draw(rng, n) for n in POINTS]
    inputs = standardised(recipe, [x for x, _ in drawn], scale_by_column)
    train, validation, test = (class_split(x, y) for x, (_, y) in zip(inputs, drawn, strict=True))
    return Task(
        name=recipe.task,
        goal="classification",
        forms={"vector": (2,)},
        n_out=picture.classes,
        train=train,
        validation=validation,
        test=test,
        words=f"{picture.words}; 1000 points to learn from, 500 fresh ones each to validate and to test",
    )


def _labels(rng: np.random.Generator, n: int, classes: int) -> Array:
    return rng.permutation(np.arange(n) % classes)


def _circles(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    y = _labels(rng, n, 2)
    angle, radius = 2 * math.pi * rng.random(n), np.asarray(CIRCLE_RADII)[y]
    x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return x + CIRCLE_NOISE * rng.standard_normal((n, 2)), y


def _blobs(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    y = _labels(rng, n, 4)
    centre = BLOB_CENTRE * np.stack([2 * (y % 2) - 1, 2 * (y // 2) - 1], axis=1)
    return centre + rng.standard_normal((n, 2)), y


def _spirals(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    y = _labels(rng, n, 2)
    radius = SPIRAL_START + (1 - SPIRAL_START) * np.sqrt(rng.random(n))  # the outer turns are longer
    angle = 2 * math.pi * SPIRAL_TURNS * radius + math.pi * y
    x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return x + SPIRAL_NOISE * rng.standard_normal((n, 2)), y


_PICTURES = {
    "circles": _Picture(2, _circles, "two noisy circles, of radius 1 and 1/2"),
    "blobs": _Picture(4, _blobs, "unit Gaussians at (±2, ±2), best accuracy 95.5 %"),
    "spirals": _Picture(2, _spirals, "two spirals of 1.5 turns"),
}


def load_adding(recipe: Recipe) -> Task:
    """The adding problem: values ~ U(0, 1), a mark in each half, target = the sum of the two marked values.

    Hochreiter and Schmidhuber 1997, with the marks as in Arjovsky et al. 2016. The mean of the target is 1 and its
    variance 1/6: a prediction of 1 has that error, and a network that does better carries a value over the gap.
    """
    length, rng = recipe.length or ADDING_LENGTH, generator(recipe)
    if not 2 <= length <= ADDING_LONGEST:
        raise UserError(f"The adding problem has 2 to {ADDING_LONGEST} steps, not length={length}.")
    train, validation, test = (number_split(*_sums(rng, n, length)) for n in ADDING_EXAMPLES)
    return Task(
        name="adding",
        goal="regression",
        forms={"sequence": (length, 2), "vector": (2 * length,), "grid": (2, length)},
        n_out=1,
        train=train,
        validation=validation,
        test=test,
        words=f"sum of the two marked ones of {length} numbers, a mark in each half; 5000 sequences to learn from, "
        "1000 fresh ones each to validate and to test; predicting 1 has an error of 1/6",
        axes={"grid": (1, 0)},
    )


def _sums(rng: np.random.Generator, n: int, length: int) -> tuple[Array, Array]:
    values, marks, half = rng.random((n, length), dtype=np.float32), np.zeros((n, length), np.float32), length // 2
    rows = np.arange(n)
    marks[rows, rng.integers(0, half, n)] = 1
    marks[rows, rng.integers(half, length, n)] = 1
    return np.stack([values, marks], axis=2), (values * marks).sum(axis=1)
