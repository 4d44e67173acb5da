"""The watched training from which a trial takes its diagnosis, its length and its cost."""

from __future__ import annotations

import importlib
import math
import time
import warnings
from pathlib import Path
from typing import Any

from torch.optim import Optimizer
from torch.optim import optimizer as optim_module

from ..measurement.models import Registry
from ..measurement.parameters import parameters
from ..records import Outcome, UserError
from ..session.live import Session, start
from ..session.options import Options, StopTraining
from ..session.script import ScriptTarget, run_script
from ..session.watch import Watch
from .metric import told_metric
from .onerun import enter, failure, lost
from .wire import CUT, FIRST_STEP_S, LAST_STEP_S, STEPS, Order, Work, own

_PACKAGE = __name__.partition(".")[0]


class _Clock:
    """Ends the training when its time is up, and knows when the first step was made, and those of each network."""

    def __init__(self, limit_s: float) -> None:
        self.started, self.limit_s = time.monotonic(), limit_s
        self.first_s, self.cut = math.nan, False
        self.registry = Registry()  # of the watch, once it has begun
        self._own: dict[int, list[float]] = {}  # by optimizer: first step, last step, steps
        self._leads: dict[str, int] = {}  # by network: the optimizer that was the first to step on it

    def after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        spent = time.monotonic() - self.started
        if math.isnan(self.first_s):
            self.first_s = spent
        if id(optimizer) not in self._own:
            self._own[id(optimizer)] = [spent, spent, 0]
            for p in parameters(optimizer):
                if (owner := self.registry.owner(p)) is not None:
                    self._leads.setdefault(owner[0].name, id(optimizer))
        self._own[id(optimizer)][1:] = [spent, self._own[id(optimizer)][2] + 1]
        if spent > self.limit_s:
            self.cut = True
            raise StopTraining

    def told(self) -> dict[str, float]:
        """What the outcome tells of it, by the names in ``wire``."""
        found = {CUT: float(self.cut), FIRST_STEP_S: self.first_s}
        for model, optimizer in self._leads.items():
            for name, value in zip((FIRST_STEP_S, LAST_STEP_S, STEPS), self._own[optimizer], strict=True):
                found[own(name, model)] = value
        return found


class _Shared(Watch):
    """The script's own watch, in a process that is watched already: what it logs goes into that one's run, which does
    not end with it."""

    _closed = False

    def _open(self) -> None:
        if self._closed:
            raise UserError("This watch is closed. Begin a new one with gm.watch(model).")

    def _stop(self, error: BaseException | None) -> None:
        self._closed = True


def _share(session: Session) -> None:
    """Let ``gm.watch`` give the watch that is there, for the rest of this process."""

    def watch(*args: Any, **kwargs: Any) -> Watch:
        return _Shared(session)

    for home in ("", ".session", ".session.watch"):
        vars(importlib.import_module(f"{_PACKAGE}{home}"))["watch"] = watch


def watch(work: Work, order: Order, folder: Path) -> Outcome:
    """Run the script under a watch, to its end or for ``order.stop_s`` of wall time; the run file stays.

    The outcome's value is the metric, where the primary outcome is one, else nan; ``steps`` those of the optimizer
    that leads.
    """
    enter(work, order, folder)
    clock = _Clock(order.stop_s)
    optim_module.register_optimizer_step_post_hook(clock.after_step)
    with warnings.catch_warnings():
        session = start(Options(out=Path(order.watch), script=work.script, argv=work.args), say=lambda text: None)
        _share(session)
        clock.registry = session.registry
        ended = run_script(ScriptTarget(work.script, work.args, work.kind))
        session.stop(ended.state, ended.error)
    seconds = time.monotonic() - clock.started
    if ended.state in {"crashed", "interrupted"} or ended.exit_code:
        return lost(order.job, failure(ended, folder), seconds)
    if not session.steps_seen:
        return lost(order.job, "It never steps an optimizer: nothing trains.", seconds)
    value = math.nan
    if work.primary.kind == "metric":
        found, why = told_metric((folder / "stdout").read_text(errors="replace"), work.primary.pattern)
        if found is None:
            return lost(order.job, why, seconds)
        value = found
    elif work.primary.kind == "log":
        logged = session.run.logged.get(work.primary.name) if session.run is not None else None
        if logged is None or not len(logged):
            return lost(order.job, f"It never logged a number called {work.primary.name!r}.", seconds)
        value = float(logged[-1, 1])
    return Outcome(
        key=order.job.key,
        arm=order.job.arm.name,
        seed=order.job.seed,
        lr_factor=1.0,
        stage=order.job.stage,
        value=value,
        steps=session.steps_seen,
        seconds=seconds,
        mechanism=clock.told(),
    )
