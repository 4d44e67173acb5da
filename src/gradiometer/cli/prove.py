"""``gradiometer prove``: a trial of cures on an unmodified script."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gradiometer.session.script import ScriptTarget

from .guard import FINDING, INTERRUPTED, command, complain
from .options import Json
from .outlet import put_json, put_text
from .prove_plan import DEFAULT_BUDGET_S, DEFAULT_SEEDS, QUICK_BUDGET_S, QUICK_SEEDS, Asked, cores
from .prove_progress import ShareBar
from .stray import tell_strays

if TYPE_CHECKING:
    from gradiometer.trial.prove import Proof, Request

EXAMPLES = """\b
Examples:
  gradiometer prove train.py
  gradiometer prove --cure orthogonal train.py --lr 0.1
  gradiometer prove --metric 'acc=([0-9.]+)' --higher train.py
  gradiometer prove --budget 600 --seeds 12 train.py
  gradiometer prove --model discriminator train.py
  gradiometer prove --resume gradiometer-runs/train-trial.gmr train.py

\b
Options of Gradiometer stand before the script, those of the script after it.
The script runs many times, each time in a folder of its own that holds a
copy of this one, with its seeds changed and nothing on stdin.
Exit code: 0 a cure helps, or nothing was wrong; 1 no cure is proved; 2 the
call or the script cannot be tried; 130 after Ctrl-C.
"""


@command
def prove(
    context: typer.Context,
    script: Annotated[
        str, typer.Argument(metavar="SCRIPT", help="The script, or with -m the module, as after python.")
    ],
    args: Annotated[
        list[str] | None, typer.Argument(metavar="ARGS", help="Arguments of the script, handed on untouched.")
    ] = None,
    module: Annotated[bool, typer.Option("-m", help="SCRIPT is the name of a module, as after python -m.")] = False,
    cure: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:SETTING=VALUE,...]", help="A cure to try. May be given several times.  [default: auto]"
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(min=1, metavar="SECONDS", help="How long it may take.  [default: 240]"),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=2, metavar="N", help="Pairs of the trial.  [default: 8]")] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Steps of every run.  [default: what the budget carries]")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, metavar="N", help="Runs at a time.  [default: cores]")] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="REGEX", help="Judge by a printed number: its group, in the last line that matches."),
    ] = None,
    log: Annotated[
        str | None, typer.Option(metavar="NAME", help="Judge by a number given to the watch: handle.log(NAME=...).")
    ] = None,
    higher: Annotated[bool, typer.Option("--higher", help="Of the metric, higher is better.")] = False,
    lr_search: Annotated[
        bool, typer.Option("--lr-search/--no-lr-search", help="Search the learning rate of every arm alike.")
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The trial's file (*.gmr), or a folder for it.  [./gradiometer-runs]"),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Go on with the trial in FILE, by the plan in it.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of several networks, the one to treat: its name in gradiometer run, or its class.  "
            "[default: that of the first finding]",
        ),
    ] = None,
    json: Json = None,
    quick: Annotated[bool, typer.Option("--quick", help="A minute: 7 seeds, one cure, no search of rates.")] = False,
) -> int:
    """Try cures on a training script, beside no cure and controls, and say which one provably helps.

    The script is watched once, the findings prescribe the cures (--cure names others), and every arm is trained on
    the same seeds from the same start.
    """
    target = ScriptTarget(script, tuple(args or ()), kind="module" if module else "file")
    tell_strays(context, target)
    asked = Asked(
        target=target,
        cures=tuple(cure or ()),
        budget_s=budget,
        seeds=seeds,
        steps=steps,
        workers=workers,
        metric=metric,
        log=log,
        higher=higher,
        lr_search=lr_search,
        quick=quick,
        model=model,
        out=out,
        json=json,
    )
    asked.checked()
    if resume is not None:
        asked.check_no_plan()
    return _proved(asked, resume)


def _proved(asked: Asked, resume: Path | None) -> int:
    from gradiometer.trial.prove import prove_script, resume_script

    request = _request(asked, resume)
    if resume is None:
        _warn_of_few(request.terms.seeds)
    with ShareBar() as bar:
        proof = (prove_script if resume is None else resume_script)(request, bar.tick)
    if resume is not None and proof.result is not None:
        asked = asked.resumed(proof.result.spec)
    _tell(asked, request, proof)
    if proof.result is None:
        return FINDING if proof.findings else 0
    if proof.result.state == "interrupted":
        complain(f"Stopped. Go on with: {asked.onward(_shown(request.path))}")
        return INTERRUPTED
    roles = {a.name: a.role for a in proof.result.spec.arms}
    helps = any(v.decision == "helps" and roles.get(v.arm) in ("cure", "rate") for v in proof.result.verdicts)
    return 0 if helps else FINDING


def _warn_of_few(pairs: int) -> None:
    """Said before the trial: with so few pairs even one comparison cannot be beyond chance."""
    from gradiometer.records import TrialSpec
    from gradiometer.trial.statistics import smallest_p

    least = smallest_p(pairs)
    if least > TrialSpec((), (), None).alpha:
        complain(f"{pairs} pairs cannot prove a cure: the smallest p that they can give is {least:.2g}. Use --seeds 7.")


def _request(asked: Asked, resume: Path | None) -> Request:
    from gradiometer.records import Primary
    from gradiometer.trial.design import LR_FACTORS, Terms
    from gradiometer.trial.prove import Request

    search = asked.lr_search and not asked.quick
    terms = Terms(
        budget_s=asked.budget_s or (QUICK_BUDGET_S if asked.quick else DEFAULT_BUDGET_S),
        workers=asked.workers or cores(),
        seeds=asked.seeds or (QUICK_SEEDS if asked.quick else DEFAULT_SEEDS),
        steps=asked.steps,
        lr_factors=LR_FACTORS if search else (1.0,),
        cures=1 if asked.quick else None,
    )
    better: Literal["lower", "higher"] = "higher" if asked.higher else "lower"
    primary = Primary()
    if asked.metric is not None:
        primary = Primary("metric", better, _metric_name(asked.metric), asked.metric)
    elif asked.log is not None:
        primary = Primary("log", better, asked.log)
    path = resume or asked.file
    return Request(asked.target, path, Path.cwd(), asked.cures, primary, terms, asked.again(), asked.model or "")


def _metric_name(pattern: str) -> str:
    """What stands before the group of the pattern: ``acc`` of ``acc=([0-9.]+)``; ``metric`` where nothing does."""
    before = pattern.partition("(")[0].strip(" =:\\s^")
    return before if before.replace("_", "").replace(" ", "").isalnum() else "metric"


def _tell(asked: Asked, request: Request, proof: Proof) -> None:
    from gradiometer.views import Style, text_note, trial_page

    if asked.json is not None:
        put_json(proof.document(str(request.path)), asked.json)
        return
    style = Style.of_stream(sys.stdout)
    if proof.result is None:
        put_text(text_note(proof.reason, proof.diagnosis, style, proof.model))
        return
    put_text(trial_page(proof.result, proof.diagnosis, asked.again(), style))
    if proof.result.state == "finished":
        complain(f"The trial is in {_shown(request.path)}")


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
