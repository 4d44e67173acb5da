"""How long `import gradiometer` and `gradiometer --help` take, each in a new interpreter.

python benchmarks/start_up.py [--runs 15]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter

from parts.machine import describe

IMPORT_AIM_MS = 50.0
HELP_AIM_MS = 300.0
HEAVY = ("torch", "numpy", "scipy", "plotly")

TIMED_IMPORT = "import time; t = time.perf_counter(); import gradiometer; print(time.perf_counter() - t)"
HEAVY_LOADED = f"""
import contextlib, io, sys
import gradiometer
sys.argv = ["gradiometer", "--help"]
from gradiometer.cli import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main()
print(" ".join(name for name in {HEAVY!r} if name in sys.modules))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="new interpreters a line (default 15)")
    runs = parser.parse_args().runs
    if runs < 1:
        parser.error("--runs must be 1 or more")
    print(describe(1))
    _tell("import gradiometer", IMPORT_AIM_MS, _repeat(_import_s, runs))
    _tell("gradiometer --help", HELP_AIM_MS, _repeat(lambda: _process_s("-m", "gradiometer", "--help"), runs))
    _tell("(an empty python, within the line above)", None, _repeat(lambda: _process_s("-c", "pass"), runs))
    loaded = _output("-c", HEAVY_LOADED).split()
    print(f"loaded by both: {', '.join(loaded) if loaded else 'none'} of {', '.join(HEAVY)}")


def _repeat(once: Callable[[], float], runs: int) -> list[float]:
    """Seconds of each run; one more goes before them, which may have to compile and to fill the disk cache."""
    once()
    return [once() for _ in range(runs)]


def _import_s() -> float:
    return float(_output("-c", TIMED_IMPORT))


def _process_s(*arguments: str) -> float:
    started = perf_counter()
    _output(*arguments)
    return perf_counter() - started


def _output(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"python {' '.join(arguments)[:60]} ended with code {done.returncode}:\n{done.stderr}")
    return done.stdout


def _tell(what: str, aim_ms: float | None, times_s: Sequence[float]) -> None:
    middle, least, most = (1e3 * f(times_s) for f in (median, min, max))
    aim = "" if aim_ms is None else f"   aim {aim_ms:.0f} ms: {'met' if middle <= aim_ms else 'NOT met'}"
    print(f"{what:42} {middle:6.0f} ms   ({least:.0f} … {most:.0f} in {len(times_s)} runs){aim}")


if __name__ == "__main__":
    main()
