"""Runs to store: small, and full of what is hard to keep."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gradiometer.records import (
    STATS,
    Diagnosis,
    Event,
    Evidence,
    Finding,
    Frame,
    Hop,
    LossSeen,
    ModuleSeen,
    Network,
    NotCovered,
    OptimizerSeen,
    ParamSeen,
    Part,
    Run,
    RunInfo,
    Site,
)
from gradiometer.store import RunWriter

HARD = (0.0, -0.0, math.inf, -math.inf, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1 / 3)


def values(n_sites: int, seed: int = 0) -> NDArray[np.float64]:
    """[site, stat]: half of the cells nan, the others numbers of every kind."""
    rng = np.random.default_rng(seed)
    out = rng.choice([*HARD, *rng.lognormal(0, 20, 20)], size=(n_sites, len(STATS)))
    out[rng.random(out.shape) < 0.5] = np.nan
    return out


def frame(step: int, n_sites: int = 6, model: str = "net") -> Frame:
    return Frame(model, step, 1.0 / (step + 1), 0.1, 1.0, 1e-4, 0.01, values(n_sites, step))


def sites(n: int = 6, model: str = "net") -> tuple[Site, ...]:
    return tuple(Site(model, f"block.{i}", call=i % 2, op="linear", hop=i) for i in range(n))


def network(name: str = "net") -> Network:
    module = ModuleSeen("0", "Linear", "weights", "linear", {"eps": 1e-5, "n": 3, "bias": True, "x": None, "s": "é"}, 4)
    part = Part("weights", "linear", "0", "1", "0", {"slope": -0.0}, "0.weight", units=3)
    return Network(
        name, "Net", (module,), (ParamSeen("0.weight", (4, 3), True, True),), (Hop("1", "0", (part,)),), ("1", "0")
    )


def diagnosis() -> Diagnosis:
    evidence = Evidence("gain", math.nan, "decades", -math.inf)
    finding = Finding("net", "vanishing", "init-too-small", "fail", ("1",), (0, 3), "It fades.", (evidence,))
    return Diagnosis(1, "run", False, 0.5, ("none",), (), math.nan, (finding,))


def full_run(name: str = "straße 💡") -> Run:
    """One of everything, two models, one with a site table that grows."""
    growing = tuple(frame(i, 3 + 3 * (i > 1)) for i in range(5))
    info = RunInfo(name, "finished", "train.py", ("--lr", "\udcff"), "2026-01-02T03:04:05+00:00", math.inf, 0.1, 10, 9)
    return Run(
        info=info,
        networks=(network(), network("critic")),
        site_table=(*sites(3), *sites(2, "critic"), *sites(6)[3:]),
        frames=(*growing[:2], frame(0, 2, "critic"), *growing[2:]),
        losses=(LossSeen("net", "mse", trivial=0.0, input_max=math.inf), LossSeen("critic")),
        optimizers=(OptimizerSeen("adam", "Adam", {"lr": 1.0, "fused": None, "n": 2**70}, {"net": ("0.weight",)}, 2),),
        events=(Event(0, "zero_grad"), Event(0, "clip", "net", math.inf), Event(1, "step", "critic", -0.0)),
        not_covered=(NotCovered("block.0", "compiled"),),
        problems=("ValueError: \x00 \ud800",),
        curves={"net": np.array([[0.0, math.nan, 0.1], [1.0, -0.0, 0.1]])},
        logged={"acc ✓": np.array([[0.0, 0.5], [10.0, math.nan]])},
    )


def write(path: Path, run: Run, *, close: bool = True) -> RunWriter:
    """Store a run in the order in which a training would."""
    writer = RunWriter(path, RunInfo(run.info.name))
    for seen in run.networks:
        writer.put_network(seen)
    writer.put_sites(run.site_table[:3])
    writer.put_sites(run.site_table[3:])
    for loss in run.losses:
        writer.put_loss(loss)
    for optimizer in run.optimizers:
        writer.put_optimizer(optimizer)
    for one in run.frames:
        writer.put_frame(one)
    writer.put_events(run.events[:1])
    writer.put_events(run.events[1:])
    for model, points in run.curves.items():
        writer.put_curve(model, points)
    for name, table in run.logged.items():
        for step, value in table.tolist():
            writer.put_logged(name, step, value)
    for place in run.not_covered:
        writer.put_not_covered(place)
    for problem in run.problems:
        writer.put_problem(problem)
    writer.flush()
    if close:
        writer.close(run.info)
    return writer


def bits(x: object) -> object:
    """Something that is equal only where every bit is: nan equals nan, -0.0 differs from 0.0."""
    if isinstance(x, np.ndarray):
        kept = np.where(np.isnan(x), np.nan, x)  # one payload for all nan
        return (x.shape, kept.tobytes())
    if isinstance(x, Frame):
        return tuple(bits(getattr(x, f.name)) for f in fields(Frame))
    if isinstance(x, dict):
        return {key: bits(value) for key, value in x.items()}
    if isinstance(x, tuple):
        return tuple(bits(one) for one in x)
    return repr(x)  # records: repr tells -0.0 from 0.0, 1 from 1.0, and nan equals nan


def run_bits(run: Run) -> dict[str, object]:
    return {f.name: bits(getattr(run, f.name)) for f in fields(Run)}
