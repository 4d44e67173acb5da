"""How long `gradiometer diagnose` takes on a large run, in a new interpreter each time, and that no torch is loaded.

python benchmarks/diagnose_time.py [--modules 500] [--frames 2000] [--runs 3]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from parts.machine import describe

from gradiometer.records import (
    STAT_INDEX,
    STATS,
    Frame,
    Hop,
    LossSeen,
    ModuleSeen,
    Network,
    OptimizerSeen,
    ParamSeen,
    Part,
    RunInfo,
    Site,
)
from gradiometer.store import RunWriter

AIM_S = 2.0
WIDTH = 128
THIN = 50  # every so many frames the thin statistics are there as well
ACTIVITY = ("act_norm", "act_numel", "act_mean", "act_std", "act_max", "act_zero_share", "act_nonfinite")
ACTIVITY += ("err_norm", "err_max", "err_zero_share", "err_underflow_share", "err_nonfinite")
PARAMETER = ("weight_norm", "grad_norm", "grad_norm_raw", "update_norm", "grad_missing", "weight_nonfinite")
TORCH = "import sys; sys.argv = sys.argv[1:]\ntry:\n    from gradiometer.cli import main; main()\nfinally:\n"
TORCH += "    print('torch' in sys.modules, file=sys.stderr)"


def main() -> None:
    """Write the run, then time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--modules", type=int, default=500)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    print(describe(1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.gmr"
        write(path, args.modules, args.frames)
        size = path.stat().st_size / 2**20
        seconds = []
        for _ in range(args.runs):
            started = perf_counter()
            command = [sys.executable, "-c", TORCH, "gradiometer", "diagnose", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            seconds.append(perf_counter() - started)
            if done.returncode not in (0, 1) or not done.stderr.strip().endswith("False"):
                raise SystemExit(f"it failed, or torch was loaded:\n{done.stdout[-500:]}{done.stderr[-500:]}")
    middle = median(seconds)
    print(f"diagnose, {args.modules} modules x {args.frames} frames ({size:.0f} MB): {middle:.2f} s, torch not loaded")
    print(f"aim {AIM_S:g} s: {'reached' if middle <= AIM_S else 'missed'}")


def write(path: Path, modules: int, frames: int) -> None:
    """A plain network of linear layers and tanh, half of the modules each, that learns."""
    layers = modules // 2
    network, sites = plain_network(layers)
    rng = np.random.default_rng(0)
    light, thin = masks(len(sites), layers)
    info = RunInfo("large", calls_seen=modules, calls_recorded=modules, wall_s=100.0, overhead_s=1.0)
    with RunWriter(path, info) as w:
        w.put_sites(sites)
        w.put_network(network)
        w.put_loss(LossSeen("net", "cross_entropy", "mean", "", 10, 64, float(np.log(10)), 0.0, factor=1.0))
        w.put_optimizer(OptimizerSeen("Adam", "Adam", {"lr": 1e-3}, {"net": tuple(p.name for p in network.params)}))
        base = np.exp(rng.normal(0, 0.2, (len(sites), len(STATS))))
        for step in range(frames):
            values = np.where(light | (thin if step % THIN == 0 else False), base * np.exp(rng.normal(0, 0.05)), np.nan)
            for name in ("act_nonfinite", "err_nonfinite", "weight_nonfinite", "grad_missing", "act_zero_share"):
                values[:, STAT_INDEX[name]] *= 0.0
            w.put_frame(Frame("net", step, 2.3 * 0.999**step, 1e-3, 1.0, 1e-4, 1e-2, values))


def masks(sites: int, layers: int) -> tuple[np.ndarray, np.ndarray]:
    """[site, stat]: what every frame holds, and what thin ones hold beside it. Parameters come last."""
    outputs = np.arange(sites) < 2 * layers
    light, thin = np.zeros((sites, len(STATS)), dtype=bool), np.zeros((sites, len(STATS)), dtype=bool)
    for name in ACTIVITY:
        light[outputs, STAT_INDEX[name]] = True
    for name in PARAMETER:
        light[~outputs, STAT_INDEX[name]] = True
    for name in ("act_similarity", "act_rank_share", "err_similarity", "err_in_norm", "act_saturated_share"):
        thin[outputs, STAT_INDEX[name]] = True
    for name in ("grad_turn", "update_along", "update_zero_share", "epsilon_ratio"):
        thin[~outputs, STAT_INDEX[name]] = True
    return light, thin


def plain_network(layers: int) -> tuple[Network, list[Site]]:
    modules, params, sites, hops = [], [], [], []
    for i in range(layers):
        w, b = f"{2 * i}.weight", f"{2 * i}.bias"
        modules.append(ModuleSeen(str(2 * i), "Linear", "weights", "linear", {}, WIDTH, WIDTH, w, b))
        modules.append(ModuleSeen(str(2 * i + 1), "Tanh", "activation", "tanh"))
        params += [ParamSeen(w, (WIDTH, WIDTH), True, True), ParamSeen(b, (WIDTH,), True, True)]
        sites += [Site("net", str(2 * i), op="linear"), Site("net", str(2 * i + 1), op="tanh")]
    for i in reversed(range(1, layers)):
        upper, act, lower = str(2 * i), str(2 * i - 1), str(2 * i - 2)
        weights = Part("weights", "linear", upper, upper, act, weight=f"{upper}.weight", fan_in=WIDTH)
        hops.append(Hop(upper, lower, (weights, Part("activation", "tanh", act, act, lower, units=WIDTH))))
    sites += [Site("net", p.name, kind="param") for p in params]
    stations = tuple(str(2 * i) for i in reversed(range(layers)))
    network = Network("net", "Sequential", tuple(modules), tuple(params), tuple(hops), stations, ops=("Addmm", "Tanh"))
    return network, sites


if __name__ == "__main__":
    main()
