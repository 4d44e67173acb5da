"""From a script to a proof: diagnose it on a seed of its own, prescribe, and try the prescription."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ..diagnosis import diagnose
from ..quantities import loss_seen
from ..records import (
    TRIAL_SCHEMA,
    Diagnosis,
    Finding,
    Job,
    LossSeen,
    Outcome,
    Primary,
    Run,
    TrialArm,
    TrialResult,
    TrialSpec,
    UserError,
)
from ..records.showing import Shows
from ..session.script import ScriptTarget
from ..store import TrialWriter, open_run, open_trial
from .arms import NONE, all_arms, asked_arms, cure_arm, informed, most_parts, prescribed
from .conduct import Progress, conduct
from .design import (
    DIAGNOSIS_SEEDS,
    FIRST_TRIAL_SEED,
    KEPT_CURES,
    SCREENING_SEEDS,
    SCREENING_SHARE,
    SHAM_SEEDS,
    Seen,
    Terms,
    floor_of,
    lengths,
    scale,
)
from .metric import check_pattern
from .processes import ScriptExecutor
from .wire import CUT, FIRST_STEP_S, LAST_STEP_S, STEPS, Work, own

DIAGNOSIS_SHARE = 0.15  # of the budget that the diagnosis run may take
LEAST_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be proven. folder: the working folder of the runs. path: where the trial's file goes.

    cures: ``NAME`` or ``NAME:setting=value,...``; () takes those that the diagnosis prescribes. model: of several
    networks the one to treat, by its name in a run or its class; "" takes that of the first finding. command: what
    repeats it.
    """

    target: ScriptTarget
    path: Path
    folder: Path = field(default_factory=Path.cwd)
    cures: tuple[str, ...] = ()
    primary: Primary = field(default_factory=Primary)
    terms: Terms = field(default_factory=Terms)
    command: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Proof(Shows):
    """What came of it. diagnosis: of the untreated training. result: None where nothing was tried, and ``reason``
    says why. resumed trials have no diagnosis. model: the network that was, or would have been, treated; "" for the
    only one."""

    diagnosis: Diagnosis | None
    result: TrialResult | None
    reason: str = ""
    model: str = ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found in the network that is treated."""
        return of_model(self.diagnosis, self.model).findings if self.diagnosis is not None else ()

    def document(self, path: str) -> dict[str, object]:
        """The document of ``--json``. file: of the trial, null where nothing was tried."""
        return {
            "schema": TRIAL_SCHEMA,
            "file": path if self.result is not None else None,
            "reason": self.reason,
            "model": self.model,
            "diagnosis": self.diagnosis,
            "trial": self.result,
        }


def prove_script(request: Request, progress: Progress) -> Proof:
    """Watch the script once, prescribe, and run the trial within its budget.

    Nothing is treated where nothing is wrong, unless cures are asked for. Raises UserError where the script cannot be
    run or trains nothing, where the budget is too small, or for a cure that cannot be tried.
    """
    asked = asked_arms(request.cures)
    if request.primary.kind == "metric":
        check_pattern(request.primary.pattern)
    digest = script_digest(request)
    with _executor(request) as executor:
        progress(0.0, "watching it once")
        run, outcome = _watched(request, executor)
        diagnosis = diagnose(run)
        model = treated(run, diagnosis, request.model)
        own, several = of_model(diagnosis, model), len(run.networks) > 1
        loss = loss_seen(run, model)
        arms = asked or tuple(cure_arm(name, name) for name in prescribed(own, loss)[: request.terms.cures])
        if not arms:
            return Proof(diagnosis, None, nothing_to_try(own, model if several else ""), model if several else "")
        seen = seen_of(outcome, model if several else "", request.primary)
        spec = _plan(request, (run, model), seen, informed(arms, loss), own)
        spec = msgspec.structs.replace(spec, digest=digest)
        executor.model = spec.model
        try:
            with TrialWriter.new(request.path, spec) as writer:
                return Proof(diagnosis, conduct(executor, writer, progress), model=spec.model)
        except UserError:  # the script fails: there is nothing to go on with
            request.path.unlink(missing_ok=True)
            raise


def resume_script(request: Request, progress: Progress) -> Proof:
    """Go on with the trial in ``request.path`` where it stopped; its plan stands. UserError where the script has
    changed since."""
    found = open_trial(request.path)
    spec = msgspec.structs.replace(found.spec, digest=script_digest(request), argv=request.target.args)
    kept = dataclasses.replace(request, primary=spec.primary)
    with TrialWriter.resume(request.path, spec) as writer, _executor(kept) as executor:
        executor.model = spec.model
        return Proof(None, conduct(executor, writer, progress), model=spec.model)


def script_digest(request: Request) -> str:
    """SHA-256 of the script's or the module's file, "" where a module has none. UserError where it cannot be read."""
    path = request.folder / request.target.name
    if request.target.kind == "module":
        found = _module_file(request.target.name, request.folder)
        if found is None:
            return ""
        path = found
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"The script {request.target.name!r} cannot be read: {error.strerror}.") from error


def _module_file(name: str, folder: Path) -> Path | None:
    """The Python file that ``python -m name`` runs from ``folder``; None where it is none. Nothing is imported."""
    for place in (folder, *map(Path, sys.path)):
        module = place.joinpath(*name.split("."))
        for file in (module / "__main__.py", module.with_name(f"{module.name}.py")):
            if file.is_file():
                return file
    return None


# ---- parts ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _executor(request: Request) -> Iterator[ScriptExecutor]:
    terms = request.terms
    work = Work(
        script=request.target.name,
        args=request.target.args,
        kind=request.target.kind,
        folder=str(request.folder),
        scratch="",
        primary=request.primary,
        workers=terms.workers,
        limit_s=max(LEAST_LIMIT_S, terms.budget_s),
    )
    with ScriptExecutor(work, _trial_seeds(terms)[:SHAM_SEEDS]) as executor:
        yield executor


def _trial_seeds(terms: Terms) -> tuple[int, ...]:
    return tuple(range(FIRST_TRIAL_SEED, FIRST_TRIAL_SEED + terms.seeds))


def _watched(request: Request, executor: ScriptExecutor) -> tuple[Run, Outcome]:
    """The diagnosis run. UserError where the script fails in it or trains nothing."""
    file = executor.folder / "diagnosis.gmr"
    job = Job(NONE, DIAGNOSIS_SEEDS[0], 1.0, None, "screening")
    outcome = executor.watch(job, file, DIAGNOSIS_SHARE * request.terms.budget_s)
    if outcome.state != "finished":
        raise UserError(f"{request.target.name}: {outcome.note}")
    if not file.exists():
        raise UserError(f"{request.target.name}: nothing of its training could be recorded, so nothing can be tried.")
    return open_run(file), outcome


def seen_of(outcome: Outcome, model: str, primary: Primary) -> Seen:
    """What the watched run says of the trainings of one network: what is trained before it counts as its start, and
    nothing after its last step is run again. A printed or logged number needs the whole script. "" for the only one."""
    told = outcome.mechanism
    alone = bool(model) and own(STEPS, model) in told
    until_last = alone and primary.kind == "loss"
    return Seen(
        steps=int(told[own(STEPS, model)]) if alone else outcome.steps,
        seconds=told[own(LAST_STEP_S, model)] if until_last else outcome.seconds,
        first_step_s=told[own(FIRST_STEP_S, model)] if alone else told[FIRST_STEP_S],
        cut=bool(told[CUT]),
        value=outcome.value,
    )


def _plan(
    request: Request, where: tuple[Run, str], seen: Seen, cures: tuple[TrialArm, ...], diagnosis: Diagnosis
) -> TrialSpec:
    """where: the watched run, and the network that is treated. diagnosis: of that network."""
    terms, primary = request.terms, request.primary
    run, model = where
    length = lengths(seen, terms, len(cures), primary)
    curve = run.curve(model)
    first = float(curve[0, 1]) if len(curve) else math.nan
    spec = plan(cures, diagnosis, terms, Ruler(primary, loss_seen(run, model), first, seen.value))
    several = len(run.networks) > 1
    chooses = bool(spec.screening_seeds)
    return msgspec.structs.replace(
        spec,
        steps=length.steps,
        screening_steps=length.screening_steps if chooses else None,
        model=model if several else "",
        others=tuple(n.name for n in run.networks if n.name != model and run.frames_of(n.name)),
        script=request.target.name,
        argv=request.target.args,
        budget_s=terms.budget_s,
        command=request.command,
    )


@dataclass(frozen=True, slots=True)
class Ruler:
    """What effects are measured in: the primary outcome, and what the diagnosis run says of its scale."""

    primary: Primary
    loss: LossSeen | None
    first_loss: float
    value: float = math.nan


def plan(cures: tuple[TrialArm, ...], diagnosis: Diagnosis, terms: Terms, ruler: Ruler) -> TrialSpec:
    """Arms, seeds, rates, and the scale of effects; the lengths of the runs are ``terms.steps`` here."""
    level, how = scale(ruler.primary, ruler.loss, ruler.first_loss, ruler.value)
    not_drawn = {c.name for f in diagnosis.findings for c in f.cures} | {str(a.params["cure"]) for a in cures}
    arms = all_arms(cures, not_drawn)
    chooses = len(terms.lr_factors) > 1 or len(cures) > KEPT_CURES
    kept = min(len(cures), KEPT_CURES) + sum(a.role == "random" for a in arms)
    return TrialSpec(
        arms=arms,
        seeds=_trial_seeds(terms),
        steps=terms.steps,
        primary=ruler.primary,
        screening_seeds=SCREENING_SEEDS if chooses else (),
        screening_steps=max(1, round(SCREENING_SHARE * (terms.steps or 1))) if chooses else None,
        diagnosed_on=DIAGNOSIS_SEEDS,
        lr_factors=terms.lr_factors,
        family=kept + most_parts(cures, len(terms.lr_factors)),
        cap=level,
        floor=floor_of(level),
        floor_source=how,
        mechanism="total_decades",
        found=next(iter(diagnosis.findings), None),
    )


def treated(run: Run, diagnosis: Diagnosis, asked: str) -> str:
    """Name of the network to treat: the one that was asked for by name or class, else that of the first finding, else
    the main one. UserError where several are meant, none, or one that does not train."""
    if not asked:
        return diagnosis.findings[0].model if diagnosis.findings else run.main
    named = [n for n in run.networks if n.name == asked] or [n for n in run.networks if n.cls == asked]
    known = ", ".join(n.name if n.name == n.cls.lower() else f"{n.name} ({n.cls})" for n in run.networks) or "none"
    if len(named) > 1:
        names = ", ".join(n.name for n in named)
        raise UserError(f"--model {asked} means {len(named)} networks: {names}. Give it one of these names.")
    if not named:
        raise UserError(f"There is no network {asked!r} in this training. Those that were seen: {known}.")
    if not run.frames_of(named[0].name):
        raise UserError(f"The network {named[0].name} is called and not trained, so no cure of it can be tried.")
    return named[0].name


def of_model(diagnosis: Diagnosis, model: str) -> Diagnosis:
    """A diagnosis with the findings of one network; "" keeps all."""
    kept = tuple(f for f in diagnosis.findings if not model or f.model == model)
    return msgspec.structs.replace(diagnosis, findings=kept)


def nothing_to_try(diagnosis: Diagnosis, model: str = "") -> str:
    """Why nothing is tried, and what can be done by hand. model: the network that is spoken of, where it is named."""
    where = f" in {model}" if model else ""
    if not diagnosis.findings:
        return (
            f"Nothing was found that is wrong{where}, so nothing was treated. Name a cure with --cure to try it all "
            "the same."
        )
    edits = [c.edit for f in diagnosis.findings for c in f.cures][:3]
    told = " The edits to make: " + "; ".join(edits) if edits else ""
    return f"No cure that can be applied to a network answers {diagnosis.findings[0].cause}{where}.{told}"
