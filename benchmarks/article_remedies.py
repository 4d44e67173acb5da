"""The article's remedies judged by trials: which cure, which treat the symptom, which do nothing.

    python benchmarks/article_remedies.py --out remedies-trials

Two networks that stay at chance, thirty layers of width 64 on the digits: sigmoid units, and ReLU units as torch draws
their weights. Each remedy is an arm of one trial a network: its learning rate is searched as that of no cure is, it is
trained on paired seeds, judged by the untreated loss with an effect floor, and corrected over all remedies of the
network. The mechanism is measured right after the cure. Begun again, it goes on with what ``--out`` holds;
``gradiometer report`` makes a page of each file there. A teacher, hints and pre-training are trainings of their own;
their steps come on top. Weights of a network of the same shape that has learned are not tried: none learns.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec
import torch
from msgspec.structs import replace
from parts.loops import Loops

from gradiometer.lab import Recipe
from gradiometer.records import Job, TrialArm, TrialResult, TrialSpec, UserError, Verdict
from gradiometer.store import TrialWriter
from gradiometer.trial.arms import NONE, cure_arm, sham_arm
from gradiometer.trial.design import FIRST_TRIAL_SEED, LR_FACTORS, SCREENING_SEEDS, SCREENING_SHARE, floor_of
from gradiometer.trial.local import Make, train_here
from gradiometer.trial.population_lab import RecipeSetups
from gradiometer.trial.screening import best_factor, edge_jobs, screening_jobs
from gradiometer.trial.statistics import smallest_p
from gradiometer.trial.verdict import judge

BASE = Recipe(task="digits", network="plain", depth=30, width=64, optimizer="momentum", lr=0.01, batch=32)
NETWORKS = {"sigmoid": replace(BASE, activation="sigmoid"), "relu": replace(BASE, activation="relu")}
REMEDIES = (
    *("adam", "rmsprop", "adagrad"),
    *("relu-bare", "relu", "leaky", "prelu"),
    *("skip", "rezero", "highway", "dense", "cross"),
    *("low-rank", "separable", "auxiliary-heads"),
    *("distil", "hints", "pretrain-layers", "pretrain-autoencoder"),
)
LOOPS = frozenset(REMEDIES[-4:])
QUICK_REMEDIES = ("adam", "relu-bare", "skip")
LN10 = math.log(10)  # trivial loss of ten classes; its floor is 0
ALPHA = 0.05


@dataclass(frozen=True)
class Size:
    """How much is run: remedies by name, pairs, optimizer steps of each training, factors of the learning rate."""

    remedies: tuple[str, ...] = REMEDIES
    seeds: int = 10
    steps: int = 300
    lr_factors: tuple[float, ...] = LR_FACTORS


FULL, QUICK = Size(), Size(QUICK_REMEDIES, 7, 60, (1.0,))


def plan(network: str, size: Size) -> TrialSpec:
    """No cure, every remedy that can be applied, a sham. UserError where so few seeds cannot decide so many arms."""
    cures = tuple(
        TrialArm(name, "cure", "parts.loops:nothing") if name in LOOPS else cure_arm(name, name)
        for name in size.remedies
    )
    if smallest_p(size.seeds) * len(cures) > ALPHA:
        raise UserError(f"{size.seeds} seeds cannot decide {len(cures)} remedies. Use more seeds.")
    chooses = len(size.lr_factors) > 1
    return TrialSpec(
        arms=(NONE, *cures, sham_arm(cures[0])),
        seeds=tuple(range(FIRST_TRIAL_SEED, FIRST_TRIAL_SEED + size.seeds)),
        steps=size.steps,
        screening_seeds=SCREENING_SEEDS if chooses else (),
        screening_steps=max(1, round(SCREENING_SHARE * size.steps)) if chooses else None,
        lr_factors=size.lr_factors,
        family=len(cures),
        cap=LN10,
        floor=floor_of(LN10),
        floor_source="trivial loss of ten classes",
        alpha=ALPHA,
        mechanism="total_decades",
        script=f"thirty {network} layers",
    )


def trial(recipe: Recipe, spec: TrialSpec, file: Path) -> TrialResult:
    """Run what the file still lacks of the trial, and judge it."""
    setups = RecipeSetups(recipe)

    makers = Loops(setups, recipe).makers()

    def maker(arm: TrialArm) -> Make:
        return lambda seed: makers.get(arm.name, setups.setup)(replace(recipe, seed=seed, steps=spec.steps or 1))

    with TrialWriter.resume(file, spec) if file.exists() else TrialWriter.new(file, spec) as writer:
        try:
            if spec.screening_seeds:
                _run(maker, writer, screening_jobs(spec))
                _run(maker, writer, edge_jobs(writer.result))
                writer.put_spec(_rated(writer.result))
            planned = writer.result.spec
            _run(maker, writer, [_job(planned, arm, seed) for seed in planned.seeds for arm in planned.arms])
        except KeyboardInterrupt:
            return writer.close("interrupted")
        return writer.close("finished", judge(writer.result))


def _rated(result: TrialResult) -> TrialSpec:
    """Every arm at its best rate; the sham at that of no cure."""
    of = {a.name: a for a in result.spec.arms}
    rates = {name: best_factor(result, of["none"] if a.role == "sham" else a) for name, a in of.items()}
    arms = tuple(replace(a, lr_factor=rates[a.name]) for a in result.spec.arms)
    return replace(result.spec, arms=arms, chosen=tuple(of))


def _job(spec: TrialSpec, arm: TrialArm, seed: int) -> Job:
    return Job(arm, seed, arm.lr_factor, spec.steps, "trial")


def _run(maker: Callable[[TrialArm], Make], writer: TrialWriter, jobs: Sequence[Job]) -> None:
    done = {o.key for o in writer.result.outcomes}
    left = [j for j in jobs if j.key not in done]
    for k, job in enumerate(left):
        print(f"\r{writer.path.stem}: {job.stage} {k + 1} of {len(left)}, {job.arm.name:<20}", end="", file=sys.stderr)
        writer.put_outcome(train_here(maker(job.arm), job, writer.result.spec.seeds))
    print(file=sys.stderr)


def rows(result: TrialResult) -> list[dict[str, object]]:
    """One line a remedy: mechanism before and after, primary outcome, verdict."""
    before = _decades(result, "sham")
    out: list[dict[str, object]] = []
    for v in result.verdicts:
        mechanism = {"decades_before": before, "decades_after": _decades(result, v.arm), "lr_factor": v.lr_factor}
        effect = {"effect": v.effect, "low": v.interval[0], "high": v.interval[1], "won": v.won, "pairs": v.pairs}
        out.append({"remedy": v.arm, **mechanism, **effect, **_decided(v)})
    return out


def _decided(v: Verdict) -> dict[str, object]:
    """The decision; where there was no pair to judge, why."""
    return {"diverged": v.diverged, "decision": v.decision, "why": "" if v.pairs else " ".join(v.reasons)}


def _decades(result: TrialResult, arm: str) -> float:
    found = [o.mechanism.get("total_decades", math.nan) for o in result.of(arm).values()]
    known = [x for x in found if not math.isnan(x)]
    return median(known) if known else math.nan


def table(network: str, lines: Sequence[dict[str, object]]) -> str:
    """The lines as a Markdown table."""
    head = f"| {network}: remedy | error to the input, decades | rate | fall of the loss | won | failed | verdict |"
    out = [head, "|---|---|---|---|---|---|---|"]
    for r in (r for r in lines if not r["pairs"]):
        out.append(f"| {r['remedy']} | | | | | | {r['decision']}. {r['why']} |")
    for r in (r for r in lines if r["pairs"]):
        out.append(
            f"| {r['remedy']} | {r['decades_before']:.1f} → {r['decades_after']:.1f} | ×{r['lr_factor']:.2g} "
            f"| {r['effect']:.3f} ({r['low']:.3f} to {r['high']:.3f}) | {r['won']} of {r['pairs']} "
            f"| {r['diverged']} | {r['decision']} |"
        )
    return "\n".join(out)


def main() -> None:
    """Run the trials and print the tables; exit code 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("article-remedies"), help="Folder of the trials' files.")
    parser.add_argument("--network", choices=sorted(NETWORKS), action="append", help="Only this one.")
    parser.add_argument("--quick", action="store_true", help="Three remedies, seven seeds, sixty steps, no rates.")
    parser.add_argument("--json", type=Path, help="Write the lines.")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    size, told = QUICK if args.quick else FULL, {}
    for name in args.network or NETWORKS:
        file = args.out / f"{name}{'-quick' if args.quick else ''}.gmr"
        result = trial(NETWORKS[name], plan(name, size), file)
        if result.state != "finished":
            sys.exit(130)
        told[name] = rows(result)
        print(table(name, told[name]), end="\n\n")
    if args.json:
        args.json.write_text(json.dumps(msgspec.to_builtins(told), indent=2) + "\n")


if __name__ == "__main__":
    main()
