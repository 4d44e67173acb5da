"""Run files written apart from any training: chains with a known gain a hop."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from gradiometer.records import STAT_INDEX, STATS, Frame, Hop, Network, ParamSeen, Part, RunInfo, Site
from gradiometer.store import RunWriter

WIDTH = 32
LAYERS = 12
STEPS = (0, 1, 2, 3, 5, 8)


def chain_file(path: Path, gain: float, started: str = "2026-01-01T12:00:00+00:00") -> Path:
    """A run of LAYERS linear layers with a sigmoid between each two, whose every layer keeps ``gain`` of the error."""
    outputs = [str(i) for i in range(2 * (LAYERS - 1), -1, -1)]  # loss first: linear 22, sigmoid 21, ..., linear 0
    stations = tuple(outputs[::2])
    info = RunInfo(name=path.stem, state="finished", started=started, wall_s=10.0, calls_seen=100, calls_recorded=100)
    weights = [f"{name}.weight" for name in stations]
    with RunWriter(path, info) as writer:
        params = tuple(ParamSeen(name, (WIDTH, WIDTH), requires_grad=True, owned=True) for name in weights)
        hops = tuple(_hop(upper, lower) for upper, lower in pairwise(stations))
        writer.put_network(Network("model", "Sequential", params=params, hops=hops, stations=stations))
        writer.put_sites([*map(_site, outputs), *(Site("model", name, kind="param") for name in weights)])
        for step in STEPS:
            writer.put_frame(Frame("model", step, 1.386, 0.1, 1.0, 0.0, 0.1, _values(len(outputs), gain)))
        writer.put_curve("model", np.array([(s, 1.386, 0.1) for s in STEPS]))
        writer.close(info)
    return path


def _site(name: str) -> Site:
    place = 2 * (LAYERS - 1) - int(name)
    return Site("model", name, op="sigmoid" if place % 2 else "linear", hop=-1 if place % 2 else place // 2)


def _hop(upper: str, lower: str) -> Hop:
    middle = str(int(upper) - 1)
    layer = Part("weights", "linear", upper, upper, middle, weight=f"{upper}.weight", fan_in=WIDTH, units=WIDTH)
    return Hop(upper, lower, (layer, Part("activation", "sigmoid", middle, middle, lower, units=WIDTH)))


def _values(outputs: int, gain: float) -> np.ndarray:
    """Statistics of one frame [site, stat]: the error shrinks by sqrt(gain) a site, the weights move in proportion."""
    values = np.full((outputs + LAYERS, len(STATS)), np.nan)
    error = np.where(np.isnan(gain), np.nan, gain ** (np.arange(outputs) / 2))  # nan to the power of 0 is 1
    for stat, column in (("err_norm", error), ("act_norm", np.ones(outputs)), ("act_numel", np.full(outputs, 2048.0))):
        values[:outputs, STAT_INDEX[stat]] = column
    for stat, row in (("weight_norm", 5.0), ("grad_norm", 0.1), ("update_norm", 0.01)):
        values[outputs:, STAT_INDEX[stat]] = row * (1.0 if stat == "weight_norm" else error[::2])
    return values
