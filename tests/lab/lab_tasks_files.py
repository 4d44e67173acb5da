"""Files of a user's, as the tests of the tasks write them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gradiometer.lab import Recipe, load_task
from gradiometer.lab.tasks.task import Split, Task

ROWS = 40


def csv_lines(n: int = ROWS) -> list[str]:
    """A table with two inputs and two targets: ``kind`` has 2 classes, ``price`` is a number."""
    return ["age,height,kind,price", *(f"{i},{(i * 7) % 11}.5,{'ab'[i % 2]},{100 * i + 0.25}" for i in range(n))]


def write(folder: Path, lines: list[str] | str | bytes, name: str = "people.csv") -> str:
    """A file of lines, of a text or of bytes, in a folder; its path."""
    path = folder / name
    if isinstance(lines, list):
        lines = "\n".join(lines) + "\n"
    path.write_bytes(lines.encode() if isinstance(lines, str) else lines)
    return str(path)


def write_npz(folder: Path, name: str = "people.npz", **arrays: object) -> str:
    """An NPZ file of these arrays; its path."""
    path = folder / name
    np.savez(path, **{k: np.asarray(v) for k, v in arrays.items()})
    return str(path)


def table(path: str, target: str = "kind", **fields: object) -> Task:
    """The task of a user's file."""
    return load_task(Recipe(task="table", data=path, target=target, **fields))


def splits(task: Task) -> tuple[Split, Split, Split]:
    """Training, validation, test."""
    return task.train, task.validation, task.test


def examples(split: Split) -> set[tuple[float, ...]]:
    """The inputs of a split, each as a tuple of numbers."""
    return {tuple(row) for row in split.inputs.reshape(len(split), -1).tolist()}


def same(a: Split, b: Split) -> bool:
    """Whether two splits hold the same numbers in the same order."""
    return torch.equal(a.inputs, b.inputs) and torch.equal(a.targets, b.targets)


def class_shares(targets: Tensor, n_classes: int) -> np.ndarray:
    """Share of each class."""
    return np.bincount(targets.numpy(), minlength=n_classes) / len(targets)


def leaves_generators(act: Callable[[], object]) -> bool:
    """Whether the global generators of torch, numpy and random stand as before."""
    before = (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate())
    act()
    return before == (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate())
