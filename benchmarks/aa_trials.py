"""False positives: trials in which no arm can help, because every arm only draws the same weights anew.

    python benchmarks/aa_trials.py

Each trial compares three re-drawn starts with no cure on eight paired seeds, on a shallow network that trains well, as
populations of small networks, and is judged as every other trial is. A trial with a ``helps`` or a ``hurts`` is a false
positive; at most one in ten of 40 may be, and the test is built for one in twenty. Every sham, treated and undone, must
be equal to its partner without a cure to the last bit.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import process_time

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gradiometer as gm
from gradiometer.records import Job, Scalar, TrialArm, TrialResult, TrialSpec
from gradiometer.store import TrialWriter
from gradiometer.trial.arms import NONE
from gradiometer.trial.conduct import conduct
from gradiometer.trial.design import floor_of
from gradiometer.trial.executor import Heard, Moved
from gradiometer.trial.local import LocalExecutor
from gradiometer.trial.population_executor import PopulationExecutor
from gradiometer.trial.treating import Moment
from gradiometer.trial.verdict import judge

STEPS, SEEDS, LN4 = 40, 8, 1.3863


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Cross-entropy of four classes."""
    return F.cross_entropy(model(batch[0]), batch[1])


def make(seed: int) -> gm.Setup:
    """A shallow network on 256 drawn points."""
    X = torch.randn(256, 12)
    y = X[:, :4].argmax(1)
    model = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 4))
    batches = [(X[i : i + 32], y[i : i + 32]) for i in range(0, 256, 32)]
    return gm.Setup(model, batches, loss, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))


def redraw(moment: Moment, params: Mapping[str, Scalar]) -> None:
    """Every layer is drawn anew, as torch drew it before."""
    torch.manual_seed(moment.seed + int(params["number"] or 0))
    for module in moment.model.modules():
        if isinstance(module, nn.Linear):
            module.reset_parameters()


def redraw_and_undo(moment: Moment, params: Mapping[str, Scalar]) -> None:
    """The same, and the weights from before put back."""
    kept = {name: t.clone() for name, t in moment.model.state_dict().items()}
    redraw(moment, {"number": 0})
    moment.model.load_state_dict(kept)


class Timed:
    """An executor whose work is timed. seconds: of processor time, for making, treating, training and judging."""

    def __init__(self, executor: LocalExecutor | PopulationExecutor) -> None:
        self.executor, self.seconds = executor, 0.0
        self.opening, self.notes, self.close = executor.opening, executor.notes, executor.close

    def run(self, jobs: Sequence[Job], heard: Heard, moved: Moved) -> None:
        """As ``Executor.run``."""
        started = process_time()
        self.executor.run(jobs, heard, moved)
        self.seconds += process_time() - started


def trial(number: int, folder: Path, executor: Timed) -> TrialResult:
    """One trial; its seeds are its own. Ends the program where the instrument itself is at fault."""
    arms = tuple(TrialArm(f"redrawn {k}", "cure", f"{__name__}:redraw", {"number": k}) for k in range(3))
    sham = TrialArm("sham", "sham", f"{__name__}:redraw_and_undo", of=arms[0].name)
    seeds = tuple(range(100 * number, 100 * number + SEEDS))
    spec = TrialSpec((NONE, *arms, sham), seeds, STEPS, cap=LN4, floor=floor_of(LN4))
    with TrialWriter.new(folder / f"{number}.gmr", spec) as writer:
        result = conduct(executor, writer, lambda share, words: None)
    bad = [v for v in result.verdicts if v.decision == "invalid"]
    if bad:
        raise SystemExit(f"Trial {number} is invalid: {bad[0].reasons}")
    return result


def shams(results: Sequence[TrialResult]) -> tuple[int, int]:
    """Shams that end equal to no cure of their seed, bit for bit, in the digest of all losses and parameters; shams."""
    pairs = [(o, r.of(NONE.name)[o.seed]) for r in results for o in r.of("sham").values()]
    return sum(sham.digest == none.digest for sham, none in pairs), len(pairs)


def count(results: list[TrialResult], floor: float) -> dict[str, int]:
    """Trials with a ``helps`` and with a ``hurts``, judged with an effect floor."""
    judged = [judge(msgspec.structs.replace(r, spec=msgspec.structs.replace(r.spec, floor=floor))) for r in results]
    rows = [{v.decision for v in verdicts} for verdicts in judged]
    return {"trials": len(rows), "helps": sum("helps" in r for r in rows), "hurts": sum("hurts" in r for r in rows)}


def main() -> None:
    """Run the trials and print the counts; exit code 1 beyond one in ten, or where a sham differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40, help="How many (default 40).")
    alone = "Train them by themselves, which tells what populations save."
    parser.add_argument("--one-by-one", dest="executor", action="store_const", const=LocalExecutor, help=alone)
    parser.add_argument("--json", type=Path, help="Write the counts.")
    args = parser.parse_args()
    torch.set_num_threads(1)
    executor = Timed((args.executor or PopulationExecutor)(make))
    with tempfile.TemporaryDirectory() as folder:
        results = [trial(k, Path(folder), executor) for k in range(1, args.trials + 1)]
    counts = {"with the effect floor": count(results, floor_of(LN4)), "without it": count(results, 0.0)}
    for name, c in counts.items():
        print(f"{name}: of {c['trials']} trials without an effect {c['helps']} say helps, {c['hurts']} hurts")
    equal, all_shams = shams(results)
    print(f"{equal} of {all_shams} shams are equal to no cure, bit for bit")
    trainings = sum(len(r.outcomes) for r in results)
    print(f"{trainings} trainings of {STEPS} steps: {executor.seconds:.1f} s of processor time")
    print("\n".join(executor.notes()) or "All were made one by one.")
    if args.json:
        told = {
            **counts,
            "shams": {"equal": equal, "of": all_shams},
            "trainings": trainings,
            "seconds": executor.seconds,
        }
        args.json.write_text(json.dumps(told, indent=2) + "\n")
    sys.exit(max(c["helps"] for c in counts.values()) > args.trials // 10 or equal < all_shams)


if __name__ == "__main__":
    main()
