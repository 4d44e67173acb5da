"""A lab training with a watch on exactly its network, from before the first step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .train_break import Breaks
from .train_plan import TrainPlan
from .train_progress import NEWEST_FRAMES, shown, status_line
from .train_ready import Ready

if TYPE_CHECKING:
    from gradiometer.lab import StepSeen, Training
    from gradiometer.records import Run
    from gradiometer.session import Session


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training left.

    run: None where nothing was recorded. weights: None where they could not be written, for the reason in ``problem``.
    interrupted: Ctrl-C ended it before its last step.
    """

    ready: Ready
    session: Session
    run: Run | None
    weights: Path | None
    problem: str = ""
    interrupted: bool = False


def train_watched(ready: Ready) -> Trained:
    """Train to the end, or to Ctrl-C; close the run file; write the weights. A further Ctrl-C waits for both files."""
    from gradiometer.records import GradiometerError

    with Breaks() as breaks:
        session = attached(ready.plan, ready.training)
        try:
            state = _steps(ready.training, session, breaks)
        except BaseException as failure:
            session.stop("crashed", f"{type(failure).__name__}: {failure}")
            raise
        run = session.stop(state)
        try:
            weights, problem = saved(ready), ""
        except GradiometerError as refused:
            weights, problem = None, str(refused)
    return Trained(ready, session, run, weights, problem, interrupted=state == "interrupted")


def _steps(training: Training, session: Session, breaks: Breaks) -> str:
    """The steps that are to be made; how it ended, as ``RunInfo.state`` has it."""
    from gradiometer.lab import train

    total = training.recipe.steps
    with shown(total, training.step) as show:

        def seen(step: StepSeen) -> None:
            show(step.step, lambda style: status_line(step.step, step.loss, newest(session), style))
            if step.step < total:
                breaks.between_steps()

        try:
            train(training, seen)
        except KeyboardInterrupt:
            return "interrupted"
    return "finished"


def saved(ready: Ready) -> Path:
    """Write the weights beside the run, and the state with which the training goes on. RunFileError where refused."""
    from gradiometer.lab import save_state
    from gradiometer.records import RunFileError

    path = ready.plan.weights
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFileError(f"The folder {path.parent} cannot be made: {error.strerror or error}.") from error
    save_state(path, ready.training)
    return path


def attached(plan: TrainPlan, training: Training) -> Session:
    """A session on the network of the training and on nothing else. UserError where one is running already."""
    from gradiometer.session import Options, Session

    watching = plan.watching
    options = Options(
        out=plan.path,
        every=watching.every,
        budget=watching.budget or 0.0,
        name=plan.name,
        script="gradiometer train",
        argv=plan.words,
    )
    session = Session(options)
    own = {id(o) for o in training.optimizers}
    try:
        session.registry.add(training.network, plan.recipe.network)
        session.steps.accept = lambda optimizer: id(optimizer) in own
        session.attach(discover=False)
    except BaseException:
        session.stop("crashed")  # its writer thread would wait for ever
        raise
    return session


def newest(session: Session) -> Run | None:
    """The newest frames, as they stand: nobody waits for the writer thread."""
    from gradiometer.records import Run

    recording = session.recording
    frames = tuple(recording.frames[-NEWEST_FRAMES:])
    networks = tuple(recording.networks.values())
    if not frames or not networks:
        return None
    return Run(recording.info, networks, tuple(recording.sites), frames)
