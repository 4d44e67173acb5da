"""Small networks trained as one population, against training them one by one.

python benchmarks/population.py [--rounds 9] [--cores 1] [--members N] [--quick]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from statistics import median
from time import perf_counter, process_time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported

import torch
from parts.intervals import median_interval
from parts.machine import describe, load
from torch import Tensor, nn
from torch.nn import functional as F

from gradiometer.session import Setup
from gradiometer.trial.population import Population
from gradiometer.trial.population_feeds import Drawn

DEPTH, BATCH, INPUTS, CLASSES, EXAMPLES = 10, 32, 64, 10, 1024
CYCLE = 64  # steps after which the same batches come again: drawing them is no part of what is timed
CHECKED_STEPS = 4


@dataclass(frozen=True)
class Size:
    """width, members, and by how much a population should be faster."""

    width: int
    members: int
    aim: float


SIZES = (Size(16, 256, 20.0), Size(32, 128, 6.0), Size(64, 64, 4.0))
QUICK = (Size(16, 32, 20.0),)
KINDS: dict[str, Callable[[Any, float], torch.optim.Optimizer]] = {
    "SGD": lambda p, lr: torch.optim.SGD(p, lr=lr),
    "momentum": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
    "Adam": lambda p, lr: torch.optim.Adam(p, lr=lr / 10),
    "Adam fused": lambda p, lr: torch.optim.Adam(p, lr=lr / 10, fused=True),
}
"""Torch's optimizers as they are by default, and Adam as it is fastest by itself on a CPU."""


@dataclass(frozen=True)
class Block:
    """Seconds a step of all members, on the wall and of the processor."""

    wall_s: float
    cpu_s: float


Round = tuple[Block, Block]
"""One by one, and as a population."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="pairs of blocks a line (default 9)")
    parser.add_argument("--cores", type=int, default=1, help="processes on each side, one thread each (default 1)")
    parser.add_argument("--members", type=int, help="this many members at every width")
    parser.add_argument("--quick", action="store_true", help="show that it works; the figures are not judged")
    options = parser.parse_args()
    rounds, sizes = (2, QUICK) if options.quick else (options.rounds, SIZES)
    if rounds < 1 or options.cores < 1 or (options.members or options.cores) < options.cores:
        parser.error("--rounds and --cores must be 1 or more, and --members no fewer than the cores")
    print(describe(options.cores, "torch"))
    print(f"depth {DEPTH}, batch {BATCH}; members shared out to {options.cores} process(es) on both sides")
    print("width members optimizer   one by one  population   ratio (CPU)           ratio (wall)  losses agree to")
    for size in sizes:
        if options.members:
            size = Size(size.width, options.members, size.aim if options.members == size.members else 0.0)
        for kind in KINDS:
            told, off = _shared_out(size, kind, rounds, options.cores)
            _tell(size, kind, told, off, options.quick)
    print(f"load at the end {load():.1f}")


def _tell(size: Size, kind: str, rounds: list[Round], off: float, quick: bool) -> None:
    cpu = median_interval([alone.cpu_s / together.cpu_s for alone, together in rounds])
    wall = median_interval([alone.wall_s / together.wall_s for alone, together in rounds])
    alone_ms, together_ms = (1e3 * median(blocks[side].cpu_s for blocks in rounds) for side in (0, 1))
    judged = "" if quick or not size.aim else f"   aim {size.aim:g}: {'met' if cpu.median >= size.aim else 'NOT met'}"
    print(
        f"{size.width:5} {size.members:7} {kind:10} {alone_ms:9.1f} ms {together_ms:8.1f} ms  "
        f"{cpu.median:5.1f} [{cpu.low:.1f}, {cpu.high:.1f}] {wall.median:9.1f} [{wall.low:.1f}, {wall.high:.1f}]  "
        f"{off:8.0e}{judged}",
        flush=True,
    )


def _shared_out(size: Size, kind: str, rounds: int, cores: int) -> tuple[list[Round], float]:
    """The rounds, wall time of the slowest process and processor time of all; and how far the losses are apart."""
    if cores == 1:
        return _measure(size.width, kind, range(size.members), rounds, lambda: None)
    context = multiprocessing.get_context("spawn")
    barrier, pipes, workers = context.Barrier(cores), [], []
    for core in range(cores):
        here, there = context.Pipe(duplex=False)
        work = (size.width, kind, range(core, size.members, cores), rounds)
        workers.append(context.Process(target=_worker, args=(there, barrier, work)))
        workers[-1].start()
        pipes.append(here)
    told = [pipe.recv() for pipe in pipes]
    for worker in workers:
        worker.join()
    together = [
        tuple(Block(max(b.wall_s for b in side), sum(b.cpu_s for b in side)) for side in zip(*same, strict=True))
        for same in zip(*(blocks for blocks, _ in told), strict=True)
    ]
    return together, max(off for _, off in told)  # type: ignore[return-value]


def _worker(pipe: Connection, barrier: Barrier, work: tuple[int, str, range, int]) -> None:
    pipe.send(_measure(*work, barrier.wait))


def _measure(width: int, kind: str, seeds: range, rounds: int, meet: Callable[[], object]) -> tuple[list[Round], float]:
    """Blocks in turns, each side first in every second round. meet: waits for the other processes."""
    torch.set_num_threads(1)
    setups = [_setup(width, kind, seed) for seed in seeds]
    population = Population([_setup(width, kind, seed) for seed in seeds])
    streams = [iter(setup.batches) for setup in setups]
    alone = torch.stack([_one_by_one(setups, streams) for _ in range(CHECKED_STEPS)], dim=1)
    population.run(CHECKED_STEPS)
    off = float(((alone - population.losses) / alone).abs().max())
    once = _timed(lambda: _one_by_one(setups, streams), 1).cpu_s
    steps = max(1, round(once / _timed(population.step, 2).cpu_s))  # so that both blocks last as long
    sides = (lambda: _timed(lambda: _one_by_one(setups, streams), 1), lambda: _timed(population.step, steps))
    told = []
    for number in range(rounds):
        blocks: dict[int, Block] = {}
        for side in (0, 1) if number % 2 else (1, 0):
            meet()
            blocks[side] = sides[side]()
        told.append((blocks[0], blocks[1]))
    return told, off


def _timed(run: Callable[[], object], times: int) -> Block:
    wall, cpu = perf_counter(), process_time()
    for _ in range(times):
        run()
    return Block((perf_counter() - wall) / times, (process_time() - cpu) / times)


def _one_by_one(setups: list[Setup], streams: list[Iterator[Any]]) -> Tensor:
    """One step of every member, as a plain loop makes it; losses [member]."""
    losses = []
    for setup, stream in zip(setups, streams, strict=True):
        assert setup.optimizer is not None
        setup.optimizer.zero_grad()
        loss = setup.loss(setup.model, next(stream))
        loss.backward()  # type: ignore[no-untyped-call]
        setup.optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def _setup(width: int, kind: str, seed: int) -> Setup:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for place in range(DEPTH):
        layers += [nn.Linear(width if place else INPUTS, width), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(width, CLASSES))
    rows = torch.randint(EXAMPLES, (CYCLE, BATCH), generator=torch.Generator().manual_seed(seed))
    optimizer = KINDS[kind](model.parameters(), 0.003 * 3 ** (seed % 3))
    return Setup(model, Drawn(DATA, lambda step: rows[step % CYCLE]), cross_entropy, optimizer)


def cross_entropy(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The loss of every member."""
    return F.cross_entropy(model(batch[0]), batch[1])


_draw = torch.Generator().manual_seed(0)
DATA = (
    torch.randn(EXAMPLES, INPUTS, generator=_draw),
    torch.randint(CLASSES, (EXAMPLES,), generator=_draw),
)

if __name__ == "__main__":
    main()
