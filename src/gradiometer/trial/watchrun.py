"""The watched training from which a trial takes its diagnosis, its length and its cost."""

from __future__ import annotations

import math
import time
import warnings
from pathlib import Path
from typing import Any

from torch.optim import Optimizer
from torch.optim import optimizer as optim_module

from ..records import Outcome
from ..session.live import start
from ..session.options import Options, StopTraining
from ..session.script import ScriptTarget, run_script
from .metric import read_metric
from .onerun import enter, failure, lost
from .wire import CUT, FIRST_STEP_S, Order, Work


class _Clock:
    """Ends the training when its time is up, and knows when its first step was made."""

    def __init__(self, limit_s: float) -> None:
        self.started, self.limit_s = time.monotonic(), limit_s
        self.first_s, self.cut = math.nan, False

    def after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        spent = time.monotonic() - self.started
        if math.isnan(self.first_s):
            self.first_s = spent
        if spent > self.limit_s:
            self.cut = True
            raise StopTraining


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
        ended = run_script(ScriptTarget(work.script, work.args, work.kind))
        session.stop(ended.state, ended.error)
    seconds = time.monotonic() - clock.started
    if ended.state in {"crashed", "interrupted"} or ended.exit_code:
        return lost(order.job, failure(ended, folder), seconds)
    if not session.steps_seen:
        return lost(order.job, "It never steps an optimizer: nothing trains.", seconds)
    value = math.nan
    if work.primary.kind == "metric":
        found = read_metric((folder / "stdout").read_text(errors="replace"), work.primary.pattern)
        if found is None:
            return lost(order.job, f"Nothing that it printed matches {work.primary.pattern!r}.", seconds)
        value = found
    elif work.primary.kind == "log":
        logged = session.run.logged.get(work.primary.name) if session.run is not None else None
        value = float(logged[-1, 1]) if logged is not None and len(logged) else math.nan
    return Outcome(
        key=order.job.key,
        arm=order.job.arm.name,
        seed=order.job.seed,
        lr_factor=1.0,
        stage=order.job.stage,
        value=value,
        steps=session.steps_seen,
        seconds=seconds,
        mechanism={CUT: float(clock.cut), FIRST_STEP_S: clock.first_s},
    )
