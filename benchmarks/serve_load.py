"""Ten viewers of one growing run, and ten runs with a viewer each: how late a frame arrives, what the server takes.

python benchmarks/serve_load.py [--seconds 20] [--layers 40] [--viewers 10] [--runs 10] [--quick]

A writer puts frames of a network of so many linear layers into each run and flushes, as a watched training does about
once a second; a training on one thread runs beside. Late is the time from the end of the flush to the whole message at
a viewer; on the screen, to the moment at which the page shows the step (measured in a Chromium, where there is one).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

import httpx
import numpy as np
from diagnose_time import masks, plain_network
from parts.machine import describe

from gradiometer.records import STAT_INDEX, STATS, Frame, LossSeen, OptimizerSeen, RunInfo
from gradiometer.server.names import identifier
from gradiometer.store import RunWriter

AIM_LATE_S, AIM_SHARE = 1.0, 0.05
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
WARM_S = 16.0  # first looks and their bursts are behind it
EVERY_S = 1.0

TRAINING = """
import sys, time, torch
from torch import nn
torch.set_num_threads(1)
net = nn.Sequential(*[m for _ in range(20) for m in (nn.Linear(256, 256), nn.Tanh())])
optimizer, x = torch.optim.SGD(net.parameters(), 0.01), torch.randn(64, 256)
until, n, started = time.time() + float(sys.argv[1]), 0, time.perf_counter()
while time.time() < until:
    optimizer.zero_grad(); net(x).square().mean().backward(); optimizer.step(); n += 1
print((time.perf_counter() - started) / n)
"""


def main() -> None:
    """Both loads, one after the other."""
    if sys.argv[1:2] == ["--write"]:
        write_on(Path(sys.argv[2]), *map(int, sys.argv[3:6]))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--layers", type=int, default=40)
    parser.add_argument("--viewers", type=int, default=10)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="that it works; the figures are not judged")
    args = parser.parse_args()
    seconds = 4.0 if args.quick else args.seconds
    print(describe(1))
    alone = training(seconds)
    print(f"training alone, one thread: {1e3 * alone:.2f} ms a step")
    for runs, viewers in ((1, args.viewers), (args.runs, args.runs)):
        load(runs, viewers, args.layers, seconds, alone)


def training(seconds: float) -> float:
    """Seconds a step of the training beside."""
    done = subprocess.run([sys.executable, "-c", TRAINING, str(seconds)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def load(runs: int, viewers: int, layers: int, seconds: float, alone: float) -> None:
    """One load: print how late frames are, and what the server takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with writing(folder, runs, layers, int(WARM_S + seconds + 12)), serving(folder) as (pid, base, token):
            late, screen, before, after, step_s = asyncio.run(look(folder, runs, viewers, (base, token, pid), seconds))
    share = (after[0] - before[0]) / (after[2] - before[2])
    ordered = sorted(late)
    print(f"\n{runs} growing run{'' if runs == 1 else 's'}, {viewers} viewers, {layers} layers, a frame each second")
    print(f"  late: median {1e3 * median(ordered):.0f} ms, 95 % {1e3 * ordered[int(0.95 * len(ordered))]:.0f} ms, "
          f"longest {1e3 * ordered[-1]:.0f} ms, of {len(ordered)} messages (aim {AIM_LATE_S:g} s)")  # fmt: skip
    if screen:
        print(f"  on the screen: median {1e3 * median(screen):.0f} ms, longest {1e3 * max(screen):.0f} ms")
    print(f"  server: {100 * share:.1f} % of a core (aim {100 * AIM_SHARE:g} %), {after[1] / 2**20:.0f} MB")
    print(f"  training beside: {1e3 * step_s:.2f} ms a step, {step_s / alone:.2f} times as long as alone")
    good = ordered[-1] <= AIM_LATE_S and share <= AIM_SHARE
    print(f"  aims {'reached' if good else 'missed'}")


async def look(
    folder: Path, runs: int, viewers: int, server: tuple[str, str, int], seconds: float
) -> tuple[list[float], list[float], Usage, Usage, float]:
    """Open the viewers, let them settle, then measure for so many seconds beside a training."""
    base, token, pid = server
    arrived: list[tuple[str, int, float]] = []
    limits = httpx.Limits(max_connections=None)
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60, limits=limits) as client:
        names = [f"run-{i % runs}.gmr" for i in range(viewers)]
        tasks = [asyncio.create_task(view(client, name, arrived)) for name in names]
        await asyncio.sleep(WARM_S)
        before, begun = usage(pid), time.time()
        step_s = await asyncio.to_thread(training, seconds)
        after = usage(pid)
        shown = await asyncio.to_thread(on_screen, base, token, folder) if shutil.which("chromium") else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    flushed = {(e["name"], e["step"]): e["at"] for e in journal(folder)}
    late = [at - flushed[name, step] for name, step, at in arrived if (name, step) in flushed and begun <= at]
    return late, shown, before, after, step_s


async def view(client: httpx.AsyncClient, name: str, arrived: list[tuple[str, int, float]]) -> None:
    """One viewer, as a page is one: the document, then the events."""
    number = identifier(name)
    await client.get(f"/api/runs/{number}")
    async with client.stream("GET", f"/events/runs/{number}") as answer:
        kind = ""
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif kind == "grow" and line.startswith("data: "):
                arrived += [(name, step, time.time()) for step in json.loads(line.removeprefix("data: "))["steps"]]


def on_screen(base: str, token: str, folder: Path) -> list[float]:
    """How late one page shows a step: from the flush to the frame that has drawn its profile."""
    from playwright.sync_api import sync_playwright

    watch = """() => { window.seen = {}; const title = document.querySelector(".middle h2");
      new MutationObserver(() => { const found = title.textContent.match(/step ([\\d\\u202f]+)/);
        if (found) requestAnimationFrame(() => { window.seen[found[1].replace("\\u202f", "")] ??= Date.now() / 1000; });
      }).observe(title, { childList: true, characterData: true, subtree: true }); }"""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{base}/runs/{identifier('run-0.gmr')}?token={token}")
        page.wait_for_selector("#profile .main-svg")
        page.evaluate(watch)
        page.wait_for_timeout(6000)
        seen = page.evaluate("window.seen")
        browser.close()
    flushed = {e["step"]: e["at"] for e in journal(folder) if e["name"] == "run-0.gmr"}
    return [at - flushed[int(step)] for step, at in seen.items() if int(step) in flushed]


Usage = tuple[float, float, float]


def usage(pid: int) -> Usage:
    """Processor seconds and resident bytes of a process, and when they were seen: the training beside takes seconds to
    load torch, in which the server works as well."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS, pages * os.sysconf("SC_PAGE_SIZE"), perf_counter()


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, str, str]]:
    """The server as a user starts it: its process, address and token."""
    command = [sys.executable, "-m", "gradiometer", "serve", str(folder), "--no-open", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    base, token = process.stdout.readline().strip().split("/?token=")
    try:
        yield process.pid, base, token
    finally:
        process.terminate()
        process.wait()


# -- the writer


@contextmanager
def writing(folder: Path, runs: int, layers: int, seconds: int) -> Iterator[None]:
    """A process that lets the runs grow."""
    process = subprocess.Popen([sys.executable, __file__, "--write", str(folder), str(runs), str(layers), str(seconds)])
    while not (folder / "journal.jsonl").exists():
        time.sleep(0.05)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def write_on(folder: Path, runs: int, layers: int, seconds: int) -> None:
    """So many runs, a frame and ten losses each second in each of them; a line in the journal for every flush."""
    network, sites = plain_network(layers)
    light, thin = masks(len(sites), layers)
    base = np.exp(np.random.default_rng(0).normal(0, 0.2, (len(sites), len(STATS))))
    writers = []
    for i in range(runs):
        writer = RunWriter(folder / f"run-{i}.gmr", RunInfo(f"run-{i}", calls_seen=9, calls_recorded=9, wall_s=9.0))
        writer.put_sites(sites)
        writer.put_network(network)
        writer.put_loss(LossSeen("net", "cross_entropy", "mean", "", 10, 64, float(np.log(10)), 0.0, factor=1.0))
        owned = {"net": tuple(p.name for p in network.params)}
        writer.put_optimizer(OptimizerSeen("Adam", "Adam", {"lr": 1e-3}, owned))
        writers.append(writer)
    journal_file = (folder / "journal.jsonl").open("w", buffering=1)
    begun = perf_counter()
    for n in range(seconds):
        for i, writer in enumerate(writers):
            while perf_counter() < begun + n * EVERY_S + i * EVERY_S / runs:
                time.sleep(0.002)
            values = np.where(light | (thin if n % 50 == 0 else False), base * np.exp(0.05 * np.sin(n)), np.nan)
            for name in ("act_nonfinite", "err_nonfinite", "weight_nonfinite", "grad_missing", "act_zero_share"):
                values[:, STAT_INDEX[name]] *= 0.0
            step = 10 * n
            writer.put_frame(Frame("net", step, 2.3 * 0.99**n, 1e-3, 1.0, 1e-4, 1e-2, values))
            writer.put_curve("net", np.array([[s, 2.3 * 0.999**s, 1e-3] for s in range(step, step + 10)]))
            writer.flush()
            journal_file.write(json.dumps({"name": writer.path.name, "step": step, "at": time.time()}) + "\n")


def journal(folder: Path) -> list[dict[str, float]]:
    """What was flushed, and when."""
    text = (folder / "journal.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


if __name__ == "__main__":
    main()
