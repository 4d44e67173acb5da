"""Many trainings in as few populations as their structures allow; what cannot be part of one is named and left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradiometer.session import Setup

from .population import Population
from .population_groups import grouped
from .population_refusals import PopulationError

Array = np.ndarray[Any, np.dtype[np.float64]]
Ended = Callable[[Population, tuple[int, ...]], None]
"""Told each population as it ends, before it is written back, with its jobs in the order of its members."""
Moved = Callable[[float], None]
"""Told the share of all steps that is done, 0 to 1, never falling."""


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """losses: [job, step] before each update, nan throughout for those that were left. alone: job -> why it was left:
    its model, optimizer and batches are as they were, but for a first batch that may have been drawn."""

    losses: Array
    alone: dict[int, PopulationError]


def train_together(
    setups: Sequence[Setup], steps: int, *, ended: Ended | None = None, moved: Moved | None = None
) -> Together:
    """Train jobs in populations and write what they learned into their models and optimizers.

    What ``ended`` or ``moved`` raises, and an interruption, come through: populations that had ended are written
    back, the one under way is not. Members share nothing, so a job that diverges is an outcome like any other.
    """
    groups = grouped(setups)
    alone = dict(groups.alone)
    losses = np.full((len(setups), steps), np.nan)
    done, total = 0, max(1, steps * len(setups))
    for jobs in groups.together:
        try:
            population = Population([setups[job] for job in jobs])
            for _ in range(steps):
                population.step()
                done += len(jobs)
                if moved is not None:
                    moved(done / total)
        except PopulationError as error:
            alone |= dict.fromkeys(jobs, error)
            continue
        losses[list(jobs)] = population.losses.double().cpu().numpy()
        if ended is not None:
            ended(population, jobs)
        population.write_back()
    return Together(losses, dict(sorted(alone.items())))
