"""``run.py --prove``: the trials that are left, then their score as tables and as one JSON document."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cases import ROOT, Case
from curescore import AIM, ALONE, WHY, CureScore, Difference, Tried, by_why, cure_score
from curing import BUDGET_S, MOST_STEPS, Trial, Trials, in_order, made_by, prove_all, reachable, terms_of
from outcomes import Outcomes
from progress import long_run
from rates import HALVES, Rate
from rich.console import Console
from rich.table import Table
from score import plain
from telling import WIDTH

from gradiometer.trial.design import DIAGNOSIS_SEEDS, FIRST_TRIAL_SEED, SCREENING_SEEDS, Terms

SCORE = ROOT / "cures_score.json"
COLUMNS = {
    "proven": "a cure proven %",
    "proven, or the rate": "or the rate alone %",
    "proven of those tried": "of cases with a trial %",
    "of the cures tried": "of the cures tried %",
    "random": "the random cure %",
}


def prove(args: argparse.Namespace, cases: Sequence[Case]) -> int:
    """Hold the trials that are missing, print the score, write it. 130 where Ctrl-C ended it."""
    outcomes, trials = Outcomes(), Trials()
    within, beyond = reachable(cases, outcomes)
    wanted = (c for c, _ in within if args.half in (None, c.half))
    left = [] if args.score_only else [c for c in in_order(wanted) if _lacks(c, trials, args.again)]
    terms = Terms(args.budget or BUDGET_S, workers=1, seeds=args.seeds or Terms().seeds, steps=args.steps or MOST_STEPS)
    whole = not left or _held([(c, terms_of(c, outcomes, terms)) for c in left], args.workers, trials)
    score = cure_score([Tried(case, label, trials.get(case)) for case, label in within], beyond)
    tell(score, [t for c, _ in within if (t := trials.get(c))])
    path = args.json or (None if args.cases or args.subset else SCORE)
    if path is not None:
        text = json.dumps(document(score, trials, [c for c, _ in within]), indent=1, ensure_ascii=False)
        Path(path).write_text(text + "\n", encoding="utf-8")
    return 0 if whole else 130


def _lacks(case: Case, trials: Trials, again: bool) -> bool:
    """No trial of its script as it stands; where asked for, none that this state of the rooms has made."""
    found = trials.get(case)
    return found is None or (again and found.made_by != made_by())


def _held(left: Sequence[tuple[Case, Terms]], workers: int, trials: Trials) -> bool:
    """False where Ctrl-C ended it; the trials that ended before are kept."""
    started = time.monotonic()
    with long_run(36, speed_estimate_period=3600) as progress:  # trials differ: the mean of all is the better guess
        task = progress.add_task("trials", total=len(left))

        def done(trial: Trial) -> None:
            trials.add(trial)
            progress.update(task, advance=1, description=f"{trial.case}: {_in_short(trial)}"[:36])

        whole = prove_all(left, workers, done)
    if not whole:
        print("Interrupted: trials that have ended are kept, and the next run goes on from there.", file=sys.stderr)
    print(f"Trials for {(time.monotonic() - started) / 60:.1f} minutes.", file=sys.stderr)
    return whole


def _in_short(trial: Trial) -> str:
    return "a cure proven" if trial.helps("cure") else "none proven"


# ---- in words --------------------------------------------------------------------------------------------------------


def tell(score: CureScore, trials: Sequence[Trial]) -> None:
    """Rates, differences, causes, misses, what is out of reach."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    say = lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)  # noqa: E731
    n, waiting, beyond = len(trials), len(score.waiting), len(score.out_of_reach)
    say(f"{n + waiting} verified faults have an accepted cause that a cure of the catalog answers; {n} have a trial.")
    if old := sum(t.made_by != made_by() for t in trials):
        say(f"{old} of the trials were made by another state of the rooms that diagnose, treat and judge (--again).")
    say(f"{beyond} more are answered by an edit alone (or by nothing), and are no part of the rates.")
    if not trials:
        return
    rows = {_whose(name): r for name, r in score.rates.items()}
    console.print(_table("Faults with a cure proven", rows))
    for half, d in score.differences.items():
        if d.cases:
            say(_difference(half, d))
    if (report := score.rates.get("report")) is not None:
        say(f"Aim on the reporting half, a cure proven >= {AIM:.0%}: {against_aim(report)}")
    if (alone := score.rates.get(f"report, {ALONE}")) is not None:
        say(f"The same where no accepted cause is one that an edit alone answers: {against_aim(alone)}")
    console.print(_table("By first accepted cause, both halves", score.causes))
    _misses(say, score)
    if score.random:
        say("\nThe cure drawn at random helps (* where no prescribed one does):")
        say("  " + ", ".join(row["case"] + ("" if row["cure too"] else "*") for row in score.random))
    if score.out_of_reach:
        say("\nOut of reach, with their accepted causes:")
        say("  " + "; ".join(f"{x['case']}: {', '.join(x['accepted']) or 'none'}" for x in score.out_of_reach))


def against_aim(rates: Mapping[str, Rate]) -> str:
    """The shares with a cure proven beside the aim, in words."""
    return "; ".join(f"{words} {_beside_aim(rates[key].value)}" for key, words in _JUDGED.items())


_JUDGED = {"proven": "prescribed cures", "proven, or the rate": "with the searched rate alone"}


def _beside_aim(value: float) -> str:
    short = AIM - value
    return f"{value:.1%}, " + ("met" if short <= 0 else f"missed by {100 * short:.1f} points")


def _whose(name: str) -> str:
    half, *alone = name.split(", ")
    return ", ".join((f"{half} half" if half in HALVES else "both halves", *alone))


def _difference(half: str, d: Difference) -> str:
    return (
        f"A cure proven minus the random cure, {_whose(half)}: {100 * d.value:+.1f} points, 95 % interval "
        f"{100 * d.low:+.0f} to {100 * d.high:+.0f}; the cure alone helps in {d.ahead} of {d.cases} cases, "
        f"the random one alone in {d.behind} (McNemar p {d.p:.2g})"
    )


def _table(title: str, rows: Mapping[str, Mapping[str, Rate]]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    table.add_column("")
    for name in COLUMNS.values():
        table.add_column(name, justify="right")
    for name, rates in rows.items():
        table.add_row(name, *(_cell(rates[key]) for key in COLUMNS))
    return table


def _cell(r: Rate) -> str:
    return f"{100 * r.value:.1f} ({100 * r.low:.0f}-{100 * r.high:.0f}) of {r.cases}" if r.cases else "-"


def _misses(say: Any, score: CureScore) -> None:
    for why, rows in by_why(score.misses).items():
        say(f"\nMissed, {WHY[why]} ({len(rows)}; c calibration half, r reporting half):")
        for row in rows:
            say("  " + _miss(row))


def _miss(row: Mapping[str, Any]) -> str:
    found = ", ".join(row["found"]) or "nothing"
    told = f"{row['half'][0]} {row['case']}: found {found}; accepted: {', '.join(row['accepted'])}"
    arms = ", ".join(_arm(a) for a in row["arms"])
    steps = f"{row['steps']} steps" if row["steps"] else "the whole script"
    told += f"; {arms} (by its {row['ruler']}, {steps}, floor {row['floor']:.3g})" if arms else ""
    unheard = [note for note in row["notes"] if "after the screening" not in note]
    why = " ".join(unheard) or ("" if row["why"] in ("edit", "nothing found") else row["reason"])
    return told + (f". {why}" if why else "")


def _arm(arm: Mapping[str, Any]) -> str:
    effect = "no effect" if arm["effect"] is None else f"{arm['effect']:+.3g}"
    return f"{arm['name']} {arm['decision']} {effect}, {arm['won']}/{arm['pairs']}"


# ---- as a document ---------------------------------------------------------------------------------------------------


def document(score: CureScore, trials: Trials, within: Sequence[Case]) -> dict[str, Any]:
    """The score as one JSON document: the command, the seeds, and digests of what it was made from."""
    held = [t for c in within if (t := trials.get(c))]
    most = max((a.pairs for t in held for a in t.arms), default=0)
    kept = trials.committed.read_bytes() if trials.committed.exists() else b""
    return {
        "command": " ".join(["python benchmarks/faults/run.py", *sys.argv[1:]]),
        "digests": {
            "corpus": hashlib.sha256("".join(c.scripts[0].digest for c in within).encode()).hexdigest()[:16],
            "trials": hashlib.sha256(kept).hexdigest()[:16],
            "made_by": sorted({t.made_by for t in held}),
        },
        "seeds": {
            "diagnosis": list(DIAGNOSIS_SEEDS),
            "screening": list(SCREENING_SEEDS),
            "trial": [FIRST_TRIAL_SEED + k for k in range(most)],
        },
        "budget_s": sorted({t.budget_s for t in held}),
        "aim": AIM,
        **plain(asdict(score)),
    }
