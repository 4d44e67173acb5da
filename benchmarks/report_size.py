"""The report of a large run: how large its file is, how long it takes to write and to open.

    python benchmarks/report_size.py            500 modules, 2000 recorded steps (some minutes)
    python benchmarks/report_size.py --quick    that it works

A chain of linear layers and tanh is trained under the watch, every step recorded. The page is opened by a headless
Chromium from its file, in a fresh browser each time: from the call to the first frame after its last chart stands.
Aims: below 7 MB, below 2 s.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported

import torch
from parts.machine import describe, load
from playwright.sync_api import sync_playwright
from torch import nn

import gradiometer as gm
from gradiometer.views.paper import find_chromium

AIM_MB, AIM_S = 7.0, 2.0
WIDTH, BATCH = 8, 16


def main() -> None:
    """Record, write, open, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--modules", type=int, default=500, help="modules of the network (default 500)")
    parser.add_argument("--steps", type=int, default=2000, help="steps, each of them recorded (default 2000)")
    parser.add_argument("--opened", type=int, default=5, help="how often the page is opened (default 5)")
    parser.add_argument("--quick", action="store_true", help="20 modules, 20 steps, opened once")
    options = parser.parse_args()
    if options.quick:
        options.modules, options.steps, options.opened = 20, 20, 1
    torch.set_num_threads(1)
    print(describe(1, "torch"))
    with tempfile.TemporaryDirectory(prefix="gradiometer-report-") as folder:
        file, page = Path(folder) / "run.gmr", Path(folder) / "run.html"
        record(options.modules, options.steps, file)
        started = perf_counter()
        gm.report(gm.open(file), page)
        wrote_s = perf_counter() - started
        times = sorted(opening_times(page, options.opened))
        size = page.stat().st_size / 1e6
    print(f"{options.modules} modules, {options.steps} recorded steps")
    print(f"page          {size:6.2f} MB   {_judged(size < AIM_MB, f'aim {AIM_MB:g} MB', options.quick)}")
    print(f"written in    {wrote_s:6.1f} s")
    told = _judged(median(times) < AIM_S, f"aim {AIM_S:g} s", options.quick)
    print(f"opened in     {median(times):6.2f} s    [{times[0]:.2f}, {times[-1]:.2f}] of {len(times)}   {told}")
    print(f"load at the end {load():.1f}")


def _judged(met: bool, aim: str, quick: bool) -> str:
    return "" if quick else f"{aim}: {'met' if met else 'NOT met'}"


def record(modules: int, steps: int, file: Path) -> None:
    """A run file of so many modules and recorded steps."""
    torch.manual_seed(0)
    layers = [nn.Linear(WIDTH, WIDTH) if k % 2 == 0 else nn.Tanh() for k in range(modules - 1)]
    model = nn.Sequential(*layers, nn.Linear(WIDTH, 2))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with contextlib.redirect_stdout(None), gm.watch(model, optimizer, out=file, every=1, name="chain"):
        for _ in range(steps):
            x = torch.randn(BATCH, WIDTH)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), (x[:, 0] > 0).long()).backward()
            optimizer.step()


def opening_times(page: Path, times: int) -> list[float]:
    """Seconds from the call to the first frame after all charts are drawn."""
    drawn = """async () => {
        const charts = () => [...document.querySelectorAll(".chart")];
        const frame = () => new Promise((done) => requestAnimationFrame(done));
        const stands = (e) => !e.clientWidth || e.querySelector(".main-svg");
        while (!charts().length || !charts().every(stands)) await frame();
        await frame(), await frame();
    }"""
    took = []
    with sync_playwright() as playwright:
        for _ in range(times):
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
            opened = browser.new_page(viewport={"width": 1440, "height": 960})
            started = perf_counter()
            opened.goto(page.as_uri())
            opened.evaluate(drawn)
            took.append(perf_counter() - started)
            browser.close()
    return took


if __name__ == "__main__":
    main()
