"""Blocks of training steps under a clock, and the pairs that are made of them.

Every block begins with a new trainer in the same state, so every arm does the same arithmetic. Every watched block
stands between two bare ones, and is compared with their mean: a machine that grows slower cancels to first order.
"""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time

from .arms import Arm, NotMeasuredError
from .networks import Network, Trainer

Tick = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Block:
    """``wall_s`` and ``cpu_s`` stand before the first step and after each: [step + 1]."""

    wall_s: list[float]
    cpu_s: list[float]
    spent_s: list[float]  # [step], the watcher's own account; empty where it keeps none
    digest: str
    facts: dict[str, float]

    def wall_per_step(self, first: int) -> float:
        """Mean wall time of the steps from ``first`` on, in seconds."""
        return (self.wall_s[-1] - self.wall_s[first]) / (len(self.wall_s) - 1 - first)

    def cpu_per_step(self, first: int) -> float:
        """Mean processor time of this process (all threads) of the steps from ``first`` on, in seconds."""
        return (self.cpu_s[-1] - self.cpu_s[first]) / (len(self.cpu_s) - 1 - first)

    def self_measured(self, first: int) -> float:
        """The watcher's own account of its cost / wall time, from step ``first`` on; ``first`` >= 1."""
        return (self.spent_s[-1] - self.spent_s[first - 1]) / (self.wall_s[-1] - self.wall_s[first])


@dataclass(slots=True)
class Pairs:
    """The ratios of one arm: one value a pair."""

    arm: Arm
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)  # wall, from the very first step on
    blocks: list[Block] = field(default_factory=list)
    bit_equal: bool | None = None  # weights after the block; None where no bare block was as long
    missing: str = ""

    def add(self, block: Block, neighbours: tuple[Block, Block], bare_warm_up: int) -> None:
        """Compare a block with the bare ones before and after it."""
        before, after = neighbours
        first = self.arm.warm_up
        bare_wall = (before.wall_per_step(bare_warm_up) + after.wall_per_step(bare_warm_up)) / 2
        bare_whole = (before.wall_per_step(0) + after.wall_per_step(0)) / 2
        bare_cpu = (before.cpu_per_step(bare_warm_up) + after.cpu_per_step(bare_warm_up)) / 2
        self.wall.append(block.wall_per_step(first) / bare_wall)
        self.whole.append(block.wall_per_step(0) / bare_whole)
        self.cpu.append(block.cpu_per_step(first) / bare_cpu)
        self.blocks.append(block)
        if len(block.wall_s) == len(before.wall_s):
            self.bit_equal = block.digest == before.digest and self.bit_equal is not False


def run_block(network: Network, arm: Arm) -> Block:
    """Train from the beginning under one arm."""
    folder = Path(tempfile.mkdtemp(prefix="overhead-"))
    try:
        trainer = Trainer(network)
        watcher = arm.open(trainer, folder)
        gc.collect()
        wall, cpu = [perf_counter()], [process_time()]
        try:
            for index in range(arm.warm_up + arm.steps):
                watcher.after_step(index, trainer.step(index))
                wall.append(perf_counter())
                cpu.append(process_time())
        finally:
            facts = watcher.close()
        return Block(wall, cpu, watcher.spent_s, trainer.digest(), facts)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_rounds(network: Network, bare: Arm, arms: Sequence[Arm], rounds: int, tick: Tick) -> tuple[list[Pairs], float]:
    """bare, arm, bare, arm, ...; the order of the arms is rotated from round to round.

    Returns the pairs of each arm and the bare wall time of a step (seconds, median over the bare blocks).
    """
    pairs = {arm.key: Pairs(arm) for arm in arms}
    tick(bare.title)
    before = run_block(network, bare)
    times = [before.wall_per_step(bare.warm_up)]
    for number in range(rounds):
        shift = number % len(arms)
        for arm in [*arms[shift:], *arms[:shift]]:
            found = pairs[arm.key]
            tick(arm.title)
            block = None if found.missing else _try_block(network, found)
            tick(bare.title)
            if block is None:
                continue
            after = run_block(network, bare)
            found.add(block, (before, after), bare.warm_up)
            times.append(after.wall_per_step(bare.warm_up))
            before = after
    return list(pairs.values()), sorted(times)[len(times) // 2]


def _try_block(network: Network, pairs: Pairs) -> Block | None:
    try:
        return run_block(network, pairs.arm)
    except NotMeasuredError as reason:
        pairs.missing = str(reason)
        return None
