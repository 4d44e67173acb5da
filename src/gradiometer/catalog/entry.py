"""One cure of the catalog as a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from . import predictions
from .context import Context

Kind = Literal["surgery", "edit", "advice"]
"""``surgery``: Gradiometer applies it to a live network. ``edit``: a change to write into the code, which nothing
applies. ``advice``: an edit that repairs a fault of the training loop; never applied or tried."""
Predict = Callable[[Context], float]


@dataclass(frozen=True, slots=True)
class Param:
    """A setting of a cure. default: its value where none is given, and its type; meaning: what it does, in words."""

    name: str
    default: float | int | str | bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One cure. answers: cause -> rank among that cause's cures, 1 first; edit: the change in plain PyTorch.

    cost: time and memory that it takes, at once and in every step. params: what a prescription may set.
    not_for: activations for which it would change nothing.
    """

    name: str
    title: str
    changes: str
    mathematics: str
    answers: dict[str, int]
    side_effects: str
    source: str
    edit: str
    predict: Predict = predictions.unpredicted
    kind: Kind = "edit"
    not_for: frozenset[str] = frozenset()
    cost: str = "none"
    params: tuple[Param, ...] = ()

    def param(self, name: str) -> Param | None:
        """The setting of that name, or None."""
        return next((p for p in self.params if p.name == name), None)
