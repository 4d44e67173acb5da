"""What is to be trained: every script and seed that has no record yet, cheapest proof first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cases import Case, Script
from forked import Job
from labels import refuted, settled
from mutants import mutants_of
from outcomes import Outcomes

SUBSET = (
    "own-tokens-gru-a",
    "own-spirals-mlp-a",
    "own-sine-mlp-a",
    "own-wine-mlp-b",
    "own-iris-online-a",
    "own-sensors-mlp-b",
    "own-digits-mlp-f",
    "own-wine-mlp-c",
    "net-digits-a",
    "net-moons-a",
    "net-circles-b",
    "net-digits-k",
    "h-digits-a",
    "h-digits-d",
    "h-iris-a",
    "h-rare-a",
    "h-wine-a",
    "h-wine-c",
)
"""Cases that CI runs, with one seed: quick ones, of most groups of causes, a third of them healthy."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for. seeds: how many of each script. mutants: whether healthy scripts are mutated."""

    cases: Sequence[Case]
    seeds: int
    with_mutants: bool
    with_variants: bool = True


def watched(case: Case) -> Sequence[Script]:
    """The scripts of a case that are diagnosed: the faulty one and its twin, or the healthy one."""
    return case.scripts[: 1 if case.healthy else 2]


def missing(order: Order, outcomes: Outcomes) -> Iterator[Job]:
    """The jobs that are left, decided one by one as workers become free."""
    for case in order.cases:
        for script in watched(case):
            yield from _seeds(case, script, order.seeds, outcomes)
    for case in order.cases if order.with_variants else ():
        for seed in range(order.seeds):
            for variant in case.scripts[2:] if not case.healthy else ():
                if outcomes.get(variant, case.metric, seed) is None and not refuted(case, variant, outcomes):
                    yield Job(variant, case.metric, seed)
    for case in order.cases if order.with_mutants else ():
        for mutant in mutants_of(case):
            for seed in range(order.seeds):
                if not settled(case, mutant.script, outcomes):
                    yield from _seed(case, mutant.script, seed, outcomes)


def most(order: Order, outcomes: Outcomes) -> int:
    """At most so many jobs are left."""
    whole = sum(_lacks(c, s, order.seeds, outcomes) for c in order.cases for s in watched(c))
    variants = sum(
        outcomes.get(s, c.metric, seed) is None and not refuted(c, s, outcomes)
        for c in order.cases
        if order.with_variants and not c.healthy
        for s in c.scripts[2:]
        for seed in range(order.seeds)
    )
    mutants = sum(
        _lacks(c, m.script, order.seeds, outcomes)
        for c in order.cases
        if order.with_mutants
        for m in mutants_of(c)
        if not settled(c, m.script, outcomes)
    )
    return whole + variants + mutants


def _lacks(case: Case, script: Script, seeds: int, outcomes: Outcomes) -> int:
    return sum(_is_missing(case, script, seed, outcomes) for seed in range(seeds))


def _is_missing(case: Case, script: Script, seed: int, outcomes: Outcomes) -> bool:
    """No record, or its run file is gone: the diagnosis needs both."""
    record = outcomes.get(script, case.metric, seed)
    return record is None or not outcomes.run_file(script, seed).exists()


def _seeds(case: Case, script: Script, seeds: int, outcomes: Outcomes) -> Iterator[Job]:
    for seed in range(seeds):
        yield from _seed(case, script, seed, outcomes)


def _seed(case: Case, script: Script, seed: int, outcomes: Outcomes) -> Iterator[Job]:
    if _is_missing(case, script, seed, outcomes):
        yield Job(script, case.metric, seed, outcomes.run_file(script, seed))
