"""False positives: trials in which no arm can help, because every arm only draws the same weights anew.

    python benchmarks/aa_trials.py --trials 40

Each trial compares three re-drawn starts with no cure on eight paired seeds, on a shallow network that trains well, and
is judged as every other trial is. A trial with a ``helps`` or a ``hurts`` is a false positive; at most one in ten of 40
may be, and the test is built for one in twenty.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gradiometer as gm
from gradiometer.records import Scalar, TrialArm, TrialResult, TrialSpec
from gradiometer.store import TrialWriter
from gradiometer.trial.arms import NONE
from gradiometer.trial.conduct import conduct
from gradiometer.trial.design import floor_of
from gradiometer.trial.local import LocalExecutor
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


def trial(number: int, folder: Path) -> TrialResult:
    """One trial; its seeds are its own. Ends the program where the instrument itself is at fault."""
    arms = tuple(TrialArm(f"redrawn {k}", "cure", f"{__name__}:redraw", {"number": k}) for k in range(3))
    sham = TrialArm("sham", "sham", f"{__name__}:redraw_and_undo", of=arms[0].name)
    seeds = tuple(range(100 * number, 100 * number + SEEDS))
    spec = TrialSpec((NONE, *arms, sham), seeds, STEPS, cap=LN4, floor=floor_of(LN4))
    with TrialWriter.new(folder / f"{number}.gmr", spec) as writer:
        result = conduct(LocalExecutor(make), writer, lambda share, words: None)
    bad = [v for v in result.verdicts if v.decision == "invalid"]
    if bad:
        raise SystemExit(f"Trial {number} is invalid: {bad[0].reasons}")
    return result


def count(results: list[TrialResult], floor: float) -> dict[str, int]:
    """Trials with a ``helps`` and with a ``hurts``, judged with an effect floor."""
    judged = [judge(msgspec.structs.replace(r, spec=msgspec.structs.replace(r.spec, floor=floor))) for r in results]
    rows = [{v.decision for v in verdicts} for verdicts in judged]
    return {"trials": len(rows), "helps": sum("helps" in r for r in rows), "hurts": sum("hurts" in r for r in rows)}


def main() -> None:
    """Run the trials and print the count; exit code 1 beyond one in ten."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--json", type=Path, help="Write the counts.")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        results = [trial(k, Path(folder)) for k in range(1, args.trials + 1)]
    counts = {"with the effect floor": count(results, floor_of(LN4)), "without it": count(results, 0.0)}
    for name, c in counts.items():
        print(f"{name}: of {c['trials']} trials without an effect {c['helps']} say helps, {c['hurts']} hurts")
    if args.json:
        args.json.write_text(json.dumps(counts, indent=2) + "\n")
    sys.exit(max(c["helps"] for c in counts.values()) > args.trials // 10)


if __name__ == "__main__":
    main()
