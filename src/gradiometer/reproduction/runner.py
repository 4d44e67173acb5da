"""Runs experiments one after the other and gives each of them as it is told."""

from __future__ import annotations

import difflib
import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from gradiometer.records import UserError
from gradiometer.views import ToldExperiment

from .experiment import Experiment, Order
from .menu import Entry
from .telling import told

EVERYTHING = "all"


def choose(names: Sequence[str], entries: Sequence[Entry]) -> list[Entry]:
    """The entries of these names, each once, in the order given; ``all`` is every one. UserError for another name."""
    known = {entry.name: entry for entry in entries}
    out: dict[str, Entry] = {}
    for name in names:
        if name == EVERYTHING:
            out |= known
        elif name in known:
            out[name] = known[name]
        else:
            near = difflib.get_close_matches(name, [*known, EVERYTHING], n=3, cutoff=0.5)
            hint = f"Near it: {', '.join(near)}." if near else f"Known: {', '.join(known)}."
            raise UserError(f"There is no experiment {name!r}. {hint} gradiometer reproduce --list shows all of them.")
    return list(out.values())


def load(entry: Entry) -> Experiment:
    """The experiment of an entry; this is where torch loads."""
    experiment: Experiment = importlib.import_module(entry.module).EXPERIMENT
    return experiment


def run_one(experiment: Experiment, order: Order) -> ToldExperiment:
    """Run an experiment and time it."""
    begin_s = time.perf_counter()
    outcome = experiment.run(order)
    took_s = time.perf_counter() - begin_s
    return told(experiment, msgspec.structs.replace(outcome, seconds=took_s, quick=order.quick))


@dataclass(slots=True)
class Series:
    """Experiments that are run in turn. finished: what is there, also after Ctrl-C. at: the one that runs."""

    entries: Sequence[Entry]
    order: Order
    finished: list[ToldExperiment] = field(default_factory=list)

    @property
    def at(self) -> int:
        """Number of the experiment that runs, from 1."""
        return len(self.finished) + 1

    @property
    def left(self) -> list[str]:
        """Names of those that have not come to their end."""
        return [entry.name for entry in self.entries[len(self.finished) :]]

    def run(self, on_done: Callable[[ToldExperiment], None]) -> None:
        """Run them. What is raised inside one (KeyboardInterrupt too) goes on, and ``finished`` holds the others."""
        total = len(self.entries)
        for entry in self.entries:
            head = f"{self.at} of {total}  {entry.name}" if total > 1 else entry.name
            order = replace(self.order, tick=_headed(self.order.tick, head))
            order.tick(0, 0, "")
            self.finished.append(run_one(load(entry), order))
            on_done(self.finished[-1])


def _headed(tick: Callable[[int, int, str], None], head: str) -> Callable[[int, int, str], None]:
    return lambda done, total, words: tick(done, total, f"{head}  {words}" if words else head)
