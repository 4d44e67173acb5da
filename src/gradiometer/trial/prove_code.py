"""``gm.prove``: a trial of cures on a training that a function makes, in this process."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import msgspec

from ..diagnosis import diagnose
from ..quantities import loss_seen
from ..records import Diagnosis, Primary, Run, TrialArm, TrialResult, TrialSpec, UserError
from ..store import TrialWriter, open_trial
from ..store.trials import other_trial
from .arms import asked_arms, cure_arm, prescribed
from .conduct import Progress, conduct
from .design import DIAGNOSIS_SEEDS, LR_FACTORS, SHAM_SEEDS, Terms
from .local import Make, beginning, watched_training
from .population_executor import PopulationExecutor
from .prove import Proof, Ruler, nothing_to_try, plan

STEPS = 200  # where none are given: a network that learns at all has left its trivial level by then
LEAST_STEPS = 10


def _tell_nobody() -> AbstractContextManager[Progress]:
    return nullcontext(lambda share, words: None)


at_progress: Callable[[], AbstractContextManager[Progress]] = _tell_nobody
"""What a trial's progress is told to where no other is given; the package puts in what draws it."""


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
    lr_search: try the learning rate of every arm alike. path: a file for the trial (*.gmr), in which every training
    lasts as soon as it has ended: the same call goes on from a file that is there, after Ctrl-C as after a crash, and
    gives the result of one that is finished; None keeps none. progress: told the share that is done and what is under
    way; without it that is drawn in a notebook and on a terminal.

    ``proof.result.verdicts`` says what helps; ``proof.result`` is None where nothing is wrong or nothing can be tried,
    and ``proof.reason`` says which. Nothing outside changes: the random generators are put back. Raises UserError for
    a wrong argument or cure, where the training fails without any cure, or where the file holds another trial: of other
    arguments, or of a ``make`` that begins in another way.
    """
    if steps < LEAST_STEPS or seeds < 2:
        raise UserError(f"prove() needs {LEAST_STEPS} steps and 2 seeds at least; it got {steps} and {seeds}.")
    named = (cures,) if isinstance(cures, str) else tuple(cures)
    asked = asked_arms(() if cures == "auto" else named)
    with nullcontext(progress) if progress is not None else at_progress() as tell:
        tell(0.0, "watching it once")
        run = _watched(make, steps)
        diagnosis = diagnose(run)
        arms = asked or tuple(cure_arm(name, name) for name in prescribed(diagnosis, loss_seen(run, run.main)))
        if not arms:
            return Proof(diagnosis, None, nothing_to_try(diagnosis))
        terms = Terms(seeds=seeds, steps=steps, lr_factors=LR_FACTORS if lr_search else (1.0,))
        spec = _spec(run, diagnosis, arms, terms)
        if path is not None:
            spec = msgspec.structs.replace(spec, digest=beginning(make, DIAGNOSIS_SEEDS[0]))
            return Proof(diagnosis, _tried(make, spec, Path(path), tell))
        with tempfile.TemporaryDirectory(prefix="gradiometer-trial-") as folder:
            return Proof(diagnosis, _tried(make, spec, Path(folder) / "trial.gmr", tell))


def _tried(make: Make, spec: TrialSpec, file: Path, tell: Progress) -> TrialResult:
    """The trial of a plan, from where its file stands."""
    executor = PopulationExecutor(make, spec.seeds[:SHAM_SEEDS])
    if not file.exists():
        try:
            with TrialWriter.new(file, spec) as writer:
                return conduct(executor, writer, tell)
        except UserError:  # it fails without any cure: there is nothing to go on with
            file.unlink(missing_ok=True)
            raise
    found = open_trial(file)
    told = _other(found.spec, spec)
    if told:
        raise UserError(f"{file} holds another trial: {told}. Name another file, or remove it.")
    if found.state == "finished":
        return found
    with TrialWriter.resume(file, spec) as writer:
        return conduct(executor, writer, tell)


def _other(found: TrialSpec, wanted: TrialSpec) -> str:
    """What makes the call another trial than the one in its file, "" where it is the same."""
    begun, asked = (", ".join(a.name for a in s.arms if a.role == "cure") for s in (found, wanted))
    return f"its cures are {begun}, not {asked}" if begun != asked else other_trial(found, wanted)


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
