"""Bachlechner 2020: a branch that starts at zero trains a deep fully connected network at once."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from gradiometer.lab import Recipe, Split, load_task
from gradiometer.views import Axis, Figure, Mark, Series

from .experiment import Experiment, Order, Outcome, Row
from .fair import order_rows, rates_table, search
from .measure import classified, first_pass, seeded
from .plain import alone, batch_of
from .workers import each

SOURCE = "Bachlechner et al. 2020, abstract"
CODE = "ReZero-Deep_Fast_NeuralNetwork.ipynb of the authors"
DEPTH, WIDTH = 32, 256
BATCH = 100
PROBED = 256  # examples of a split on which the accuracy is read
GOAL = 0.9
FASTER = 5.0  # times
EXACTLY = 1e-6  # of the gain: float32
Version = Literal["vanilla", "residual", "ReZero"]
VERSIONS: tuple[Version, ...] = ("vanilla", "residual", "ReZero")
POWER = {"vanilla": 2.0, "residual": 0.25, "ReZero": 2.0}
"""Var W · n of the square layers: √2 and ½ times Xavier's deviation, as in the authors' code."""


class Block(nn.Module):
    """One layer: φ(Wx), x + φ(Wx) or x + α φ(Wx), with α learned from ``alpha``."""

    def __init__(self, version: Version, alpha: float) -> None:
        super().__init__()
        self.version = version
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.act = nn.ReLU()
        if version == "ReZero":
            self.alpha = nn.Parameter(torch.tensor(alpha))

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.act(self.linear(x))
        if self.version == "vanilla":
            return branch
        return x + branch if self.version == "residual" else x + self.alpha * branch


@dataclass(frozen=True, slots=True)
class Training:
    """One training by Adagrad. alpha: where ReZero's branches begin. split: on which the goal is read."""

    version: Version
    lr: float
    seed: int
    steps: int
    depth: int = DEPTH
    alpha: float = 0.0
    split: Literal["train", "validation"] = "train"


class Reached(msgspec.Struct, frozen=True):
    """step: at which the accuracy first was GOAL, None where it never was. accuracies: (step, accuracy) as read."""

    step: int | None
    accuracies: tuple[tuple[int, float], ...]


def network(job: Training) -> nn.Sequential:
    """A He-initialised stem with ReLU, the blocks, a head; biases, and the head, as torch draws them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.seed)
        parts: OrderedDict[str, nn.Module] = OrderedDict(stem=nn.Linear(64, WIDTH), act=nn.ReLU())
        for number in range(1, job.depth + 1):
            parts[f"block{number}"] = Block(job.version, job.alpha)
        parts["head"] = nn.Linear(WIDTH, 10)
        model = nn.Sequential(parts)
        nn.init.kaiming_normal_(model.get_parameter("stem.weight"), nonlinearity="relu")
        for block in model:
            if isinstance(block, Block):
                nn.init.normal_(block.linear.weight, 0.0, math.sqrt(POWER[job.version] / WIDTH))
    return model


def reached(job: Training) -> Reached:
    """Train until the goal, or to the last step; a loss that is not finite ends it as never reached."""
    model, task = network(job), load_task(Recipe(task="digits"))
    optimizer = torch.optim.Adagrad(model.parameters(), lr=job.lr)
    generator, read = seeded(job.seed + 1000), []
    probe: Split = task.validation if job.split == "validation" else task.train
    for step in range(1, job.steps + 1):
        rows = torch.randint(len(task.train), (BATCH,), generator=generator)
        optimizer.zero_grad()
        loss = classified(model, (task.train.inputs[rows], task.train.targets[rows]))
        if not math.isfinite(loss.item()):
            break
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step <= 20 or step % 5 == 0:
            read.append((step, _accuracy(model, probe)))
            if read[-1][1] >= GOAL:
                return Reached(step, tuple(read))
    return Reached(None, tuple(read))


def _accuracy(model: nn.Module, split: Split) -> float:
    with torch.no_grad():
        right = model(split.inputs[:PROBED]).argmax(dim=1) == split.targets[:PROBED]
    return float(right.float().mean())


def steps_searched(job: Training) -> float:
    """Steps to the goal on the validation split; where it is never reached, the budget and more, by what is missing."""
    found = reached(replace(job, split="validation"))
    if found.step is not None:
        return float(found.step)
    missing = GOAL - found.accuracies[-1][1] if found.accuracies else 1.0
    return job.steps * (1 + missing)


def errors(job: Training) -> tuple[float, ...]:
    """‖δ‖ at the output of each block of the untrained network, by Gradiometer [block], loss first."""
    split = load_task(Recipe(task="digits")).train
    model = network(job)
    sites = [f"block{number}" for number in range(job.depth, 0, -1)]
    if job.version == "vanilla":
        sites = [f"{site}.act" for site in sites]  # the block puts out what its activation does
    return tuple(first_pass(model, batch_of(split, BATCH, job.seed), classified).error_norms(sites).tolist())


@dataclass(frozen=True, slots=True)
class Plan:
    """alpha: of ReZero; rates: version -> what is tried (a single one is not searched)."""

    rates: dict[str, tuple[float, ...]]
    steps: int
    search_seeds: tuple[int, ...]
    seeds: tuple[int, ...]
    depth: int = DEPTH
    alpha: float = 0.0


_GRID = (0.0003, 0.001, 0.003, 0.01, 0.03)
FULL = Plan(dict.fromkeys(VERSIONS, _GRID), 200, (100, 101), (0, 1, 2, 3, 4))
QUICK = Plan({"vanilla": (0.001,), "residual": (0.003,), "ReZero": (0.01,)}, 60, (), (0, 1))


def outcome(order: Order, plan: Plan) -> Outcome:
    """The experiment by a plan."""
    fresh = _untrained(order, plan)
    jobs: dict[str, dict[float, list[Training]]] = {
        version: {rate: [_job(version, rate, seed, plan) for seed in plan.search_seeds] for rate in plan.rates[version]}
        for version in VERSIONS
    }
    rates = search(steps_searched, jobs, order, "learning rates on the validation split")
    judged = [_job(version, rates[version].rate, seed, plan) for version in VERSIONS for seed in plan.seeds]
    ends = each(reached, judged, order, f"{plan.depth} layers, the seeds that are judged")
    n = len(plan.seeds)
    runs = {version: ends[i * n : (i + 1) * n] for i, version in enumerate(VERSIONS)}
    rows = (*_fresh_rows(fresh), *_step_rows(runs, plan))
    return Outcome(
        name="rezero",
        rows=rows,
        figures=(_accuracy_figure(runs, plan), _error_figure(fresh)),
        tables=(rates_table(rates),),
        notes=(_censored(runs, plan), *_NOTES),
        reasons=() if all(row.holds for row in rows) else (_REASON,),
        quick=order.quick,
    )


_NOTES = (
    f"Layers, initialisation and optimizer are those of the authors' program ({CODE}). Differs: digits instead of "
    "CIFAR-10, which takes fewer steps in every network, and a searched learning rate instead of one for all.",
)
_REASON = (
    "ReZero passes the error unchanged only while its branches are closed; with another start, depth or learning rate "
    "its lead is another."
)


def _job(version: Version, rate: float, seed: int, plan: Plan) -> Training:
    return Training(version, rate, seed, plan.steps, plan.depth, plan.alpha)


def _untrained(order: Order, plan: Plan) -> dict[str, np.ndarray]:
    """Version -> ‖δ‖ [seed, block], loss first."""
    jobs = {version: [_job(version, 0.01, seed, plan) for seed in plan.seeds] for version in VERSIONS}
    return {name: np.array(each(errors, of, alone(order), f"error, {name}")) for name, of in jobs.items()}


def _fresh_rows(fresh: dict[str, np.ndarray]) -> tuple[Row, ...]:
    off = np.abs(fresh["ReZero"][:, 1:] / fresh["ReZero"][:, :-1] - 1).max(axis=1)
    left = {name: tuple(np.log10(found[:, -1] / found[:, 0]).tolist()) for name, found in fresh.items()}
    return (
        Row(
            name="untrained ReZero: largest distance of a block's gain from 1",
            published="0",
            source=f"{SOURCE}: initial dynamical isometry",
            values=tuple(off.tolist()),
            high=EXACTLY,
            by="every value",
        ),
        Row(name="untrained vanilla: error at block 1", unit="decades", values=left["vanilla"]),
        Row(name="untrained residual: error at block 1", unit="decades", values=left["residual"]),
    )


def _step_rows(runs: dict[Version, list[Reached]], plan: Plan) -> tuple[Row, ...]:
    steps = {version: _steps(found, plan) for version, found in runs.items()}
    ratios = {version: tuple(np.divide(steps[version], steps["ReZero"]).tolist()) for version in VERSIONS}
    told = [Row(name=f"{version}: steps to 90 % of the training split", values=steps[version]) for version in VERSIONS]
    return (
        *told,
        Row(
            name="vanilla over ReZero, at least",
            unit="times",
            published="1,500 % faster",
            source=SOURCE,
            values=ratios["vanilla"],
            low=FASTER,
        ),
        Row(name="residual over ReZero", unit="times", values=ratios["residual"]),
        *order_rows("vanilla − ReZero", steps["vanilla"], steps["ReZero"], "steps"),
    )


def _steps(found: list[Reached], plan: Plan) -> tuple[float, ...]:
    """Steps to the goal; the budget where it was never reached, which is a lower bound."""
    return tuple(float(plan.steps if run.step is None else run.step) for run in found)


def _censored(runs: dict[Version, list[Reached]], plan: Plan) -> str:
    never = [f"{sum(r.step is None for r in found)} of {len(found)} {name}" for name, found in runs.items()]
    return (
        f"Never there within {plan.steps} steps: {', '.join(never)}. {plan.steps} stands for these, so that the ratios "
        "are lower bounds."
    )


def _accuracy_figure(runs: dict[Version, list[Reached]], plan: Plan) -> Figure:
    every = [step for step in range(1, plan.steps + 1) if step <= 20 or step % 5 == 0]
    series = []
    for version, role in zip(VERSIONS, ("error", "activation", "healthy"), strict=True):
        curves = np.array([_curve(run, every) for run in runs[version]])  # [seed, step]
        middle, low, high = (tuple(v.tolist()) for v in (np.median(curves, 0), curves.min(0), curves.max(0)))
        series.append(Series(version, role, "line", middle, low, high))
    axes = (Axis("step", "", "log", values=tuple(map(float, every))), Axis("train accuracy", "", "linear"))
    return Figure(f"{plan.depth} layers trained until 90 %", axes, tuple(series), (Mark("limit", GOAL, GOAL, "90 %"),))


def _curve(run: Reached, every: list[int]) -> list[float]:
    """Accuracy at each step; the last one is held where the training had ended."""
    read = dict(run.accuracies)
    last = run.accuracies[-1][1] if run.accuracies else math.nan
    return [read.get(step, last) for step in every]


def _error_figure(fresh: dict[str, np.ndarray]) -> Figure:
    depth = next(iter(fresh.values())).shape[1]
    series = []
    for (name, found), role in zip(fresh.items(), ("error", "activation", "healthy"), strict=True):
        decades = np.log10(found / found[:, :1])
        middle, low, high = (tuple(v.tolist()) for v in (np.median(decades, 0), decades.min(0), decades.max(0)))
        series.append(Series(name, role, "line", middle, low, high))
    axes = (Axis("block", "", "sites", tuple(str(n) for n in range(depth, 0, -1))), Axis("error", "decades", "decades"))
    return Figure("The error at each block of the untrained networks", axes, tuple(series))


def run(order: Order) -> Outcome:
    """Errors here, trainings in worker processes."""
    return outcome(order, QUICK if order.quick else FULL)


EXPERIMENT = Experiment(
    name="rezero",
    title="A branch that starts at zero passes the error whole, and trains 32 layers at once",
    source="Bachlechner, Majumder, Mao, Cottrell, McAuley, ReZero is All You Need, 2020",
    rule="the gain of every block of an untrained ReZero network is 1 to rounding; vanilla needs at least 5 times as "
    "many steps to 90 % of the training split, or never gets there (median over the seeds), and the difference has an "
    "interval above 0.",
    setting="32 ReLU layers of width 256 on digits, batch 100, Adagrad, at most 200 steps; the learning rate of each "
    "network is searched on the validation split and two seeds, five others are judged. Quick: 60 steps, two seeds, "
    "rates as the full form found them.",
    run=run,
)
