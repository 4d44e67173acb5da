"""Which steps are recorded, and how deeply: dense at first, then as the budget allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Depth = Literal["off", "light", "full"]

DENSE_STEPS = 10  # first steps, all recorded: initialisation is where most causes are visible
FULL_STEPS = frozenset({0, 1, 2, 4, 9})  # of the dense ones, those that read the graph as well
GRID = 1.5  # beyond the dense steps, step numbers growing by this factor and the next ones are recorded in any case
MAX_RESTARTS = 16  # folds of a cross-validation, say; beyond it later models are recorded as the budget allows
THIN_FULL = 50  # with every=N: every 50th recorded step reads the graph and the parameters as well


@dataclass(slots=True)
class Cadence:
    """Decides before each step. ``budget``: share of wall time the watch may take; ``every``: a fixed rhythm."""

    budget: float = 0.01
    every: int | None = None
    next_grid: float = DENSE_STEPS
    cost_s: float = 0.0  # of a full step, running mean
    all_full: bool = False  # a short check reads every graph
    dense_from: int = 0  # a model that is born later gets dense first steps of its own
    restarts: int = 0
    paired: int = -1  # a step that is recorded because the one before it was: two gradients in a row

    def restart(self, step: int) -> None:
        """A new model begins to train at ``step``; the first MAX_RESTARTS of them are recorded densely again."""
        if self.restarts < MAX_RESTARTS and step > self.dense_from:
            self.restarts += 1
            self.dense_from = step
            self.next_grid = max(self.next_grid, step + DENSE_STEPS)

    def depth(self, step: int, spent_s: float, wall_s: float) -> Depth:
        """Depth of the step that is about to begin. ``spent_s`` and ``wall_s`` count from the attach."""
        if self.every is not None:
            return self._fixed(step)
        if step - self.dense_from < DENSE_STEPS:
            return "full" if step - self.dense_from in FULL_STEPS else "light"
        if step >= self.next_grid:
            self.next_grid = max(step + 2, self.next_grid * GRID)
            self.paired = step + 1
            return "full"
        if step == self.paired:
            return "light"
        if spent_s + self.cost_s <= self.budget * wall_s:
            return "full"
        return "off"

    def _fixed(self, step: int) -> Depth:
        if self.every is None or step % self.every:
            return "off"
        number = (step - self.dense_from) // self.every
        return "full" if self.all_full or number < 3 or number % THIN_FULL == 0 else "light"

    def learn(self, cost_s: float) -> None:
        """Take in what a full step has cost."""
        self.cost_s = cost_s if self.cost_s == 0.0 else 0.7 * self.cost_s + 0.3 * cost_s
