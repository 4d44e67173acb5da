"""What all tasks share: their generator, splits by shares, and standardisation by the training split."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..recipe import Recipe
from .task import Split

Array = NDArray[Any]
Scale = tuple[Array, Array]
"""Mean and standard deviation, to be subtracted and divided by."""

SHARES = (0.6, 0.2, 0.2)  # training, validation, test


def generator(recipe: Recipe) -> np.random.Generator:
    """The generator of everything that a task draws: a function of the task's name and ``data_seed`` alone."""
    return np.random.default_rng([recipe.data_seed, zlib.crc32(recipe.task.encode())])


def split_rows(rng: np.random.Generator, n_rows: int, shares: Sequence[float] = SHARES) -> list[Array]:
    """Row numbers 0..n_rows-1, shuffled and cut by shares; each part but the first holds at least one."""
    most = n_rows - np.arange(len(shares) - 1, 0, -1)  # [cut], leaving one row for each part above
    cuts = np.minimum(np.rint(np.cumsum(shares)[:-1] * n_rows).astype(int), most)
    return np.split(rng.permutation(n_rows), cuts)


def split_classes(rng: np.random.Generator, labels: Array, shares: Sequence[float] = SHARES) -> list[Array]:
    """As ``split_rows``, class by class, so that each class has the same shares everywhere; then shuffled."""
    by_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    pieces = [[rows[part] for part in split_rows(rng, len(rows), shares)] for rows in by_class]
    return [rng.permutation(np.concatenate(part)) for part in zip(*pieces, strict=True)]


def scale_by_column(train: Array) -> Scale:
    """Mean and standard deviation of each number over the examples; a number that never varies keeps its scale."""
    varies = np.ptp(train, axis=0) > 0
    return train.mean(axis=0), np.where(varies, train.std(axis=0), 1.0)


def scale_by_all(train: Array) -> Scale:
    """One mean and one standard deviation for all numbers: pixels and samples share a unit."""
    varies = np.ptp(train) > 0
    return np.asarray(train.mean()), np.where(varies, train.std(), 1.0)


def standardised(recipe: Recipe, parts: Sequence[Array], scale_of: Callable[[Array], Scale]) -> list[Array]:
    """The splits' inputs, scaled by the first of them; as they are where the recipe says so."""
    if not recipe.standardise:
        return list(parts)
    mean, sd = scale_of(parts[0])
    return [(part - mean) / sd for part in parts]


def class_split(inputs: Array, labels: Array) -> Split:
    """A split with class numbers."""
    return Split(torch.tensor(inputs, dtype=torch.float32), torch.tensor(labels, dtype=torch.int64))


def number_split(inputs: Array, targets: Array) -> Split:
    """A split with one number to predict an example."""
    return Split(torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32).reshape(-1, 1))
