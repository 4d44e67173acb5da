"""Trains the corpus under the watch, labels it by what was reached, and scores the diagnosis.

    python benchmarks/faults/run.py [CASE ...] [--seeds 5] [--workers 2] [--no-mutants]
    python benchmarks/faults/run.py --subset        the small set that CI runs
    python benchmarks/faults/run.py --score-only    judges the runs that are there
    python benchmarks/faults/run.py --prove [CASE ...] [--steps 300] [--again]  tries the cures that are prescribed

Trainings that have a record and a run file are not done again: an interrupted run goes on where it stopped. A script
that has changed is trained anew; --retrain also trains anew what another state of the watch has recorded, as is due
when the watch has learned to see more.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from cases import ROOT, Case, load_corpus
from forked import Job, Outcome, preload, train_all
from mutants import mutants_of
from outcomes import Outcomes
from plan import SUBSET, Order, missing, most
from progress import long_run


def main() -> int:
    """Train what is missing, then print the score."""
    args = _arguments()
    names = args.cases or (SUBSET if args.subset else ())
    cases = load_corpus(names=names)
    if not cases:
        print(f"No case matches {' '.join(names)}. Cases lie in {ROOT}.", file=sys.stderr)
        return 2
    if args.prove:
        from proving import prove

        return prove(args, [c for c in cases if not c.healthy])
    args.seeds = args.seeds or (1 if args.subset else 5)
    order = Order(cases, args.seeds, not (args.no_mutants or args.subset), not args.subset, args.retrain)
    outcomes = Outcomes()
    interrupted = False
    if not args.score_only:
        interrupted = not _train(order, outcomes, args.workers)
        if not args.subset:
            outcomes.write(_written(order.cases), [c.name for c in load_corpus()])
    from score import tell

    code = tell(order, outcomes, args.json, args.workers)
    return 130 if interrupted else code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names or patterns; without any, the whole corpus")
    parser.add_argument(
        "--seeds", type=int, default=0, help="seeds a script (default 5; 1 with --subset; 8 pairs with --prove)"
    )
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1), help="trainings at a time")
    parser.add_argument("--subset", action="store_true", help="the small set that CI runs, labels as committed")
    parser.add_argument("--no-mutants", action="store_true", help="without the faults sown into healthy scripts")
    parser.add_argument(
        "--retrain", action="store_true", help="record anew what another state of the watch has recorded"
    )
    parser.add_argument("--score-only", action="store_true", help="train nothing: judge the runs that are there")
    parser.add_argument("--json", metavar="PATH", help="write the score as one JSON document as well")
    parser.add_argument("--prove", action="store_true", help="try cures on the faults that one can reach")
    parser.add_argument("--budget", type=float, help="with --prove: seconds of a trial (default 240)")
    parser.add_argument("--steps", type=int, help="with --prove: steps of a run at most (default 300)")
    parser.add_argument("--again", action="store_true", help="with --prove: anew what another state has tried")
    parser.add_argument("--half", choices=("report", "calibration"), help="with --prove: trials of this half alone")
    args = parser.parse_args()
    if args.seeds < 0 or args.workers < 1 or min(args.budget or 1, args.steps or 1) < 1:
        parser.error("--seeds, --workers, --budget and --steps must be 1 or more")
    return args


def _written(cases: tuple[Case, ...]) -> dict[str, list[tuple[object, str]]]:
    return {c.name: [(s, c.metric) for s in (*c.scripts, *(m.script for m in mutants_of(c)))] for c in cases}


def _train(order: Order, outcomes: Outcomes, workers: int) -> bool:
    """False where Ctrl-C ended it; what was trained until then is kept."""
    total = most(order, outcomes)
    if not total:
        return True
    preload()
    started = time.monotonic()
    with long_run(44) as progress:
        task = progress.add_task("trainings", total=total)

        def done(job: Job, outcome: Outcome) -> None:
            outcomes.add(job, outcome)
            progress.update(task, advance=1, description=f"{job.script.case} {job.script.role}"[:44])

        try:
            train_all(missing(order, outcomes), workers, done)
        except KeyboardInterrupt:
            print("Interrupted: what was trained is kept, and the next run goes on from there.", file=sys.stderr)
            return False
    print(f"Trained in {(time.monotonic() - started) / 60:.1f} minutes.", file=sys.stderr)
    return True


if __name__ == "__main__":
    sys.exit(main())
