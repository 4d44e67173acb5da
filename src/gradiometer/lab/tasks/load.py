"""From a recipe to its task."""

from __future__ import annotations

import torch

from ..choice import Form
from ..recipe import Recipe
from .task import Split, Task


def load_task(recipe: Recipe) -> Task:
    """The task of a recipe. UserError where its data cannot be had."""
    return {"digits": _digits, "xor": _xor}[recipe.task](recipe)


def _xor(recipe: Recipe) -> Task:
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    split = Split(x, torch.tensor([0, 1, 1, 0]))
    return Task("xor", "classification", {"vector": (2,)}, 2, split, split, split)


def _digits(recipe: Recipe) -> Task:
    from sklearn.datasets import load_digits

    data = load_digits()
    x, y = torch.from_numpy(data.data).float(), torch.from_numpy(data.target).long()
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(recipe.data_seed))
    x, y = (x[order] - x.mean()) / x.std(), y[order]
    forms: dict[Form, tuple[int, ...]] = {"vector": (64,), "grid": (1, 8, 8), "sequence": (8, 8)}
    train, validation, test = (Split(x[a:b], y[a:b]) for a, b in ((0, 1077), (1077, 1437), (1437, 1797)))
    return Task("digits", "classification", forms, 10, train, validation, test)
