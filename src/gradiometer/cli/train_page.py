"""What ``gradiometer train`` says at the end: the page of ``run``, the scores, and what to do with the files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .guard import FINDING, INTERRUPTED, complain
from .outlet import is_asked_failure, put_json, put_text
from .run_page import as_recorded, verdict_line
from .train_loop import Trained
from .train_plan import TrainPlan

if TYPE_CHECKING:
    from gradiometer.records import Diagnosis, Run


def tell(plan: TrainPlan, trained: Trained) -> int:
    """Page and scores on stdout, the document where ``--json`` asks for it. The exit code."""
    if trained.interrupted:
        complain(_broken_off(plan, trained))
    if trained.run is None:
        complain("Nothing of the training could be recorded. " + " ".join(trained.session.warnings))
        return INTERRUPTED if trained.interrupted else 0
    from gradiometer.diagnosis import diagnose

    watching = plan.watching
    run = as_recorded(trained.run, trained.session)
    diagnosis = diagnose(run, watching.ignore)
    if watching.json != "-":
        put_text(_words(run, diagnosis, watching.length))
    if watching.json is not None:
        put_json(diagnosis, watching.json)
    if trained.interrupted:
        return INTERRUPTED
    return FINDING if is_asked_failure(diagnosis, watching.fail_on) else 0


def _words(run: Run, diagnosis: Diagnosis, length: str) -> str:
    from gradiometer.views import Style, text_page

    style = Style.of_stream(sys.stdout)
    return text_page(run, diagnosis, style) if length == "page" else verdict_line(run, diagnosis, style) + "\n"


def _broken_off(plan: TrainPlan, trained: Trained) -> str:
    done, path = trained.training.step, trained.session.path
    run = f"The run is whole: {path}." if path is not None else "No run file could be written."
    return f"Interrupted after step {done} of {plan.recipe.steps}. {run}"
