"""Which of many trainings can be made together: those of equal structure, in populations of a useful size."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from gradiometer.session import Setup

from .population_optimizers import optimizer_trouble
from .population_refusals import PopulationError, network_refusal, together

LEAST_MEMBERS = 4
"""Fewer gain nothing: 4 members side by side take half to nine tenths of the time of 4 single steps
(``benchmarks/population.py --members 4``)."""
LARGEST_NUMBERS = 200_000
"""Parameters of one member. Networks of width 128 and depth 10, with 160 000, are still trained about 1.8 times as
fast; beyond, nothing was measured, and the processor is as busy with one as with many."""
MOST_MEMBERS = 256
MOST_NUMBERS = 4_000_000
"""Parameters of all members. Beyond both nothing is gained: what a step touches no longer fits into a cache."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Jobs by their place in the list. together: populations. alone: (job, why it is trained by itself)."""

    together: tuple[tuple[int, ...], ...]
    alone: tuple[tuple[int, PopulationError], ...]


def grouped(setups: Sequence[Setup]) -> Groups:
    """Share jobs out to populations of equal structure; each job stands in one group or alone. Nothing is run.

    Optimizers and losses may differ within a group. A group that is too large is cut into equal parts.
    ``Population`` may still refuse a group when it rehearses it.
    """
    alone: dict[int, PopulationError] = {}
    kinds: dict[object, list[list[int]]] = {}  # what is quickly compared -> groups of jobs
    for job, setup in enumerate(setups):
        told = by_itself(setup)
        if told is not None:
            alone[job] = told
            continue
        near = kinds.setdefault(_quick(setup.model), [])
        for group in near:
            if together(setups[group[0]].model, setup.model) is None:
                group.append(job)
                break
        else:
            near.append([job])
    populations = []
    for group in (g for near in kinds.values() for g in near):
        if len(group) < LEAST_MEMBERS:
            alone |= {job: _few(len(group)) for job in group}
        else:
            populations += _cut(group, _numbers(setups[group[0]].model))
    return Groups(tuple(sorted(populations)), tuple(sorted(alone.items())))


def by_itself(setup: Setup) -> PopulationError | None:
    """Why a job can stand in no population, whatever the others are; None where nothing is known. Nothing is run."""
    told = network_refusal(setup.model)
    if told is not None:
        return told
    trouble = optimizer_trouble(setup.model, setup.optimizer)
    if trouble:
        return PopulationError("optimizer", trouble)
    numbers = _numbers(setup.model)
    if numbers > LARGEST_NUMBERS:
        return PopulationError("", f"{numbers} parameters are too many to gain by it (limit {LARGEST_NUMBERS})")
    return None


def _few(n_jobs: int) -> PopulationError:
    has = "1 training has" if n_jobs == 1 else f"{n_jobs} trainings have"
    return PopulationError("", f"only {has} this structure, and fewer than {LEAST_MEMBERS} gain nothing")


def _numbers(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _quick(model: nn.Module) -> object:
    return tuple((name, tuple(p.shape), p.dtype) for name, p in model.named_parameters())


def _cut(group: Sequence[int], numbers: int) -> list[tuple[int, ...]]:
    """Equal parts that are no larger than is useful, and no smaller than the least."""
    most = max(LEAST_MEMBERS, min(MOST_MEMBERS, MOST_NUMBERS // max(numbers, 1)))
    n_parts = min(-(-len(group) // most), len(group) // LEAST_MEMBERS)
    size, larger = divmod(len(group), n_parts)
    starts = [part * size + min(part, larger) for part in range(n_parts + 1)]
    return [tuple(group[a:b]) for a, b in itertools.pairwise(starts)]
