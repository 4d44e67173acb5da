"""Tasks out of packages of the extra ``lab``: digits (scikit-learn) and MNIST-1D. Nothing is downloaded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from gradiometer.records import UserError

from ..recipe import Recipe
from .splits import Array, class_split, generator, scale_by_all, split_classes, standardised
from .task import Task

MNIST1D_SHARES = (0.8, 0.2)  # of the package's own training split; its test split is the published one


def load_digits(recipe: Recipe) -> Task:
    """1797 pictures of 8 x 8 pixels, split anew by ``data_seed``; all pixels share one mean and one scale."""
    x, y = _digits()
    parts = split_classes(generator(recipe), y)
    inputs = standardised(recipe, [x[rows] for rows in parts], scale_by_all)
    train, validation, test = (class_split(a, y[rows]) for a, rows in zip(inputs, parts, strict=True))
    return Task(
        name="digits",
        goal="classification",
        forms={"vector": (64,), "grid": (1, 8, 8), "sequence": (8, 8)},
        n_out=10,
        train=train,
        validation=validation,
        test=test,
        words=f"8 x 8 handwritten digits, 10 classes; {len(train)} to learn from, {len(validation)} to validate and "
        f"{len(test)} to test, each class with the same shares",
    )


def load_mnist1d(recipe: Recipe) -> Task:
    """MNIST-1D as published (Greydanus and Kobak 2020): its test split stays the test split, so that scores compare.

    The 4000 other signals are split into training and validation by ``data_seed``.
    """
    x, y, x_test, y_test = _mnist1d()
    learn, validate = split_classes(generator(recipe), y, MNIST1D_SHARES)
    inputs = standardised(recipe, [x[learn], x[validate], x_test], scale_by_all)
    targets = (y[learn], y[validate], y_test)
    train, validation, test = (class_split(a, b) for a, b in zip(inputs, targets, strict=True))
    return Task(
        name="mnist1d",
        goal="classification",
        forms={"vector": (40,), "grid": (1, 40), "sequence": (40, 1)},
        n_out=10,
        train=train,
        validation=validation,
        test=test,
        words=f"MNIST-1D, signals of 40 samples, 10 classes; {len(train)} to learn from, {len(validation)} to "
        f"validate, its published test split of {len(test)}",
    )


@lru_cache(maxsize=1)
def _digits() -> tuple[Array, ...]:
    data = _extra("sklearn.datasets").load_digits()
    return _frozen(data.data, data.target)


@lru_cache(maxsize=1)
def _mnist1d() -> tuple[Array, ...]:
    with _generators_kept():  # the package seeds the global generators
        data = _extra("mnist1d.data").make_dataset()
    return _frozen(data["x"], data["y"], data["x_test"], data["y_test"])


def _frozen(*arrays: Array) -> tuple[Array, ...]:
    for array in arrays:
        array.setflags(write=False)  # one copy serves every task of this process
    return arrays


@contextmanager
def _generators_kept() -> Iterator[None]:
    kept, kept_numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(kept)
        np.random.set_state(kept_numpy)


def _extra(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        missing = error.name or module.partition(".")[0]
        raise UserError(
            f'This task needs {missing}, which is not installed. Run: pip install "gradiometer[lab]"'
        ) from error
