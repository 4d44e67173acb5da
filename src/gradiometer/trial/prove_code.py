"""``gm.prove``: a trial of cures on a training that a function makes, in this process."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..diagnosis import diagnose
from ..quantities import loss_seen
from ..records import Diagnosis, Primary, Run, TrialArm, TrialSpec, UserError
from ..store import TrialWriter
from .arms import asked_arms, cure_arm, prescribed
from .conduct import Progress, conduct
from .design import DIAGNOSIS_SEEDS, LR_FACTORS, SHAM_SEEDS, Terms
from .local import Make, watched_training
from .population_executor import PopulationExecutor
from .prove import Proof, Ruler, nothing_to_try, plan

STEPS = 200  # where none are given: a network that learns at all has left its trivial level by then
LEAST_STEPS = 10


def prove(
    make: Make,
    cures: str | Sequence[str] = "auto",
    seeds: int = 8,
    steps: int = STEPS,
    *,
    lr_search: bool = True,
    path: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Proof:
    """Try cures on what ``make(seed)`` gives, beside no cure, a sham and a random cure, on paired seeds.

    Small networks of equal structure are trained side by side as one population, everything else one by one;
    ``proof.result.notes`` says how many, and why.

    make: gives a ``gm.Setup``, and draws all that it draws from its seed or the global generators. cures: a name or
    several, as ``gm.prove(make, ["relu"])``; "auto" takes those that the diagnosis of one training prescribes.
    lr_search: try the learning rate of every arm alike. path: a file for the trial (*.gmr); None keeps none.
    progress: told the share that is done and what is under way.

    ``proof.result.verdicts`` says what helps; ``proof.result`` is None where nothing is wrong or nothing can be tried,
    and ``proof.reason`` says which. Nothing outside changes: the random generators are put back. Raises UserError for
    a wrong argument or cure, or where the training fails without any cure.
    """
    if steps < LEAST_STEPS or seeds < 2:
        raise UserError(f"prove() needs {LEAST_STEPS} steps and 2 seeds at least; it got {steps} and {seeds}.")
    named = (cures,) if isinstance(cures, str) else tuple(cures)
    asked = asked_arms(() if cures == "auto" else named)
    run = _watched(make, steps)
    diagnosis = diagnose(run)
    arms = asked or tuple(cure_arm(name, name) for name in prescribed(diagnosis, loss_seen(run, run.main)))
    if not arms:
        return Proof(diagnosis, None, nothing_to_try(diagnosis))
    terms = Terms(seeds=seeds, steps=steps, lr_factors=LR_FACTORS if lr_search else (1.0,))
    spec = _spec(run, diagnosis, arms, terms)
    tell = progress or (lambda share, words: None)
    with tempfile.TemporaryDirectory(prefix="gradiometer-trial-") as folder:
        file = Path(folder) / "trial.gmr" if path is None else Path(path)
        with TrialWriter.new(file, spec) as writer:
            return Proof(diagnosis, conduct(PopulationExecutor(make, spec.seeds[:SHAM_SEEDS]), writer, tell))


def _watched(make: Make, steps: int) -> Run:
    session = watched_training(make, DIAGNOSIS_SEEDS[0], steps)
    if session.run is None:
        raise UserError("Nothing of the training could be recorded: the loss reached none of the model's parameters.")
    return session.run


def _spec(run: Run, diagnosis: Diagnosis, arms: tuple[TrialArm, ...], terms: Terms) -> TrialSpec:
    curve = run.curve()
    first = float(curve[0, 1]) if len(curve) else math.nan
    spec = plan(arms, diagnosis, terms, Ruler(Primary(), loss_seen(run, run.main), first))
    return msgspec.structs.replace(spec, mechanism="total_decades")
