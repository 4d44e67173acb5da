"""``gradiometer run``: watch an unmodified script."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gradiometer.session.script import ScriptTarget, run_script

from .causal import Causal
from .cure_option import Cures
from .guard import command, complain
from .options import FailOnOption, Ignore
from .run_live import start_live
from .run_page import end_watch
from .run_plan import Plan, recording_path
from .run_watch import LateWatch
from .stray import tell_strays

EXAMPLES = """\b
Examples:
  gradiometer run train.py
  gradiometer run train.py --epochs 3 --lr 0.1
  gradiometer run --steps 200 --fail-on fail train.py
  gradiometer run --json diagnosis.json --ignore lr-too-low train.py
  gradiometer run --causal train.py
  gradiometer run --live train.py
  gradiometer run --cure critical:seed=1 train.py
  gradiometer run -m package.train --epochs 3

\b
Options of Gradiometer stand before the script, those of the script after it.
The page is printed to stderr: stdout belongs to the script.
"""


@command
def run(
    context: typer.Context,
    script: Annotated[
        str, typer.Argument(metavar="SCRIPT", help="The script, or with -m the module, as after python.")
    ],
    args: Annotated[
        list[str] | None, typer.Argument(metavar="ARGS", help="Arguments of the script, handed on untouched.")
    ] = None,
    module: Annotated[bool, typer.Option("-m", help="SCRIPT is the name of a module, as after python -m.")] = False,
    every: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Record every Nth step, whatever it costs.")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Share of the wall time that watching may take.  [default: 0.01]"),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="End the script after N optimizer steps.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The run file (*.gmr), or a folder for it.  [default: ./gradiometer-runs/<script>-<time>-<pid>.gmr]",
        ),
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the diagnosis as one JSON document, beside the page.")
    ] = None,
    causal: Causal = False,
    cure: Cures = None,
    fail_on: FailOnOption = None,
    ignore: Ignore = None,
    live: Annotated[
        bool, typer.Option("--live", help="Open the dashboard beside the training. Needs the extra `serve`.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print one line with the verdict, no page.")] = False,
) -> int:
    """Run a training script as Python would, and say at the end where its error signal dies, and why.

    No line of the script changes. The script's own exit code wins where it is not 0; else the exit code is 1 where
    --fail-on asks for a finding that is there.
    """
    target = ScriptTarget(script, tuple(args or ()), kind="module" if module else "file")
    tell_strays(context, target)
    plan = Plan(
        target=target,
        out=recording_path(out, target),
        every=every,
        budget=budget,
        steps=steps,
        json=json,
        causal=causal,
        cures=tuple(cure or ()),
        fail_on=fail_on,
        ignore=tuple(ignore or ()),
        length="line" if quiet else "page",
        sight="live" if live else "after",
    )
    return _watched(plan.completed())


def _watched(plan: Plan) -> int:
    """Run the script and tell about it. The exit code: the script's own, else that of the findings."""
    stream, process = sys.stderr, os.getpid()  # the script may replace the one and fork the other
    if plan.sight == "live" and plan.out is not None and (url := start_live(plan.out)):
        complain(f"live at {url}")
    watch = LateWatch(plan)
    watch.arm()
    outcome = run_script(plan.target)
    if os.getpid() != process:
        return outcome.exit_code
    code = end_watch(plan, watch, outcome, stream)
    return outcome.exit_code or code
