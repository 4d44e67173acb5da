"""A lab training with a watch on exactly its network, from before the first step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .train_break import Breaks
from .train_plan import TrainPlan
from .train_progress import NEWEST_FRAMES, shown

if TYPE_CHECKING:
    from gradiometer.lab import StepSeen, Training
    from gradiometer.records import Run
    from gradiometer.session import Session


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training left. run: None where nothing was recorded. interrupted: Ctrl-C ended it before its last step."""

    training: Training
    session: Session
    run: Run | None
    interrupted: bool = False


def train_watched(plan: TrainPlan, training: Training) -> Trained:
    """Train to the end, or to Ctrl-C; then the run file is closed."""
    from gradiometer.lab import train

    with Breaks() as breaks:  # the files are written in it as well
        session = attached(plan, training)
        state, error = "finished", ""
        try:
            with shown(plan.recipe.steps, lambda: newest(session), training.step) as show:

                def seen(step: StepSeen) -> None:
                    show(step.step, step.loss)
                    if step.step < plan.recipe.steps:
                        breaks.between_steps()

                train(training, seen)
        except KeyboardInterrupt:
            state = "interrupted"
        except BaseException as failure:
            session.stop("crashed", f"{type(failure).__name__}: {failure}")
            raise
        run = session.stop(state, error)
    return Trained(training, session, run, interrupted=state == "interrupted")


def attached(plan: TrainPlan, training: Training) -> Session:
    """A session on the network of the training and on nothing else. UserError where one is running already."""
    from gradiometer.session import Options, Session

    from .train_plan import command_words

    watching = plan.watching
    options = Options(
        out=plan.path,
        every=watching.every,
        budget=watching.budget or 0.0,
        name=plan.name,
        script="gradiometer train",
        argv=command_words(plan.recipe),
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
