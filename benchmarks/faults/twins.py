"""Trains the scripts of some cases over a few seeds and prints what they reach.

python benchmarks/faults/twins.py CASE... [--seeds 5]
"""

from __future__ import annotations

import argparse
from collections import defaultdict

from cases import load_corpus
from forked import Job, Outcome, preload, train_all


def main() -> None:
    """Print a line a script: its values by seed and its seconds of processor time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    preload()
    chosen = load_corpus(names=args.cases)
    jobs = [Job(s, c.metric, seed) for c in chosen for s in c.scripts for seed in range(args.seeds)]
    ended: dict[tuple[str, str], list[Outcome]] = defaultdict(list)

    def done(job: Job, outcome: Outcome) -> None:
        seen = ended[job.script.case, job.script.role]
        seen.append(outcome)
        if len(seen) == args.seeds:
            values = " ".join(f"{o.value:9.4g}" for o in sorted(seen, key=lambda o: o.seed))
            slowest = max(o.seconds for o in seen)
            error = next((o.error for o in seen if o.error), "")
            print(f"{job.script.case:28s} {job.script.role:28s} {values}  {slowest:5.1f} s  {error}", flush=True)

    train_all(jobs, args.workers, done)


if __name__ == "__main__":
    main()
