"""From a recipe to its task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gradiometer.records import UserError

from ..choices import chosen
from ..recipe import Recipe
from .datasets import load_digits, load_mnist1d
from .drawn import load_adding, load_article, load_picture, load_xor
from .table import load_table
from .task import Task
from .text import load_text


@dataclass(frozen=True, slots=True)
class _Loader:
    """How a task is made. uses: the fields of a recipe that it reads beside ``data_seed`` and ``standardise``."""

    load: Callable[[Recipe], Task]
    uses: tuple[str, ...] = ()


_LOADERS = {
    "article": _Loader(load_article),
    "xor": _Loader(load_xor),
    "circles": _Loader(load_picture),
    "blobs": _Loader(load_picture),
    "spirals": _Loader(load_picture),
    "digits": _Loader(load_digits),
    "mnist1d": _Loader(load_mnist1d),
    "adding": _Loader(load_adding, ("length",)),
    "text": _Loader(load_text, ("data", "length")),
    "table": _Loader(load_table, ("data", "target")),
}
_FIELDS = ("data", "target", "length")


def load_task(recipe: Recipe) -> Task:
    """The task of a recipe: a function of its name, ``data_seed``, ``standardise`` and what it reads, not of ``seed``.

    The global generators stay as they were. UserError where the task is unknown, its data cannot be had, or the
    recipe names a file, column or length that the task does not use.
    """
    loader = _LOADERS[chosen("task", recipe.task).name]
    if recipe.data_seed < 0:
        raise UserError(f"data_seed is {recipe.data_seed}. It must be 0 or more.")
    if recipe.length < 0:
        raise UserError(f"length is {recipe.length}. It must be 0, which is the task's own, or a number of steps.")
    for name in _FIELDS:
        if getattr(recipe, name) and name not in loader.uses:
            users = ", ".join(task for task, other in _LOADERS.items() if name in other.uses)
            raise UserError(f"The task {recipe.task} uses no {name}: leave it out, or name a task that does ({users}).")
    if "data" in loader.uses and not recipe.data:
        raise UserError(f"The task {recipe.task} reads a file of yours. Name it with data=... (--data FILE).")
    return loader.load(recipe)
