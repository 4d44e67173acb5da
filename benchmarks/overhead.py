"""What watching costs: bare training against Gradiometer, W&B and TensorBoard, on three networks.

    python benchmarks/overhead.py                       every network, about half an hour
    python benchmarks/overhead.py --network mlp --quick  does it work? the figures are too few to judge

See benchmarks/README.md for what is compared with what.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from parts.arms import Arm, bare, gradiometer, tensorboard, wandb_watch
from parts.blocks import Pairs, run_rounds
from parts.intervals import median_interval
from parts.machine import describe, load
from parts.networks import NETWORKS, Network
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gradiometer.measurement.cadence import DENSE_STEPS, THIN_FULL

BUDGET_SHARE = 0.01  # the default budget of gm.watch
BUDGET_RATIO = 1.01
PACKAGES = ("torch", "wandb", "tensorboard")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. ``stretch_s``: length of one stretch at the default budget."""

    rounds: int
    warm_up: int
    steps: int
    slow_steps: int  # of the arms that take several times as long
    stretches: int
    stretch_s: float
    least_steps: int  # of a stretch, after its dense steps


FULL = Plan(rounds=7, warm_up=5, steps=THIN_FULL, slow_steps=15, stretches=6, stretch_s=30.0, least_steps=200)
SHORT = Plan(rounds=3, warm_up=5, steps=THIN_FULL, slow_steps=5, stretches=2, stretch_s=14.0, least_steps=100)
QUICK = Plan(rounds=1, warm_up=1, steps=4, slow_steps=2, stretches=1, stretch_s=1.0, least_steps=10)


def main() -> None:
    """Measure, print, and write JSON where asked."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    plan = QUICK if args.quick else SHORT if args.short else replace(FULL, stretch_s=args.stretch)
    print(describe(args.threads, *PACKAGES), flush=True)
    if len(args.network) == 1:
        measured = [measure(NETWORKS[args.network[0]], plan)]
    else:
        measured = [_in_a_process(key, args) for key in args.network]
    Console(width=None if sys.stdout.isatty() else 132).print(table(measured, args.quick))
    for line in notes(measured, args.quick):
        print(line)
    if args.json:
        args.json.write_text(json.dumps(_document(args, measured), indent=1), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--network", action="append", choices=sorted(NETWORKS), help="only this network; may be given several times"
    )
    parser.add_argument("--quick", action="store_true", help="a minute in all, to see that it works; no verdict")
    parser.add_argument("--short", action="store_true", help="ten minutes in all: fewer pairs, wider intervals")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default 1)")
    parser.add_argument(
        "--stretch", type=float, default=FULL.stretch_s, metavar="S", help="seconds at the default budget (default 30)"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write every ratio there")
    args = parser.parse_args()
    args.network = args.network or list(NETWORKS)
    if args.threads < 1:
        parser.error("--threads must be 1 or more")
    return args


def _in_a_process(key: str, args: argparse.Namespace) -> dict[str, Any]:
    """One network in a process of its own: what one leaves behind never weighs on the next."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measured.json"
        command = [sys.executable, __file__, "--network", key, "--json", str(path), "--threads", str(args.threads)]
        command += ["--stretch", str(args.stretch), *(["--quick"] if args.quick else ["--short"] if args.short else [])]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            sys.exit(f"The measurement of {key} ended with code {done.returncode}; its message stands above.")
        return dict(json.loads(path.read_text(encoding="utf-8"))["networks"][0])


def _document(args: argparse.Namespace, measured: list[dict[str, Any]]) -> dict[str, Any]:
    return {"machine": describe(args.threads, *PACKAGES), "quick": args.quick, "networks": measured}


# ---- measuring -------------------------------------------------------------------------------------------------------


def measure(network: Network, plan: Plan) -> dict[str, Any]:
    """Every arm on one network, as plain data."""
    load_before = load()
    bare_arm = Arm("bare", "bare", bare, plan.warm_up, plan.steps)
    arms = [
        Arm("every", "Gradiometer, every step", gradiometer(1), plan.warm_up, plan.steps),
        Arm("wandb", "W&B watch(log=all, log_freq=1)", wandb_watch, plan.warm_up, plan.slow_steps),
        Arm("tensorboard", "TensorBoard histograms", tensorboard, plan.warm_up, plan.slow_steps),
    ]
    blocks = 2 + 2 * len(arms) * plan.rounds + 2 * plan.stretches
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(network.key, total=blocks)

        def tick(what: str) -> None:
            bar.update(task, description=f"{network.key}: {what}", advance=1)

        pairs, step_s = run_rounds(network, bare_arm, arms, plan.rounds, tick)
        default = _default_arm(network, plan, step_s)
        bare_stretch = Arm("bare", "bare", bare, DENSE_STEPS, default.steps)
        long_pairs, _ = run_rounds(network, bare_stretch, [default], plan.stretches, tick)
    found = {"key": network.key, "title": network.title, "bare_step_ms": step_s * 1e3}
    rows = [_row(p, network) for p in [*long_pairs, *pairs]]
    return found | {"load_before": load_before, "load_after": load(), "arms": rows}


def _default_arm(network: Network, plan: Plan, step_s: float) -> Arm:
    """Timed after its dense first steps; the whole stretch is told beside it."""
    steps = max(plan.least_steps, round(plan.stretch_s / step_s) - DENSE_STEPS)
    return Arm("default", "Gradiometer, default budget", gradiometer(None), DENSE_STEPS, steps)


def _row(pairs: Pairs, network: Network) -> dict[str, Any]:
    arm = pairs.arm
    row: dict[str, Any] = {"arm": arm.key, "title": arm.title, "steps": arm.steps, "warm_up": arm.warm_up}
    if not pairs.wall:
        return row | {"missing": pairs.missing or "no block was measured"}
    facts = {name: median(b.facts[name] for b in pairs.blocks) for name in pairs.blocks[0].facts}
    row |= {"wall_ratios": pairs.wall, "cpu_ratios": pairs.cpu, "whole_ratios": pairs.whole}
    row |= {"facts": facts, "bit_equal": pairs.bit_equal}
    if pairs.blocks[0].spent_s:
        half = arm.warm_up + arm.steps // 2
        row["self_share"] = median(b.self_measured(arm.warm_up) for b in pairs.blocks)
        row["self_share_second_half"] = median(b.self_measured(half) for b in pairs.blocks)
    row["target"] = {"default": BUDGET_RATIO, "every": network.every_step_limit}.get(arm.key)
    return row


# ---- telling ---------------------------------------------------------------------------------------------------------


def table(measured: list[dict[str, Any]], quick: bool) -> Table:
    """One line an arm."""
    out = Table(title="Time of a training step / time of a bare step", title_justify="left")
    out.add_column("network", no_wrap=True)
    out.add_column("watched by", no_wrap=True)
    for name in ("wall", "interval", "CPU", "own account", "target"):
        out.add_column(name, justify="right", no_wrap=True)
    out.add_column("", no_wrap=True)
    for network in measured:
        for row in network["arms"]:
            out.add_row(network["key"], row["title"], *_cells(row), _verdict(row, quick))
        out.add_section()
    return out


def _cells(row: dict[str, Any]) -> list[str]:
    if "missing" in row:
        return ["–"] * 5
    wall, cpu = median_interval(row["wall_ratios"]), median(row["cpu_ratios"])
    between = f"{wall.low:.3f} … {wall.high:.3f}" if len(row["wall_ratios"]) > 1 else "one pair"
    share = f"{row['self_share']:.2%}" if "self_share" in row else "–"
    target = f"≤ {row['target']:.2f}" if row["target"] else "–"
    return [f"{wall.median:.3f}", between, f"{cpu:.3f}", share, target]


def _verdict(row: dict[str, Any], quick: bool) -> str:
    """The budget is judged by the own account and the interval, every=1 by the median."""
    if "missing" in row:
        return "not measured"
    if row["target"] is None:
        return ""
    if row["bit_equal"] is False:
        return "weights DIFFER"
    if quick:
        return "not judged"
    wall = median_interval(row["wall_ratios"])
    if row["arm"] == "default":
        met = row["self_share"] <= BUDGET_SHARE and wall.low <= BUDGET_RATIO
    else:
        met = wall.median <= row["target"]
    return "met" if met else "NOT met"


def notes(measured: list[dict[str, Any]], quick: bool) -> list[str]:
    """What the table leaves out."""
    lines = []
    for network in measured:
        loads = f"load {network['load_before']:.1f} → {network['load_after']:.1f}"
        lines.append(f"{network['title']}: a bare step takes {network['bare_step_ms']:.0f} ms; {loads}.")
        lines += [f"  {text}" for row in network["arms"] if (text := _note(row))]
    counts = {len(row["wall_ratios"]) for n in measured for row in n["arms"] if "wall_ratios" in row}
    coverages = (f"{n} pairs {median_interval(range(n)).coverage:.1%}" for n in sorted(counts) if n > 1)
    lines.append(
        "interval: order statistics of the median; coverage " + (", ".join(coverages) or "of one pair none") + "."
    )
    if quick:
        lines.append("--quick: this shows that the benchmark works. It is too short to judge anything by.")
    return lines


def _note(row: dict[str, Any]) -> str:
    if "missing" in row:
        return f"{row['title']}: not measured: {row['missing']}"
    pairs, facts = len(row["wall_ratios"]), row["facts"]
    text = f"{row['title']}: {pairs} {'pair' if pairs == 1 else 'pairs'} of {row['steps']} steps after {row['warm_up']}"
    if "frames" in facts:
        equal = {True: "bit-equal to bare", False: "NOT equal to bare", None: "not compared"}[row["bit_equal"]]
        text += f"; weights {equal}; {facts['frames']:.0f} frames, {facts['file_bytes'] / 1e6:.1f} MB"
        text += f"; coverage {facts['coverage']:.0%}"
        text += f"; with the first steps ×{median(row['whole_ratios']):.3f}, own account {facts['overhead_share']:.2%}"
        text += f"; own account of the second half {row['self_share_second_half']:.2%}"
    return text + f"; closing took {facts['close_s']:.2f} s, not counted"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
