"""``gm.watch``: the error signal of one model, from inside a script or a notebook."""

from __future__ import annotations

import atexit
import contextlib
import difflib
import os
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

import torch
from torch import nn
from torch.optim import Optimizer

from ..diagnosis import diagnose
from ..diagnosis.causal import causal_line
from ..records import Diagnosis, ModelError, Run, UserError
from ..records.showing import Shows
from .live import Session, owns_part_of
from .options import Options, StopTraining

at_end: Callable[[Run], None] | None = None
"""What ``gm.watch`` does with the run at the end (it prints the page); set by the package's front door."""


class View(Protocol):
    """What shows a watch while it runs."""

    def end(self, run: Run | None) -> bool:
        """The watch has ended with that run, None where nothing was recorded. True where the run was shown."""


at_live: Callable[[Watch, float], View] | None = None
"""What ``Watch.live`` draws with; set by the package's front door."""

State = Literal["finished", "crashed", "interrupted", "stopped"]


class Watch(Shows):
    """A running watch; made by ``gm.watch``. Use it in a ``with`` block, or call ``close`` yourself.

    One that is still open when the interpreter exits is closed there.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pid = os.getpid()
        self._view: View | None = None
        atexit.register(self._at_exit)

    def __repr__(self) -> str:
        state = "closed" if self._session.ended else "open"
        steps = self._session.steps_seen
        done = f"{steps} step{'' if steps == 1 else 's'} seen"
        return f"<watch of {self._session.options.name}: {state}, {done}; .run(), .findings(), .live(), .close()>"

    @property
    def path(self) -> Path | None:
        """The run file; None where nothing was recorded yet, or the disk refused."""
        return self._session.path

    def log(self, **values: float) -> None:
        """Record numbers of your own (``handle.log(accuracy=.93)``) beside the step that is under way.

        UserError where a value is no number, or after close.
        """
        self._open()
        for name, value in values.items():
            try:
                number = float(value)
            except (TypeError, ValueError) as error:
                raise UserError(f"log({name}=...) got {type(value).__name__}, not a number. Pass a float.") from error
            self._session.recording.put_logged(name, self._session.steps_seen, number)

    def run(self) -> Run:
        """What is recorded so far (after close: the whole run). UserError where nothing was."""
        run = self._session.run if self._session.ended else self._session.snapshot()
        if run is None or not run.frames:
            raise UserError(self._why_nothing())
        return run

    def _why_nothing(self) -> str:
        seen, told = self._session.steps_seen, " ".join(self._session.warnings)
        if seen:
            why = told or "Its forward passes ran where the watch does not reach (another thread or process)."
            return f"{seen} optimizer steps were seen, but nothing of the model could be recorded. {why}"
        return (
            "No step was recorded yet. Train at least one step (forward, backward, optimizer.step()) in the watch. "
            + told
        ).strip()

    def findings(self) -> Diagnosis:
        """The diagnosis of what is recorded so far. UserError where nothing was."""
        return diagnose(self.run())

    def live(self, every_s: float = 1.0) -> Self:
        """Show this run while it trains: in the output of a notebook's cell, or as one line on a terminal.

        every_s: seconds between two pictures at least; they come more rarely where they would take over 3 % of the
        time. They are made beside the training, which waits only while one is handed over. In a pipe nothing is drawn,
        and that is said. A second call does nothing. Returns this handle. UserError where every_s is no number above 0,
        or after close.
        """
        self._open()
        if not _is_time(every_s):
            raise UserError(f"every_s={every_s!r} is no time. Pass seconds above 0.")
        if self._view is None and at_live is not None:
            self._view = at_live(self, float(every_s))
        return self

    def close(self) -> None:
        """Take the hooks out and close the run file. A second call does nothing."""
        self._stop(None)

    def _stop(self, error: BaseException | None) -> None:
        atexit.unregister(self._at_exit)
        first = not self._session.ended
        run = self._session.stop(*_ending(error))
        if first:
            numbers = random.getstate()  # Rich draws from it
            with contextlib.suppress(Exception):  # a page that cannot be printed must not stop the user's program
                self._tell(run)
            random.setstate(numbers)

    def _tell(self, run: Run | None) -> None:
        """The page of what was recorded, where nothing has shown it yet."""
        shown = self._view.end(run) if self._view is not None else False
        if run is None:
            return
        if not shown and at_end is not None:
            at_end(run)
        _tell_causal(run)

    def _at_exit(self) -> None:
        """Where nobody closed the watch. A forked child leaves it alone: the file is its parent's."""
        if os.getpid() == self._pid:
            self._stop(None if hasattr(sys, "ps1") else getattr(sys, "last_value", None))

    def _open(self) -> None:
        if self._session.ended:
            raise UserError("This watch is closed. Begin a new one with gm.watch(model).")

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stop(error)


def _tell_causal(run: Run) -> None:
    line = causal_line(run)
    if line:
        print(f"gradiometer: {line}", file=sys.stderr)  # noqa: T201


def _ending(error: BaseException | None) -> tuple[State, str]:
    """State and one line of error of a run that ends with ``error``, as ``gradiometer run`` tells them of a script."""
    if error is None:
        return "finished", ""
    if isinstance(error, SystemExit):
        return "finished", f"exit code {error.code}" if error.code else ""
    if isinstance(error, StopTraining):
        return "stopped", ""
    state: State = "interrupted" if isinstance(error, KeyboardInterrupt) else "crashed"
    return state, f"{type(error).__name__}: {error}".removesuffix(": ")


def watch(
    model: nn.Module,
    optimizer: Optimizer | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    every: int | None = None,
    budget: float = 0.01,
    skip: Sequence[str] = (),
    name: str | None = None,
    causal: bool = False,
) -> Watch:
    """Watch a model's training: how its error signal fades or grows on its way back.

    model: any nn.Module with parameters. optimizer: count only this optimizer's steps (default: every optimizer that
    owns a parameter of the model). out: run file (``*.gmr``) or folder (default ./gradiometer-runs).
    every: record every N-th step (default: the first ten, then as the budget allows). budget: share of wall time the
    watch may take, 0 < budget <= 1. skip: module paths that are not measured. name: of the model and the run.
    causal: when the watch ends, train three copies of the first step's state for 20 steps, and weigh a fading error by
    what freezing and rescuing the early layers does to the loss.

    The training is bit-equal with and without the watch. An error inside the watch is told once on stderr and never
    reaches the training. What is skipped counts as not covered. Raises UserError for a wrong argument, a run file that
    is there already, or a second watch at the same time; ModelError for a model without parameters or on ``meta``.
    """
    called = name if name is not None else type(model).__name__.lower()
    _validate_model(model, optimizer)
    _validate_rhythm(every, budget)
    _validate_names(called, skip, model)
    options = Options(out=_target(out), every=every, budget=budget, name=called, skip=tuple(skip), causal=causal)
    session = Session(options)
    try:
        session.registry.add(model, called)
        session.steps.accept = lambda o: o is optimizer if optimizer is not None else owns_part_of(o, model)
        session.attach(discover=False)
    except BaseException:
        session.stop("crashed")  # its writer thread would wait for ever
        raise
    return Watch(session)


def _validate_model(model: nn.Module, optimizer: Optimizer | None) -> None:
    if not isinstance(model, nn.Module):
        raise UserError(f"watch() got a {type(model).__name__} as model. Pass the torch.nn.Module that is trained.")
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise UserError(f"watch() got a {type(optimizer).__name__} as optimizer. Pass a torch.optim.Optimizer.")
    params = list(model.parameters())
    if not params:
        raise ModelError(f"{type(model).__name__} has no parameters, so nothing in it can be trained or measured.")
    if all(p.is_meta for p in params):
        raise ModelError(
            f"{type(model).__name__} is on the meta device and has no numbers. Move it with to_empty(device=...) first."
        )
    if optimizer is not None and not owns_part_of(optimizer, model):
        raise UserError(
            f"The {type(optimizer).__name__} holds no parameter of this {type(model).__name__}: it was built for "
            "another model (or before this one was copied or rebuilt). Build it with model.parameters()."
        )
    if not torch.is_grad_enabled():
        raise UserError("watch() was called under torch.no_grad(). Call it where the training runs.")


def _validate_rhythm(every: object, budget: object) -> None:
    if every is not None and (not isinstance(every, int) or isinstance(every, bool) or every < 1):
        raise UserError(f"every={every!r} is not a rhythm. Pass a whole number, 1 or more, or leave it out.")
    if not isinstance(budget, (int, float)) or not 0 < budget <= 1:
        raise UserError(f"budget={budget!r} is not a share of time. Pass a number above 0, at most 1 (0.01 is 1 %).")


def _is_time(seconds: object) -> bool:
    return isinstance(seconds, (int, float)) and seconds > 0


def _validate_names(name: object, skip: object, model: nn.Module) -> None:
    if not isinstance(name, str) or not name.strip() or "/" in name or os.sep in name:
        raise UserError(f"name={name!r} cannot name a run. Pass a word that may stand in a file name.")
    if isinstance(skip, str):
        raise UserError(f"skip={skip!r} is one string. Pass a list of module paths: skip=[{skip!r}].")
    if not isinstance(skip, Iterable):
        raise UserError(f"skip={skip!r} is no list of module paths.")
    paths = {path for path, _ in model.named_modules()}
    for path in skip:
        if path not in paths:
            near = difflib.get_close_matches(str(path), paths, n=3, cutoff=0.4) or sorted(paths - {""})[:3]
            some = ", ".join(repr(p) for p in near)
            raise UserError(
                f"skip names {path!r}, and {type(model).__name__} has no module of that path. "
                f"{f'Near it: {some}.' if some else 'It has no submodules.'}"
            )


def _target(out: object) -> Path | None:
    if out is None:
        return None
    if not isinstance(out, (str, os.PathLike)):
        raise UserError(f"out={out!r} is no path. Pass the name of a run file (*.gmr) or of a folder.")
    path = Path(out)
    if path.suffix == ".gmr" and path.is_file():
        raise UserError(
            f"out={path} is there already, and a run file is never written twice. Name another, or a folder."
        )
    return path
