"""What is to be trained: every script and seed that has no record yet, cheapest proof first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cases import Case, Script
from forked import Job
from labels import refuted, settled
from mutants import mutants_of
from outcomes import Outcomes, watch_digest

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
    """What was asked for. seeds: how many of each script. again: record anew what another watch has recorded."""

    cases: Sequence[Case]
    seeds: int
    with_mutants: bool
    with_variants: bool = True
    again: bool = False


def watched(case: Case) -> Sequence[Script]:
    """The scripts of a case that are diagnosed: the faulty one and its twin, or the healthy one."""
    return case.scripts[: 1 if case.healthy else 2]


def missing(order: Order, outcomes: Outcomes) -> Iterator[Job]:
    """The jobs that are left, each decided when a worker is free for it: seeds refute variants and mutants."""
    for case in order.cases:
        for script in watched(case):
            for seed in range(order.seeds):
                if _lacks(order, (case, script, seed), outcomes):
                    yield Job(script, case.metric, seed, outcomes.run_file(script, seed))
    for case in order.cases if order.with_variants else ():
        for seed in range(order.seeds):
            for variant in case.scripts[2:] if not case.healthy else ():
                trained = outcomes.get(variant, case.metric, seed) is not None
                if not trained and not refuted(case, variant, outcomes):
                    yield Job(variant, case.metric, seed)
    for case in order.cases if order.with_mutants else ():
        for seed in range(order.seeds):
            for mutant in mutants_of(case):
                lacks = _lacks(order, (case, mutant.script, seed), outcomes)
                if lacks and not settled(case, mutant.script, outcomes):
                    yield Job(mutant.script, case.metric, seed, outcomes.run_file(mutant.script, seed))


def most(order: Order, outcomes: Outcomes) -> int:
    """At most so many jobs are left: what is refuted by then is not trained."""
    return sum(1 for _ in missing(order, outcomes))


def _lacks(order: Order, training: tuple[Case, Script, int], outcomes: Outcomes) -> bool:
    """No record, or its run file is gone: the diagnosis needs both. Where asked for, one of this state of the watch."""
    case, script, seed = training
    record = outcomes.get(script, case.metric, seed)
    if record is None or not outcomes.run_file(script, seed).exists():
        return True
    return order.again and record.watch != watch_digest()
