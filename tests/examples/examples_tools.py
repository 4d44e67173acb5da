"""The examples of this repository: their table, and a way to train one under the watch in this process."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

from gradiometer import session
from gradiometer.diagnosis import diagnose
from gradiometer.records import Diagnosis, Run
from gradiometer.session.script import ScriptTarget, run_script

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ROW = re.compile(r"\| `(?P<file>\w+\.py)` \| .* \| (?P<symptom>[\w-]+) \| `(?P<cause>[\w-]+)`")

STEPS = {
    "digits_deep_mlp": 60,
    "digits_xavier_mlp": 60,
    "digits_thirty_layers": 60,
    "digits_tanh_mlp": 110,
    "digits_batchnorm_mlp": 101,
    "digits_autoencoder": 120,
    "digits_two_stage": 120,
    "spirals_mlp": 120,
    "moons_classifier": 120,
    "masked_policy": 150,
    "set_regression": 150,
    "sensor_regression": 150,
    "digits_skip_mlp": 100,
    "digits_tanh_adam": 150,
    "digits_cnn": 60,
    "digits_finetune": 150,
    "digits_vae": 150,
    "sequence_transformer": 120,
    "lstm_recall": 250,
    "gru_counting": 40,
    "ring_gan": 200,
    "waves_regression": 300,
    "friedman_regression": 300,
}
"""Fewer steps than the scripts take by themselves, enough for faults to show and for the healthy to learn.
``digits_cosine_mlp`` is missing: its fault is its schedule, which spans its own number of steps."""

SPARSE_BUDGET = 1e-9
"""Only the first steps and a fixed grid are recorded: the same ones on every machine, and the fewest there can be."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A row of the table. cause: "none" for a script that trains well."""

    name: str
    symptom: str
    cause: str

    @property
    def script(self) -> Path:
        """Where it lies."""
        return EXAMPLES / f"{self.name}.py"


def table() -> dict[str, Expected]:
    """The table of ``examples/README.md`` by the name of the script."""
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    rows = [ROW.match(line) for line in text.splitlines()]
    return {m["file"][:-3]: Expected(m["file"][:-3], m["symptom"], m["cause"]) for m in rows if m}


def watched(script: Path, *args: object, budget: float = SPARSE_BUDGET) -> tuple[Run, Diagnosis]:
    """Train a script as ``gradiometer run`` does, in this process, and leave the process as it was."""
    before = sys.argv, sys.path[:], sys.modules["__main__"]
    options = session.Options(keep_file=False, budget=budget, script=str(script), name=script.stem)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # those of the script and of what it imports
        started = session.start(options)
        try:
            outcome = run_script(ScriptTarget(str(script), tuple(map(str, args))))
        finally:
            run = started.stop("finished")
            sys.argv, sys.path[:], sys.modules["__main__"] = before
    assert outcome.state == "finished", outcome.error
    assert run is not None
    assert run.problems == ()
    return run, diagnose(run)


def trained(expected: Expected, seed: int, *args: object) -> tuple[Run, Diagnosis]:
    """One example under the watch, with the steps of this suite."""
    steps = ("--steps", STEPS[expected.name]) if expected.name in STEPS else ()
    return watched(expected.script, "--seed", seed, *steps, *args)


def disagreement(expected: Expected, diagnosis: Diagnosis) -> str:
    """Where a diagnosis departs from the table: "" where it does not.

    A faulty script: the first finding is a failure with this symptom and cause. A healthy one: no failure, no
    warning, and nothing left uncovered.
    """
    found = [(f.severity, f.symptom, f.cause) for f in diagnosis.findings]
    if expected.cause == "none":
        return "" if not found and diagnosis.healthy is True else f"healthy, yet {found}, {diagnosis.coverage:.0%}"
    want = ("fail", expected.symptom, expected.cause)
    return "" if found[:1] == [want] and diagnosis.healthy is False else f"{want} expected, {found} found"
