"""What ``gradiometer train`` says at the end: the page of ``run``, and below it the scores and the files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .guard import FINDING, INTERRUPTED, WRONG_USAGE, complain
from .outlet import is_asked_failure, put_json, put_text
from .run_page import as_recorded, verdict_line
from .train_loop import Trained
from .train_results import Results, results_of
from .train_scores import score_words, scores_text

if TYPE_CHECKING:
    from gradiometer.records import Diagnosis, Run


def tell(trained: Trained) -> int:
    """Page and scores on stdout, the document where ``--json`` asks for it. The exit code."""
    if trained.interrupted:
        complain(_broken_off(trained))
    if trained.problem:
        complain(trained.problem)
    if trained.run is None:
        complain(" ".join(["Nothing of the training could be recorded.", *trained.session.warnings]))
        return _code(trained, None)
    from gradiometer.diagnosis import diagnose

    watching = trained.ready.plan.watching
    run = as_recorded(trained.run, trained.session)
    diagnosis = diagnose(run, watching.ignore)
    results = results_of(trained)
    if watching.json != "-":
        put_text(_line(run, diagnosis, results) if watching.length == "line" else _page(run, diagnosis, results))
    if watching.json is not None:
        put_json(_document(diagnosis, results), watching.json)
    return _code(trained, diagnosis)


def _code(trained: Trained, diagnosis: Diagnosis | None) -> int:
    if trained.interrupted:
        return INTERRUPTED
    if trained.problem:
        return WRONG_USAGE
    fails = diagnosis is not None and is_asked_failure(diagnosis, trained.ready.plan.watching.fail_on)
    return FINDING if fails else 0


def _page(run: Run, diagnosis: Diagnosis, results: Results) -> str:
    from gradiometer.views import Style, text_page

    style = Style.of_stream(sys.stdout)
    return text_page(run, diagnosis, style) + "\n" + scores_text(results, style)


def _line(run: Run, diagnosis: Diagnosis, results: Results) -> str:
    from gradiometer.views import Style

    style = Style.of_stream(sys.stdout)
    return f"{verdict_line(run, diagnosis, style)} {style.words(score_words(results, style.numbers))}\n"


def _document(diagnosis: Diagnosis, results: Results) -> dict[str, object]:
    """The document of ``diagnose --json`` with one more key."""
    import msgspec

    document: dict[str, object] = msgspec.to_builtins(diagnosis)
    return document | {"training": msgspec.to_builtins(results)}


def _broken_off(trained: Trained) -> str:
    training, path = trained.ready.training, trained.session.path
    run = f"The run is whole: {path}" if path is not None else "No run file could be written"
    weights = f"the weights so far are in {trained.weights}" if trained.weights is not None else "no weights are saved"
    return f"Interrupted after step {training.step} of {training.recipe.steps}. {run}; {weights}."
