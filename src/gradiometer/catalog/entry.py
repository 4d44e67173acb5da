"""One cure of the catalog as a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from . import predictions
from .context import Context

Kind = Literal["surgery", "advice"]
Predict = Callable[[Context], float]


@dataclass(frozen=True, slots=True)
class Entry:
    """One cure. rank: position among the cures of a cause, by ``answers``; edit: the change in plain PyTorch."""

    name: str
    title: str
    changes: str
    mathematics: str
    answers: dict[str, int]  # cause -> rank, 1 first
    side_effects: str
    source: str
    edit: str
    predict: Predict = predictions.unpredicted
    kind: Kind = "surgery"
    not_for: frozenset[str] = frozenset()  # activations for which it would change nothing
